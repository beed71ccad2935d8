"""The report as Markdown: what stands in its cells, and the command that prints it."""

import pytest
import typer
from report_fixture import delta_row, example_report
from typer.testing import CliRunner

from benchmarks import readme_table
from learn_rank.cli import app
from learn_rank.report import Report, write_report
from learn_rank.report.markdown import report_markdown
from learn_rank.report_kit.rules import find

pytestmark = pytest.mark.usefixtures("without_plots")


@pytest.fixture(scope="module")
def report():
    return example_report()


def tables(text):
    """The lines of each table as lists of cells."""
    blocks = [block for block in text.strip().split("\n\n") if block.startswith("|")]
    return [[[cell.strip() for cell in line.strip("|").split("|")] for line in b.split("\n")] for b in blocks]


def test_the_first_table_has_every_task_and_metric_and_the_second_every_bucket(report):
    whole, by_bucket = tables(report_markdown(report))
    assert whole[0] == ["all test rows", "baseline", "learn", "raw_text", "shuffled"]
    assert [line[0] for line in whole[2:]] == [
        f"{task} {metric}" for task in ("CTR", "CVR", "CTCVR") for metric in ("AUC", "UAUC", "WUAUC")
    ]
    assert by_bucket[0] == ["CTR UAUC", "test rows", "baseline", "learn", "raw_text", "shuffled"]
    assert [line[0] for line in by_bucket[2:]] == [
        f"{bucket} {kind}s" for kind in ("user", "item") for bucket in ("cold-start", "long-tail", "other")
    ]
    assert all(len(line) == len(table[0]) for table in (whole, by_bucket) for line in table)


def test_a_cell_shows_the_value_or_the_difference_in_points_with_its_interval(report):
    by_bucket = tables(report_markdown(report))[1]
    place = {"task": "CTR", "metric": "UAUC", "bucket_kind": "item", "bucket": "cold-start"}
    value = find(report.rows, model="baseline", **place)
    delta = find(report.deltas, model="learn", baseline="baseline", **place)
    line = next(line for line in by_bucket if line[0] == "cold-start items")
    assert line[1:3] == ["4,711", f"{value['value']:.4f}"]
    points = [f"{100 * delta[name]:+.2f}" for name in ("delta", "low", "high")]
    assert line[3] == f"{points[0]} [{points[1]}, {points[2]}]"


def test_what_the_hosts_own_history_brings_is_said_where_it_was_asked(report):
    assert "history" not in report_markdown(report)
    own = {"model": "baseline", "baseline": "no_history"}
    deltas = [
        delta_row(0.02, 0.01, 0.03, metric="UAUC", **own),
        delta_row(-0.01, None, None, metric="AUC", **own),
    ]
    text = report_markdown(Report(report.rows, [*report.deltas, *deltas], report.about))
    assert "The baseline's own history of ids brings CTR UAUC +2.00 [+1.00, +3.00], CTR AUC -1.00." in text
    assert tables(text) == tables(report_markdown(report))


def test_what_is_undefined_is_a_dash_and_a_models_name_cannot_break_the_table():
    row = {"model": "baseline", "task": "CTR", "metric": "AUC", "bucket_kind": "all", "bucket": "all"}
    row |= {"value": None, "low": None, "high": None, "n_rows": 0, "n_users": 0, "n_skipped_users": 0}
    deltas = [
        delta_row(None, None, None, metric="AUC", model="a|b"),
        delta_row(0.01, None, None, metric="AUC"),
        delta_row(0.11, -0.5, 0.5, metric="AUC", model="raw_text"),
    ]
    text = report_markdown(Report([row], deltas, {}))
    assert "| all test rows | baseline | learn | raw_text | a\\|b |" in text
    assert "| CTR AUC | – | +1.00 | +11.00 [-50.00, +50.00] says nothing | – |" in text


def test_the_command_prints_the_report_that_is_there_and_so_does_the_old_one(report, tmp_path):
    write_report(report, tmp_path)
    before = (tmp_path / "report.json").read_bytes()
    done = CliRunner().invoke(app, ["report", str(tmp_path), "--markdown"])
    assert done.exit_code == 0, done.output
    assert done.output == report_markdown(report)
    assert done.output.startswith("steam, 5 seeds, commit 7c27354, 2 cores")
    assert (tmp_path / "report.json").read_bytes() == before
    old = typer.Typer()
    old.command()(readme_table.main)
    assert CliRunner().invoke(old, [str(tmp_path)]).output == done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "report.json: expected the report of a run"),
        (["--arms", "learn"], "--markdown: expected no --arms"),
        (["--seeds", "2"], "--markdown: expected no --arms"),
    ],
)
def test_what_cannot_be_printed_is_told_in_words(arguments, words, tmp_path):
    done = CliRunner().invoke(app, ["report", str(tmp_path), "--markdown", *arguments])
    assert done.exit_code == 2
    assert words in done.output
