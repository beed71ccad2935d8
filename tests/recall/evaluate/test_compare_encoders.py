"""Comparing encoders: geometry against slow loops and hand-made cases, and the command on two tiny models."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import save_tiny_model
from tower_world import small_config
from typer.testing import CliRunner

from learn_recall.cli import app
from learn_recall.evaluate import compare_encoders as module
from learn_recall.evaluate.compare_encoders import compare_encoders
from learn_recall.evaluate.vector_geometry import effective_rank, mean_cosine, neighbour_hit_rate
from learn_recall.store import EmbeddingStore
from learn_recall.text.prompt import render_items
from learn_recall.text.word_vectors import WordVectors

WORDS = ["red", "blue", "ring", "pin", "women", "men", "set", "nail", "polish", "brand"]


@given(st.integers(2, 12), st.integers(1, 5), st.integers(0, 99))
def test_the_mean_cosine_equals_a_loop_over_pairs(n_rows, dimension, seed):
    vectors = np.random.default_rng(seed).normal(size=(n_rows, dimension)) + 0.3
    cosines = []
    for one in range(n_rows):
        for other in range(n_rows):
            if one != other:
                a, b = vectors[one], vectors[other]
                cosines.append(a @ b / np.sqrt((a @ a) * (b @ b)))
    assert mean_cosine(vectors) == pytest.approx(np.mean(cosines), abs=1e-5)


def test_the_effective_rank_counts_directions():
    corners = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    assert effective_rank(corners + 7.0) == pytest.approx(2.0)
    assert effective_rank(corners[:2] * [[1.0, 1.0]]) == pytest.approx(1.0)
    # variances 4 : 1, so shares .8 and .2, and exp of their entropy
    expected = np.exp(-(0.8 * np.log(0.8) + 0.2 * np.log(0.2)))
    assert effective_rank(corners * [2.0, 1.0]) == pytest.approx(expected)
    assert effective_rank(np.full((3, 2), 0.1)) is None


def test_a_pair_is_a_hit_when_the_second_is_near_enough_to_the_first():
    angles = np.deg2rad([0, 10, 25, 180, 190, 205])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    vectors -= vectors.mean(axis=0)
    pairs = np.array([[0, 1], [0, 2], [3, 4], [0, 3]])
    assert neighbour_hit_rate(vectors, pairs, k=1) == 0.5
    assert neighbour_hit_rate(vectors, pairs, k=2) == 0.75
    twins = np.array([[1.0, 0], [0.9, 0.1], [0.9, 0.1], [-1, -1]])
    assert neighbour_hit_rate(twins, np.array([[0, 1]]), k=1) == 0.5  # either of the twins comes first


def tables(n_users=60, n_items=30):
    generator = np.random.default_rng(4)
    titles = [f"{WORDS[number % 5]} {WORDS[5 + number % 3]} " * (1 + number % 2) for number in range(n_items)]
    items = pd.DataFrame({"item_id": np.arange(n_items), "title": titles})
    rows = []
    for user in range(n_users):
        chosen = generator.choice(np.arange(user % 5, n_items, 5), size=2 + user % 4, replace=False)
        rows += [(user, item, position) for position, item in enumerate(chosen)]
    return items, pd.DataFrame(rows, columns=["user_id", "item_id", "position"])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return [str(save_tiny_model(tmp_path_factory.mktemp(kind) / kind, kind)) for kind in ("bert", "llama")]


def test_every_encoder_gets_a_row_on_the_same_users(models, tmp_path):
    items, interactions = tables()
    config = small_config(train={"n_epochs": 1})
    rows = compare_encoders(
        items, interactions, models, tmp_path, config=config, max_users=20, progress=False
    )
    assert [row.encoder for row in rows] == models
    for row in rows:
        assert (row.dimension, row.n_targets) == (32, 20)
        assert 0 < row.recall_10 <= row.recall_50 <= 1
        assert row.effective_rank is not None and 1 <= row.effective_rank <= 32
        assert -1 <= row.mean_cosine <= 1
        assert 0 <= row.neighbour_hit_rate <= 1
        assert row.hours_per_million == pytest.approx(1e6 / row.items_per_second / 3600)
    assert rows[0].mean_cosine != rows[1].mean_cosine


def test_two_layers_of_a_model_are_two_encoders(models, tmp_path):
    items, interactions = tables()
    config = small_config(train={"n_epochs": 1})
    names = [f"{models[1]}@1", f"{models[1]}@0..2"]
    rows = compare_encoders(items, interactions, names, tmp_path, config=config, max_users=20, progress=False)
    assert [row.encoder for row in rows] == names
    stores = [EmbeddingStore.open(path) for path in sorted(tmp_path.glob("*/content"))]
    assert sorted(store.card.extra["identity"]["layer"] for store in stores) == ["0..2", "1"]
    assert rows[0].mean_cosine != rows[1].mean_cosine


def test_words_are_compared_on_the_same_users_and_have_the_vectors_of_their_own_module(tmp_path):
    items, interactions = tables()
    config = small_config(train={"n_epochs": 1})
    for _ in range(2):  # the same call goes on
        (row,) = compare_encoders(
            items, interactions, ["words"], tmp_path, config=config, max_users=60, progress=False
        )
    store = EmbeddingStore.open(tmp_path / "words" / "content")
    texts = render_items(items, "short")
    np.testing.assert_array_equal(store.vectors, WordVectors.fit(texts)(texts))
    assert (row.encoder, row.dtype, row.dimension) == ("words", "float32", store.card.dimension)
    assert row.n_targets == 45  # of the users, three in four have three events or more
    assert row.recall_50 == 1.0  # of 30 items
    assert row.neighbour_hit_rate > 0.5  # users stay within the titles of one first word


def test_the_command_prints_a_table_and_writes_the_rows(models, tmp_path, monkeypatch):
    items, interactions = tables()
    items.to_parquet(tmp_path / "items.parquet")
    interactions.to_parquet(tmp_path / "log.parquet")
    monkeypatch.setattr(module, "short_alignment", lambda: small_config(train={"n_epochs": 3}))
    options = [
        "--items",
        tmp_path / "items.parquet",
        "--interactions",
        tmp_path / "log.parquet",
        "--epochs",
        1,
    ]
    options += ["--out", tmp_path / "out", "--json", tmp_path / "rows.json"]
    result = CliRunner().invoke(
        app, ["compare-encoders", *models, *map(str, options)], env={"COLUMNS": "250"}
    )
    assert result.exit_code == 0, result.output
    assert "recall@10" in result.output
    assert "last items of users ranked" in result.output
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["encoder"] for row in rows] == models
    log = (tmp_path / "out").glob("*/towers/history.jsonl")
    assert all(len(path.read_text().splitlines()) == 1 for path in log)


def test_wrong_arguments_are_refused_before_anything_is_encoded(models, tmp_path):
    items, interactions = tables()
    with pytest.raises(ValueError, match="models: expected one or more, each once"):
        compare_encoders(items, interactions, [models[0]] * 2, tmp_path)
    with pytest.raises(ValueError, match="users with 3 events or more; got none"):
        compare_encoders(items, interactions[interactions["position"] < 2], models, tmp_path)
    with pytest.raises(ValueError, match="'timestamp' or 'position'"):
        compare_encoders(items, interactions[["user_id", "item_id"]], models, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_texts_that_a_model_cannot_read_are_told_with_its_name_and_of_the_words_nothing(
    models, tmp_path, monkeypatch
):
    items, interactions = tables()
    items["title"] = [f"红色{chr(0x4E00 + number)} 连衣裙" for number in range(len(items))]
    items.to_parquet(tmp_path / "items.parquet")
    interactions.to_parquet(tmp_path / "log.parquet")
    monkeypatch.setattr(module, "short_alignment", lambda: small_config(train={"n_epochs": 1}))
    options = {
        "--items": "items.parquet",
        "--interactions": "log.parquet",
        "--out": "out",
        "--json": "rows.json",
    }
    arguments = [text for name, path in options.items() for text in (name, str(tmp_path / path))]
    for names in (["words", models[1]], [f"{models[1]}@all"]):
        done = CliRunner().invoke(
            app, ["compare-encoders", *names, *arguments, "--template", "{title}"], env={"COLUMNS": "300"}
        )
        assert done.exit_code == 0, done.output
        end = done.output[done.output.rindex("│") :].replace("\n", " ")  # behind the table
        assert end.count(": 100 % of the letters of a sample are unknown to it") == 1
        found = json.loads((tmp_path / "rows.json").read_text())
        shares = (
            [row["share_outside"] for row in found] if isinstance(found, list) else found["share_outside"]
        )
        assert shares == ([None, 1.0] if len(names) == 2 else 1.0)
