"""The page of benchmarks/uauc.py: what it says, that it needs nothing else, whose numbers it shows."""

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from judged_files import frame, judged
from rich.console import Console
from typer.testing import CliRunner

from benchmarks.uauc import app
from learn_rank.evaluation.compare import adjust, compare_models
from learn_rank.metrics.auc import ECE, UAUC, WUAUC
from learn_rank.metrics.grouped_auc import per_user_auc
from learn_rank.metrics.labelled_rows import LabelledRows
from learn_rank.report_kit import rules, words
from learn_rank.uauc import terminal
from learn_rank.uauc.count_buckets import CountBucket
from learn_rank.uauc.page import page_html
from learn_rank.uauc.plots import MAX_BUCKETS, largest
from learn_rank.uauc.provenance import provenance
from learn_rank.uauc.reliability import reliability
from learn_rank.uauc.users import count_users, differences, distribution
from learn_rank.uauc.verdict import headline
from learn_rank.uncertainty.scored_rows import ScoredRows

VOID = {"meta", "link", "br", "img", "input", "hr", "use", "path", "line", "circle", "rect"}


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    baseline = folder / "old <b>.parquet"
    return judged(folder, "--baseline", baseline, "--bucket", "kind", "--count-bucket", "item_count:0:5")


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    return judged(tmp_path_factory.mktemp("single"), "--bucket", "kind")


