"""benchmarks/uauc.py on files that are judged from disk: the same tables, JSON and errors."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks.uauc import app
from benchmarks.uauc_stream import write_rows

OPTIONS = ["--user", "uid", "--label", "bought", "--score", "p"]


def frame(lift=0.0, n_rows=2500):
    rng = np.random.default_rng(0)
    users = rng.integers(0, 200, n_rows)
    bought = (rng.random(n_rows) < 0.3).astype(int)
    p = 1 / (
        1 + np.exp(1 - (0.3 + lift) * bought - np.random.default_rng(int(lift * 10)).normal(0, 1, n_rows))
    )
    return pd.DataFrame(
        {
            "uid": [f"u{user}" for user in users],
            "bought": bought,
            "p": np.round(p, 2),
            "who": np.where(users % 2, "new", "known"),
            "n": 1 + rng.integers(0, 60, n_rows),
        }
    )


@pytest.fixture
def files(tmp_path):
    frame(lift=0.8).to_parquet(tmp_path / "new.parquet")
    (tmp_path / "old").mkdir()
    for start in (0, 1200):
        frame().iloc[start : start + 1200 + start].to_parquet(tmp_path / "old" / f"{start:04}.parquet")
    return tmp_path / "new.parquet", tmp_path / "old"


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def judged(tmp_path, *arguments):
    done = run(*arguments, *OPTIONS, "--json", tmp_path / "out.json")
    assert done.exit_code == 0, done.output
    return json.loads((tmp_path / "out.json").read_text()), done.output


@pytest.mark.parametrize(
    "options",
    [
        ["--bucket", "who", "--count-bucket", "n:0:20"],
        ["--count-bucket", "n:share=.4", "--bootstrap", "40"],
        ["--bucket", "who", "--bucket-meaning", "attributed", "--wuauc", "n", "--min-rows", "9"],
    ],
    ids=" ".join,
)
def test_json_and_tables_from_disk_are_those_of_memory(files, tmp_path, options):
    new, old = files
    asked = [new, "--baseline", old, *options]
    disk, shown = judged(tmp_path, *asked, "--memory-rows", 4999, "--spill", tmp_path)
    memory, shown_from_memory = judged(tmp_path, *asked, "--memory-rows", 5000)
    for name in ("rows", "deltas", "counts", "users"):
        assert disk[name] == memory[name], name
    for model, bins in memory["reliability"].items():
        assert disk["reliability"][model] == [pytest.approx(one, rel=1e-12) for one in bins]
    assert disk["about"]["buckets"] == memory["about"]["buckets"]
    assert shown == shown_from_memory
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.parquet", "old", "out.json"]


def test_csv_is_read_into_memory_whatever_its_size(files, tmp_path):
    frame().to_csv(tmp_path / "old.csv", index=False)
    new, old = files
    csv, _ = judged(tmp_path, new, "--baseline", tmp_path / "old.csv", "--memory-rows", 0)
    parquet, _ = judged(tmp_path, new, "--baseline", old, "--memory-rows", 0)
    assert [row["value"] for row in csv["rows"]] == [row["value"] for row in parquet["rows"]]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda t: t.assign(p=np.nan), [], "candidate: expected finite numbers"),
        (lambda t: t.assign(n=t.n + 0.5), ["--count-bucket", "n"], "expected whole numbers of at least 0"),
        (lambda t: t.assign(n=1e30), ["--count-bucket", "n"], "at least 0 in 'n', got 1e+30"),
        (lambda t: t.assign(who=range(2500)), ["--bucket", "who"], "expected at most 500 buckets, got 2500"),
        (lambda t: t, ["--bucket", "who", "--count-bucket", "who"], "expected each column once"),
        (lambda t: t, ["--bucket", "age"], "got no ['age']"),
        (
            lambda t: t,
            ["--bucket", "n", "--bucket-meaning", "attributed"],
            "all rows of a user in one bucket",
        ),
        (lambda t: t, ["--spill", "/nowhere"], "--spill: expected a folder that can be written to"),
    ],
)
def test_what_cannot_be_judged_ends_with_2_and_says_why(tmp_path, change, options, message):
    change(frame()).to_parquet(tmp_path / "bad.parquet")
    done = run(tmp_path / "bad.parquet", *OPTIONS, *options, "--memory-rows", 0)
    assert done.exit_code == 2, done.output
    assert message in done.stderr.replace("\n", " ")


def test_generated_rows_of_the_measurement_are_predictions(tmp_path):
    write_rows(tmp_path / "rows.parquet", 3000, 50, seed=1)
    found = pd.read_parquet(tmp_path / "rows.parquet")
    assert (len(found), found["click"].isin([0, 1]).all(), found["user"].nunique() <= 50) == (
        3000,
        True,
        True,
    )
    assert found["p"].dtype == np.float32
    assert found["p"].between(0, 1).all()
