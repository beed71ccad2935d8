"""The weight decay that is tuned for the baseline: where its grid ends, and that it is tuned once."""

import math
from types import SimpleNamespace

import pytest

from learn_rank.pipeline import ranker_stage
from learn_rank.pipeline.ranker_stage import tune_decay
from learn_rank.rankers.train import RankTrainConfig
from learn_rank.run.config import RunConfig
from learn_rank.run.folder import RunFolder
from learn_recall.files.whole_files import read_json


@pytest.fixture
def trained(monkeypatch):
    """The decays that were tried, in order; `best` says which one validation likes."""
    tried = SimpleNamespace(decays=[], best=1.0)

    def train(make, data, settings, folder, *, on_step):
        decay = settings.embedding_weight_decay
        tried.decays.append(decay)
        return None, [SimpleNamespace(score=-abs(math.log(max(decay, 1e-9) / tried.best)))]

    monkeypatch.setattr("learn_rank.pipeline.ranker_stage.train_ranker", train)
    return tried


def tune(folder, decays):
    data = SimpleNamespace(train=range(100), n_codes={}, n_dense=0)
    return tune_decay(RunFolder(folder), RunConfig(embedding_decays=decays), data, RunConfig().ranker)


@pytest.mark.parametrize(
    ("decays", "best", "tried"),
    [
        ((1.0, 10.0), 10.0, [1.0, 10.0, 100.0]),
        ((1.0, 10.0), 1.0, [1.0, 10.0, 0.1]),
        ((1.0, 10.0), 0.01, [1.0, 10.0, 0.1, 0.01]),
        ((1.0, 10.0, 100.0), 10.0, [1.0, 10.0, 100.0]),
        ((1.0, 10.0), 1e6, [1.0, 10.0, 100.0]),  # 1000 steps of .006 would turn every embedding over
        ((0.1, 0.5), 1e6, [0.1, 0.5, 2.5, 12.5]),
        ((10.0,), 1.0, [10.0]),
        ((0.0, 1.0), 0.5, [0.0, 1.0]),
    ],
)
def test_a_grid_is_widened_while_its_edge_is_the_best_and_not_for_ever(
    trained, tmp_path, decays, best, tried
):
    trained.best = best
    found = tune(tmp_path, decays)
    assert trained.decays == pytest.approx(tried)
    assert any(found.embedding_weight_decay == pytest.approx(one) for one in (min(tried), best, max(tried)))
    assert len(read_json(RunFolder(tmp_path).tuning)["validation"]) == len(tried)


def test_what_was_tuned_once_is_not_tuned_again(trained, tmp_path):
    first = tune(tmp_path, (1.0, 10.0))
    n_tried = len(trained.decays)
    assert tune(tmp_path, (1.0, 10.0)) == first
    assert len(trained.decays) == n_tried and ranker_stage.MOST_STEPS_WIDER == 2


def test_a_decay_that_turns_embeddings_over_in_a_step_is_refused():
    with pytest.raises(ValueError, match=r"embedding_weight_decay: expected .* got 1000 x 0.006. Remedy"):
        RankTrainConfig(embedding_weight_decay=1000.0)
