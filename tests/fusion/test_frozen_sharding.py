"""Frozen vectors stored small, loaded piece by piece, and shared out over processes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.frozen.exchange import owner_of
from learn_rank.frozen.load import load_rows
from learn_rank.frozen.rows import dequantised, quantised
from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion
from learn_recall.store import EmbeddingStore, id_keys, write_store

SMALLER = {"float32": 1.0, "float16": 0.51, "int8": 0.26}


def store_at(path, *, ids=None, n=500, dimension=64, dtype="float32") -> EmbeddingStore:
    generator = torch.Generator().manual_seed(3)
    vectors = functional.normalize(torch.randn(n, dimension, generator=generator), dim=1).numpy()
    present = np.ones(n, bool)
    present[::7] = False
    return write_store(
        path,
        ids=np.arange(n) * 3 - 100 if ids is None else ids,
        vectors=vectors,
        present=present,
        kind="item",
        encoder="any",
        encoder_sha256="0",
        prompt="short",
        pooling="mean",
        max_tokens=8,
        dtype=dtype,
    )


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_a_table_takes_the_room_its_dtype_promises_and_gives_nearly_the_same_vectors(tmp_path, dtype):
    store = store_at(tmp_path / "items")
    table = FrozenEmbedding.from_store(store, dtype=dtype)
    assert table.rows.n_bytes <= SMALLER[dtype] * 4 * 64 * (len(store) + 1)
    found, has_vector = table(torch.from_numpy(store.ids))
    expected, expected_has = store.lookup(store.ids)
    assert found.dtype == torch.float32
    assert has_vector.tolist() == expected_has.tolist()
    cosine = (found.numpy() * expected).sum(1)[expected_has]
    assert cosine.min() > 1 - {"float32": 1e-6, "float16": 1e-3, "int8": 1e-2}[dtype]
    assert (found.numpy()[~expected_has] == 0).all()


def test_stores_of_another_origin_or_exchanged_are_not_fused(tmp_path):
    def table(kind, **card):
        made_by = {
            "encoder": "any",
            "encoder_sha256": "0",
            "prompt": "short",
            "pooling": "mean",
            "max_tokens": 8,
        }
        folder = tmp_path / f"{kind}-{len(list(tmp_path.iterdir()))}"
        return FrozenEmbedding.from_store(
            write_store(folder, ids=[1, 2], vectors=np.eye(2), kind=kind, **(made_by | {"tower": "t"} | card))
        )

    users, items = table("user"), table("item")
    LearnFeatureFusion(users, items)
    LearnFeatureFusion(items, items)
    LearnFeatureFusion(FrozenEmbedding(torch.tensor([1]), torch.ones(1, 2)), items)
    with pytest.raises(ValueError, match=r"expected stores of one origin, got tower 't' and 'u'.*with one"):
        LearnFeatureFusion(users, table("item", tower="u"))
    with pytest.raises(ValueError, match="encoder_sha256 '0' and '1'"):
        LearnFeatureFusion(users, table("item", encoder_sha256="1"))
    with pytest.raises(ValueError, match="expected users, then items, got them exchanged"):
        LearnFeatureFusion(items, users)


def test_an_int8_vector_is_its_rounded_multiple_of_the_largest_component_by_hand():
    stored, scales = quantised(torch.tensor([[1.27, -0.64, 0.0], [0.0, 0.0, 0.0]]))
    unit = scales[0].item()
    assert 0.01 <= unit < 0.0101  # 1.27 / 127, rounded up to a bfloat16
    assert stored.tolist() == [[round(1.27 / unit), round(-0.64 / unit), 0], [0, 0, 0]]
    assert scales[1] == 0


@given(
    st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=8),
    st.sampled_from([1e-30, 1e-6, 1.0, 1e30]),
)
def test_the_int8_error_is_at_most_half_a_unit_whatever_the_size_of_the_vector(components, size):
    vectors = torch.tensor([components]) * size
    stored, scales = quantised(vectors)
    error = (dequantised(stored, scales) - vectors).abs().max()
    # 2e-36: below 127 times the smallest normal number a vector may become zeros
    assert error <= scales.float().item() * 0.51 + 2e-36


def test_vectors_beyond_fp16_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match='dtype="float32"'):
        FrozenEmbedding(torch.tensor([1]), torch.tensor([[1e6]]), dtype="float16")


@pytest.mark.parametrize(("setting", "value"), [("dtype", "int4"), ("placement", "column_wise")])
def test_an_unknown_setting_is_refused_by_name(tmp_path, setting, value):
    with pytest.raises(ValueError, match=f"{setting}: expected"):
        FrozenEmbedding.from_store(store_at(tmp_path / "items"), **{setting: value})


def test_row_wise_without_processes_says_what_to_do(tmp_path):
    with pytest.raises(RuntimeError, match="with processes"):
        FrozenEmbedding.from_store(store_at(tmp_path / "items"), placement="row_wise")


@pytest.mark.parametrize("kind", ["integers", "strings"])
def test_the_shares_of_the_processes_are_disjoint_and_together_the_whole(tmp_path, kind):
    ids = np.array([f"item {row}" for row in range(500)]) if kind == "strings" else None
    store = store_at(tmp_path / "items", ids=ids)
    shares = [load_rows(store, "float32", rank=rank, n_ranks=3, rows_at_once=37) for rank in range(3)]
    keys = torch.cat([share.keys for share in shares])
    assert sorted(keys.tolist()) == sorted(id_keys(store.ids).tolist())
    assert all(120 < len(share.keys) < 220 for share in shares)
    whole = FrozenEmbedding.from_store(store)
    for share in shares:
        vectors, has_vector = whole(share.keys)
        assert torch.equal(share.vectors[:-1], vectors)
        assert torch.equal(share.has_vector[:-1], has_vector)


def test_loading_a_share_never_holds_the_ids_or_the_vectors_of_all(tmp_path, monkeypatch):
    store = store_at(tmp_path / "items")
    largest = []
    from learn_rank.frozen import load as frozen_load

    original = frozen_load.put
    monkeypatch.setattr(
        frozen_load,
        "put",
        lambda rows, at, vectors, has: largest.append(len(at)) or original(rows, at, vectors, has),
    )
    share = load_rows(store, "float16", rank=0, n_ranks=5, rows_at_once=50)
    assert max(largest) <= 50
    assert "ids" not in vars(store)
    assert len(share.vectors) < len(store) / 3


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1), st.integers(1, 7))
def test_every_key_has_one_owner_among_the_processes(keys, n_owners):
    owner = owner_of(torch.tensor(keys), n_owners)
    assert ((owner >= 0) & (owner < n_owners)).all()


def test_ids_in_a_row_and_ids_in_steps_are_spread_evenly():
    for keys in (torch.arange(8000), torch.arange(8000) * 4096, torch.from_numpy(id_keys(list("abcdefgh")))):
        counts = torch.bincount(owner_of(keys, 4), minlength=4)
        assert len(keys) < 100 or counts.min() > 0.2 * len(keys)
