"""In training rows, items that the vectors were not fitted on must be as tomorrow's new items will be."""

import numpy as np
import pandas as pd
import pytest
import torch
from drift_log import drift_dataset, drift_tables
from sklearn.linear_model import LogisticRegression
from torch.nn import functional

from learn_rank.datasets.learned_part import LATER_SHARE, learned_part
from learn_rank.datasets.marketplace.config import MarketplaceConfig
from learn_rank.datasets.marketplace.read import read_marketplace
from learn_rank.metrics.auc import PCOC
from learn_recall.text.prompt import render_items
from learn_recall.text.word_vectors import WordVectors
from learn_recall.towers.whitening import Whitening


@pytest.fixture(scope="module", params=[0, 1])
def tables(request):
    return drift_tables(seed=request.param)


def click_rates(items_fitted_on, parts):
    """Of training rows whose item nothing was fitted on, and of test rows whose item training never had."""
    train, test = parts["train"], parts["test"]
    is_unfitted, is_new = ~train.item_id.isin(items_fitted_on), ~test.item_id.isin(train.item_id)
    return train.click[is_unfitted].mean(), test.click[is_new].mean()


def test_a_log_of_news_is_judged_on_items_that_training_never_had(tables):
    _, _, parts = tables
    is_new = ~parts["test"].item_id.isin(parts["train"].item_id)
    assert 0.75 < is_new.mean() < 0.9


def test_fitted_on_all_clicks_of_training_not_fitted_means_never_clicked(tables):
    _, clicks, parts = tables
    unfitted, new = click_rates(clicks.item_id, parts)
    assert unfitted == 0 and new > 0.2


def test_items_behind_the_learned_part_are_clicked_as_new_items_will_be(tables):
    _, clicks, parts = tables
    kept, _ = learned_part(clicks, parts["train"])
    unfitted, new = click_rates(kept.item_id, parts)
    assert 0.7 * new < unfitted < 1.1 * new
    later = parts["train"].timestamp > kept.timestamp.max()
    assert later.mean() >= LATER_SHARE


def test_a_dataset_of_own_tables_learns_from_that_part_and_knows_users_by_all_their_clicks():
    dataset = drift_dataset(n_rows_per_day=200)
    _, clicks, parts = drift_tables(n_rows_per_day=200)
    kept, said = learned_part(clicks, parts["train"])
    pd.testing.assert_frame_equal(dataset.interactions[kept.columns], kept, check_dtype=False)
    assert dataset.protocol["towers"] == said["towers"]
    assert dataset.contexts["timestamp"].max() > kept["timestamp"].max()


def test_the_share_that_is_left_is_a_setting():
    rows = pd.DataFrame({"timestamp": range(10)})
    for share, last in ((0.0, 9), (0.05, 8), (0.25, 6), (0.5, 4)):
        assert learned_part(rows, rows, later_share=share)[0]["timestamp"].max() == last


def test_rows_of_one_moment_are_not_parted_and_interactions_are_never_all_left_out():
    train = pd.DataFrame({"timestamp": [1, 2, 2, 2]})
    assert learned_part(train, train)[0]["timestamp"].tolist() == [1]
    late = pd.DataFrame({"timestamp": [2, 2]})
    assert learned_part(late, train)[0] is late


def predicted_over_observed(items, parts, items_fitted_on):
    """PCOC of clicks on the test rows of new items: logistic regression on an item's words and its age."""
    texts = render_items(items)
    rows_fitted_on = np.flatnonzero(items.item_id.isin(items_fitted_on))
    words = WordVectors.fit([texts[row] for row in rows_fitted_on], 64)
    whitening = Whitening(words.dimension).fit(words(texts), rows_fitted_on)
    vectors = functional.normalize(whitening(torch.from_numpy(words(texts))), dim=1).numpy()

    def features(rows):
        return np.column_stack([vectors[rows.item_id] * words.dimension**0.5, rows.age_days])

    train, test = parts["train"], parts["test"]
    model = LogisticRegression(C=0.1, max_iter=100).fit(features(train), train.click)
    new = test[~test.item_id.isin(train.item_id)]
    return PCOC()(new.click, model.predict_proba(features(new))[:, 1]).value


def test_a_model_of_words_ranks_new_items_last_unless_training_has_rows_of_items_it_was_not_fitted_on():
    items, clicks, parts = drift_tables()
    kept, _ = learned_part(clicks, parts["train"])
    assert predicted_over_observed(items, parts, clicks.item_id) < 0.1
    assert 0.7 < predicted_over_observed(items, parts, kept.item_id) < 1.25


def test_a_generated_marketplace_keeps_all_its_interactions():
    market = MarketplaceConfig(n_users=150, n_items=120, n_impressions=6000)
    dataset = read_marketplace(market)
    assert "towers" not in dataset.protocol
    assert len(dataset.interactions) == dataset.protocol["n_interactions"]
