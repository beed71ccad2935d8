"""On a log of untitled articles, four test rows in five new ones, nothing harms what begins at rates."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from drift_log import drift_dataset
from torch.nn import functional

from learn_rank import FrozenEmbedding, FusionConfig, LearnFeatureFusion
from learn_rank.data.encoded_rows import encode_dataset
from learn_rank.metrics.auc import AUC
from learn_rank.rankers.multi_task import MultiTaskRanker
from learn_rank.rankers.train import RankTrainConfig, predict, train_ranker
from learn_rank.run.config import RunConfig
from learn_recall.store import id_keys
from learn_recall.text.prompt import render_items
from learn_recall.text.word_vectors import WordVectors
from learn_recall.towers.whitening import Whitening

pytestmark = pytest.mark.long
MOST_HARM = 0.3  # points of CTR AUC
DIMENSION = 32


@pytest.fixture(scope="module")
def log():
    """Fitted on all clicks of training, the worst case: an item outside them was never clicked."""
    dataset = drift_dataset(later_share=0.0, n_test_rows_per_day=3000)
    return dataset, encode_dataset(dataset, has_item_history=True, recent_popularity=True)


@pytest.fixture(scope="module")
def vectors(log):
    """The words of every item, whitened on those that were clicked, and each user's mean of them."""
    dataset, _ = log
    items, contexts = dataset.items, dataset.contexts
    texts = render_items(items)
    fitted_on = np.flatnonzero(items.item_id.isin(dataset.interactions.item_id))
    words = WordVectors.fit([texts[row] for row in fitted_on], DIMENSION)
    whitening = Whitening(words.dimension).fit(words(texts), fitted_on)
    item = functional.normalize(whitening(torch.from_numpy(words(texts)).float()), dim=1)
    user = torch.stack([item[list(history)].sum(0) for history in contexts.history])
    return item, functional.normalize(user, dim=1)


def auc_of(log, plugin, shape, folder):
    """Test AUC of clicks, in points; one seed."""
    _, data = log
    settings = RankTrainConfig(batch_size=256, embedding_weight_decay=10.0)
    ranker, _ = train_ranker(
        lambda: MultiTaskRanker(data.n_codes, data.n_dense, shape, plugin()), data, settings, folder
    )
    return 100 * AUC()(data.test.click, predict(ranker, data.test)["pctr"].to_numpy()).value


def plugin_of(log, item, user):
    dataset, _ = log
    ids = torch.tensor(id_keys(dataset.contexts.context_id.to_numpy()))
    items = FrozenEmbedding(torch.tensor(dataset.items.item_id.to_numpy()), item)
    return lambda: LearnFeatureFusion(FrozenEmbedding(ids, user), items, FusionConfig())


@pytest.fixture(scope="module")
def base(log, tmp_path_factory):
    return auc_of(log, lambda: None, RunConfig().ranker, tmp_path_factory.mktemp("base"))


@pytest.mark.parametrize("is_shuffled", [False, True], ids=["words", "shuffled"])
def test_no_arm_of_a_run_loses_more_than_three_tenths_of_a_point(log, vectors, base, is_shuffled, tmp_path):
    item, user = vectors
    if is_shuffled:
        item = item[torch.randperm(len(item), generator=torch.Generator().manual_seed(0))]
    assert auc_of(log, plugin_of(log, item, user), RunConfig().ranker, tmp_path) - base > -MOST_HARM


def test_a_ranker_that_begins_at_random_is_harmed_by_the_same_words_in_its_own_layers(log, vectors, tmp_path):
    shape = replace(RunConfig().ranker, start="zero", fusion_entry="concat")
    alone = auc_of(log, lambda: None, shape, tmp_path / "alone")
    assert auc_of(log, plugin_of(log, *vectors), shape, tmp_path / "fused") - alone < -1
