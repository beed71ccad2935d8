"""benchmarks/uauc.py as people run it: files in, tables, JSON and exit codes out."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks.uauc import app
from learn_rank.metrics.auc import AUC, UAUC, WUAUC
from learn_rank.uncertainty.intervals import Bootstrap, interval, paired_delta

COLUMNS = ["--user", "uid", "--label", "bought", "--score", "p"]


def frame(lift=0.0, n_rows=1500):
    rng = np.random.default_rng(0)
    users = rng.integers(0, 120, n_rows)
    bought = (rng.random(n_rows) < 0.3).astype(int)
    noise = np.random.default_rng(int(lift * 10) + 1)
    p = 1 / (1 + np.exp(1 - (0.3 + lift) * bought - noise.normal(0, 0.7, n_rows)))
    return pd.DataFrame(
        {
            "uid": users + 2**40,
            "bought": bought,
            "p": p,
            "who": np.where(users % 2, "new [b]user[/b]", "known"),
            "w": 1 + users % 3,
            "cut": np.arange(n_rows) % 30,
        }
    )


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def file(tmp_path):
    frame().to_parquet(tmp_path / "old.parquet")
    return tmp_path / "old.parquet"


@pytest.fixture
def better(tmp_path):
    frame(lift=0.8).to_csv(tmp_path / "new.csv.gz", index=False)
    return tmp_path / "new.csv.gz"


def cell(rows, metric, bucket="all"):
    (found,) = [row for row in rows if (row["metric"], row["bucket"]) == (metric, bucket)]
    return found


def test_json_rows_are_the_library_s_own_numbers(file, tmp_path):
    done = run(file, *COLUMNS, "--bucket", "who", "--json", tmp_path / "out.json")
    assert done.exit_code == 0, done.output
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    table = frame()
    for metric in (AUC(), UAUC(), WUAUC()):
        found = cell(rows, str(metric))
        direct = interval(table.bought, table.uid, table.p, metric=metric)
        assert (found["value"], found["low"], found["high"]) == (direct.value, direct.low, direct.high)
        assert (found["task"], found["n_rows"], found["n_users"]) == ("bought", 1500, 120)
    known = table[table.who == "known"]
    assert cell(rows, "UAUC", "known")["value"] == UAUC()(known.bought, known.p, known.uid).value
    assert {row["metric"] for row in rows} >= {"PCOC", "LogLoss", "NormalizedEntropy", "ECE"}
    assert {row["bucket_kind"] for row in rows} == {"all", "who"}


def test_the_table_shows_values_counts_and_names_with_markup_in_them(file):
    done = run(file, *COLUMNS, "--bucket", "who")
    assert "who: new [b]user[/b]" in done.output
    assert "1,500 rows" in done.output
    assert f"{UAUC()(frame().bought, frame().p, frame().uid).value:.4f}" in done.output


def test_weights_and_the_weighting_of_wuauc_are_columns(file, tmp_path):
    out = tmp_path / "out.json"
    assert run(file, *COLUMNS, "--weight", "w", "--json", out).exit_code == 0
    table = frame()
    expected = AUC()(table.bought, table.p, weights=table.w).value
    assert cell(json.loads(out.read_text())["rows"], "AUC")["value"] == pytest.approx(expected)
    assert run(file, *COLUMNS, "--wuauc", "w", "--json", out).exit_code == 0
    expected = WUAUC("w")(table.bought, table.p, table.uid, columns={"w": table.w}).value
    assert cell(json.loads(out.read_text())["rows"], "WUAUC(weight='w')")["value"] == pytest.approx(expected)


def test_logits_are_judged_without_calibration(tmp_path):
    frame().assign(p=lambda t: 20 + 9 * t.p).to_parquet(tmp_path / "logits.parquet")
    done = run(tmp_path / "logits.parquet", *COLUMNS)
    assert done.exit_code == 0
    assert "UAUC" in done.output
    assert "LogLoss" not in done.output


def test_a_comparison_across_formats_is_paired_and_adjusted(file, better, tmp_path):
    out = tmp_path / "out.json"
    done = run(better, "--baseline", file, *COLUMNS, "--json", out, "--fail-if-worse")
    assert done.exit_code == 0, done.output
    assert re.search(
        r"Verdict: significantly better in 3 of 3 comparisons: AUC \(all rows\), UAUC", done.output
    )
    deltas = json.loads(out.read_text())["deltas"]
    direct = paired_delta(frame().bought, frame().uid, frame().p, frame(lift=0.8).p)
    found = cell(deltas, "UAUC")
    assert (found["delta"], found["low"], found["p"]) == pytest.approx((direct.delta, direct.low, direct.p))
    assert found["p_adjusted"] >= found["p"]
    names = ["baseline", "candidate", "task", "metric", "bucket_kind", "bucket"]
    assert list(found) == [*names, "delta", "low", "high", "p", "p_adjusted", "n_rows", "n_users"]


def test_a_worse_candidate_fails_only_when_asked_to(file, better):
    assert run(file, "--baseline", better, *COLUMNS).exit_code == 0
    done = run(file, "--baseline", better, *COLUMNS, "--fail-if-worse")
    assert done.exit_code == 1
    assert "significantly worse in 3 of 3" in done.output


def test_an_equal_candidate_passes(file):
    done = run(file, "--baseline", file, *COLUMNS, "--fail-if-worse")
    assert done.exit_code == 0
    assert "Verdict: no significant difference in 3 comparisons." in done.output


def test_rows_and_deltas_have_the_promised_keys(file, better, tmp_path):
    out = tmp_path / "out.json"
    assert run(better, "--baseline", file, *COLUMNS, "--bucket", "who", "--json", out).exit_code == 0
    found = json.loads(out.read_text(), parse_constant=pytest.fail)
    place = {"metric", "task", "bucket_kind", "bucket"}
    values = {"value", "low", "high", "n_rows", "n_users", "n_skipped_users"}
    differences = {"baseline", "candidate", "delta", "low", "high", "p", "p_adjusted"}
    assert all(set(row) == place | values | {"model"} for row in found["rows"])
    assert all(set(row) == place | differences | {"n_rows", "n_users"} for row in found["deltas"])
    assert {row["metric"] for row in found["deltas"]} == {"AUC", "UAUC", "WUAUC"}


def test_two_score_columns_of_one_file_keep_their_own_tables(file, tmp_path):
    frame().assign(other=frame(lift=0.8).p).to_parquet(tmp_path / "both.parquet")
    both, out = tmp_path / "both.parquet", tmp_path / "out.json"
    done = run(both, "--baseline", both, "--baseline-score", "other", *COLUMNS, "--json", out)
    found = json.loads(out.read_text())
    names = [found["about"]["candidate"], found["about"]["baseline"]]
    assert names == [f"{both} (p)", f"{both} (other)"]
    for name, table in zip(names, (frame(), frame(lift=0.8)), strict=True):
        own = [row for row in found["rows"] if row["model"] == name]
        assert cell(own, "UAUC")["value"] == UAUC()(table.bought, table.p, table.uid).value
    assert "significantly worse in 3 of 3" in done.output


def test_training_counts_become_cold_start_long_tail_and_other(file, tmp_path):
    out = tmp_path / "out.json"
    assert run(file, *COLUMNS, "--count-bucket", "cut:0:9", "--json", out).exit_code == 0
    found, table = json.loads(out.read_text()), frame()
    chosen = {
        "cold-start": table.cut == 0,
        "long-tail": (table.cut > 0) & (table.cut <= 9),
        "other": table.cut > 9,
    }
    for bucket, inside in chosen.items():
        own = table[inside]
        assert cell(found["rows"], "AUC", bucket)["value"] == AUC()(own.bought, own.p).value
    assert run(file, *COLUMNS, "--count-bucket", "cut:share=.2", "--json", out).exit_code == 0
    found = json.loads(out.read_text())
    assert found["about"]["buckets"]["cut"].startswith("cut: cold-start 0, long-tail 1 to 5, other above 5")
    assert cell(found["rows"], "AUC", "other")["n_rows"] == 1200
    assert run(file, *COLUMNS, "--count-bucket", "w:9:9", "--json", out).exit_code == 0
    empty = cell(json.loads(out.read_text())["rows"], "UAUC", "other")
    assert (empty["n_rows"], empty["value"]) == (0, None)


def test_attributed_gives_the_digits_of_within_where_no_bucket_cuts_through_a_user(file, tmp_path):
    digits = []
    for meaning in ("within", "attributed"):
        arguments = ["--bucket", "who", "--bucket-meaning", meaning, "--json", tmp_path / "out.json"]
        assert run(file, *COLUMNS, *arguments).exit_code == 0
        found = json.loads((tmp_path / "out.json").read_text())
        assert found["about"]["bucket_meaning"] == meaning
        digits.append(found["rows"])
    assert digits[0] == digits[1]


def test_the_folders_of_what_is_written_are_made_and_nothing_else_is_left_there(file, tmp_path):
    place = tmp_path / "new" / "folder"
    done = run(file, *COLUMNS, "--html", place / "page.html", "--json", place / "out.json")
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in place.iterdir()) == ["out.json", "page.html"]


def test_the_bootstrap_is_repeatable(file, tmp_path):
    out = tmp_path / "out.json"
    assert run(file, *COLUMNS, "--bootstrap", 100, "--seed", 4, "--json", out).exit_code == 0
    how = Bootstrap(n_resamples=100, seed=4)
    direct = interval(frame().bought, frame().uid, frame().p, uncertainty=how)
    found = cell(json.loads(out.read_text())["rows"], "UAUC")
    assert (found["low"], found["high"]) == (direct.low, direct.high)


def test_ids_with_leading_zeros_in_csv_stay_apart(tmp_path):
    rows = pd.DataFrame({"uid": ["7", "7", "007", "007"], "bought": [1, 0, 1, 0], "p": [0.9, 0.1, 0.1, 0.9]})
    rows.to_csv(tmp_path / "ids.csv", index=False)
    assert run(tmp_path / "ids.csv", *COLUMNS, "--json", tmp_path / "out.json").exit_code == 0
    found = cell(json.loads((tmp_path / "out.json").read_text())["rows"], "UAUC")
    assert (found["n_users"], found["value"]) == (2, 0.5)


def test_one_class_users_only_give_a_clear_row(tmp_path):
    pd.DataFrame({"uid": [1, 1, 2], "bought": [1, 1, 0], "p": [0.9, 0.1, 0.1]}).to_parquet(
        tmp_path / "f.parquet"
    )
    done = run(tmp_path / "f.parquet", *COLUMNS, "--json", tmp_path / "out.json")
    assert done.exit_code == 0
    assert "no user with both classes in 3 rows" in done.output
    found = cell(json.loads((tmp_path / "out.json").read_text())["rows"], "UAUC")
    assert (found["value"], found["n_users"], found["n_skipped_users"]) == (None, 2, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.assign(p=np.where(t.index == 3, np.inf, t.p)),
            "expected finite numbers, got 1 other row",
        ),
        (lambda t: t.assign(bought=t.bought + 1), "labels: expected only 0 and 1"),
        (lambda t: t.rename(columns={"p": "q"}), "got no ['p']"),
        (lambda t: t.iloc[:0], "expected rows, got none"),
        (lambda t: t.assign(uid=t.uid.where(t.index != 2)), "users: expected"),
    ],
    ids=["infinite", "label", "column", "empty", "missing user"],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_that_cannot_be_judged_ends_with_2_and_says_why(tmp_path, change, message, ending):
    path = tmp_path / f"bad.{ending}"
    bad = change(frame(n_rows=50))
    bad.to_csv(path, index=False) if ending == "csv" else bad.to_parquet(path)
    done = run(path, *COLUMNS)
    assert done.exit_code == 2
    assert message in done.stderr.replace("\n", " ")


def test_other_bad_calls_end_with_2(file, tmp_path):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "folder").mkdir()
    frame(n_rows=50).to_parquet(tmp_path / "short.parquet")
    frame().iloc[::-1].to_parquet(tmp_path / "turned.parquet")
    frame().assign(p=np.nan).to_parquet(tmp_path / "not_finite.parquet")
    for arguments, message in (
        ([], "PREDICTIONS: expected a file"),
        ([tmp_path / "none.parquet"], "got nothing there"),
        ([tmp_path / "none.csv"], "got nothing there"),
        ([tmp_path / "empty.csv"], "got:      an empty file"),
        ([tmp_path / "folder"], "got nothing there"),
        ([tmp_path / "*.*"], "expected parquet files only"),
        ([file, "--fail-if-worse"], "expected --baseline as well"),
        ([file, "--baseline", tmp_path / "short.parquet"], "expected the candidate's 1500 rows, got 50"),
        ([file, "--baseline", tmp_path / "turned.parquet"], "expected the candidate's rows"),
        ([file, "--level", "95"], "level: expected a number between 0 and 1"),
        ([file, "--bucket", "age"], "got no ['age']"),
        ([file, "--baseline", tmp_path / "not_finite.parquet"], "baseline: expected finite numbers"),
        ([file, "--html", file / "page.html"], "--html: expected a file that can be written"),
        ([file, "--html", tmp_path / "folder"], "--html: expected a file that can be written"),
        ([file, "--json", file / "out.json"], "--json: expected a file that can be written"),
        ([file, "--bucket", "who", "--bucket", "who"], "expected each column once, got ['who']"),
        ([file, "--bucket", "p"], "--bucket: expected at most 500 buckets, got 1500 values in 'p'"),
        ([file, "--count-bucket", "who"], "--count-bucket: expected whole numbers of at least 0 in 'who'"),
        ([file, "--count-bucket", "w:5:1"], "expected 0 <= cold_max <= tail_max, got 5 and 1"),
        ([file, "--count-bucket", "w:share=3"], "--count-bucket: expected a share within 0..1, got 3"),
        ([file, "--bucket-meaning", "both"], "--bucket-meaning: expected one of"),
        (
            [file, "--count-bucket", "cut", "--bucket-meaning", "attributed"],
            "--bucket cut: buckets: 'attributed' expects all rows of a user in one bucket",
        ),
    ):
        done = run(*arguments, *COLUMNS)
        assert done.exit_code == 2, arguments
        assert message in done.stderr.replace("\n", " ")


def test_speed_reports_time_and_memory_against_one_sort(tmp_path):
    program = Path(__file__).resolve().parents[2] / "benchmarks" / "uauc.py"
    asked = ["--speed", "--rows", "200000", "--users", "20000", "--json", str(tmp_path / "speed.json")]
    done = subprocess.run([sys.executable, program, *asked], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "speed.json").read_text())
    assert (found["rows"], found["users"]) == (200_000, 20_000)
    assert found["ratio_to_sort"] == pytest.approx(found["seconds"] / found["sort_seconds"])
    assert 0 < found["peak_bytes_per_row"] < 64


def test_it_runs_as_a_file_from_any_folder_and_its_help_teaches(tmp_path):
    program = Path(__file__).resolve().parents[2] / "benchmarks" / "uauc.py"
    done = subprocess.run(
        [sys.executable, program, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for word in ("UAUC", "--fail-if-worse", "Holm", "Exit code", "Example"):
        assert word in done.stdout
