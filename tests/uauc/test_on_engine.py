"""Tables judged on DuckDB: the digits and the refusals of memory, from one relational expression."""

import json
import re

import duckdb
import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from engine_tables import ASKED, BY_HAND, VALUES_BY_HAND, kinds, refused, rows, with_column
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmarks.uauc import app
from learn_rank.evaluation.on_engine.scored import EngineScores
from learn_rank.evaluation.on_engine.won_pairs import won_pairs
from learn_rank.metrics.grouped_auc import fold_users
from learn_rank.metrics.labelled_rows import LabelledRows
from learn_rank.uauc.judgement import Question, compare
from learn_rank.uauc.on_engine import judge_table
from learn_rank.uncertainty.closed_form import ClosedForm
from learn_rank.uncertainty.scored_rows import ScoredRows

LOW, HIGH = -3.0, 3.0


@pytest.fixture(scope="module")
def connection():
    return ibis.duckdb.connect(threads=1)


@pytest.fixture
def table(connection):
    """Arrow -> a table of the engine, in types of its own."""

    def made(arrow):
        connection.con.register("in_memory", arrow)
        connection.con.execute("CREATE OR REPLACE TABLE own AS SELECT * FROM in_memory")
        return connection.table("own")

    return made


def values(found, bucket="all"):
    return {row["metric"]: row["value"] for row in found["rows"] if row["bucket"] == bucket}


def test_a_case_by_hand(table):
    assert values(judge_table(table(BY_HAND))) == VALUES_BY_HAND


@pytest.mark.parametrize("kind", kinds())
def test_types_of_an_engine_s_own_give_the_same_values(table, tmp_path, kind):
    pq.write_table(kinds()[kind], tmp_path / "rows.parquet")
    found = judge_table(table(kinds()[kind]), has_details=True)
    memory = compare(tmp_path / "rows.parquet", None, Question(), ClosedForm(), has_details=True)
    assert values(found) == VALUES_BY_HAND
    assert found["users"]["candidate"] == memory["users"]["candidate"]


# ---------------------------------------------------------------------------------- the expression, by itself


@pytest.fixture(scope="module")
def counted(connection):
    """Rows -> what the expression counts; compiled once for tables of this shape."""
    shape = pa.schema(
        [(name, pa.int64()) for name in ("bucket", "user", "label")] + [("score", pa.float64())]
    )
    query = connection.compile(won_pairs(ibis.table(ibis.schema(shape), name="shape"), LOW, HIGH))

    def counts(bucket, user, label, score):
        arrays = [
            pa.array(column, kind)
            for column, kind in zip((bucket, user, label, score), shape.types, strict=True)
        ]
        connection.con.register("shape", pa.table(arrays, schema=shape))
        return connection.con.sql(query).to_arrow_table()

    return counts


SCORES = st.one_of(st.sampled_from([LOW, -0.5, -0.0, 0.0, 0.5, HIGH]), st.floats(LOW, HIGH))


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 4), st.integers(0, 1), SCORES), min_size=1, max_size=40
    )
)
def test_users_and_their_pairs_are_those_of_memory_in_every_bucket(counted, drawn):
    bucket, user, label, score = map(np.array, zip(*drawn, strict=True))
    found = counted(bucket, user, label, score)
    for at in np.unique(bucket):
        mine = EngineScores.of(found.filter(pa.compute.equal(found["bucket"], at)), {})
        chosen = bucket == at
        own = ScoredRows(LabelledRows.of(label[chosen], user[chosen]), score[chosen])
        users = fold_users(own.rows, own.scores)
        for name in ("user", "auc", "n_rows", "n_positives", "weight", "positive_weight"):
            np.testing.assert_array_equal(getattr(mine.users, name), getattr(users, name), err_msg=name)
        n_positives = float(users.positive_weight.sum())
        won = own.won_by_user(len(users), n_positives)
        np.testing.assert_array_equal(mine.won_by_user(len(users), n_positives), won)


def test_the_rows_themselves_are_not_asked_of_an_engine(counted):
    scored = EngineScores.of(counted([0, 0], [7, 7], [0, 1], [0.1, 0.2]), {})
    with pytest.raises(ValueError, match=r"expected AUC, UAUC or WUAUC .* got resampling"):
        scored.in_score_order()


