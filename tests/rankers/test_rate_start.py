"""What a ranker begins at: a regression on its dense features that no epoch may fall below on validation."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from ranking_worlds import planted_dataset
from small_rankers import N_CODES, batch, config

from learn_rank.data.dense_features import log_odds
from learn_rank.data.encoded_rows import encode_dataset
from learn_rank.rankers.multi_task import MultiTaskRanker
from learn_rank.rankers.start.rate_start import RateStart
from learn_rank.rankers.start.shrunk_regression import log_likelihood, shrunk_regression
from learn_rank.rankers.train import EpochResult, RankTrainConfig, load_ranker, predict, train_ranker
from learn_rank.run.predictions import rate_scores
from learn_recall.files.whole_files import read_json

SHAPE = config(start="rates", dropout=0.0)


@pytest.fixture(scope="module")
def data():
    return encode_dataset(planted_dataset(n_rows=1500)[0], history_length=5)


def ranker(data) -> MultiTaskRanker:
    return MultiTaskRanker(data.n_codes, data.n_dense, SHAPE)


def test_the_first_scores_are_those_of_the_regressions_of_the_likeliest_strengths(data):
    host = ranker(data)
    assert host.start_from(data.train, data.valid, newness_rate=0.0, seed=0)
    scores = predict(host, data.valid)
    tried = [10.0**power for power in range(-3, 9)]
    for at, (column, labels, later) in enumerate(of_tasks(data)):
        asked, judged = np.isfinite(labels), np.isfinite(later)
        dense = data.train.dense[asked].astype(float), data.valid.dense[judged].astype(float)
        floor = data.train.floor_weight[at]
        fits = [shrunk_regression(dense[0], labels[asked], floor, strength) for strength in tried]
        likely = [fit.log_evidence + log_likelihood(fit.logit(dense[1]), later[judged]) for fit in fits]
        expected = 1 / (1 + np.exp(-fits[int(np.argmax(likely))].logit(data.valid.dense.astype(float))))
        np.testing.assert_allclose(scores[column], expected, atol=1e-5)


def of_tasks(data):
    """Score, labels of training and of validation; NaN where a row does not count."""
    for column, labels in (("pctr", "click"), ("pcvr", "conversion")):
        yield column, *(np.asarray(getattr(part, labels), float) for part in (data.train, data.valid))


def test_a_start_that_is_held_to_the_floor_orders_rows_as_the_floor_does(data, monkeypatch):
    monkeypatch.setattr("learn_rank.rankers.start.rate_start.STRENGTHS", (1e12,))
    start = RateStart(data.n_dense)
    start.fit(data.train, data.valid, newness_rate=0.1, seed=0)
    found = start(torch.from_numpy(data.test.dense)).double().numpy()
    floor = log_odds(rate_scores(planted_dataset(n_rows=1500)[0])[["pctr", "pcvr"]].to_numpy())
    difference = found - floor  # a constant of each task
    assert np.ptp(difference, axis=0).max() < 1e-3 < np.ptp(floor, axis=0).min()


def test_where_impressions_are_sampled_the_floor_of_clicks_is_the_items_clicks():
    dataset = planted_dataset(n_rows=300)[0]
    sampled = replace(dataset, is_sampled=True)
    rows = encode_dataset(sampled, history_length=5).test
    found = rows.dense @ rows.floor_weight[0]
    floor = log_odds(rate_scores(sampled)["pctr"])
    assert np.ptp(found - floor) < 1e-3 < np.ptp(floor)


@pytest.fixture(scope="module")
def begun_well(data):
    """The same rows with labels of validation that the start orders nearly without a fault."""
    start = RateStart(data.n_dense)
    start.fit(data.train, data.valid, newness_rate=0.0, seed=0)
    logit = start(torch.from_numpy(data.valid.dense)).numpy()
    is_high = (logit > np.median(logit, axis=0)).astype(np.float32)
    conversion = np.where(is_high[:, 0] > 0, is_high[:, 1], np.nan).astype(np.float32)
    return replace(data, valid=replace(data.valid, click=is_high[:, 0], conversion=conversion))


def test_a_training_that_only_harms_keeps_its_start(begun_well, tmp_path):
    data = begun_well
    wild = RankTrainConfig(n_epochs=1, batch_size=64, learning_rate=1.0, newness_rate=0.0)
    trained, history = train_ranker(lambda: ranker(data), data, wild, tmp_path)
    assert history[0].score <= EpochResult(**read_json(tmp_path / "start.json")).score
    untrained = ranker(data)
    untrained.start_from(data.train, data.valid, newness_rate=0.0, seed=0)
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
    start.fit(data.train, rows, newness_rate=0.0, seed=0)
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
    same = pd.DataFrame({"pctr": 1 / (1 + np.exp(-begun[:, 0] - 0.7)), "pcvr": scores["pcvr"]})
    start.choose_shares(rows, same)
    assert start.shares.tolist() == [0.0, 1.0]  # one that only adds a constant orders nothing anew


def test_the_share_is_taken_where_a_ranker_scores_and_not_where_it_trains(data):
    host = ranker(data)
    host.start_from(data.train, data.valid, newness_rate=0.0, seed=0)
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
    start.fit(none, data.valid, newness_rate=0.0, seed=0)
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
        floor_weight = np.zeros((2, 0))

        def of(self, taken):
            return self

        def __len__(self):
            return 64

    start.fit(Rows(), Rows(), newness_rate=0.5, seed=0)
    rate = rows.click.mean()
    torch.testing.assert_close(torch.sigmoid(start.bias[0]), rate)


def test_an_unknown_start_is_refused():
    with pytest.raises(ValueError, match="start: expected one of"):
        MultiTaskRanker(N_CODES, 1, config(start="floor"))
