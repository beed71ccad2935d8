"""What a reader is shown once, the dots of the seeds, and the items that moved most."""

import json
import os
import re
from itertools import chain

import pytest
from planted_predictions import copied, planted, report_of
from report_fixture import EVIL, delta_row, example_report
from rich.console import Console

from learn_rank.evaluation.twins import twins
from learn_rank.report import Report, ReportError, print_report, report_html, verdict_of, write_report
from learn_rank.report.markdown import report_markdown
from learn_rank.report.once import equal_words, shown_once
from learn_rank.report.page import page_content
from learn_rank.report.plots import forest_plot

pytestmark = pytest.mark.usefixtures("without_plots")


@pytest.fixture(scope="module")
def report():
    """All users are of one bucket, no item is `other`; auto is LEARN in clicks, else the baseline."""
    arms = {"baseline": ((1, 0.3), 0.3), "learn": ((1, 0.6), 0.1), "shuffled": ((1, 0.3), 0.3)}
    tables = planted(arms, seed_noise=0.01, n_users=150)
    tables["auto"] = copied(tables, "learn")
    for table in chain(*tables.values()):
        table["user_bucket"] = "other"
        table["item_bucket"] = table["item_bucket"].replace("other", "long-tail")
    for one, base in zip(tables["auto"], tables["baseline"], strict=True):
        one[["pcvr", "pctcvr"]] = base[["pcvr", "pctcvr"]]
    arms_alike, buckets_alike = twins(tables, "baseline", ["CTR", "CVR", "CTCVR"])
    made = report_of(tables)
    about = made.about | {"equal_arms": arms_alike, "equal_buckets": buckets_alike}
    return Report(made.rows, made.deltas, about)


@pytest.fixture(scope="module")
def html(report):
    return report_html(report)


def printed(report):
    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115 - closed below
    print_report(report, console)
    console.file.close()
    return console.export_text()


SAID = [
    "Auto = LEARN in CTR: the same scores in every seed, to the bit, shown once.",
    "Auto = Baseline in CVR and CTCVR: the same scores in every seed, to the bit, shown once.",
    "Other users are all rows, shown once.",
    "Cold-start users, long-tail users and other items have no rows.",
]


def test_what_is_not_shown_again_is_said_once(report, html):
    assert equal_words(report) == SAID
    text = printed(report)
    for sentence in SAID:
        assert html.count(sentence) == text.count(sentence) == 1


def test_no_table_has_the_column_of_an_equal_arm_or_the_line_of_an_equal_or_empty_bucket(report, html):
    content = page_content(report)
    assert [table["models"] for table in content["tables"]] == [["baseline", "learn", "shuffled"]] * 3
    names = ["all rows", "cold-start items", "long-tail items"]
    assert [line["name"] for line in content["matrix"]] == names
    for table in content["tables"]:
        assert list(dict.fromkeys(line["bucket"] for line in table["lines"])) == names
    assert "<th" in html and ">Auto<" not in html and ">other users<" not in html.lower()
    assert "other users" not in printed(report).replace(SAID[2].lower(), "")
    bucket_table = report_markdown(report).split("\n\n")[-1]
    assert "items" in bucket_table and "users" not in bucket_table


def test_report_json_holds_what_is_not_shown(report, tmp_path):
    path, _ = write_report(report, tmp_path)
    content = json.loads(path.read_text())
    assert len(content["rows"]) == len(report.rows) == 4 * 3 * 3 * 7
    assert len(shown_once(report).rows) == 3 * 3 * 3 * 3
    assert content["about"]["equal_arms"][0] == {"task": "CTR", "model": "auto", "same_as": "learn"}


def test_the_verdict_names_no_bucket_that_is_all_rows_and_still_knows_what_auto_serves(report):
    verdict = verdict_of(report.deltas, report.about)
    assert "Who gains: in CTR " in " ".join(verdict.sentences)
    assert "other users" not in " ".join(verdict.sentences)
    unaware = verdict_of(report.deltas, {"seeds": [0, 1, 2]})
    assert [verdict.tasks[0].n_buckets, unaware.tasks[0].n_buckets] == [2, 3]
    assert verdict.shipping.line == "Ship auto: LEARN for clicks, your ranker for conversions."


def test_a_bucket_that_is_all_rows_in_one_task_alone_says_so_in_its_cell():
    deltas = [
        delta_row(0.01, 0.0, 0.02, task=task, kind=kind, bucket=bucket)
        for task in ("CTR", "CVR")
        for kind, bucket in (("all", "all"), ("user", "other"))
    ]
    equal = {"bucket_kind": "user", "bucket": "other", "same_kind": "all", "same_bucket": "all"}
    made = Report([], deltas, {"equal_buckets": [{"task": "CVR", **equal}]})
    cells = page_content(made)["matrix"][1]["cells"]
    assert cells[0]["row"] is not None
    assert (cells[1]["row"], cells[1]["why"]) == (None, "as all rows")
    assert "as all rows" in report_html(made)


def test_a_task_without_any_row_is_not_left_out():
    row = {"model": "learn", "task": "CVR", "metric": "AUC", "value": None, "low": None, "high": None}
    counts = {"n_rows": 0, "n_users": 0, "n_skipped_users": 0}
    made = Report([{**row, **counts, "bucket_kind": "all", "bucket": "all"}], [], {})
    assert shown_once(made).rows == made.rows and equal_words(made) == []


# --- the seeds


def test_each_seed_is_a_dot_of_its_own_beside_the_interval(report, html):
    def n_markers(deltas):
        return len(re.findall(r"<use ", forest_plot(deltas, "CTR", "UAUC", "p")))

    own = [row for row in shown_once(report).deltas if (row["task"], row["metric"]) == ("CTR", "UAUC")]
    drawn = [row for row in own if row["baseline"] == "baseline"]
    bare = [{key: value for key, value in row.items() if key != "seed_deltas"} for row in own]
    assert len(drawn) == 2 * 3
    assert n_markers(own) == n_markers(bare) + 3 * len(drawn)
    assert html.count("The small dots under an interval are the training seeds, each by itself.") == 1
    assert "small dots" not in report_html(Report([], bare, {}))


@pytest.mark.parametrize("wrong", [0.1, ["0.1"], [None], [True]])
def test_differences_of_seeds_that_are_no_numbers_are_refused(wrong):
    with pytest.raises(ReportError, match=r"deltas\[0\]\['seed_deltas'\]: expected a list of numbers"):
        Report([], [delta_row(0.1, 0.0, 0.2) | {"seed_deltas": wrong}], {})


# --- the items that moved


def test_the_items_that_moved_most_stand_with_what_the_encoder_read():
    html = report_html(example_report())
    section = html[html.index('id="moved"') : html.index('id="values"')]
    assert "(as if 20 rows without a change were added)" in section
    gained, lost = section.index("Gained most"), section.index("Lost most")
    read = section.index("Item title is &#34;Envy versatile five-petal flower earrings&#34;.")
    assert gained < read < lost < section.index("item B2")
    for text in ("+8.71", "+4.12", "−3.33", "210", "20.0 %", "18.0 %", "21.0 %"):
        assert text in section
    assert EVIL not in html and "&lt;script&gt;" in section


def test_a_report_without_such_items_has_no_such_section(html):
    assert 'id="moved"' not in html
