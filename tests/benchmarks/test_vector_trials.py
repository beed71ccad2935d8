"""What `benchmarks/vector_trials.py` gives a ranker: nothing of the row's own item, and new items alike."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.host_floor import drawn_log
from benchmarks.trials.aligned_block import with_aligned_block
from benchmarks.trials.given import Given
from benchmarks.trials.neighbour_rates import DAY, with_neighbour_rates
from learn_rank.data.encoded_rows import encode_dataset
from learn_rank.run.arms import LEARN
from learn_recall.store import Block, write_store

CARD = {
    "encoder": "none",
    "encoder_sha256": "none",
    "prompt": "none",
    "pooling": "mean",
    "max_tokens": 1,
    "tower": "none",
    "blocks": (Block("tower", 0, 2), Block("content", 2, 5)),
}


def given(tmp_path, dataset):
    drawn = np.random.default_rng(0)
    items, contexts = dataset.items["item_id"].to_numpy(), dataset.contexts["context_id"].to_numpy()
    stores = {}
    for kind, ids in (("user", contexts), ("item", items)):
        vectors = drawn.normal(size=(len(ids), 5)).astype(np.float32)
        stores[f"{kind}s"] = write_store(tmp_path / kind, ids=ids, vectors=vectors, kind=kind, **CARD)
    return Given(dataset, encode_dataset(dataset), **stores, work=tmp_path / "work")


@pytest.fixture(scope="module")
def dataset():
    return drawn_log(1_500, 0.5)


def columns(made, part="train"):
    return getattr(made.data, part).dense[:, -3:]


def test_rates_of_the_neighbours_know_of_the_days_before_and_not_of_the_item_itself(dataset, tmp_path):
    made = with_neighbour_rates(given(tmp_path, dataset))
    assert made.data.n_dense == encode_dataset(dataset).n_dense + 3
    item = dataset.train["item_id"][dataset.train["click"] == 1].mode()[0]
    is_own = dataset.train["item_id"] == item
    flipped = dataset.train.copy()  # its clicks in the other order: the same rate of all rows
    labels = ["click", "conversion"]
    flipped.loc[is_own, labels] = dataset.train.loc[is_own, labels].to_numpy()[::-1]
    assert not flipped.equals(dataset.train)
    other = with_neighbour_rates(
        given(tmp_path / "other", type(dataset)(**{**vars(dataset), "train": flipped}))
    )
    before, after = (columns(one)[is_own.to_numpy()].T for one in (made, other))
    for one, flip in zip(before, after, strict=True):  # scaled by all rows, which moved: equal but for that
        assert np.corrcoef(one, flip)[0, 1] == pytest.approx(1, abs=1e-6)
    others = ~is_own.to_numpy()
    assert np.corrcoef(columns(made)[others, 1], columns(other)[others, 1])[0, 1] < 1 - 1e-6
    first_day = (dataset.train["timestamp"] // DAY == dataset.train["timestamp"].min() // DAY).to_numpy()
    assert np.ptp(columns(made)[first_day], axis=0).max() < 1e-3  # nothing is known before the first day


def test_every_item_has_the_aligned_block_and_no_interaction_of_its_own_is_asked(dataset, tmp_path):
    before = given(tmp_path, dataset)
    made = with_aligned_block(before)
    width = before.items.card.dimension
    block = np.asarray(made.items.vectors[:, width:], np.float32)
    np.testing.assert_allclose(np.linalg.norm(block, axis=1), 1, atol=2e-3)
    np.testing.assert_array_equal(made.items.vectors[:, :width], before.items.vectors)
    # an item of the same text has the same block, met or not
    twice = dataset.items.assign(item_id=dataset.items["item_id"] + 1_000)
    both = type(dataset)(**{**vars(dataset), "items": pd.concat([dataset.items, twice], ignore_index=True)})
    vectors = np.asarray(before.items.vectors)
    items = write_store(
        tmp_path / "both",
        ids=both.items["item_id"].to_numpy(),
        vectors=np.concatenate([vectors, vectors]),
        kind="item",
        **CARD,
    )
    doubled = with_aligned_block(Given(both, before.data, before.users, items, tmp_path / "doubled"))
    found = np.asarray(doubled.items.vectors[:, width:], np.float32)
    np.testing.assert_allclose(found[: len(vectors)], found[len(vectors) :], atol=2e-3)
    learned = dataset.contexts.loc[dataset.contexts.get("is_learned", False), "context_id"]
    assert not made.users.lookup(learned.to_numpy())[0][:, width:].any()
    assert made.block not in (None, *LEARN.blocks)
