"""All layers of an encoder in one pass: each as it is alone, times that grow, the sample, the command."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_models import save_tiny_model
from typer.testing import CliRunner

from learn_recall.cli import app
from learn_recall.encoder.text_encoder import TextEncoder
from learn_recall.evaluate.compare_encoders import pairs_in_order
from learn_recall.evaluate.encoder_layers import compare_layers
from learn_recall.evaluate.vector_geometry import mean_cosine, neighbour_hit_rate
from learn_recall.text.prompt import render_items
from learn_recall.towers.whitening import Whitening

WORDS = ["red", "blue", "ring", "pin", "men", "nail", "polish"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny") / "llama", "llama")


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    generator = np.random.default_rng(2)
    titles = [" ".join(generator.choice(WORDS, size=3)) for _ in range(30)]
    titles[7] = ""  # an item without text is in no pair
    items = pd.DataFrame({"item_id": np.arange(30) + 100, "title": titles})
    rows = [
        (user, 100 + item, place)
        for user in range(40)
        for place, item in enumerate(generator.choice(30, size=5, p=np.arange(1, 31) / 465, replace=False))
    ]
    return items, pd.DataFrame(rows, columns=["user_id", "item_id", "position"])


def test_each_layer_of_one_pass_is_that_layer_alone(model):
    items, events = tables()
    found = compare_layers(items, events, str(model), max_users=40, device="cpu")
    assert [row.layer for row in found.rows] == [0, 1, 2]
    texts = dict(zip(items["item_id"], render_items(items, "short"), strict=True))
    ids = [item for item in texts if texts[item] and (events["item_id"] == item).any()]
    assert (found.pooling, found.n_items) == ("mean", len(ids))
    place = {item: row for row, item in enumerate(ids)}
    pairs = np.array(
        [
            (place[first], place[second])
            for _, of_user in events[events["item_id"].isin(ids)].groupby("user_id")
            for first, second in zip(of_user["item_id"], of_user["item_id"][1:], strict=False)
        ]
    )
    assert found.n_pairs == len(pairs)
    tied = 4 / len(pairs)  # titles of the same words in another order are as near up to the last bit
    for row in found.rows:
        encoder = TextEncoder.load(model, pooling="mean", layer=str(row.layer), device="cpu")
        vectors = encoder.encode([texts[item] for item in ids])
        assert row.mean_cosine == pytest.approx(mean_cosine(vectors), abs=1e-5)
        assert row.neighbour_hit_rate == pytest.approx(neighbour_hit_rate(vectors, pairs), abs=tied)
        whitened = Whitening(32).fit(vectors)(torch.from_numpy(vectors)).numpy()
        assert row.whitened_hit_rate == pytest.approx(neighbour_hit_rate(whitened, pairs), abs=tied)


def test_a_deeper_layer_takes_longer_and_none_takes_nothing(model):
    times = [
        row.seconds_per_1000 for row in compare_layers(*tables(), str(model), max_users=40, device="cpu").rows
    ]
    assert 0 < times[0] < times[1] < times[2]


def test_the_items_with_most_events_are_taken(model):
    items, events = tables()
    found = compare_layers(items, events, str(model), max_users=40, max_items=6, device="cpu")
    assert found.n_items == 6
    counts = events.loc[events["item_id"] != 107, "item_id"].value_counts()
    kept = events[events["item_id"].isin(counts.index[:6])]
    expected = sum(max(len(of_user) - 1, 0) for _, of_user in kept.groupby("user_id"))
    assert (
        abs(found.n_pairs - expected) <= counts.iloc[5]
    )  # where several are as frequent, another may be taken


def test_pairs_are_of_one_user_and_two_items_with_vectors():
    row, user = np.array([0, 1, 1, 2, -1, 3, 0]), np.array([5, 5, 5, 5, 5, 6, 6])
    assert pairs_in_order(row, user, 0).tolist() == [[0, 1], [1, 2], [3, 0]]


def test_the_command_prints_every_layer_and_draws_the_figure(model, tmp_path):
    items, events = tables()
    items[items["title"] != ""].to_parquet(tmp_path / "items.parquet")
    events.to_parquet(tmp_path / "log.parquet")
    options = ["--items", tmp_path / "items.parquet", "--interactions", tmp_path / "log.parquet"]
    options += ["--out", tmp_path / "out", "--template", "one_word", "--json", tmp_path / "layers.json"]
    done = CliRunner().invoke(
        app, ["compare-encoders", f"{model}@all", *map(str, options)], env={"COLUMNS": "200"}
    )
    assert done.exit_code == 0, done.output
    assert "pooling last" in done.output  # the prompt's
    assert "whitened" in done.output
    found = json.loads((tmp_path / "layers.json").read_text())
    assert [row["layer"] for row in found["rows"]] == [0, 1, 2]
    assert found["rows"][0]["effective_rank"] is None  # the last token alone, the same in every text
    assert found["rows"][1]["effective_rank"] > 1
    assert (tmp_path / "out" / "layers.png").read_bytes()[:4] == b"\x89PNG"
    refused = CliRunner().invoke(app, ["compare-encoders", f"{model}@all", "default", *map(str, options)])
    assert refused.exit_code == 2
    assert "NAME@all alone" in " ".join(refused.output.split())
