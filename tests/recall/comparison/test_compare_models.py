"""`learn-recall compare-models` on tables of one's own: the same question as a folder's, and its answer."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from learn_recall.cli import app
from learn_recall.comparison.variants import VARIANTS
from learn_recall.comparison.world import WINDOW, read_own_world, read_world
from learn_recall.tables.read import TableError

COLOURS = ("red", "blue", "green", "black")


def log_of(n_users=40, seed=0):
    """Each user stays with one colour; the rows of the log stand in no order, one user is too short."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        own = rng.permutation(5)[: 2 if user == 7 else rng.integers(4, 6)] * 4 + rng.integers(4)
        rows += [(f"u{user}", f"i{item:02}", 1_000 + 10 * place) for place, item in enumerate(own)]
    log = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    return log.sample(frac=1, random_state=seed).reset_index(drop=True)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    titles = [
        f"{colour} {thing}" for thing in ("shoe", "lamp", "chair", "soap", "book") for colour in COLOURS
    ]
    items = pd.DataFrame({"item_id": [f"i{number:02}" for number in range(20)], "title": titles})
    items.to_parquet(folder / "items.parquet")
    log_of().to_csv(folder / "log.csv.gz", index=False)
    return folder


def events_of(log):
    return {user: rows["item_id"].tolist() for user, rows in log.sort_values("timestamp").groupby("user_id")}


def asked_of(world):
    """User -> (history, targets), as item ids."""
    ids = world.items["item_id"].to_numpy()
    number, first = world.users
    users = world.test["user_id"].to_numpy()[first]
    return {
        user: (ids[row[row >= 0]].tolist(), ids[world.targets[number == at]].tolist())
        for at, (user, row) in enumerate(zip(users, world.histories, strict=True))
    }


def test_a_log_with_times_is_split_by_them_whatever_the_order_of_its_rows(tables):
    events = events_of(log_of())
    world = read_own_world(tables / "items.parquet", tables / "log.csv.gz")
    long = {user: items for user, items in events.items() if len(items) >= 3}
    assert len(long) == 39
    assert asked_of(world) == {user: (items[:-1], items[-1:]) for user, items in long.items()}
    assert set(events["u7"]) <= set(world.history["item_id"][world.history["user_id"] == "u7"])
    window = read_own_world(tables / "items.parquet", tables / "log.csv.gz", task=WINDOW, window=2)
    assert asked_of(window) == {user: (items[:-2], items[-2:]) for user, items in long.items()}


def test_the_same_events_as_tables_and_as_a_folder_are_the_same_question(tmp_path):
    log = log_of()
    log["item_id"] = log["item_id"].str[1:].astype(int)
    log["user_id"] = log["user_id"].str[1:].astype(int)
    items = pd.DataFrame({"item_id": range(20), "title": [f"thing {number}" for number in range(20)]})
    items.to_json(tmp_path / "items.jsonl.gz", orient="records", lines=True)
    with gzip.open(tmp_path / "sequences.txt.gz", "wt") as file:
        file.writelines(" ".join(map(str, (user, *own))) + "\n" for user, own in events_of(log).items())
    log.to_parquet(tmp_path / "log.parquet")
    folder = read_world(tmp_path)
    own = read_own_world(tmp_path / "items.jsonl.gz", tmp_path / "log.parquet")
    assert own.fingerprint == folder.fingerprint
    assert asked_of(own) == asked_of(folder)
    assert own.train_counts.tolist() == folder.train_counts.tolist()


def test_what_cannot_be_split_is_refused(tables, tmp_path):
    short = log_of().groupby("user_id").head(2)
    short.to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(ValueError, match="expected users with 3 events or more; got none"):
        read_own_world(tables / "items.parquet", tmp_path / "short.csv")
    log_of().assign(item_id="other").to_csv(tmp_path / "unknown.csv", index=False)
    with pytest.raises(TableError, match="other"):
        read_own_world(tables / "items.parquet", tmp_path / "unknown.csv")


def run(tables, *arguments):
    own = ["--items", str(tables / "items.parquet"), "--interactions", str(tables / "log.csv.gz")]
    return CliRunner().invoke(app, ["compare-models", *own, *arguments])


def test_the_command_compares_models_on_own_tables_and_goes_on_after_a_stop(tables, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["--only", "popularity,tfidf", "--only", "id", "--seeds", "1", "--epochs", "1"]
    arguments += ["--task", "window", "--window", "2", "--json", "new/recall.json"]
    done = run(tables, *arguments)
    assert done.exit_code == 0, done.output
    assert "H@10" in done.output and "R@10 - id" in done.output
    report = json.loads((tmp_path / "new" / "recall.json").read_text())
    assert list(report["models"]) == ["popularity", "tfidf", "id"]
    recall = {name: model["R@10"] for name, model in report["models"].items()}
    assert recall["tfidf"] > max(0.9, recall["popularity"])  # the colour is in the words
    assert report["models"]["tfidf"]["minus_id"]["R@10"]["value"] == pytest.approx(
        recall["tfidf"] - recall["id"]
    )
    assert {"command", "version", "machine", "threads"} <= set(report["environment"])
    assert len(list((tmp_path / "runs" / "recall-log").glob("id-0-*"))) == 1

    monkeypatch.setattr("learn_recall.comparison.scores.train_towers", pytest.fail)
    again = run(tables, *arguments)
    assert again.exit_code == 0, again.output
    assert "id, seed 0: read from" in again.output
    assert json.loads((tmp_path / "new" / "recall.json").read_text())["models"] == report["models"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "folder"], "--data: expected no --items and no --interactions with it"),
        (["--only", "bert"], "--only: expected names among popularity"),
        (["--fit", "test"], "--fit: expected all or train"),
        (["--task", "month"], "task: expected one of leave-one-out"),
    ],
)
def test_what_the_command_cannot_use_is_told_in_words(arguments, words, tables):
    done = run(tables, *arguments)
    assert done.exit_code == 2
    assert words in done.output


def test_the_names_of_the_models_are_printed_without_a_log():
    done = CliRunner().invoke(app, ["compare-models", "--names"])
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.output.splitlines()] == list(VARIANTS)
    alone = CliRunner().invoke(app, ["compare-models", "--items", "items.parquet"])
    assert alone.exit_code == 2 and "or --items and --interactions together" in alone.output
