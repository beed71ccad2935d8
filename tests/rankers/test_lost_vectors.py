"""Simulated loss of vectors in training: which ids go, whose draws stay, and what a fusion learns by it."""

import numpy as np
import pandas as pd
import pytest
import torch
from ranking_worlds import planted_dataset
from small_rankers import config
from torchrec import KeyedJaggedTensor

from benchmarks.missing_vectors import lose
from learn_rank.data.batch import Batch
from learn_rank.data.encoded_rows import encode_dataset
from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.fusion.config import FusionConfig
from learn_rank.rankers.lost_vectors import NO_VECTOR, lose_vectors
from learn_rank.rankers.multi_task import MultiTaskRanker
from learn_rank.rankers.train import RankTrainConfig, predict, train_ranker

N_ROWS = 4000
LENGTHS = torch.full((N_ROWS,), 10)


@pytest.fixture(scope="module")
def rows():
    one = torch.ones(N_ROWS, dtype=torch.long)
    keys = ["item_id", "learn_user", "learn_item", "learn_history", "learn_history_converted"]
    lengths = torch.cat([one, one, one, LENGTHS, LENGTHS])
    values = torch.arange(int(lengths.sum()))
    sparse = KeyedJaggedTensor(keys, values, lengths=lengths)
    return Batch(sparse, torch.zeros(N_ROWS, 1), torch.zeros(N_ROWS), torch.zeros(N_ROWS))


def lost(rows, rate, seed=0):
    after = lose_vectors(rows, FusionConfig(), rate, np.random.default_rng(seed)).sparse
    return {name: (after[name].values() == NO_VECTOR).numpy() for name in after.keys()}  # noqa: SIM118


def test_a_row_that_is_hit_loses_a_share_of_its_own_and_the_others_nothing(rows):
    found = lost(rows, 0.25)
    assert not found["item_id"].any() and not found["learn_history_converted"].any()
    # hit with probability 1/4, and then each id with probability m, uniform: 1/4 x 1/2
    for name in ("learn_user", "learn_item", "learn_history"):
        assert found[name].mean() == pytest.approx(0.125, abs=0.02)
    per_row = found["learn_history"].reshape(-1, 10).mean(axis=1)
    hit = per_row[per_row > 0]
    assert (per_row == 0).mean() == pytest.approx(
        0.75 + 0.25 / 11, abs=0.03
    )  # m^0 (1 - m)^10 integrates to 1/11
    assert np.histogram(hit, [0, 0.45, 0.75, 1.01])[0].min() > 0.2 * len(hit)  # little, half and nearly all


def test_ids_that_are_left_are_as_they_were_and_the_batch_that_came_is_not_changed(rows):
    before = rows.sparse.values().clone()
    after = lose_vectors(rows, FusionConfig(), 1.0, np.random.default_rng(1)).sparse.values()
    assert torch.equal(rows.sparse.values(), before)
    assert torch.equal(after[after != NO_VECTOR], before[after != NO_VECTOR])


def test_no_table_holds_the_id_of_a_lost_vector():
    for keys in (torch.arange(5), torch.tensor([-(2**63), 3, 2**62]), torch.tensor([7, -9])):
        table = FrozenEmbedding(keys, torch.ones(len(keys), 2))
        vector, has_vector = table(torch.tensor([NO_VECTOR]))
        assert not has_vector.any() and not vector.any()


def test_a_baseline_is_trained_to_the_same_bits_whatever_the_rate(tmp_path):
    data = encode_dataset(planted_dataset(n_rows=400)[0], history_length=5)
    scores = []
    for rate in (0.0, 0.9):
        how = RankTrainConfig(n_epochs=1, batch_size=64, missing_rate=rate)
        trained, _ = train_ranker(
            lambda: MultiTaskRanker(data.n_codes, data.n_dense, config()), data, how, tmp_path / str(rate)
        )
        scores.append(predict(trained, data.test))
    pd.testing.assert_frame_equal(*scores)


def test_a_rate_outside_0_and_1_is_refused():
    with pytest.raises(ValueError, match=r"missing_rate: expected a share inside \[0, 1\], got 2"):
        RankTrainConfig(missing_rate=2)


def test_the_vectors_that_vanish_at_a_smaller_share_vanish_at_a_larger_one_and_at_1_all_do():
    tables = [FrozenEmbedding(torch.arange(500), torch.ones(500, 2)) for _ in range(2)]
    lose(tables[0], 0.1, seed=3), lose(tables[1], 0.5, seed=3)
    few, many = (~table(torch.arange(500))[1] for table in tables)
    assert few.float().mean() == pytest.approx(0.1, abs=0.05) and bool((many | ~few).all())
    lose(tables[0], 1.0, seed=3)
    vector, has_vector = tables[0](torch.arange(500))
    assert not has_vector.any() and not vector.any()
