"""The command learn-recall: the whole road in four commands, and plain words for wrong input."""

import json

import pandas as pd
import pytest
import tower_world as world
from tiny_models import save_tiny_model
from typer.testing import CliRunner

from learn_recall.cli import app
from learn_recall.store import EmbeddingStore
from learn_recall.towers.config import RecallConfig
from learn_recall.towers.presets import preset

SMALL = [
    *("--set", "tower.hidden=8", "--set", "tower.n_layers=1", "--set", "tower.dimension=4"),
    *("--set", "train.n_epochs=2", "--set", "tower.item_tower=seq_to_item"),
]


@pytest.fixture
def folder(tmp_path):
    world.content_store(tmp_path / "content")
    table = world.interactions(40)
    table.to_parquet(tmp_path / "log.parquet")
    table.drop_duplicates("user_id")[["user_id", "item_id"]].to_csv(tmp_path / "targets.csv", index=False)
    return tmp_path


def call(folder, *arguments):
    """Arguments that start with @ are paths in the folder."""
    texts = [str(folder / text[1:]) if str(text).startswith("@") else str(text) for text in arguments]
    return CliRunner().invoke(app, texts, env={"COLUMNS": "200"})


def train(folder, *more):
    return call(
        folder, "train", "--interactions", "@log.parquet", "--content", "@content", "--out", "@towers",
        *SMALL, *more,
    )  # fmt: skip


def test_train_evaluate_and_export_in_three_commands(folder):
    trained = train(folder)
    assert trained.exit_code == 0, trained.output
    assert "recall@10" in trained.output
    config = json.loads((folder / "towers" / "config.json").read_text())
    assert (config["tower"]["hidden"], config["tower"]["item_tower"]) == (8, "seq_to_item")

    evaluated = call(
        folder, "evaluate", "--towers", "@towers", "--content", "@content", "--interactions", "@log.parquet",
        "--targets", "@targets.csv", "--k", 5, "--json", "@report.json",
    )  # fmt: skip
    assert evaluated.exit_code == 0, evaluated.output
    assert "40 targets ranked" in evaluated.output
    report = json.loads((folder / "report.json").read_text())
    rows = {(row["metric"], row["history"], row["bucket"]): row["value"] for row in report["rows"]}
    assert f"{rows['recall@5', 'unfiltered', 'all']:.4f}" in evaluated.output

    exported = call(
        folder, "export", "--towers", "@towers", "--content", "@content", "--interactions", "@log.parquet",
        "--items-out", "@items", "--users-out", "@users", "--content-dimension", 6,
    )  # fmt: skip
    assert exported.exit_code == 0, exported.output
    assert "item: 60 of 60 have a vector of 10 components" in exported.output
    assert EmbeddingStore.open(folder / "users", expect={"kind": "user"}).card.n_present == 40


def test_export_takes_a_table_of_contexts(folder):
    train(folder)
    contexts = pd.DataFrame({"context_id": ["a", "b"], "user_id": [0, 1], "history": [["i1", "i2"], []]})
    contexts.to_parquet(folder / "contexts.parquet")
    done = call(
        folder, "export", "--towers", "@towers", "--content", "@content", "--contexts", "@contexts.parquet",
        "--items-out", "@items", "--users-out", "@users", "--content-dimension", 0, "--dtype", "float32",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert EmbeddingStore.open(folder / "users").present.tolist() == [True, False]


def test_encode_writes_a_content_store(tmp_path):
    save_tiny_model(tmp_path / "model", "bert")
    pd.DataFrame({"item_id": [1, 2], "title": ["red shoe", "blue hat"]}).to_csv(
        tmp_path / "items.csv", index=False
    )
    done = call(
        tmp_path, "encode", "--items", "@items.csv", "--out", "@content", "--encoder", "@model",
        "--template", "short",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert EmbeddingStore.open(tmp_path / "content").card.prompt is not None


def test_settings_prints_json_that_train_takes(folder):
    printed = call(folder, "settings", "--preset", "paper")
    assert RecallConfig.from_dict(json.loads(printed.stdout)) == preset("paper")
    (folder / "mine.json").write_text(json.dumps(preset("default").to_dict()))
    assert train(folder, "--config", "@mine.json").exit_code == 0


def test_the_same_command_again_is_done_at_once_and_other_settings_are_refused(folder):
    assert train(folder).exit_code == 0
    assert train(folder).exit_code == 0
    refused = train(folder, "--set", "train.seed=1")
    assert refused.exit_code == 2
    assert "--no-resume" in refused.output
    assert train(folder, "--set", "train.seed=1", "--no-resume").exit_code == 0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (["--interactions", "@nothing.parquet"], "correct the path"),
        (["--content", "@nothing"], "no such folder"),
        (["--preset", "big"], "default"),
        (["--set", "tower.hidden=wide"], "expected int"),
        (["--set", "hidden=8"], "PART.FIELD=VALUE"),
        (["--set", "tower.hiden=8"], "got 'hiden'"),
    ],
)
def test_wrong_input_ends_in_plain_words_and_exit_code_2(folder, change, text):
    done = train(folder, *change)
    assert done.exit_code == 2
    assert text in done.output
    assert "Traceback" not in done.output


def test_a_table_with_faults_names_the_column(folder):
    pd.DataFrame({"user_id": [1], "timestamp": [3]}).to_parquet(folder / "log.parquet")
    done = train(folder)
    assert done.exit_code == 2
    assert "item_id" in done.output


@pytest.mark.parametrize("command", ["encode", "train", "evaluate", "export", "settings"])
def test_every_command_explains_itself_with_an_example(command):
    done = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    assert f"learn-recall {command}" in done.output
