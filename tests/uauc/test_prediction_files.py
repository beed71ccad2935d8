"""Prediction files as teams write them: types, codes, packings, doubled rows, conditions."""

import gzip
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from benchmarks.uauc import app
from learn_rank.data.row_conditions import RowCondition
from learn_rank.metrics.auc import UAUC


def frame(n_rows=400):
    rng = np.random.default_rng(0)
    click = rng.integers(0, 2, n_rows)
    return pd.DataFrame(
        {
            "user_id": [f"u{k % 20}" for k in range(n_rows)],
            "item_id": np.arange(n_rows),
            "click": click,
            "conversion": np.where(click == 1, rng.integers(0, 2, n_rows), np.nan),
            "pctr": rng.random(n_rows).round(3),
            "pcvr": rng.random(n_rows).round(3),
            "store": rng.choice(["01", "1", "007", "NA"], n_rows),
        }
    )


def run(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments])


def judged(tmp_path, *arguments):
    done = run(*arguments, "--json", tmp_path / "out.json")
    assert done.exit_code == 0, done.output
    return json.loads((tmp_path / "out.json").read_text()), done


def values(found, metric="UAUC"):
    return {row["bucket"]: row["value"] for row in found["rows"] if row["metric"] == metric}


@pytest.fixture
def file(tmp_path):
    frame().to_parquet(tmp_path / "p.parquet")
    return tmp_path / "p.parquet"


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "jsonl"])
def test_codes_of_a_text_file_are_the_buckets_that_they_are_in_parquet(file, tmp_path, ending):
    other = tmp_path / f"p.{ending}"
    if ending == "jsonl":
        frame().to_json(other, orient="records", lines=True)
    else:
        frame().to_csv(other, index=False)
    expected, _ = judged(tmp_path, file, "--bucket", "store")
    found, _ = judged(tmp_path, other, "--bucket", "store")
    assert values(found) == values(expected)
    assert set(values(found)) == {"all", "01", "1", "007", "NA"}


@pytest.mark.parametrize("memory_rows", [0, 10_000])
@pytest.mark.parametrize(
    "change",
    {
        "string_view": lambda t: t.set_column(0, "user_id", t["user_id"].cast(pa.string_view())),
        "dictionary": lambda t: t.set_column(0, "user_id", t["user_id"].dictionary_encode()),
        "bytes": lambda t: t.set_column(0, "user_id", t["user_id"].cast(pa.binary())),
        "decimal scores": lambda t: t.set_column(4, "pctr", t["pctr"].cast(pa.decimal128(9, 3))),
        "truth values": lambda t: t.set_column(2, "click", t["click"].cast(pa.bool_())),
    }.items(),
    ids=lambda change: change[0],
)
def test_a_type_that_says_the_same_gives_the_same_digits(file, tmp_path, change, memory_rows):
    expected, _ = judged(tmp_path, file, "--bucket", "store")
    pq.write_table(change[1](pq.read_table(file)), tmp_path / "typed.parquet")
    found, _ = judged(tmp_path, tmp_path / "typed.parquet", "--bucket", "store", "--memory-rows", memory_rows)
    assert values(found) == pytest.approx(values(expected))


