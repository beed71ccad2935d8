"""What every command refuses, as commands to run: small wrong inputs, and where each is told to lie."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import typer
from typer.testing import CliRunner

import learn_rank.cli
import learn_recall.cli
from learn_recall.store import write_store

APPS = {"learn-rank": learn_rank.cli.app, "learn-recall": learn_recall.cli.app}


class Refused(NamedTuple):
    """One input that a command refuses.

    Attributes:
        command: program and verb.
        situation: as the page tells it.
        place: what the message says of where it lies.
        arguments: behind the verb, separated by blanks.
    """

    command: str
    situation: str
    place: str
    arguments: str


def run(command: str, arguments: list[str]):
    """A command as its user runs it, in this process; its verb alone is made, which is much faster."""
    program, verb = command.split(" ")
    (callback,) = (
        each.callback
        for each in APPS[program].registered_commands
        if each.callback.__name__.replace("_", "-") == verb
    )
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command(verb)(callback)
    return CliRunner().invoke(app, arguments)


_TOWERS = "--towers empty --content content"
_PARTS = "--train log.csv --valid log.csv --test log.csv --out out"
_TRAIN = "--interactions log.csv --content content --out out"
_LOG = "--items items.csv --interactions log.csv"
_JOIN = "--users user --items item --out out"
_MARKET = "--out out --dataset marketplace"
_CASES = {
    "learn-recall encode": [
        ("items that are not there", "--items", "--items nowhere.csv --out out"),
        ("a file of another format", "--items", "--items items.xlsx --out out"),
        ("an item twice", "twice.csv, column item_id", "--items twice.csv --out out"),
        ("a template of no name", "--template", "--items items.csv --out out --template long"),
        ("a field that no item has", "--template", "--items items.csv --out out --template {colour}"),
        ("an encoder that is not there", "--encoder", "--items items.csv --out out --encoder ./nowhere"),
        ("a file that is no model", "items.csv", "--items items.csv --out out --encoder items.csv"),
        ("a layer of no name", "--layer", "--items items.csv --out out --layer middle"),
        ("an output that is no store", "taken", "--items items.csv --out taken"),
        ("an output below a file", "--out", "--items items.csv --out log.csv/out"),
        ("an output through a broken link", "--out", "--items items.csv --out broken/out"),
    ],
    "learn-recall convert": [
        ("a source that is not there", "nowhere.npy", "nowhere.npy out"),
        ("one file into another", "vectors.npy", "vectors.npy out.parquet"),
        ("vectors without ids", "vectors.npy", "vectors.npy out"),
        ("a table without vectors", "rows.parquet", "rows.parquet out"),
        ("a store below a file", "TARGET", "content log.csv/out"),
        ("a file below a file", "TARGET", "content log.csv/out.parquet"),
        ("a file through a broken link", "TARGET", "content broken/out.npy"),
        ("a broken link as a file", "TARGET", "content broken.npy"),
    ],
    "learn-recall diff": [
        ("a folder that is no store", "empty", "content empty"),
        ("ids of two kinds", "numbers", "item numbers"),
    ],
    "learn-recall train": [
        ("milliseconds", "ms.csv, column timestamp", "--interactions ms.csv --content content --out out"),
        ("users with too few events", "--interactions", _TRAIN),
        ("an output below a file", "--out", "--interactions log.csv --content content --out log.csv/out"),
        ("a store of another kind", "item", "--interactions log.csv --content item --out out"),
        ("a preset of no name", "--preset", f"{_TRAIN} --preset fast"),
        ("a setting of no name", "config.tower", f"{_TRAIN} --set tower.width=3"),
        ("a word for a number", "TrainConfig.n_epochs", f"{_TRAIN} --set train.n_epochs=x"),
        ("settings that are no JSON", "items.csv", f"{_TRAIN} --config items.csv"),
        ("settings that are no text", "rows.parquet", f"{_TRAIN} --config rows.parquet"),
    ],
    "learn-recall settings": [
        ("a preset of no name", "--preset", "--preset fast"),
    ],
    "learn-recall evaluate": [
        ("a folder without towers", "empty", f"{_TOWERS} --interactions log.csv --targets log.csv"),
        ("milliseconds", "ms.csv, column timestamp", f"{_TOWERS} --interactions ms.csv --targets log.csv"),
    ],
    "learn-recall export": [
        ("a folder without towers", "empty", f"{_TOWERS} --interactions log.csv --items-out i --users-out u"),
        (
            "contexts without a history",
            "log.csv, column history",
            f"{_TOWERS} --contexts log.csv --items-out i --users-out u",
        ),
    ],
    "learn-recall add-items": [
        ("a folder that is no store", "empty", f"{_TOWERS} --items empty"),
        ("a folder without towers", "empty", f"{_TOWERS} --items item"),
    ],
    "learn-recall index": [
        ("a folder that is no store", "empty", "--items empty --out out"),
        ("a block that the store lacks", "block of item", "--items item --out out --block words"),
    ],
    "learn-recall words": [
        ("a folder that is no store", "empty", "--items items.csv --content empty --words out --out out"),
        (
            "an item twice",
            "twice.csv, column item_id",
            "--items twice.csv --content content --words out --out out",
        ),
    ],
    "learn-recall compare-encoders": [
        ("an encoder twice", "models", f"words words {_LOG} --out out"),
        ("all layers of one model beside another model", "models", f"a@all words {_LOG} --out out"),
        (
            "milliseconds",
            "ms.csv, column timestamp",
            "words --items items.csv --interactions ms.csv --out out",
        ),
    ],
    "learn-recall compare-models": [
        ("no tables", "--items", ""),
        ("a model of no name", "--only", f"{_LOG} --only bert"),
        ("users with too few events", "--interactions", f"{_LOG}"),
    ],
    "learn-rank run": [
        ("no tables", "--items", "--out out"),
        ("a table that is not there", "nowhere.csv", f"--items nowhere.csv --interactions log.csv {_PARTS}"),
        ("a known set of no name", "--dataset", "--out out --dataset netflix"),
        ("impressions without clicks", "log.csv, column click", f"{_LOG} {_PARTS}"),
        ("a content store of another making", "--content", f"{_MARKET} --content content"),
        ("a fusion of no name", "--fusion", f"{_MARKET} --fusion sum"),
        ("a run below a file", "--out", "--dataset marketplace --out items.csv/out"),
        ("a time that is none", "--interactions-until", f"{_MARKET} --interactions-until soon"),
    ],
    "learn-rank train": [
        ("a folder without a run", "empty", "empty"),
    ],
    "learn-rank report": [
        ("a folder without a run", "empty", "empty"),
        ("arms of a report that is only printed", "--markdown", "empty --markdown --arms learn"),
    ],
    "learn-rank ablate": [
        ("a folder without a run", "empty", "empty"),
        ("a variant of no name", "--only", "empty --only none"),
    ],
    "learn-rank export": [
        ("a folder without a run", "empty", "empty --out out"),
    ],
    "learn-rank uauc": [
        ("a file that is not there", "nowhere.csv", "nowhere.csv"),
        ("a column that is not there", "scores.csv", "scores.csv --score pcvr"),
        ("labels other than 0 and 1", "labels", "grades.csv"),
        ("a baseline of other rows", "--baseline", "scores.csv --baseline short.csv"),
        ("a gate without a baseline", "--fail-if-worse", "scores.csv --fail-if-worse"),
        ("an output that cannot be written", "--json", "scores.csv --json empty"),
        ("a level that is none", "--level", "scores.csv --level 2"),
        ("cells that no comma separates", "semicolons.csv", "semicolons.csv"),
        ("UTF-16 without its mark", "utf16.csv", "utf16.csv"),
        ("an engine of no name", "--engine", "scores.csv --engine flock"),
        ("a csv on an engine", "scores.csv", "scores.csv --engine duckdb"),
    ],
    "learn-rank ab": [
        ("outcomes that are not there", "nowhere.csv", "--experiment nowhere.csv"),
        ("outcomes without an arm", "scores.csv, column arm", "--experiment scores.csv"),
        (
            "tests without impressions",
            "scores.csv, column impressions",
            "--experiment scores.csv --experiment-column user_id",
        ),
        ("a bucket without an experiment", "--bucket", "log.csv --bucket country"),
        ("a metric that decides and is not there", "--primary", "log.csv --environment known --primary GMV"),
        ("a margin below 0", "--guardrail", "log.csv --environment known --guardrail CTR=-.05"),
        ("a plan of a log of decisions", "--plan", "--log log.csv --plan"),
        ("a power that is none", "--until-power", "log.csv --environment known --until-power 2"),
        (
            "several trainings of candidates",
            "--training-seeds",
            "log.csv --environment known --training-seeds 3",
        ),
        ("no training", "--training-seeds", "--marketplace log.csv --training-seeds 0"),
        ("no candidates", "CANDIDATES", ""),
        ("candidates that are not there", "nowhere.csv", "nowhere.csv"),
        ("candidates without their columns", "request_id", "scores.csv --environment known"),
        ("no environment", "--environment", "scores.csv"),
        ("an auction of no name", "--auction", "scores.csv --environment known --auction dutch"),
        ("an output that cannot be written", "--json", "scores.csv --environment known --json items.csv/x"),
        ("a share that is none", "--treatment-share", "scores.csv --environment known --treatment-share 2"),
        ("a folder with a csv among its parts", "notes.csv", "parts --environment known"),
    ],
    "learn-rank fit-environment": [
        ("a log that is not there", "nowhere.csv", "nowhere.csv --out out --features x"),
        ("a log without clicks", "log.csv, column click", "log.csv --out out --features x"),
        ("an output below a file", "--out", "log.csv --out items.csv/out --features x"),
        ("arms of its own family", "--family", "log.csv --out out --features x --family trees"),
    ],
    "learn-rank join": [
        ("rows that are not there", "nowhere.parquet", f"nowhere.parquet {_JOIN}"),
        ("a column that is not there", "rows.parquet", f"rows.parquet {_JOIN} --user who"),
        (
            "vectors of two origins",
            "user and other",
            "rows.parquet --users user --items other --out out --no-timestamp",
        ),
        ("vectors of an unknown time", "as_of of user", f"rows.parquet {_JOIN}"),
        (
            "rows whose users are floats",
            "floats.parquet, column user_id",
            f"floats.parquet {_JOIN} --no-timestamp",
        ),
        (
            "rows with lists of users",
            "lists.parquet, column user_id",
            f"lists.parquet {_JOIN} --no-timestamp",
        ),
        ("milliseconds", "late.parquet, column timestamp", f"late.parquet {_JOIN} --allow-unknown-time"),
        (
            "an output below a file",
            "rows.parquet",
            f"rows.parquet {_JOIN[:-3]}rows.parquet/out --no-timestamp",
        ),
    ],
    "learn-rank fuxictr": [
        ("a folder that is no store", "empty", "empty --out out.npz --feature item_id"),
        ("a file of another name", "--out", "item --out out.txt --feature item_id"),
    ],
}
REFUSED = [Refused(command, *case) for command, cases in _CASES.items() for case in cases]


def write_inputs(folder: Path) -> None:
    """Write everything that the commands above name."""
    card = {"encoder": "x", "encoder_sha256": "x", "prompt": "short", "pooling": "mean", "max_tokens": 16}
    for name, kind, ids, tower in (
        ("content", "content", ["a", "b", "c"], None),
        ("item", "item", ["a", "b", "c"], "one"),
        ("user", "user", ["a", "b", "c"], "one"),
        ("other", "item", ["a", "b", "c"], "two"),
        ("numbers", "item", [1, 2, 3], "one"),
        ("number_users", "user", [1, 2, 3], "one"),
    ):
        write_store(folder / name, ids=ids, vectors=np.eye(3), kind=kind, tower=tower, **card)
    items, seconds = ["a", "b", "c"], [1_700_000_000, 1_700_000_001, 1_700_000_002]
    events = {"user_id": [1, 1, 2], "item_id": items}
    scores = {"user_id": [1, 1, 2, 2], "click": [0, 1, 1, 0], "pctr": [0.1, 0.2, 0.3, 0.4]}
    for name, columns in {
        "items.csv": {"item_id": items, "title": ["red ring", "blue pin", "set"]},
        "twice.csv": {"item_id": ["a", "a", "c"], "title": ["red ring", "blue pin", "set"]},
        "log.csv": {**events, "timestamp": seconds},
        "ms.csv": {**events, "timestamp": [1_000 * each for each in seconds]},
        "scores.csv": scores,
        "grades.csv": {**scores, "click": [0, 1, 2, 0]},
        "short.csv": {name: values[:3] for name, values in scores.items()},
    }.items():
        pd.DataFrame(columns).to_csv(folder / name, index=False)
    rows = {"user_id": ["a", "b"], "item_id": ["a", "b"], "timestamp": seconds[:2]}
    pd.DataFrame(rows).to_parquet(folder / "rows.parquet")
    for name, changed in (
        ("floats", {"user_id": [1.0, 2.5]}),
        ("lists", {"user_id": [["a"], ["b"]]}),
        ("late", {"timestamp": [1_000 * each for each in seconds[:2]]}),
    ):
        pd.DataFrame({**rows, **changed}).to_parquet(folder / f"{name}.parquet")
    (folder / "semicolons.csv").write_text((folder / "scores.csv").read_text().replace(",", ";"))
    (folder / "utf16.csv").write_bytes((folder / "scores.csv").read_text().encode("utf-16-le"))
    (folder / "parts").mkdir()
    pd.DataFrame(rows).to_parquet(folder / "parts" / "rows.parquet")
    (folder / "parts" / "notes.csv").write_text("user_id\n1\n")
    np.save(folder / "vectors.npy", np.eye(3))
    for name in ("broken", "broken.npy"):
        (folder / name).symlink_to(folder / "nothing" / "there")
    for name in ("empty", "taken"):
        (folder / name).mkdir()
    for name in ("items.xlsx", "taken/notes.txt"):
        (folder / name).write_text("x")
