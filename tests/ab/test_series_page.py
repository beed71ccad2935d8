"""The page of many tests: every test a line, filtered by status, safe, and whole where nothing is found."""

import html
import re

import numpy as np
import pandas as pd
import pytest
from browser import browse, needs_chromium
from typer.testing import CliRunner

from learn_rank.ab.series import page as pages
from learn_rank.ab.series.page import series_html
from learn_rank.ab.series.plots import best_plot, p_plot
from learn_rank.ab.series.result import run_series
from learn_rank.cli import app

EVIL = "<script>alert(1)</script> $x$ & \"b\" 'c'"


def many(n_tests=40, spread=0.4, seed=0):
    rng, rows = np.random.default_rng(seed), []
    for test in range(n_tests):
        name = EVIL if test == 0 else f"t{test:03d}"
        for arm in range(3):
            shown = 3000 if test != 1 or arm else 9000  # one whose arms were not shown alike
            clicks = rng.binomial(shown, 0.05 * np.exp(spread * rng.normal()))
            rows.append((name, shown, clicks, "early" if test < 20 else EVIL))
    return pd.DataFrame(rows, columns=["test", "impressions", "clicks", "season"])


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    many().to_parquet(folder / "tests.parquet")
    return run_series(folder / "tests.parquet", "test", buckets=("season",), about={"title": EVIL})


@pytest.fixture(scope="module")
def page(result):
    return series_html(result)


def test_every_test_is_a_line_with_the_numbers_of_the_json(page, result):
    lines = re.findall(r"<tr data-metric=.*?</tr>", page, re.DOTALL)
    assert len(lines) == len(result.tests) == 40
    for line, row in zip(lines, result.tests, strict=True):
        assert line.replace("\N{NO-BREAK SPACE}", " ").startswith(f'<tr data-metric="{row["status"]}">')
        for name in ("impressions", "clicks", "best_rate", "relative", "q", "ratio_p"):
            assert f'data-order="{"" if row[name] is None else row[name]}"' in line
        assert html.escape(row["season"][:6], quote=False) in line


def test_the_answer_the_guard_and_the_mode_come_first(page, result):
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).replace("\N{NO-BREAK SPACE}", " ").split())
    places = [
        text.index(part)
        for part in ("Of the 39 that could be judged", "The sample-ratio guard fired in 1 of 40")
    ]
    places += [
        text.index(part) for part in ("Mode O: online experiment.", "Can they be believed?", "Every test")
    ]
    assert places == sorted(places)
    assert 'data-filter="status"' in page and "season: early" in text
    assert {row["status"] for row in result.tests} >= {"winner", "invalid", "arms differ"}


def test_what_is_written_in_a_file_is_text_on_the_page(page):
    assert page.count("<script") == 1 and page.count("&lt;script&gt;alert(1)") > 20
    assert "://" not in page


def test_a_page_on_which_nothing_differs_has_no_plot_of_lifts_and_a_long_one_says_what_it_leaves_out(
    tmp_path, result, monkeypatch
):
    alike = many(5, spread=0.0)
    alike["clicks"] = 150
    alike.to_parquet(tmp_path / "alike.parquet")
    found = run_series(tmp_path / "alike.parquet", "test")
    assert best_plot(found.tests) == "" and p_plot(found.tests) == ""
    assert "At a glance" not in series_html(found)
    monkeypatch.setattr(pages, "MOST_LISTED", 30)
    short = series_html(result)
    assert short.count("<tr data-metric=") == 30 and "10 more tests stand in the JSON file alone" in short


def test_the_plots_show_winners_full_and_how_p_is_spread(result):
    drawn = best_plot(result.tests, "a")
    assert drawn.startswith("<svg") and 'id="a-' in drawn and "CTR of the best arm" in drawn
    assert "if no test differed" in p_plot(result.tests, "b")


def test_the_command_writes_the_page(tmp_path):
    many(4).to_csv(tmp_path / "tests.csv", index=False)
    asked = [
        "--experiment",
        tmp_path / "tests.csv",
        "--experiment-column",
        "test",
        "--html",
        tmp_path / "x.html",
    ]
    done = CliRunner().invoke(app, ["ab", *map(str, asked)])
    assert done.exit_code == 0, done.output
    assert "Which of these tests made a difference?" in (tmp_path / "x.html").read_text(encoding="utf-8")


@needs_chromium
def test_a_browser_says_nothing_of_it_and_filters_by_status(page, tmp_path):
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    dom, said = browse(tmp_path / "page.html")
    assert said == [] and dom.count("<script") == 1
    assert dom.count('aria-label="Show one status"') == 1