class Reader(HTMLParser):
    """Collects tags with their attributes, orders of cells, and text; complains about unbalanced tags."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.orders, self.counted, self.ids = [], [], [], {}, []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        self.ids += [found["id"]] if "id" in found else []
        if tag == "td" and found.get("data-order"):
            self.orders.append(float(found["data-order"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


# --- the page


def test_the_page_requests_nothing_and_its_policy_forbids_it(compared):
    _, page = compared
    for tag, attributes in Reader(page).tags:
        assert tag not in ("img", "iframe", "object", "base", "form"), tag
        for name in ("src", "href", "xlink:href", "action", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:,")), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"https?://|@import|url\((?!#)", page)
    assert "default-src 'none'" in page


def test_names_are_text_and_never_markup(compared):
    _, page = compared
    assert page.count("<script") == 1
    assert "<b>.parquet" not in page and "old &lt;b&gt;.parquet" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; $x$ &amp;" in page


def test_every_id_is_unique_and_every_label_has_its_element(compared):
    reader = Reader(compared[1])
    assert len(reader.ids) == len(set(reader.ids))
    labelled = [a["aria-labelledby"] for _, a in reader.tags if "aria-labelledby" in a]
    assert labelled and set(labelled) <= set(reader.ids)


def test_every_number_of_the_json_stands_in_a_table_with_all_its_digits(compared):
    found, page = compared
    orders = set(Reader(page).orders)
    expected = [row["value"] for row in found["rows"]]
    expected += [row[key] for row in found["deltas"] for key in ("delta", "p", "p_adjusted")]
    expected += [row[key] for row in found["rows"] for key in ("n_rows", "n_users", "n_skipped_users")]
    missing = [number for number in expected if number is not None and number not in orders]
    assert missing == []
    for row in found["rows"]:
        assert words.value_words(row["value"]) in page
        assert words.interval_words(row["low"], row["high"]) in page
    for row in found["deltas"]:
        assert words.points_words(row["delta"]) in page
        assert words.interval_words(row["low"], row["high"], words.points_words) in page


def test_a_number_that_is_changed_in_the_judgement_changes_on_the_page(compared):
    found, _ = compared
    changed = json.loads(json.dumps(found))
    changed["rows"][0]["value"] = 0.123456
    assert 0.123456 in Reader(page_html(changed)).orders


def test_a_comparison_has_plots_of_values_differences_users_and_calibration(compared):
    _, page = compared
    assert page.count("<svg") == 3 + 3 + 4 + 1
    for text in ("Every difference", "Every value", "Single users", "Are the probabilities right?"):
        assert text in page


def test_one_file_has_its_value_on_top_and_no_word_of_a_comparison(single):
    found, page = single
    assert page.count("<svg") == 3 + 2 + 1
    uauc = next(row for row in found["rows"] if row["metric"] == "UAUC")
    share = f"{100 * uauc['value']:.1f}\N{NO-BREAK SPACE}%"
    assert f"{share} of the pairs are in the right order" in page
    for text in ("Every difference", "baseline", "Baseline"):
        assert text not in page


def test_where_the_numbers_come_from_stands_at_the_end(compared):
    found, page = compared
    about = found["about"]
    assert [len(file["sha256"]) for file in about["files"]] == [64, 64]
    for text in (about["files"][0]["sha256"], about["versions"]["numpy"], about["started"], "ClosedForm"):
        assert text in page
    assert "all comparisons of this run, adjusted by Holm" in page
    assert "item_count: cold-start 0, long-tail 1 to 5, other above 5" in page
    assert about["options"]["count_bucket"] == ["item_count:0:5"]
    assert "peers" not in about["options"]


def test_without_a_scored_user_the_page_says_so_instead_of_plotting(tmp_path):
    pd.DataFrame({"user_id": [1, 1, 2], "click": [1, 1, 0], "pctr": [0.9, 0.1, 0.1]}).to_parquet(
        tmp_path / "f.parquet"
    )
    arguments = [str(tmp_path / "f.parquet"), "--html", str(tmp_path / "f.html")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    page = (tmp_path / "f.html").read_text(encoding="utf-8")
    assert "UAUC is not defined: no user has rows with and without click." in page
    assert "None of the 2 users can be scored by UAUC." in page
    assert "no user with both classes in 3 rows" in page
    assert page.count("<svg") == 1  # an AUC without an interval is a number in the table, not an empty plot
    assert not re.search(r">[^<]*\bnan\b", re.sub(r"<(script|style)>.*?</\1>", "", page, flags=re.DOTALL))


def test_a_plot_shows_the_largest_buckets_and_the_page_says_how_many_it_hides(tmp_path):
    many = frame().assign(kind=lambda table: table.user_id % 30)
    many.to_parquet(tmp_path / "f.parquet")
    arguments = [str(tmp_path / "f.parquet"), "--bucket", "kind", "--html", str(tmp_path / "f.html")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert f"{31 - MAX_BUCKETS} more stand in the table only" in (tmp_path / "f.html").read_text()
    rows = [{"bucket_kind": "k", "bucket": str(at), "n_rows": at} for at in range(40)]
    assert [row["n_rows"] for row in largest(rows)] == list(range(40 - MAX_BUCKETS, 40))


# --- the verdict


def delta(metric, value, p_adjusted, bucket="all"):
    kind = "all" if bucket == "all" else "user"
    row = {"metric": metric, "task": "click", "bucket_kind": kind, "bucket": bucket, "delta": value}
    return {**row, "low": value - 0.01, "high": value + 0.01, "p": p_adjusted, "p_adjusted": p_adjusted}


@pytest.mark.parametrize(
    ("values", "answer", "sentence"),
    [
        ((0.02, 0.02, 0.02), "yes", "Yes: over all rows the candidate ranks better in AUC, UAUC and WUAUC."),
        (
            (0.02, 0.0, 0.0),
            "partly",
            "Partly: over all rows the candidate ranks better in AUC, with no clear",
        ),
        ((-0.02, 0.0, 0.0), "worse", "No: over all rows the candidate ranks worse in AUC, with no clear"),
        ((-0.02, 0.02, 0.0), "mixed", "Mixed: over all rows the candidate gains in UAUC and loses in AUC."),
        ((0.001, 0.0, 0.0), "none", "No clear difference over all rows"),
        ((0.0, 0.0, 0.0), "none", "The two files rank alike: every difference is exactly 0."),
        ((0.02, 0.02, 0.02, -0.02), "mixed", "But it loses for cold-start users."),
        ((0.001, 0.0, 0.0, -0.02), "worse", "But it loses for cold-start users."),
        ((0.001, 0.0, 0.0, 0.02), "partly", "It gains for cold-start users."),
        ((-0.02, -0.02, -0.02, 0.02), "mixed", "But it gains for cold-start users."),
    ],
)
def test_the_verdict_names_what_is_significant_and_nothing_else(compared, values, answer, sentence):
    names = [("AUC", "all"), ("UAUC", "all"), ("WUAUC", "all"), ("UAUC", "cold-start")]
    deltas = [
        delta(metric, value, 0.01 if abs(value) > 0.01 else 0.6, bucket)
        for value, (metric, bucket) in zip(values, names, strict=False)
    ]
    found = headline({**compared[0], "deltas": deltas})
    assert found.answer == answer
    assert sentence in found.headline


def test_the_headline_leaves_the_settings_of_metrics_to_the_findings(compared):
    found = headline({**compared[0], "deltas": [delta("WUAUC(weight='w')", 0.02, 0.01)]})
    assert found.headline == "Yes: over all rows the candidate ranks better in WUAUC."
    assert found.findings[0].startswith("WUAUC(weight='w') over all rows: +2.00 points")


def test_a_comparison_without_any_interval_is_called_unknown(compared):
    deltas = [{**delta("UAUC", 0.02, None), "low": None, "high": None}]
    assert headline({**compared[0], "deltas": deltas}).answer == "unknown"


# --- single users, counts, bins


def test_the_distribution_adds_up_to_uauc_and_wuauc(compared):
    found, _ = compared
    for role in ("baseline", "candidate"):
        view = found["users"][role]
        own = [row for row in found["rows"] if row["model"] == found["about"][role]]
        rows = {row["metric"]: row for row in own if row["bucket_kind"] == "all"}
        assert view["mean"] == pytest.approx(rows["UAUC"]["value"], rel=1e-12)
        assert view["weighted_mean"] == pytest.approx(rows["WUAUC"]["value"], rel=1e-12)
        assert view["n_users"] - view["n_scored"] == rows["UAUC"]["n_skipped_users"]
        assert sum(view["share_of_users"]) == pytest.approx(1) == sum(view["share_of_weight"])
    moved, whole = found["users"]["difference"], found["users"]["candidate"]["n_scored"]
    assert moved["n_better"] + moved["n_equal"] + moved["n_worse"] == whole
    assert moved["mean"] == pytest.approx(next(r["delta"] for r in found["deltas"] if r["metric"] == "UAUC"))
    assert sum(moved["share_of_users"]) == pytest.approx(1 - moved["n_equal"] / whole)


def test_the_lattice_of_few_rows_is_told_apart():
    labels, users = [1, 0, 1, 0, 1, 0, 1, 0, 0, 1], [1, 1, 2, 2, 3, 3, 4, 4, 4, 5]
    scores = [0.9, 0.1, 0.1, 0.9, 0.5, 0.5, 0.7, 0.3, 0.8, 0.5]  # AUC 1, 0, .5, .5, and one class
    per_user = per_user_auc(labels, scores, users)
    view = distribution(per_user, UAUC(), WUAUC())
    assert (view["n_users"], view["n_scored"], view["covered_rows"]) == (5, 4, 0.9)
    assert (view["at_0"], view["at_half"], view["at_1"], view["below_half"]) == (0.25, 0.5, 0.25, 0.25)
    assert (view["mean"], view["weighted_mean"]) == (0.5, (2 * 1 + 2 * 0.5 + 3 * 0.5) / 9)
    assert [view["share_of_users"][at] for at in (0, 10, 20)] == [0.25, 0.5, 0.25]
    assert distribution(per_user, UAUC(3), WUAUC(min_rows=3))["n_scored"] == 1
    assert count_users(per_user, UAUC(3)) == {
        "n_rows": 10,
        "n_positives": 5,
        "n_users": 5,
        "n_one_class_users": 1,
        "n_few_rows_users": 3,
        "n_scored_users": 1,
        "n_scored_rows": 3,
    }
    other = per_user_auc(labels, [*scores[:2], 0.9, 0.1, *scores[4:]], users)
    moved = differences(other, per_user, UAUC(), WUAUC())
    assert (moved["n_better"], moved["n_equal"], moved["n_worse"], moved["mean"]) == (1, 3, 0, 0.25)
    assert moved["share_of_users"][-1] == 0.25  # beyond the last bar counts in the last


def test_one_class_users_leave_nothing_to_describe():
    view = distribution(per_user_auc([1, 1], [0.1, 0.2], [1, 2]), UAUC(), WUAUC())
    assert (view["n_scored"], view["mean"], view["share_of_users"]) == (0, None, None)


def test_counts_of_each_bucket_agree_with_the_results(compared):
    found, _ = compared
    for counts in found["counts"]:
        row = next(
            row
            for row in found["rows"]
            if row["metric"] == "UAUC"
            and (row["bucket_kind"], row["bucket"]) == (counts["bucket_kind"], counts["bucket"])
        )
        assert counts["n_rows"] == row["n_rows"]
        assert counts["n_one_class_users"] + counts["n_few_rows_users"] == row["n_skipped_users"]


@pytest.mark.parametrize("weights", [None, np.arange(400) % 3])
def test_the_bins_of_the_plot_add_up_to_ece(weights):
    rng = np.random.default_rng(2)
    prob = rng.random(400).round(2)
    label = (rng.random(400) < prob).astype(int)
    rows = LabelledRows.of(label, np.arange(400), weights)
    bins = reliability(ScoredRows(rows, prob))
    gap = sum(one["share"] * abs(one["predicted"] - one["observed"]) for one in bins)
    assert gap == pytest.approx(ECE()(label, prob, weights=weights).value)
    assert sum(one["n_rows"] for one in bins) == 400
    assert sum(one["share"] for one in bins) == pytest.approx(1)


# --- buckets of counts, provenance


def test_the_share_of_a_count_bucket_is_the_largest_tail_that_fits():
    counts = np.array([0, 1, 1, 2, 5, 5, 5, 5, 5, 5])
    for share, tail_max in ((0.05, 0), (0.1, 0), (0.3, 1), (0.4, 2), (1.0, 5)):
        rule = CountBucket.parse(f"n:share={share}").rule_for(counts)
        assert rule.tail_max == tail_max, share
        kept = np.isin(rule.bucket_of(counts), ("cold-start", "long-tail")).mean()
        assert kept <= max(share, (counts == 0).mean())


@pytest.mark.parametrize("text", ["", "n:share=2", "n:share=x", "n:5:1"])
def test_a_count_bucket_that_means_nothing_is_refused(text):
    with pytest.raises(ValueError, match=r"expected"):
        CountBucket.parse(text)


def test_a_large_file_and_a_folder_are_not_hashed_and_the_page_says_so(tmp_path, monkeypatch):
    (tmp_path / "f.csv").write_text("12345")
    monkeypatch.setattr("learn_rank.uauc.provenance.MAX_HASHED_BYTES", 4)
    large, folder = provenance([tmp_path / "f.csv", tmp_path], {"seed": 0, "weight": None})["files"]
    assert (large["sha256"], large["n_bytes"], large["note"]) == (None, 5, "above 1 GB: not hashed")
    assert folder["note"] == "not a single file: not hashed"
    assert provenance([], {"seed": 0, "weight": None, "json_out": Path("x")})["options"] == {
        "seed": 0,
        "json": "x",
    }


def test_a_comparison_of_too_few_users_says_that_it_says_nothing():
    labels, users = np.tile([1, 0], 6), np.repeat(np.arange(6), 2)
    first, second = np.tile([0.2, 0.8, 0.8, 0.2], 3), np.tile([0.8, 0.2, 0.2, 0.8], 3)
    second[:2] = first[:2]
    deltas = compare_models(
        LabelledRows.of(labels, users), {"a": [first], "b": [second]}, task="CTR", baseline="a"
    )[1]
    rows = adjust(deltas, ())
    assert [rules.mark(row) for row in rows] == ["vague"] * 3
    assert terminal.verdict(rows, 0.95) == (
        "Verdict: too few users to say anything; every interval spans half of what is possible."
    )
    console = Console(width=120, file=io.StringIO())
    console.print(terminal.delta_table(rows, 0.95))
    assert "? says nothing: the interval spans half" in " ".join(console.file.getvalue().split())
