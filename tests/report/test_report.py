"""The report: what it refuses, what it writes, what it says."""

import json
import math
import os
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_fixture import EVIL, delta_row, example_about, example_report
from rich.console import Console

from learn_rank.report import (
    DELTA_KEYS,
    ROW_KEYS,
    Report,
    ReportError,
    print_report,
    read_report,
    write_report,
)
from learn_rank.report.page import notices, page_content, report_html
from learn_rank.report.plots import forest_plot
from learn_rank.report_kit import words
from learn_rank.report_kit.rules import headline_metric, mark, outcome


@pytest.fixture(scope="module")
def report():
    return example_report()


@pytest.fixture(scope="module")
def folder(report, tmp_path_factory):
    place = tmp_path_factory.mktemp("run") / "new" / "folder"
    assert write_report(report, place) == (place / "report.json", place / "report.html")
    return place


@pytest.fixture(scope="module")
def html(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


def row(**changes):
    made = dict.fromkeys(ROW_KEYS)
    made |= {"model": "learn", "task": "CTR", "metric": "UAUC", "bucket_kind": "all", "bucket": "all"}
    made |= {"value": 0.8, "low": 0.7, "high": 0.9, "n_rows": 10, "n_users": 4, "n_skipped_users": 1}
    return made | changes


def printed(report, width=80):
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115 - closed below
    print_report(report, console)
    console.file.close()
    return console.export_text()


# --- what goes in


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"extra": 1}, r"unknown \['extra'\]"),
        ({"value": "0.8"}, r"rows\[0\]\['value'\]: expected a number, NaN or None, got '0.8'"),
        ({"low": None}, r"expected both ends of the interval or neither, got \[None, 0.9\]"),
        ({"low": 0.95}, r"expected low <= high, got \[0.95, 0.9\]"),
        ({"n_rows": -1}, r"\['n_rows'\]: expected a count"),
        ({"n_users": 1.5}, r"\['n_users'\]: expected a count"),
        ({"n_users": None}, r"\['n_users'\]: expected a count"),
        ({"task": ""}, r"\['task'\]: expected a non-empty string"),
        ({"value": {1, 2}}, r"expected strings, numbers, lists and dicts, got set"),
    ],
)
def test_a_row_that_cannot_be_shown_truthfully_is_refused_by_name(wrong, message):
    with pytest.raises(ReportError, match=message):
        Report([row(**wrong)], [], {})


def test_a_missing_key_is_named():
    lacking = row()
    del lacking["n_skipped_users"]
    with pytest.raises(ReportError, match=r"missing \['n_skipped_users'\], unknown \[\]"):
        Report([lacking], [], {})


def test_two_rows_for_one_cell_are_refused_because_only_one_could_be_shown():
    with pytest.raises(ReportError, match=r"rows\[1\].* was given as rows\[0\]"):
        Report([row(), row(value=0.75)], [], {})


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"coverage": [{"store": "user"}]}, r"about\['coverage'\]\[0\]: expected a dict with \['store', "),
        ({"recall": {"learn": 0.1}}, r"about\['recall'\]: expected a list or nothing, got dict"),
        ({"protocol": ["by time"]}, r"about\['protocol'\]: expected a dict or nothing, got list"),
        ({"training": [1]}, r"about\['training'\]\[0\]: expected a dict"),
    ],
)
def test_an_about_that_the_page_cannot_show_is_refused_by_name(about, message):
    with pytest.raises(ReportError, match=message):
        Report([], [], about)


def test_the_callers_rows_are_left_as_they_were():
    given_row, about = row(value=math.nan, low=math.nan, high=math.nan), {"seeds": (1, 2)}
    Report([given_row], [], about)
    assert math.isnan(given_row["value"])
    assert about == {"seeds": (1, 2)}


def test_numpy_numbers_and_nan_become_plain_numbers_and_none():
    made = Report(
        [row(value=np.float32(0.5), low=np.nan, high=np.nan, n_rows=np.int64(3))],
        [],
        {"seeds": np.arange(2), "share": np.float64("nan")},
    )
    assert made.rows[0]["value"] == 0.5 and type(made.rows[0]["value"]) is float
    assert made.rows[0]["low"] is None and type(made.rows[0]["n_rows"]) is int
    assert made.about == {"seeds": [0, 1], "share": None}


# --- what comes out


