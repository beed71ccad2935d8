"""Tables judged on Spark for real, on two threads of this machine: the digits and the refusals of memory."""

import importlib.util
import os
import re
import shutil

import pyarrow.parquet as pq
import pytest
from engine_tables import ASKED, VALUES_BY_HAND, kinds, refused, rows, with_column
from typer.testing import CliRunner

from learn_rank.uauc.judgement import Question, compare
from learn_rank.uauc.on_engine import judge_table
from learn_rank.uncertainty.closed_form import ClosedForm

HAS_SPARK = importlib.util.find_spec("pyspark") is not None
HAS_JAVA = bool(os.environ.get("JAVA_HOME")) or shutil.which("java") is not None
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not HAS_SPARK, reason="pyspark is not installed: make spark"),
    pytest.mark.skipif(not HAS_JAVA, reason="no Java: install Java 17 (Debian: openjdk-17-jre-headless)"),
    # of pyspark itself
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning"
    ),
    pytest.mark.filterwarnings("ignore:.*:UserWarning:pyspark.*"),
]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """One session for all tests, told to plan for small tables."""
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        "spark.sql.adaptive.enabled": "false",
        # compiling takes longer than these tables
        "spark.sql.codegen.wholeStage": "false",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }
    builder = SparkSession.builder.master("local[2]").appName("learn-rank tests")
    for name, value in settings.items():
        builder = builder.config(name, value)
    made = builder.getOrCreate()
    made.sparkContext.setLogLevel("ERROR")
    yield made
    made.stop()


def test_every_number_of_every_bucket_is_that_of_memory(session, tmp_path):
    (tmp_path / "parts").mkdir()
    for at in (0, 1):
        pq.write_table(rows().slice(500 * at, 500), tmp_path / "parts" / f"{at}.parquet")
    found = judge_table(tmp_path / "parts", ASKED, engine=session, has_details=True)
    memory = compare(tmp_path / "parts", None, ASKED, ClosedForm(), has_details=True)
    for name in ("rows", "counts", "users"):
        assert found[name] == memory[name], name
    assert found["about"]["engine"].startswith("spark ")
    assert len({(row["bucket_kind"], row["bucket"]) for row in found["rows"]}) == 7


@pytest.mark.parametrize("scores", ["decimal scores", "zeros of two signs"])
def test_types_of_an_engine_s_own_give_the_same_values(session, tmp_path, scores):
    users = kinds()["unsigned ids beyond 63 bits"]["user_id"].combine_chunks()
    pq.write_table(with_column(kinds()[scores], "user_id", users), tmp_path / "rows.parquet")
    found = judge_table(tmp_path / "rows.parquet", engine=session, has_details=True)
    memory = compare(tmp_path / "rows.parquet", None, Question(), ClosedForm(), has_details=True)
    assert {row["metric"]: row["value"] for row in found["rows"]} == VALUES_BY_HAND
    assert found["users"]["candidate"] == memory["users"]["candidate"]


@pytest.mark.parametrize("case", refused())
def test_what_memory_refuses_is_refused_in_the_same_words(session, tmp_path, case):
    table, message = refused()[case]
    pq.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match="^" + re.escape(message.format(path=tmp_path / "rows.parquet"))):
        judge_table(tmp_path / "rows.parquet", engine=session)


def test_the_command_judges_a_table_of_the_active_session(session, tmp_path):
    from benchmarks.uauc import app

    pq.write_table(rows(300).select(["user_id", "click", "pctr"]), tmp_path / "rows.parquet")
    session.read.parquet(str(tmp_path / "rows.parquet")).createOrReplaceTempView("week")
    done = CliRunner().invoke(app, ["week", "--engine", "spark", "--json", str(tmp_path / "out.json")])
    assert done.exit_code == 0, done.output
    memory = compare(tmp_path / "rows.parquet", None, Question(), ClosedForm())
    assert f"{next(row['value'] for row in memory['rows'] if row['metric'] == 'UAUC'):.4f}" in done.output
    nowhere = CliRunner().invoke(app, ["month", "--engine", "spark"])
    assert nowhere.exit_code == 2
    assert "month: expected parquet files or a table of pyspark" in nowhere.stderr.replace("\n", " ")
