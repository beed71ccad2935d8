"""The page of a real experiment: what stands on it, and that it is safe and fits."""

import html
import re

import pytest
from browser import browse, needs_chromium

from benchmarks.ab.experiment_worlds import Returning
from learn_rank.ab import words
from learn_rank.ab.experiment.declaration import Declaration
from learn_rank.ab.experiment.report.page import experiment_html
from learn_rank.ab.experiment.run import run_experiment

EVIL = "<script>alert(1)</script> $x$ & \"b\" 'c'"


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    world = Returning(
        700, n_days=8, arrival_days=2, lift=0.6, arms=("control", EVIL, "b"), n_pre_days=4
    ).draw(0)
    world.loc[world["habit"] == "rare", "habit"] = EVIL
    world[world["day"] >= 0].to_parquet(folder / "o.parquet")
    world[world["day"] < 0].to_parquet(folder / "p.parquet")
    declared = Declaration(primary="CTR", buckets=("habit",), standard=("CTR", "revenue"))
    return run_experiment(
        folder / "o.parquet", declared, pre_period=folder / "p.parquet", about={"title": EVIL}
    )


@pytest.fixture(scope="module")
def page(result):
    return experiment_html(result)


def test_the_page_begins_with_each_verdict_and_the_mode_and_no_other(page, result):
    text = html.unescape(re.sub(r"<[^>]+>", " ", page))
    for arm, verdict in result.verdicts.items():
        assert verdict.words[0][:30] in text.replace("\N{NO-BREAK SPACE}", " "), arm
    assert page.count('aria-current="true"') == 1
    assert re.search(r'class="own" aria-current="true"><b>O</b> online experiment', page)
    assert words.NOT_ONLINE not in text


def test_every_value_of_the_json_stands_on_the_page_as_it_is(page, result):
    for row in result.rows:
        for name in ("control", "treatment", "relative", "p_adjusted", "power", "mde"):
            assert f'data-order="{"" if row[name] is None else row[name]}"' in page
    assert page.count("holds at every look") >= 4  # of each card, and of the daily curves
    for guard in result.guards:
        assert html.escape(guard.name, quote=False).replace("$x$ &amp;", "$x$ &amp;")[:20] in page


def test_what_is_written_in_a_file_is_text_on_the_page(page):
    assert page.count("<script") == 1 and "alert(1)</script>" not in page
    assert "&lt;script&gt;alert(1)" in page


@needs_chromium
@pytest.mark.long
def test_a_browser_says_nothing_of_it(page, tmp_path):
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    dom, said = browse(tmp_path / "page.html")
    assert said == [] and dom.count("<script") == 1