def test_report_json_holds_exactly_the_promised_keys_and_null_where_undefined(folder):
    content = json.loads(
        (folder / "report.json").read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON")
    )
    assert list(content) == ["rows", "deltas", "about", "verdict"]
    assert list(content["verdict"]) == ["answer", "headline", "control", "ship"]
    assert [head["head"] for head in content["verdict"]["ship"]["heads"]] == ["clicks", "conversions"]
    assert all(tuple(item) == ROW_KEYS for item in content["rows"])
    assert all(tuple(item) == DELTA_KEYS for item in content["deltas"])
    empty = [item for item in content["rows"] if item["n_rows"] == 0]
    assert empty and all(item["value"] is None and item["low"] is None for item in empty)


def test_a_report_read_back_is_the_report_and_makes_the_same_page(report, folder, html):
    assert read_report(folder) == report
    assert read_report(folder / "report.json") == report
    assert report_html(read_report(folder)) == html


def test_nothing_but_the_two_files_is_left_in_the_folder(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json"]


def test_a_file_that_is_no_report_is_refused_with_its_name(tmp_path):
    (tmp_path / "report.json").write_text('{"rows": []}')
    with pytest.raises(
        ReportError, match=r"report.json: expected the keys rows, deltas and about, got \['rows'\]"
    ):
        read_report(tmp_path)


def test_a_page_that_cannot_be_made_leaves_the_old_report_whole(tmp_path, monkeypatch):
    write_report(Report([row()], [], {}), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr("learn_rank.report.page.page_content", lambda report: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(Report([row(value=0.75)], [], {}), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


# --- the page


class Page(HTMLParser):
    """Collects elements, attributes and visible text, as a browser without scripts would."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.extend((tag, name, value or "") for name, value in attrs)

    def handle_data(self, data):
        self.text.append(data)


def test_markup_in_a_title_stays_text(report):
    about = {"title": EVIL, "machine": EVIL, "command": EVIL, "warnings": [EVIL], "protocol": {EVIL: EVIL}}
    about |= {
        "examples": [{"title": EVIL, EVIL: EVIL}],
        "recall": [{"model": EVIL, "metric": EVIL, "value": 1.0}],
    }
    about |= {
        "versions": {EVIL: EVIL},
        "training": [{"model": EVIL, "seed": 1, "epoch": 1, "valid_auc": 0.5}],
    }
    about |= {
        "coverage": [{"store": EVIL, "bucket_kind": EVIL, "bucket": EVIL, "share_with_vector": 0.5, "n": 1}]
    }
    deltas = [delta_row(0.1, 0.05, 0.2), delta_row(0.1, 0.05, 0.2, model=EVIL, kind=EVIL, bucket=EVIL)]
    deltas += [delta_row(0.1, 0.05, 0.2, model="$x$ <b>&")]
    made = Report(
        [row(), row(model=EVIL, bucket=EVIL, bucket_kind=EVIL, metric=EVIL, task=EVIL)], deltas, about
    )
    html = report_html(made)
    page = Page(html)
    assert page.tags.count("script") == 1  # the page's own
    assert "<script>alert" not in html
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "".join(page.text).count("alert(1)") > 10
    svg = forest_plot(made.deltas, "CTR", "UAUC", "p")
    assert ">$x$ &lt;b&gt;&amp;</text>" in svg and "&lt;script&gt;" in svg  # and a dollar is no formula


def test_the_page_asks_for_nothing_from_anywhere(html):
    page = Page(html)
    asking = {"src", "href", "action", "data", "poster", "srcset", "xlink:href"}
    targets = {value for _, name, value in page.attributes if name in asking}
    assert all(target.startswith("#") or target == "data:," for target in targets)
    assert "@import" not in html and "http://" not in html and "https://" not in html
    urls = [part.split(")")[0] for part in html.split("url(")[1:]]
    assert urls and all(url.startswith("#") for url in urls)


def test_every_id_is_unique_and_every_reference_has_its_target(html):
    page = Page(html)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    references = {value[1:] for _, name, value in page.attributes if name == "href" and value[0] == "#"}
    references |= {part.split(")")[0][1:] for part in html.split("url(")[1:]}
    references |= {value for _, name, value in page.attributes if name == "aria-labelledby"}
    assert references <= set(ids)


def test_the_security_policy_allows_exactly_the_pages_own_script(html):
    import base64
    import hashlib

    script = html.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html
    assert "default-src 'none'" in html


def test_an_undefined_value_is_a_dash_with_its_reason_and_never_zero(html, report):
    assert "empty, 0 rows" in html
    assert "no user with both classes in 523 rows" in html
    undefined = [item for item in report.rows if item["value"] is None]
    assert len(undefined) == 12
    assert "0.0000" not in html
    assert ">nan<" not in html.lower() and ">None<" not in html


def test_every_value_and_difference_of_the_report_stands_on_the_page(html, report):
    for item in report.rows:
        assert words.value_words(item["value"]) in html
    for item in report.deltas:
        if (item["model"], item["baseline"], item["metric"]) == ("learn", "baseline", "UAUC"):
            assert words.points_words(item["delta"]) in html


def test_the_page_shows_where_its_numbers_come_from(html):
    about = example_about()
    for text in (
        about["command"],
        about["commit"],
        "2.13.0",
        "1, 2, 3, 4, 5",
        "1 h 2 min",
        *about["warnings"],
    ):
        assert text in html
    for text in about["protocol"].values():
        assert str(text) in html


def test_an_empty_report_is_a_page_that_says_so():
    html = report_html(Report([], [], {}))
    assert "Not known: LEARN could not be compared with the baseline." in html
    assert "For whom?" not in html


def test_models_judged_on_unlike_rows_and_a_single_seed_are_pointed_out():
    unlike = Report([row(), row(model="baseline", n_rows=11)], [], {"seeds": [1]})
    assert [text.split(":")[0] for text in notices(unlike)] == [
        "The models were not judged on the same rows",
        "One seed only",
    ]
    same = [row(), row(model="baseline")]
    assert [text[:14] for text in notices(Report(same, [], {"seeds": [1, 2]}))] == ["Two seeds only"]
    assert notices(Report(same, [], {"seeds": [1, 2, 3]})) == []


def test_the_cards_follow_the_order_of_the_funnel_and_name_the_deciding_metric(report, monkeypatch):
    backwards = Report(report.rows[::-1], report.deltas[::-1], {})
    monkeypatch.setattr("learn_rank.report.page.task_plots", lambda deltas, task: task)  # they take long
    content = page_content(backwards)
    assert [card["task"] for card in content["cards"]] == content["plots"] == ["CTR", "CVR", "CTCVR"]
    assert {card["metric"] for card in content["cards"]} == {"UAUC"}
    assert [line["name"] for line in content["matrix"]] == [
        "all rows",
        "cold-start users",
        "long-tail users",
        "other users",
        "cold-start items",
        "long-tail items",
        "other items",
    ]


def test_the_style_and_the_script_need_no_network_and_no_eval(html):
    assert "eval(" not in html and "innerHTML" not in html and "fetch(" not in html
    assert "prefers-color-scheme: dark" in html and "@media print" in html


# --- the plots


def test_a_plot_shows_each_model_in_each_bucket_once(report):
    svg = forest_plot(report.deltas, "CTR", "UAUC", "p")
    assert svg.startswith("<svg") and svg.endswith("</svg>")
    for text in ("cold-start users", "48,210 rows", "LEARN", "Raw text", "Shuffled"):
        assert svg.count(f">{text}<") == 1
    assert "difference from the baseline, points of UAUC" in svg
    assert forest_plot(report.deltas, "CTR", "UAUC", "p") == svg  # the same rows, the same bytes
    assert "not defined" not in svg
    assert "not defined" in forest_plot(report.deltas, "CVR", "UAUC", "p")
    assert forest_plot(report.deltas, "XTR", "UAUC", "p") == ""


def test_plain_rates_stand_in_the_tables_but_do_not_squeeze_the_plot(report):
    deltas = [delta_row(0.01, 0.005, 0.02), delta_row(-0.2, -0.21, -0.19, model="rates")]
    assert "Plain rates" not in forest_plot(deltas, "CTR", "UAUC", "p")
    made = Report([row(), row(model="rates", value=0.75)], deltas, {})
    html, text = report_html(made), printed(made)
    assert "Plain rates" in html and "A baseline below it is too weak" in html
    assert text.count("Plain rates") == 1 and "−20.00 ▼" in text


# --- the terminal


def test_the_terminal_shows_values_intervals_differences_and_marks(report):
    text = printed(report)
    learn = next(
        item
        for item in report.deltas
        if (item["model"], item["task"], item["metric"], item["bucket"]) == ("learn", "CTR", "UAUC", "all")
    )
    assert f"{words.points_words(learn['delta'])} ▲" in text
    assert words.interval_words(learn["low"], learn["high"], words.points_words) in text
    assert "long-tail items" in text and "48,210" in text and "2,034" in text
    assert "Yes, for clicks (CTR) and conversions per impression (CTCVR)." in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_the_terminal_takes_no_markup_from_names():
    made = Report(
        [row(model="[red]x[/red]")], [delta_row(0.1, 0.05, 0.2)], {"warnings": ["[bold]w[/nothing]"]}
    )
    text = printed(made, width=120)
    assert "[red]x[/red]" in text and "[bold]w[/nothing]" in text


def test_the_terminal_explains_a_dash(report):
    assert "no user with both" in printed(report, width=120)


# --- the rules


@pytest.mark.parametrize(
    ("low", "high", "p_adjusted", "expected"),
    [
        (0.001, 0.02, None, "better"),
        (0.001, 0.02, 0.049, "better"),
        (0.001, 0.02, 0.05, "hint-better"),  # the bound itself is no longer significant
        (-0.02, -0.001, 0.001, "worse"),
        (-0.02, -0.001, 0.3, "hint-worse"),
        (0.0, 0.02, 0.001, "none"),  # an interval that ends at 0 contains 0
        (-0.02, 0.0, 0.001, "none"),
        (None, None, None, "missing"),
    ],
)
def test_a_mark_needs_the_interval_and_the_correction(low, high, p_adjusted, expected):
    delta = delta_row(None if low is None else (low + high) / 2, low, high, p_adjusted=p_adjusted)
    assert mark(delta) == expected
    assert outcome(delta) == expected.removeprefix("hint-")


def test_the_deciding_metric_is_uauc_and_auc_where_uauc_is_undefined():
    auc = delta_row(0.01, 0.005, 0.02, metric="AUC")
    assert headline_metric([auc, delta_row(0.01, 0.005, 0.02)], "CTR") == "UAUC"
    assert headline_metric([auc, delta_row(None, None, None)], "CTR") == "AUC"
    assert headline_metric([delta_row(None, None, None)], "CTR") == "UAUC"


# --- the words


def test_buckets_are_named_as_people_name_them():
    assert words.bucket_words("all", "all") == "all rows"
    assert words.bucket_words("item", "long-tail") == "long-tail items"
    assert words.bucket_words("price band", "low") == "price band: low"


def test_points_are_hundredths_with_a_sign_and_no_negative_zero():
    assert words.points_words(0.0283) == "+2.83"
    assert words.points_words(-0.0283) == "−2.83"
    assert words.points_words(-0.00001) == "0.00"
    assert words.points_words(None) == "–"
    assert words.interval_words(-0.01, 0.02, words.points_words) == "[−1.00, +2.00]"
    assert words.interval_words(None, None) == ""


@given(st.floats(-1, 1))
def test_points_read_back_are_the_difference_to_half_a_hundredth(delta):
    read = float(words.points_words(delta).replace("−", "-")) / 100
    assert abs(read - delta) <= 0.5e-4 + 1e-12


@given(st.lists(st.sampled_from("abcde")), st.lists(st.sampled_from("abc")))
def test_ordering_keeps_each_value_once_and_known_ones_first(values, known):
    result = words.ordered(values, known)
    assert sorted(result) == sorted(set(values))
    places = [known.index(value) if value in known else len(known) for value in result]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.25, "3.2 s"), (75, "1 min 15 s"), (3725, "1 h 2 min"), (None, "–")]
)
def test_durations_are_said_as_people_say_them(seconds, text):
    assert words.duration_words(seconds) == text


def test_intervals_do_not_break_across_lines_on_the_page():
    assert words.unbroken("a b +2.08 [+1.73, +2.43] c") == "a b +2.08\xa0[+1.73,\xa0+2.43] c"


def test_the_example_of_the_documentation_runs(tmp_path, monkeypatch, capsys):
    text = Path(__file__).parents[2].joinpath("docs/report.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(text.split("```python\n")[1].split("```")[0], {})
    assert "But the control with shuffled vectors is missing." in capsys.readouterr().out
    assert sorted(path.name for path in Path("out").iterdir()) == ["report.html", "report.json"]


def test_the_documentation_shows_the_marks_that_the_report_uses():
    text = Path(__file__).parents[2].joinpath("docs/report.md").read_text(encoding="utf-8")
    assert all(words.MARKS[key] in text for key in words.MARK_WORDS if key != "missing")
