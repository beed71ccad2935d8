"""Shared bottom, MMoE and PLE: shapes, mixtures by hand, and what the tasks share."""

import pytest
import torch
from small_fusions import tables
from small_rankers import N_CODES, N_DENSE, batch
from torch.testing import assert_close
from torchrec.distributed.train_pipeline.tracing import Tracer

from learn_rank.engine import EngineConfig, RankerEngine, processes
from learn_rank.fusion.config import FusionConfig
from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion
from learn_rank.rankers.multi_task import MultiTaskRanker, RankerConfig
from learn_rank.rankers.scores import LOSS_KINDS
from learn_rank.rankers.task_layers import N_EXPERTS, PLE, TASK_LAYERS, MMoE


@pytest.mark.parametrize("name", TASK_LAYERS)
def test_every_kind_gives_both_tasks_the_last_width_and_trains_all_of_itself(name):
    layers = TASK_LAYERS[name](5, (8, 3), 0.0)
    click, conversion = layers(torch.randn(4, 5))
    assert click.shape == conversion.shape == (4, 3)
    (click.sum() + 2 * conversion.square().sum()).backward()
    assert all(p.grad is not None for p in layers.parameters())


def test_mmoe_mixes_the_same_experts_with_each_tasks_own_gate():
    torch.manual_seed(0)
    layers, features = MMoE(5, (3,), 0.0), torch.randn(2, 5)
    outputs = [expert(features) for expert in layers.experts]
    for gate, found in zip(layers.gates, layers(features), strict=True):
        share = torch.softmax(features @ gate.weight.T, dim=1)
        assert_close(found, sum(share[:, k, None] * outputs[k] for k in range(N_EXPERTS)))


def test_in_ple_the_conversions_own_experts_do_not_touch_the_clicks():
    torch.manual_seed(0)
    layers, features = PLE(5, (4, 3), 0.0), torch.randn(2, 5)
    click, conversion = layers(features)
    with torch.no_grad():
        for parameter in layers.layers[-1].conversion.parameters():
            parameter.add_(1.0)
    again, changed = layers(features)
    assert torch.equal(click, again) and not torch.equal(conversion, changed)


def test_unknown_layers_are_refused_by_name():
    with pytest.raises(ValueError, match="layers: expected one of"):
        RankerConfig(layers="deep")


@pytest.mark.parametrize("layers", TASK_LAYERS)
@pytest.mark.parametrize("kind", LOSS_KINDS)
def test_every_ranker_is_traced_and_trains_on_the_engine_from_the_loss_that_it_has_without(layers, kind):
    torch.manual_seed(0)
    rows = batch()
    shape = RankerConfig(kind, layers, embedding_dim=4, bottom_dims=(12, 6), tower_dim=8, dropout=0.0)
    fusion = LearnFeatureFusion(*tables(), FusionConfig(dropout=0.0))
    ranker = MultiTaskRanker(N_CODES, N_DENSE, shape, fusion)
    scores = ranker(rows.sparse, rows.dense)
    traced = torch.fx.GraphModule(ranker, Tracer(leaf_modules=["embeddings"]).trace(ranker))
    assert torch.equal(traced(rows.sparse, rows.dense).cvr_logit, scores.cvr_logit)
    plain = ranker.loss(scores, rows).item()
    with processes(device="cpu") as here:
        engine = RankerEngine(ranker, here, EngineConfig(learning_rate=0.02))
        losses = list(engine.train([rows] * 12))
    assert losses[0] == pytest.approx(plain, rel=1e-5)
    assert losses[-1] < losses[0]