@pytest.mark.parametrize("memory_rows", [0, 10_000])
@pytest.mark.parametrize(
    ("change", "bucket", "message"),
    [
        (lambda t: t.append_column("pctr", t["pctr"]), None, "expected each column once, got pctr"),
        (
            lambda t: t.append_column("tags", pa.array([["a"]] * len(t))),
            "tags",
            "--bucket tags: expected one name in each row",
        ),
        (
            lambda t: t.set_column(0, "user_id", t["item_id"].cast(pa.timestamp("s"))),
            None,
            "--user user_id: expected integer or string ids, got timestamp[ms]",
        ),
        (
            lambda t: t.set_column(0, "user_id", t["click"].cast(pa.bool_())),
            None,
            "expected integer or string ids, got bool",
        ),
        (
            lambda t: t.set_column(0, "user_id", pa.array([b"\xff"] * len(t))),
            None,
            "column user_id: expected cells that can be read as large_string, got binary",
        ),
        (
            lambda t: t.set_column(0, "user_id", pa.array(["", *["a"] * (len(t) - 1)])),
            None,
            "users: expected an id in every row, got 1 missing, first at row 0",
        ),
        (
            lambda t: t.set_column(4, "pctr", t["pctr"].cast(pa.string())),
            None,
            "pctr: expected numbers, got large_string",
        ),
        (
            lambda t: t.set_column(2, "click", pa.array([None, *[True] * (len(t) - 1)])),
            None,
            "labels: expected only 0 and 1, got 1 other row(s): nan in row 0",
        ),
    ],
    ids=["twice", "list bucket", "dates", "flags", "bytes", "blank", "text score", "no label"],
)
def test_a_column_that_cannot_be_judged_ends_with_2(file, change, bucket, message, memory_rows):
    tmp_path, options = file.parent, [] if bucket is None else ["--bucket", bucket]
    pq.write_table(change(pq.read_table(file)), tmp_path / "bad.parquet")
    done = run(tmp_path / "bad.parquet", *options, "--memory-rows", memory_rows)
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.stderr.split())
    assert "unexpected" not in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "p.csv",
            b"user_id,click,pctr\na,1,.5\na,0,x\n",
            "column pctr: expected numbers, got 1 cell(s) of text",
        ),
        (
            "p.csv",
            b"user_id,click,pctr\na,1,.5\n,0,.4\n",
            "users: expected an id in every row, got 1 missing",
        ),
        ("p.csv", b"user_id,click,pctr,pctr\na,1,.5,.5\n", "pctr more than once"),
        ("p.csv", "user_id,click,pctr\nä,1,.5\n".encode("latin-1"), "expected: a readable file"),
        (
            "p.csv.gz",
            gzip.compress(b"user_id,click,pctr\na,1,.5\n" * 99, mtime=0)[:-9],
            "expected: a readable file",
        ),
        ("p.parquet", b"user_id,click,pctr\na,1,.5\n", "p.parquet: expected a parquet file that can be read"),
        (
            "p.jsonl",
            b'{"user_id": 7, "click": 1, "pctr": 0.5}\n{"user_id": "7"}\n',
            "integers or only strings",
        ),
        (
            "p.jsonl",
            b'{"user_id": 7, "click": 1, "pctr": 0.5}\n{"user_id": 7, "click": 0, "pctr": "0.4"}\n',
            "column pctr: expected numbers, got 1 cell(s) of text, first '0.4' in row 1. Remedy: write",
        ),
        (
            "p.jsonl",
            b'{"user_id": 7, "click": 1, "pctr": 0.5}\n{"user_id": 7, "click": 0, "pctr": [0.4]}\n',
            "pctr: expected values of one kind, got float, list. Remedy: write them all as numbers, such",
        ),
        ("p.xlsx", b"PK", "expected: a file that ends in .parquet"),
    ],
)
def test_a_file_that_cannot_be_judged_ends_with_2(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    done = run(tmp_path / name)
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.stderr.split())
    assert "unexpected" not in done.stderr


def test_packing_is_seen_by_the_content_whatever_the_file_is_called(tmp_path):
    frame().to_csv(tmp_path / "plain.csv", index=False)
    (tmp_path / "named.csv.gz").write_bytes((tmp_path / "plain.csv").read_bytes())
    plain, _ = judged(tmp_path, tmp_path / "plain.csv")
    called_packed, _ = judged(tmp_path, tmp_path / "named.csv.gz")
    assert values(plain) == values(called_packed)


@pytest.mark.parametrize("ending", ["parquet", "csv", "disk"])
def test_conversions_are_judged_on_the_clicked_rows(tmp_path, ending):
    path = tmp_path / ("p.csv" if ending == "csv" else "p.parquet")
    frame().to_csv(path, index=False) if ending == "csv" else frame().to_parquet(path)
    limit = ["--memory-rows", 0] if ending == "disk" else []
    named = ["--label", "conversion", "--score", "pcvr", "--where", "click == 1"]
    short, done = judged(tmp_path, path, "--baseline", path, "--task", "cvr", *limit)
    long, _ = judged(tmp_path, path, "--baseline", path, *named, *limit)
    clicked = frame()[frame()["click"] == 1]
    expected = UAUC()(clicked["conversion"], clicked["pcvr"], clicked["user_id"]).value
    assert values(short)["all"] == values(long)["all"] == expected
    assert {row["task"] for row in short["rows"]} == {"cvr"}
    assert f"Judged: {len(clicked)} of 400 rows, where click == 1." in done.output
    refused = run(path, "--label", "conversion", "--score", "pcvr", *limit)
    assert refused.exit_code == 2 and "--where 'click == 1'" in refused.stderr


