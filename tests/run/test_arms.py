"""The arms of a comparison: equal in capacity, different in what their vectors say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from learn_rank.fusion.config import FusionConfig
from learn_rank.run.arms import BASELINE, LEARN, RAW_TEXT, SHUFFLED, config_of, frozen_table, make_fusion
from learn_recall.store import Block, StoreError, id_keys, write_store

CARD = {
    "encoder": "e",
    "encoder_sha256": "0" * 64,
    "prompt": "p",
    "pooling": "mean",
    "max_tokens": 8,
    "dtype": "float32",
    "tower": "t",
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arms")
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(40, 10)).astype(np.float32)
    for part in (slice(0, 6), slice(6, 10)):
        vectors[:, part] /= np.linalg.norm(vectors[:, part], axis=1, keepdims=True)
    present = np.arange(40) % 5 > 0
    vectors[~present] = 0
    blocks = (Block("tower", 0, 6), Block("content", 6, 10))
    ids = np.arange(40)
    return [
        write_store(
            folder / kind, ids=ids, vectors=vectors, present=present, kind=kind, blocks=blocks, **CARD
        )
        for kind in ("user", "item")
    ]


def looked_up(arm, store):
    table = frozen_table(store, arm, np.random.default_rng(3))
    vectors, has_vector = table(torch.from_numpy(np.array(id_keys(store.ids))))
    return vectors.numpy(), has_vector.numpy()


def test_an_arm_gets_the_blocks_that_it_names(stores):
    store = stores[1]
    whole, has_vector = looked_up(LEARN, store)
    np.testing.assert_array_equal(whole, store.vectors)
    np.testing.assert_array_equal(has_vector, store.present)
    np.testing.assert_array_equal(looked_up(RAW_TEXT, store)[0], store.vectors[:, 6:])


def test_shuffled_vectors_are_the_same_vectors_at_other_ids(stores):
    store = stores[1]
    shuffled, has_vector = looked_up(SHUFFLED, store)
    np.testing.assert_array_equal(has_vector, store.present)
    own = np.asarray(store.vectors)[store.present]
    permuted = shuffled[store.present]
    assert sorted(map(tuple, permuted.tolist())) == sorted(map(tuple, own.tolist()))
    assert (permuted != own).any(axis=1).mean() > 0.8


def test_random_vectors_are_unit_directions_that_know_nothing_of_the_store(stores):
    store = stores[1]
    drawn, has_vector = looked_up(replace(LEARN, is_random=True), store)
    np.testing.assert_array_equal(has_vector, store.present)
    assert not drawn[~store.present].any()
    for part in (slice(0, 6), slice(6, 10)):
        np.testing.assert_allclose(np.linalg.norm(drawn[store.present, part], axis=1), 1, rtol=1e-5)
    own = np.asarray(store.vectors)[store.present]
    assert abs((drawn[store.present] * own).sum(axis=1).mean()) < 0.5  # with itself it would be 2


def test_what_was_learned_from_clicks_is_compared_and_not_projected(stores):
    config, items = FusionConfig(), stores[1]
    assert config_of(LEARN, config, items).projected_blocks == (1,)
    assert config_of(SHUFFLED, config, items).projected_blocks == (1,)
    assert config_of(RAW_TEXT, config, items).projected_blocks is None
    assert config_of(LEARN, replace(config, projected_blocks=(0,)), items).projected_blocks == (0,)
    assert make_fusion(LEARN, *stores, config, seed=0).vector_dim == 4
    assert make_fusion(BASELINE, *stores, config, seed=0) is None


def test_words_are_a_block_of_every_arm_where_the_stores_have_them(stores, tmp_path):
    blocks = (Block("tower", 0, 5), Block("content", 5, 8), Block("words", 8, 10))
    worded = [
        write_store(
            tmp_path / store.card.kind,
            ids=store.ids,
            vectors=np.array(store.vectors),
            present=store.present,
            kind=store.card.kind,
            blocks=blocks,
            **CARD,
        )
        for store in stores
    ]
    for arm, projected, width in ((LEARN, (1, 2), 10), (SHUFFLED, (1, 2), 10), (RAW_TEXT, None, 5)):
        assert config_of(arm, FusionConfig(), worded[1]).projected_blocks == projected
        fusion = make_fusion(arm, *worded, FusionConfig(), seed=0)
        assert fusion.vector_dim == 5  # what the linear layers read, of users and of items
        assert fusion.item_vectors.dimension == width
    narrow = replace(LEARN, blocks=("tower", "content"))
    assert make_fusion(narrow, *worded, FusionConfig(), seed=0).vector_dim == 3
    np.testing.assert_array_equal(looked_up(RAW_TEXT, worded[1])[0], worded[1].vectors[:, 5:])


def test_a_block_that_the_store_has_not_is_named(stores):
    with pytest.raises(StoreError, match=r"expected blocks \['tower', 'picture'\] for the arm 'learn'"):
        make_fusion(replace(LEARN, blocks=("tower", "picture")), *stores, FusionConfig(), seed=0)
