"""Towers that start from others: what is carried over, what is not, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import torch
import tower_world as world

from learn_recall.evaluate.towers import evaluate_towers
from learn_recall.store import StoreError
from learn_recall.towers.checkpoint import load_checkpoint
from learn_recall.train.loop import train_towers

NO_STEP = {"n_epochs": 1, "learning_rate": 1e-12, "warmup_epochs": 0.0, "weight_decay": 0.0}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    return world.content_store(tmp_path_factory.mktemp("content") / "store")


def half(table, part):
    """The events of items with an even (0) or odd (1) number."""
    return table[table["item_id"].str[1:].astype(int) % 2 == part]


@pytest.fixture(scope="module")
def started(content, tmp_path_factory):
    out = tmp_path_factory.mktemp("started") / "t"
    config = world.small_config(id_residual=True, train={"n_epochs": 6})
    return train_towers(half(world.interactions(200), 0), content, out, config, progress=False)


def test_weights_and_whitening_are_those_of_the_start(content, started, tmp_path):
    config = world.small_config(id_residual=True, train=NO_STEP)
    out = train_towers(
        half(world.interactions(), 1), content, tmp_path / "t", config, start=started, progress=False
    )
    old, new = load_checkpoint(started).towers.state_dict(), load_checkpoint(out).towers.state_dict()
    for name, value in old.items():
        if not name.startswith("id_"):
            torch.testing.assert_close(new[name], value, rtol=0, atol=1e-9, msg=name)


def test_ids_known_to_both_keep_their_embedding(content, started, tmp_path):
    config = world.small_config(id_residual=True, train=NO_STEP)
    table = world.interactions()
    mixed = pd.concat([half(table, 1), half(table, 0).query("item_id in ['i0', 'i2', 'i4', 'i6', 'i8']")])
    out = train_towers(mixed, content, tmp_path / "t", config, start=started, progress=False)
    old, new = load_checkpoint(started), load_checkpoint(out)
    ids = np.array([f"i{number}" for number in range(60)])
    before, after = old.known_rows(ids), new.known_rows(ids)
    is_shared = (before >= 0) & (after >= 0)
    assert 1 <= is_shared.sum() <= 5
    ours, theirs = new.towers.id_embedding.weight, old.towers.id_embedding.weight
    torch.testing.assert_close(ours[after[is_shared]], theirs[before[is_shared]], rtol=0, atol=1e-9)
    is_new = (before < 0) & (after >= 0)
    assert float(ours[after[is_new]].std()) == pytest.approx(0.02, rel=0.2)  # as they were made


def test_towers_find_items_that_they_were_never_trained_on(content, started):
    table = half(world.interactions(seed=5), 1)  # other users, other items, the same groups
    last = table.sort_values("timestamp").groupby("user_id").tail(1)
    report = evaluate_towers(started, content, table.drop(last.index), last)
    assert report.value("recall@10", bucket="0") > 2 * 10 / 60


def test_a_run_from_one_start_is_not_resumed_from_another(content, started, tmp_path):
    table, config = world.interactions(30), world.small_config(id_residual=True, train={"n_epochs": 1})
    train_towers(table, content, tmp_path / "t", config, start=started, progress=False)
    with pytest.raises(ValueError, match="settings or start"):
        train_towers(table, content, tmp_path / "t", config, progress=False)


def test_towers_of_another_shape_or_encoder_are_refused(content, started, tmp_path):
    table = world.interactions(30)
    wide = world.small_config(id_residual=True, dimension=4)
    with pytest.raises(
        ValueError, match=r"start: expected towers of the same shape, pal.output.weight of \(4"
    ):
        train_towers(table, content, tmp_path / "t", wide, start=started, progress=False)
    other = world.content_store(tmp_path / "other", encoder_sha256="xyz")
    config = world.small_config(id_residual=True)
    with pytest.raises(StoreError, match="encoder_sha256"):
        train_towers(table, other, tmp_path / "t", config, start=started, progress=False)
