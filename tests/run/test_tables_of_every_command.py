"""A table is the same in every format, whichever command reads it: the same values, or the same refusal."""

import os
import re
from contextlib import ExitStack
from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from random_tables import ENDINGS, INT_TYPES, TEXT_TYPES, WORDS, as_typed, plain_values, written
from refused_inputs import APPS, run, write_inputs

from learn_recall.store import EmbeddingStore
from learn_recall.tables import TableError

of_many = settings(
    max_examples=int(os.environ.get("LEARN_EXAMPLES", "6")),  # `make bench` takes more
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # an example is small as it is
)

# command -> what it is given ({} is the file), and the function of the house that gets what was read
EVENTS = {
    "learn-recall train": (
        "--interactions {} --content content --out out",
        "learn_recall.train.loop.train_towers",
    ),
    "learn-recall evaluate": (
        "--towers empty --content content --interactions {} --targets {}",
        "learn_recall.evaluate.towers.evaluate_towers",
    ),
    "learn-recall export": (
        "--towers empty --content content --interactions {} --items-out i --users-out u",
        "learn_recall.export.vectors.export_embeddings",
    ),
    "learn-recall diff": ("content content --interactions {}", "learn_recall.store.diff.diff_stores"),
    "learn-recall compare-encoders": (
        "words --items items.csv --interactions {} --out out",
        "learn_recall.evaluate.compare_encoders.compare_encoders",
    ),
    "learn-recall compare-models": (
        "--items items.csv --interactions {}",
        "learn_recall.comparison.world.world_of",
    ),
}
ITEMS = {
    "learn-recall encode": ("--items {} --out out --template short", "learn_recall.encode.job.run_job"),
    "learn-recall words": (
        "--items {} --content content --words fitted --out out",
        "learn_recall.text.word_vectors.texts_of",
    ),
    "learn-recall compare-encoders": (
        "words --items {} --interactions log.csv --out out",
        "learn_recall.evaluate.compare_encoders.compare_encoders",
    ),
}
IMPRESSIONS = {
    "learn-rank run": (
        "--items items.csv --interactions log.csv --train {} --valid {} --test {} --out out",
        "learn_rank.datasets.own.link_tables",
    ),
    "learn-rank fit-environment": (
        "{} --out out --features price",
        "learn_rank.ab.fitted_environment.fit.split_log",
    ),
    "learn-rank uauc": ("{} --score price", "learn_rank.uauc.judgement.partitions_of"),
    "learn-rank ab": ("--log {}", "learn_rank.commands.ab.command._write"),
}


class Taken(BaseException):
    """Ends a command at the function that gets what was read."""


def take(*given, **named):
    raise Taken(given, named)


def values_of(given):
    """Frames and results among a function's arguments, as plain values."""
    kind = type(given).__name__
    if kind == "EncodeRequest":  # which reads when the job does
        try:
            found = values_of(list(given.source.frames()))
        except TableError as error:
            found = refusal(f"{error}\n")
    elif kind == "ABResult":
        found = [given.mode, given.rows, given.verdict.status]
    elif isinstance(given, pd.DataFrame):
        found = {name: plain_values(given[name]) for name in sorted(given)}
    elif isinstance(given, dict):
        found = {str(name): values_of(value) for name, value in given.items()}
    elif isinstance(given, tuple | list):
        found = [values_of(each) for each in given]
    else:
        found = given if isinstance(given, int | float) else None
    return found


def refusal(words):
    """The columns and what was expected of each; without a list of problems the sentence up to what came."""
    found = re.findall(r"(?:, column (\w+))?\n +expected: (.*)\n +got: (?:.*\n +rows: (.*))?", words)
    assert "unexpected" not in words and "Traceback" not in words, words
    return found or re.sub(r"\S*t\.(parquet|csv|jsonl)", "FILE", words.partition(", got")[0])


def outcome(command, arguments, at, path):
    """What a command makes of a file: what it read, or why it refuses it."""
    module, _, name = at.rpartition(".")
    with ExitStack() as patched:
        patched.enter_context(patch(f"{module}.{name}", take))
        if command == "learn-rank run":
            patched.enter_context(
                patch("learn_rank.pipeline.order.run_pipeline", lambda make, *_, **__: make())
            )
        try:
            found = run(command, arguments.format(*[path] * arguments.count("{}")).split())
        except Taken as taken:
            return values_of(list(taken.args))
    assert found.exit_code == 2, found.output
    return refusal(found.stderr)


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """Where the commands find what else they are given."""
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    before = os.getcwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def cells(values, n_rows):
    return st.lists(values, min_size=n_rows, max_size=n_rows)