# ------------------------------------------------------------------------------------------- whole judgements


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The rows in two files of one folder, and in a database."""
    folder = tmp_path_factory.mktemp("table")
    (folder / "parts").mkdir()
    pq.write_table(rows().slice(0, 500), folder / "parts" / "0.parquet")
    pq.write_table(rows().slice(500), folder / "parts" / "1.parquet")
    with duckdb.connect(str(folder / "scores.db")) as database:
        database.register("rows", rows())
        database.execute("CREATE SCHEMA week")
        database.execute("CREATE TABLE week.scores AS SELECT * FROM rows ORDER BY pctr, n")
    return folder


@pytest.fixture(scope="module")
def memory(files):
    return compare(files / "parts", files / "parts", ASKED, ClosedForm(), has_details=True)


def test_every_number_of_every_bucket_is_that_of_memory(files, memory):
    found = judge_table(files / "parts", ASKED, is_compared=True, has_details=True)
    for name in ("rows", "deltas", "counts", "users"):
        assert found[name] == memory[name], name
    assert len({(row["bucket_kind"], row["bucket"]) for row in found["rows"]}) == 7
    assert found["about"]["engine"].startswith("duckdb ")
    same = ("buckets", "n_judged", "n_rows", "task", "family")
    assert {key: found["about"][key] for key in same} == {key: memory["about"][key] for key in same}


def test_a_condition_keeps_the_rows_that_it_keeps_in_memory(files, tmp_path):
    table = rows().append_column("city", pa.array(["Bonn", None, "Ulm"] * 300))
    table = table.append_column("age", pa.array([np.nan, 3.5, 9.0, None] * 225))
    pq.write_table(table, tmp_path / "rows.parquet")
    options = [
        "--where",
        "city != Ulm",
        "--where",
        "age > 3",
        "--where",
        "n <= 30.5",
        "--where",
        "click == true",
    ]
    options[-2:] = ["--where", "old >= -2"]
    judged = {}
    for engine in ("memory", "duckdb"):
        out = tmp_path / f"{engine}.json"
        done = run(tmp_path / "rows.parquet", *options, "--engine", engine, "--json", out)
        assert done.exit_code == 0, done.output
        judged[engine] = json.loads(out.read_text())
    about = judged["duckdb"]["about"]
    assert 0 < about["n_judged"] < 300 and about["n_rows"] == 900
    assert judged["memory"]["about"]["n_judged"] == about["n_judged"]
    assert judged["memory"]["rows"] == judged["duckdb"]["rows"]


def test_attributed_buckets_must_not_cut_through_a_user(files):
    asked = Question(buckets=("kind",), meaning="attributed")
    with pytest.raises(ValueError, match="--bucket kind: buckets: 'attributed' expects all rows of a user"):
        judge_table(files / "parts", asked)


# ----------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("case", refused())
def test_what_memory_refuses_is_refused_in_the_same_words(connection, tmp_path, case):
    table, message = refused()[case]
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path)
    for judge in (
        lambda: compare(path, None, Question(), ClosedForm()),
        lambda: judge_table(path, engine=connection),
    ):
        with pytest.raises(ValueError) as told:
            judge()
        assert str(told.value).startswith(message.format(path=path)), told.value
        assert "Remedy: " in str(told.value)


@pytest.mark.parametrize("case", ["a NaN among scores", "a NaN among labels"])
def test_a_nan_that_a_view_hides_behind_the_bounds_of_its_file_is_found(connection, tmp_path, case):
    table, message = refused()[case]
    table = with_column(table, "click", [1.0, 1, 1, 1, 1, np.nan]) if "labels" in case else table
    pq.write_table(table, tmp_path / "rows.parquet")
    connection.con.execute(f"CREATE OR REPLACE VIEW hiding AS SELECT * FROM '{tmp_path / 'rows.parquet'}'")
    with pytest.raises(ValueError, match=re.escape(message)):
        judge_table("hiding", engine=connection)


@pytest.mark.parametrize("is_file", [True, False])
def test_names_that_differ_by_case_alone_are_refused_on_an_engine(tmp_path, is_file):
    rows = BY_HAND.append_column("Click", BY_HAND["click"])
    pq.write_table(rows, tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match=r"names that differ by more than case, got \['Click', 'click'\]"):
        judge_table(tmp_path / "rows.parquet" if is_file else ibis.memtable(rows))


def test_a_fraction_is_no_weight_of_a_user_on_an_engine(table):
    spent = table(BY_HAND.append_column("spent", pa.array([0.1] * 6)))
    with pytest.raises(
        ValueError, match=r"--wuauc spent: expected whole numbers on an engine, .* got double"
    ):
        judge_table(spent, Question(wuauc="spent"))


def test_more_buckets_than_anybody_reads_are_refused(table):
    many = BY_HAND.append_column("who", BY_HAND["user_id"])
    many = pa.concat_tables(
        [many.set_column(3, "who", pa.array([f"{part} {row}" for row in range(6)])) for part in range(84)]
    )
    with pytest.raises(ValueError, match="--bucket: expected at most 500 buckets, got 504"):
        judge_table(table(many), Question(buckets=("who",)))


# ------------------------------------------------------------------------------------------------ the doors


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_a_connection_of_one_s_own_is_judged_where_it_is(files, memory):
    with duckdb.connect(str(files / "scores.db"), read_only=True) as own:
        found = judge_table("week.scores", ASKED, engine=own, is_compared=True)
        assert own.sql("SELECT count(*) FROM week.scores").fetchall() == [(900,)]  # still open
    assert [row["value"] for row in found["rows"]] == [row["value"] for row in memory["rows"]]
    assert {row["model"] for row in found["rows"]} == {"week.scores (pctr)", "week.scores (old)"}


def test_the_command_judges_a_table_of_a_database(files, memory, tmp_path):
    database = f"duckdb://{files / 'scores.db'}"
    options = [
        "--engine",
        database,
        "--baseline",
        "week.scores",
        "--baseline-score",
        "old",
        "--bucket",
        "kind",
    ]
    written = ["--json", tmp_path / "out.json"]
    done = run("week.scores", *options, *written)
    assert done.exit_code == 0, done.output
    assert "Counted by duckdb" in done.output
    found = json.loads((tmp_path / "out.json").read_text())
    kept = [
        row
        for row in memory["rows"]
        if row["bucket_kind"] in ("all", "kind") and "weight" not in row["metric"]
    ]
    shown = [row for row in found["rows"] if not row["metric"].startswith("WUAUC")]
    assert [row["value"] for row in shown] == [row["value"] for row in kept]


def test_spark_without_its_package_names_the_extra(files, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"expected the package pyspark, got none. Remedy: pip install"):
        judge_table(files / "parts", engine="spark")


def test_an_engine_without_room_says_so(tmp_path):
    pq.write_table(rows(30_000), tmp_path / "rows.parquet")
    narrow = duckdb.connect(config={"memory_limit": "1MB", "threads": 1, "temp_directory": ""})
    with pytest.raises(
        ValueError, match=r"engine: expected an answer of duckdb .*OutOfMemory.* Remedy: where"
    ):
        judge_table(tmp_path / "rows.parquet", engine=narrow)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["parts", "--engine", "flock"], "--engine: expected duckdb, spark, or a URL"),
        (["parts", "--engine", "flock://here"], "--engine: expected an engine that answers"),
        (["nowhere", "--engine", "duckdb"], "nowhere: expected parquet files or a table of duckdb"),
        (["scores.csv", "--engine", "duckdb"], "scores.csv: expected parquet files or a table on an engine"),
        (["parts", "--engine", "duckdb", "--weight", "n"], "--weight: expected none on an engine"),
        (["parts", "--engine", "duckdb", "--bootstrap", "9"], "--bootstrap: expected 0 on an engine"),
        (
            ["parts", "--engine", "duckdb", "--baseline", "scores.db"],
            "--baseline: expected parts again with --engine",
        ),
    ],
)
def test_what_an_engine_cannot_do_is_said(files, monkeypatch, options, message):
    monkeypatch.chdir(files)
    (files / "scores.csv").write_text("user_id,click,pctr\n1,0,0.5\n")
    done = run(*options)
    assert done.exit_code == 2, done.output
    assert message in done.stderr.replace("\n", " ")
    assert "Remedy: " in done.stderr
