"""Connections to engines: DuckDB in this process, Spark, a URL of Ibis, or what the user has opened.

Ibis itself owns the list of engines; here stands only what it leaves open: where DuckDB spills, what is said
where Spark or Java is missing, and that DuckDB's and Spark's own objects are taken as they are.
"""

from __future__ import annotations

import tempfile
from importlib import util
from pathlib import Path
from typing import Any

import ibis
from ibis.backends import BaseBackend

from learn_recall.errors import said_by

DUCKDB, SPARK = "duckdb", "spark"


def connected(engine: Any, *, spill: Path | None = None) -> BaseBackend:
    """The engine as Ibis knows it.

    Args:
        engine: "duckdb": a database in this process's memory that spills to disk; "spark": the session that
            is active or that Spark's own settings (`spark-defaults.conf`, `spark-submit`) describe, else all
            cores of this machine; a URL as `ibis.connect` takes it, such as duckdb:///scores.db; an Ibis
            backend, a connection of duckdb, or a SparkSession.
        spill: the folder in which "duckdb" makes its temporary folder; None: the system's.

    Raises:
        ValueError: no engine of that name, one that cannot be reached, or a package or Java that is missing.
    """
    if isinstance(engine, BaseBackend):
        return engine
    if not isinstance(engine, str):
        return _taken(engine)
    if engine == DUCKDB:
        folder = tempfile.gettempdir() if spill is None else str(spill)
        return ibis.duckdb.connect(temp_directory=folder)
    if engine == SPARK:
        return _spark()
    if "://" not in engine:
        raise _error(
            f"{DUCKDB}, {SPARK}, or a URL such as duckdb:///scores.db", repr(engine), "name one of them"
        )
    try:
        return ibis.connect(engine)
    except ModuleNotFoundError:
        raise
    except Exception as error:
        remedy = "try the URL with ibis.connect, and install Ibis' extra for that engine"
        raise _error("an engine that answers", f"{engine!r}: {said_by(error)}", remedy) from None


def engine_name(connection: BaseBackend) -> str:
    """Name and version of an engine, such as "duckdb 2.0.1"."""
    return f"{'spark' if connection.name == 'pyspark' else connection.name} {connection.version}"


def _taken(engine: Any) -> BaseBackend:
    home = type(engine).__module__.partition(".")[0]
    if home in ("duckdb", "_duckdb"):
        return ibis.duckdb.from_connection(engine)
    if home == "pyspark":
        return ibis.pyspark.connect(engine)
    raise _error(
        "the name of an engine, an Ibis backend, a connection of duckdb, or a SparkSession",
        type(engine).__name__,
        "pass what ibis.connect returns",
    )


def _spark() -> BaseBackend:
    if util.find_spec("pyspark") is None:
        raise _error("the package pyspark", "none", 'pip install ".[spark]"')
    from pyspark.errors import PySparkException  # noqa: PLC0415 - an extra
    from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra

    try:
        builder = SparkSession.builder.appName("learn-rank")
        active = SparkSession.getActiveSession()
        session = active or builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()
    except PySparkException as error:
        remedy = "install Java 17 (Debian: openjdk-17-jre-headless) or set JAVA_HOME, then try again"
        raise _error("a Spark that starts", said_by(error), remedy) from None
    return ibis.pyspark.connect(session)


def _error(expected: str, got: str, remedy: str) -> ValueError:
    return ValueError(f"engine: expected {expected}, got {got}. Remedy: {remedy}")