@st.composite
def tables(draw, **faulty):
    """Columns by name: their values, and the arrow type in which parquet gets them."""
    n = draw(st.integers(1, 4))
    whole, words = st.integers(0, 2**62), WORDS.map(lambda word: f"i{word}")
    found = {}
    for name in ("user_id", "item_id"):
        is_text = draw(st.booleans())
        values = cells(words if is_text else whole, n)
        found[name] = draw(st.tuples(values, st.sampled_from(TEXT_TYPES if is_text else INT_TYPES)))
    found["title"] = (draw(cells(st.none() | WORDS, n)), pa.string())
    seconds = st.sampled_from([1_700_000_000, 1_700_000_001, *draw(st.sampled_from(faulty["seconds"]))])
    found["timestamp"] = (draw(cells(seconds, n)), draw(st.sampled_from((pa.int64(), pa.float64()))))
    found["position"] = (draw(cells(st.integers(0, 3), n)), draw(st.sampled_from((pa.int64(), pa.int8()))))
    labels = st.sampled_from(draw(st.sampled_from(([0, 1], [1], [0, 1, 2], [0, 1, None], [None]))))
    found["click"] = (draw(cells(labels, n)), pa.int64())
    found["conversion"] = (draw(cells(st.sampled_from([0, 1, None]), n)), pa.float64())
    of_floats = st.floats(-1e6, 1e6, width=32).map(lambda value: round(value, 2))
    found["price"] = (draw(cells(of_floats, n)), pa.float64())
    return found


def check_same(drawn, commands, folder):
    typed = pa.table({name: as_typed(values, kind) for name, (values, kind) in drawn.items()})
    plain = pa.table({name: pa.array(values) for name, (values, _) in drawn.items()})
    paths = [written(typed if end == "parquet" else plain, folder / f"t.{end}") for end in ENDINGS]
    for command, (arguments, at) in commands.items():
        first, *others = [outcome(command, arguments, at, path) for path in paths]
        assert first, command
        for ending, other in zip(ENDINGS[1:], others, strict=True):
            assert other == first, (command, ending)


@of_many
@given(tables(seconds=[[], [], [1_700_000_000_000], [None]]))
def test_events_are_the_same_in_every_format_for_every_command(folder, drawn):
    check_same(drawn, EVENTS, folder)


@of_many
@given(tables(seconds=[[]]))
def test_items_are_the_same_in_every_format_for_every_command(folder, drawn):
    check_same(drawn, ITEMS, folder)


@of_many
@given(tables(seconds=[[], [], [1_700_000_000_000], [None]]))
def test_impressions_are_the_same_in_every_format_for_every_command(folder, drawn):
    check_same(drawn, IMPRESSIONS, folder)


@of_many
@given(tables(seconds=[[]]))
def test_contexts_are_the_same_in_every_format(folder, drawn):
    ids, (users, kind) = drawn["item_id"][0], drawn["user_id"]
    columns = {
        "context_id": pa.array(range(len(ids))),
        "user_id": pa.array(users),
        "history": pa.array([ids[:n] for n in range(len(ids))], pa.list_(pa.array(ids).type)),
    }
    typed = {**columns, "user_id": as_typed(users, kind)}
    paths = [
        written(pa.table(of), folder / f"t.{end}") for of, end in ((typed, "parquet"), (columns, "jsonl"))
    ]
    arguments = "--towers empty --content content --contexts {} --items-out i --users-out u"
    at = "learn_recall.export.vectors.export_embeddings"
    first, second = [outcome("learn-recall export", arguments, at, path) for path in paths]
    assert first == second and first[1]["contexts"]["history"]


@of_many
@given(st.data())
def test_rows_and_vectors_with_ids_of_any_type_are_joined_and_converted_as_plain_ones_are(folder, data):
    is_text = data.draw(st.booleans())
    known = ["a", "b", "zz"] if is_text else [1, 2, 99]
    ids = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=4))
    kind = data.draw(st.sampled_from(TEXT_TYPES if is_text else INT_TYPES))
    users, store = ("user", "item") if is_text else ("number_users", "numbers")
    found = []
    for name, column in (("plain", pa.array(ids)), ("typed", as_typed(ids, kind))):
        path, out = folder / f"{name}.parquet", folder / f"{name}-out"
        pq.write_table(pa.table({"user_id": column, "item_id": column}), path)
        joined = run(
            "learn-rank join",
            f"{path} --users {users} --items {store} --out {out}.parquet --no-timestamp".split(),
        )
        assert joined.exit_code == 0, joined.output
        table = pq.read_table(f"{out}.parquet")
        added = [column for column in table.column_names if column.startswith("learn_")]
        distinct = pa.array(dict.fromkeys(ids))
        vectors = pa.array([[float(n), 1.0] for n in range(len(distinct))], pa.list_(pa.float32(), 2))
        typed = distinct if name == "plain" else as_typed(distinct.to_pylist(), kind)
        pq.write_table(pa.table({"id": typed, "vector": vectors}), path)
        made = run("learn-recall convert", [str(path), str(out), "--overwrite"])
        assert made.exit_code == 0, made.output
        opened = EmbeddingStore.open(out)
        vectors = np.array(opened.vectors).tolist()
        found.append((table.select(added).to_pydict(), opened.ids.tolist(), vectors))
        (folder / f"{name}-out.parquet").unlink()
    assert found[0] == found[1] and found[0][0]


def test_every_command_that_reads_tables_is_among_these():
    read = {*EVENTS, *ITEMS, *IMPRESSIONS, "learn-rank join", "learn-recall convert"}
    of_runs_and_stores = {"train", "report", "ablate", "export", "fuxictr", "doctor"}
    others = {f"learn-rank {verb}" for verb in of_runs_and_stores}
    others |= {f"learn-recall {verb}" for verb in ("settings", "add-items", "index")}
    assert read | others == {
        f"{program} {verb}" for program, app in APPS.items() for verb in typer.main.get_command(app).commands
    }
