"""What a ranker begins at: a regression on its dense features that no epoch may fall below on validation."""

import numpy as np
import pandas as pd
import pytest
import torch
from ranking_worlds import planted_dataset
from sklearn.linear_model import LogisticRegression
from small_rankers import N_CODES, batch, config

from learn_rank.data.encoded_rows import encode_dataset
from learn_rank.rankers.multi_task import MultiTaskRanker
from learn_rank.rankers.rate_start import RateStart
from learn_rank.rankers.train import RankTrainConfig, load_ranker, predict, train_ranker
from learn_recall.files.whole_files import read_json

SHAPE = config(start="rates", dropout=0.0)


@pytest.fixture(scope="module")
def data():
    return encode_dataset(planted_dataset(n_rows=1500)[0], history_length=5)


def ranker(data) -> MultiTaskRanker:
    return MultiTaskRanker(data.n_codes, data.n_dense, SHAPE)


def test_the_first_scores_are_those_of_the_regressions(data):
    rows = data.train
    host = ranker(data)
    assert host.start_from(rows, newness_rate=0.0, seed=0)
    scores = predict(host, data.valid)
    clicked = rows.click > 0
    for column, labels, asked in (("pctr", rows.click, clicked | True), ("pcvr", rows.conversion, clicked)):
        oracle = LogisticRegression(max_iter=1000).fit(rows.dense[asked].astype(float), labels[asked])
        expected = oracle.predict_proba(data.valid.dense.astype(float))[:, 1]
        np.testing.assert_allclose(scores[column], expected, atol=2e-3)


def test_a_training_that_only_harms_keeps_its_start(data, tmp_path):
    wild = RankTrainConfig(n_epochs=1, batch_size=64, learning_rate=1.0, newness_rate=0.0)
    trained, history = train_ranker(lambda: ranker(data), data, wild, tmp_path)
    assert history[0].score < read_json(tmp_path / "start.json")["ctr_auc"]
    untrained = ranker(data)
    untrained.start_from(data.train, newness_rate=0.0, seed=0)
    expected = predict(untrained, data.test)
    pd.testing.assert_frame_equal(predict(trained, data.test), expected)
    pd.testing.assert_frame_equal(predict(load_ranker(ranker(data), tmp_path), data.test), expected)


def test_a_training_that_learns_leaves_its_start(data, tmp_path):
    tamed = RankTrainConfig(n_epochs=2, batch_size=64, embedding_weight_decay=0.1)
    trained, history = train_ranker(lambda: ranker(data), data, tamed, tmp_path)
    assert max(result.score for result in history) > 0.5
    assert trained.ctr_tower[-1].weight.any()


def test_of_a_network_that_says_nothing_nothing_is_taken_and_of_one_that_knows_all(data):
    rows, start = data.valid, RateStart(data.n_dense)
    start.fit(data.train, newness_rate=0.0, seed=0)
    begun = start(torch.from_numpy(rows.dense)).numpy()
    noise = np.random.default_rng(0).normal(0, 3, len(rows))
    bought = np.nan_to_num(rows.conversion)
    logits = {"pctr": begun[:, 0] + noise, "pcvr": begun[:, 1] + 9 * bought}
    scores = pd.DataFrame({name: 1 / (1 + np.exp(-logit)) for name, logit in logits.items()})
    start.choose_shares(rows, scores)
    assert start.shares.tolist() == [0.0, 1.0]
    start.shares.fill_(0.5)
    start.choose_shares(rows, scores[["pctr"]])
    assert start.shares.tolist() == [0.0, 1.0]  # of a task without scores all


def test_the_share_is_taken_where_a_ranker_scores_and_not_where_it_trains(data):
    host = ranker(data)
    host.start_from(data.train, newness_rate=0.0, seed=0)
    for tower in (host.ctr_tower, host.cvr_tower):
        torch.nn.init.normal_(tower[-1].weight)
    rows = next(data.valid.batches(64))
    with torch.no_grad():
        begun = host.start(rows.dense)
        whole = host.train()(rows.sparse, rows.dense)
        host.start.shares.copy_(torch.tensor([0.25, 0.5]))
        again, scored = host(rows.sparse, rows.dense), host.eval()(rows.sparse, rows.dense)
    torch.testing.assert_close(again.ctr_logit, whole.ctr_logit)
    expected = begun[:, 1] + 0.5 * (whole.cvr_logit - begun[:, 1])
    torch.testing.assert_close(scored.cvr_logit, expected)
    expected = begun[:, 0] + 0.25 * (whole.ctr_logit - begun[:, 0])
    torch.testing.assert_close(scored.ctr_logit, expected)


def test_a_training_that_was_stopped_goes_on_from_its_epochs_and_still_knows_its_start(data, tmp_path):
    wild = RankTrainConfig(n_epochs=2, batch_size=64, learning_rate=1.0)
    whole, history = train_ranker(lambda: ranker(data), data, wild, tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(step, n_steps):
        if step > n_steps // 2:
            raise Stop

    with pytest.raises(Stop):
        train_ranker(lambda: ranker(data), data, wild, tmp_path / "parts", on_step=stop)
    again, same = train_ranker(lambda: ranker(data), data, wild, tmp_path / "parts")
    assert [result.score for result in same] == [result.score for result in history]
    pd.testing.assert_frame_equal(predict(again, data.test), predict(whole, data.test))


def test_a_task_with_one_kind_of_label_begins_at_zero(data):
    start = RateStart(data.n_dense)
    none = data.train.of(data.train.click == 0)
    start.fit(none, newness_rate=0.0, seed=0)
    assert not start.weight.any()
    assert not start.bias.any()


def test_without_dense_features_the_start_is_the_rate():
    rows = batch(64)
    start = RateStart(0)

    class Rows:
        dense = np.zeros((64, 0), np.float32)
        click, conversion = rows.click.numpy(), rows.conversion.numpy()
        item_columns = np.zeros(0, np.int64)
        unknown_item_dense = np.zeros(0, np.float32)

        def __len__(self):
            return 64

    start.fit(Rows(), newness_rate=0.5, seed=0)
    rate = rows.click.mean()
    torch.testing.assert_close(torch.sigmoid(start.bias[0]), rate)


def test_an_unknown_start_is_refused():
    with pytest.raises(ValueError, match="start: expected one of"):
        MultiTaskRanker(N_CODES, 1, config(start="floor"))