def test_a_task_with_columns_of_its_own_is_only_a_name(file, tmp_path):
    found, _ = judged(tmp_path, file, "--task", "cvr", "--label", "click", "--score", "pctr")
    assert (found["about"]["where"], found["about"]["n_judged"]) == ("", 400)
    assert found["about"]["task"] == "cvr"
    assert "expected --label and --score with it" in run(file, "--task", "ctcvr").stderr


@pytest.mark.parametrize(
    ("conditions", "n_kept"),
    [
        (["item_id < 100"], 100),
        (["item_id >= 100", "item_id<=199.5"], 100),
        (["store == 007"], int((frame()["store"] == "007").sum())),
        (["store != '007'"], int((frame()["store"] != "007").sum())),
        (["conversion != 1"], int((frame()["conversion"] == 0).sum())),
    ],
)
def test_conditions_compare_numbers_as_numbers_and_text_as_text(file, tmp_path, conditions, n_kept):
    found, _ = judged(tmp_path, file, *(part for text in conditions for part in ("--where", text)))
    assert found["about"]["n_judged"] == n_kept


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("click = 1", "--where: expected COLUMN SIGN VALUE"),
        ("click", "--where: expected COLUMN SIGN VALUE"),
        ("click === 1", "expected a finite number to compare with int64, got '= 1'"),
        ("store > 1", "expected == or != for a column of large_string"),
        ("age == 1", "got no ['age']"),
        ("item_id > 9999", "expected rows where item_id > 9999, got none of 400"),
    ],
)
@pytest.mark.parametrize("memory_rows", [0, 10_000])
def test_a_condition_that_cannot_be_met_ends_with_2(file, condition, message, memory_rows):
    done = run(file, "--where", condition, "--memory-rows", memory_rows)
    assert done.exit_code == 2, done.output
    assert message in done.stderr


def test_a_flag_is_compared_with_1_or_true():
    flags = pa.chunked_array([[True, False, None]])
    for text, holds in (("f == 1", [True, False, False]), ("f != true", [False, True, False])):
        assert RowCondition.parse(text).holds(flags).to_pylist() == holds
    with pytest.raises(ValueError, match="expected 1, 0, true or false"):
        RowCondition.parse("f == yes").holds(flags)


@pytest.mark.parametrize("memory_rows", ["0", "10000"])
def test_rows_that_stand_there_twice_are_counted_and_said(file, tmp_path, memory_rows):
    found, done = judged(tmp_path, file, "--memory-rows", memory_rows)
    assert found["about"]["n_repeated"] == 0 and "Note" not in done.output
    doubled = pd.concat([frame(), frame().iloc[:30]])
    doubled.to_parquet(tmp_path / "doubled.parquet")
    found, done = judged(tmp_path, tmp_path / "doubled.parquet", "--memory-rows", memory_rows)
    assert found["about"]["n_repeated"] == 30
    assert "Note: 30 rows repeat an earlier one in user_id, item_id, click, pctr; each counts" in done.output


@pytest.mark.parametrize("memory_rows", [0, 10_000])
def test_folders_called_name_value_are_buckets_as_columns_are(file, tmp_path, memory_rows):
    for store, rows in frame().groupby("store"):
        folder = tmp_path / "parts" / f"store={store}"
        folder.mkdir(parents=True)
        rows.drop(columns="store").to_parquet(folder / "part-0.parquet")
    asked = ("--bucket", "store", "--memory-rows", memory_rows)
    of_folders = judged(tmp_path, tmp_path / "parts", *asked)[0]
    of_column = judged(tmp_path, file, *asked)[0]
    assert values(of_folders).keys() == values(of_column).keys() == {"all", "01", "1", "007", "NA"}
    assert values(of_folders) == pytest.approx(values(of_column))
    kept = judged(tmp_path, tmp_path / "parts", "--where", "store == '007'", "--memory-rows", memory_rows)[0]
    assert kept["about"]["n_judged"] == int((frame()["store"] == "007").sum())
