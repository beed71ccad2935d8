"""Simulated newness in front of any torchrec host."""

import pytest
import torch
from torchrec import KeyedJaggedTensor

from learn_rank.data.batch import Batch
from learn_rank.data.newness import Newness


def batch_of(n=6):
    """Every row: one item id, a list of row % 3 shop ids, the plugin's own key, two dense columns."""
    lengths = torch.arange(n) % 3
    return Batch(
        KeyedJaggedTensor(
            keys=["shops", "item_id", "learn_item"],
            values=torch.cat(
                [torch.arange(1, 1 + int(lengths.sum())), 10 + torch.arange(n), 90 + torch.arange(n)]
            ),
            lengths=torch.cat([lengths, torch.ones(2 * n, dtype=torch.long)]),
        ),
        torch.arange(2.0 * n).reshape(n, 2),
        torch.zeros(n),
        torch.zeros(n),
    )


def test_the_rows_that_are_new_lose_the_named_ids_and_counts_and_nothing_else():
    batch = batch_of()
    is_new = torch.tensor([False, True, True, False, False, True])
    new = Newness(("item_id", "shops"), unknown_id=7, dense={1: -2.5}).of(batch, is_new)
    for row in range(6):
        for name in ("item_id", "shops"):
            before, after = (each.sparse[name].to_dense()[row].tolist() for each in (batch, new))
            assert after == ([7] * len(before) if is_new[row] else before)
        assert new.dense[row].tolist() == [2.0 * row, -2.5 if is_new[row] else 2.0 * row + 1]
    assert torch.equal(new.sparse["learn_item"].values(), batch.sparse["learn_item"].values())
    assert batch.sparse["item_id"].values().tolist() == [10, 11, 12, 13, 14, 15]  # was not written to
    assert batch.dense.tolist() == batch_of().dense.tolist()


def test_batches_draw_the_asked_share_anew_and_a_rate_of_0_changes_nothing():
    rate = 0.3
    stream = [batch_of(600)] * 3
    made = list(Newness(("item_id",), rate=rate).batches(stream, torch.Generator().manual_seed(0)))
    drawn = [(batch.sparse["item_id"].values() == 0) for batch in made]
    assert sum(int(each.sum()) for each in drawn) / 1800 == pytest.approx(
        rate, abs=4 * (0.3 * 0.7 / 1800) ** 0.5
    )
    assert not torch.equal(drawn[0], drawn[1])
    again = list(Newness(("item_id",), rate=rate).batches(stream, torch.Generator().manual_seed(0)))
    assert all(torch.equal(a.sparse.values(), b.sparse.values()) for a, b in zip(made, again, strict=True))
    same = list(Newness(("item_id",), rate=0.0).batches(stream, torch.Generator().manual_seed(0)))
    assert all(one is other for one, other in zip(same, stream, strict=True))


def test_what_cannot_be_made_new_is_told():
    with pytest.raises(ValueError, match=r"rate: expected a share inside \[0, 1\)"):
        Newness(("item_id",), rate=1.0)
    with pytest.raises(ValueError, match="keep the vector"):
        Newness(("item_id", "learn_item"))
    with pytest.raises(ValueError, match=r"id_features: expected some of .*'ad_id'"):
        Newness(("ad_id",)).of(batch_of(), torch.ones(6, dtype=torch.bool))
