"""The plugin enters a host: the first scores are the host's to the bit, then it learns."""

import pytest
import torch
from small_rankers import N_CODES, N_DENSE, batch, config, fused_ranker, host_alone
from torch import nn
from torchrec import KeyedJaggedTensor

from learn_rank.data.batch import Batch
from learn_rank.fusion.kinds import FUSIONS
from learn_rank.rankers.multi_task import MultiTaskRanker, RankerConfig
from learn_rank.rankers.scores import ranking_loss
from learn_rank.rankers.task_layers import TASK_LAYERS
from learn_rank.rankers.train import RankTrainConfig, parameter_groups
from learn_rank.rankers.zero_start import (
    LogitResidual,
    WidenedLinear,
    start_from_host,
    widen_first_layers,
    zero_start_parameters,
)

ZERO_STARTS = ("beside", "widened", "logit")


def with_plugin(host: MultiTaskRanker, entry: str, **settings) -> MultiTaskRanker:
    """The host's trained weights under a plugin of other random numbers."""
    ranker = fused_ranker(entry, layers=host.config.layers, **settings)
    start_from_host(ranker, host.state_dict())
    return ranker


def train(ranker: MultiTaskRanker, n_steps: int = 1) -> None:
    optimizer = torch.optim.AdamW(parameter_groups(ranker, RankTrainConfig()))
    for step in range(n_steps):
        torch.manual_seed(step)
        rows_of_step = batch(seed=step)
        loss = ranker.loss(ranker(rows_of_step.sparse, rows_of_step.dense), rows_of_step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def logits(ranker: MultiTaskRanker, rows_to_score: Batch) -> list[torch.Tensor]:
    torch.manual_seed(7)  # of the dropout, in training mode
    scores = ranker(rows_to_score.sparse, rows_to_score.dense)
    return [scores.ctr_logit, scores.cvr_logit]


@pytest.mark.parametrize("layers", TASK_LAYERS)
@pytest.mark.parametrize("entry", ZERO_STARTS)
@pytest.mark.parametrize("trains", [False, True])
def test_the_first_scores_are_those_of_the_running_host_to_the_bit(entry, layers, trains):
    host = host_alone(layers=layers)
    train(host, 3)  # a checkpoint that has learned something
    ranker = with_plugin(host, entry)
    host.train(trains), ranker.train(trains)
    for one, other in zip(logits(host, batch()), logits(ranker, batch()), strict=True):
        assert torch.equal(one, other)
        assert one.std() > 0


@pytest.mark.parametrize("kind", FUSIONS)
def test_the_first_scores_are_the_hosts_with_every_kind_of_fusion(kind):
    host = host_alone().eval()
    ranker = with_plugin(host, "widened", kind=kind).eval()
    assert torch.equal(logits(host, batch())[0], logits(ranker, batch())[0])


def test_a_concatenation_has_no_place_for_the_hosts_first_layer():
    with pytest.raises(RuntimeError, match=r"size mismatch for bottom\.0\.weight"):
        start_from_host(fused_ranker("concat"), host_alone().state_dict())


@pytest.mark.parametrize("entry", ZERO_STARTS)
def test_the_first_step_moves_the_hosts_weights_as_it_would_without_the_plugin_and_opens_the_plugin(entry):
    host = host_alone()
    ranker = with_plugin(host, entry)
    train(host), train(ranker)
    after = ranker.state_dict()
    for name, value in host.state_dict().items():
        assert torch.equal(value, after[name]), name
    opened = dict(zero_start_parameters(ranker))
    if entry == "beside":
        opened = {"ctr": ranker.beside.ctr_tower[-1].weight, "cvr": ranker.beside.cvr_tower[-1].weight}
    assert opened and all(parameter.abs().max() > 0 for parameter in opened.values())


@pytest.mark.parametrize("entry", ZERO_STARTS)
def test_the_ranking_loss_reaches_the_fusion_from_the_second_step_on(entry):
    ranker = with_plugin(host_alone(), entry, auxiliary_weight=0.0)
    rows_of_step = batch()

    def gradient():
        ranker.zero_grad()
        ranker.loss(ranker(rows_of_step.sparse, rows_of_step.dense), rows_of_step).backward()
        return ranker.fusion.mlp[0].weight.grad.abs().max()

    assert gradient() == 0
    train(ranker)
    assert gradient() > 0


def without_vectors(rows: Batch) -> KeyedJaggedTensor:
    """The rows' features with ids that no store holds."""
    ids = rows.sparse.values()
    return KeyedJaggedTensor(
        rows.sparse.keys(), torch.where(ids >= 100, ids + 1000, ids), lengths=rows.sparse.lengths()
    )


def test_a_trained_zero_start_scores_by_the_vectors():
    ranker = with_plugin(host_alone(), "widened")
    train(ranker, 3)
    ranker.eval()
    known = batch()
    assert not torch.allclose(
        ranker(known.sparse, known.dense)[0], ranker(without_vectors(known), known.dense)[0]
    )


@pytest.mark.parametrize("layers", TASK_LAYERS)
def test_beside_a_host_rows_whose_item_has_no_vector_get_the_hosts_score_to_the_bit(layers):
    ranker = with_plugin(host_alone(layers=layers), "beside")
    train(ranker, 5)
    ranker.eval()
    known = batch()
    whole, lost = (ranker(ids, known.dense) for ids in (known.sparse, without_vectors(known)))
    for at in range(2):
        assert torch.equal(lost[at], whole.host[at])
        assert not torch.equal(whole[at], whole.host[at])  # with vectors the plugin has its say


@pytest.mark.parametrize("kind", ["learn", "gate"])
def test_a_host_that_is_trained_with_the_plugin_beside_it_is_the_host_trained_alone_to_the_bit(kind):
    host = host_alone(dropout=0.0)
    ranker = fused_ranker("beside", kind=kind, host_dropout=0.0)
    start_from_host(ranker, host.state_dict())
    train(host, 5), train(ranker, 5)
    after = ranker.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in host.state_dict().items())
    host.eval(), ranker.eval()
    rows = batch()
    whole, alone = ranker(rows.sparse, rows.dense), host(rows.sparse, rows.dense)
    assert torch.equal(whole.host.ctr_logit, alone.ctr_logit)
    assert not torch.equal(whole.ctr_logit, alone.ctr_logit)


def test_a_baseline_has_the_layers_beside_as_well_and_a_running_one_gives_its_host_to_the_plugin():
    torch.manual_seed(3)
    baseline = MultiTaskRanker(N_CODES, N_DENSE, config("beside", dropout=0.0))
    train(baseline, 5)
    rows = batch()
    baseline.eval()
    scores = baseline(rows.sparse, rows.dense)
    assert not torch.equal(scores.ctr_logit, scores.host.ctr_logit)  # they learn of the host's features
    ranker = fused_ranker("beside", host_dropout=0.0).eval()
    start_from_host(ranker, baseline.state_dict())
    assert torch.equal(ranker(rows.sparse, rows.dense).ctr_logit, scores.host.ctr_logit)


def test_a_ranker_beside_its_host_is_judged_by_both_losses():
    ranker = with_plugin(host_alone(), "beside", auxiliary_weight=0.0).eval()
    rows = batch()
    scores = ranker(rows.sparse, rows.dense)
    alone = ranking_loss(scores.host, rows.click, rows.conversion, kind="esmm")
    assert torch.equal(ranker.loss(scores, rows), 2 * alone)  # at the start the sum is the host's


@pytest.mark.parametrize("layers", TASK_LAYERS)
def test_after_training_a_widened_host_is_a_concatenation_with_the_columns_side_by_side(layers):
    ranker = with_plugin(host_alone(layers=layers), "widened")
    train(ranker, 3)
    torch.manual_seed(5)
    plain = MultiTaskRanker(N_CODES, N_DENSE, config("concat", layers=layers), ranker.fusion)
    state = ranker.state_dict()
    for name in [name for name in state if name.endswith(".added")]:
        weight = name.removesuffix("added") + "weight"
        state[weight] = torch.cat([state[weight], state.pop(name)], dim=1)
    plain.load_state_dict(state)
    ranker.eval(), plain.eval()
    for one, other in zip(logits(ranker, batch()), logits(plain, batch()), strict=True):
        torch.testing.assert_close(one, other)


def test_every_layer_that_reads_the_input_is_widened_and_no_other():
    deep = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    widen_first_layers(deep, width=4, n_added=3)
    assert isinstance(deep[0], WidenedLinear) and not isinstance(deep[2], WidenedLinear)
    assert deep(torch.ones(5, 7)).shape == (5, 2)


def test_widening_leaves_the_random_state_and_the_training_mode_alone():
    deep = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)).train()
    deep[1].eval()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    widen_first_layers(deep, width=4, n_added=3)
    assert torch.equal(torch.rand(2), expected)
    assert deep.training and not deep[1].training


def test_a_module_without_a_first_linear_layer_is_refused():
    with pytest.raises(ValueError, match="reads the input itself"):
        widen_first_layers(nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 1)), width=4, n_added=3)
    with pytest.raises(ValueError, match="n_added"):
        WidenedLinear(nn.Linear(4, 1), 0)


def test_the_widened_layer_holds_the_hosts_own_parameters():
    layer = nn.Linear(4, 2)
    wide = WidenedLinear(layer, 3)
    assert wide.weight is layer.weight and wide.bias is layer.bias
    assert WidenedLinear(nn.Linear(4, 2, bias=False), 3).bias is None


def test_the_checkpoint_of_another_host_is_refused_by_the_names_of_its_weights():
    other = MultiTaskRanker({"user_id": 7, "shop": 9, "tags": 4}, N_DENSE, config())
    with pytest.raises(ValueError, match=r"lacking \[.*table_item_id.*unknown \[.*table_shop"):
        with_plugin(other, "widened")
    without_a_bias = host_alone().state_dict()
    del without_a_bias["bottom.0.bias"]
    with pytest.raises(ValueError, match=r"lacking \['bottom.0.bias'\]"):
        start_from_host(fused_ranker("widened"), without_a_bias)


def test_the_weights_that_start_at_zero_have_a_learning_rate_of_their_own():
    ranker = with_plugin(host_alone(), "widened")
    groups = parameter_groups(ranker, RankTrainConfig(zero_start_learning_rate=0.5))
    assert [group["lr"] for group in groups] == [6e-3, 2e-3, 0.5]
    assert [id(p) for p in groups[2]["params"]] == [id(ranker.bottom[0].added)]
    held = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(held) == sorted(id(parameter) for parameter in ranker.parameters())
    assert len(parameter_groups(host_alone(), RankTrainConfig())) == 2


def test_torch_fx_traces_a_widened_host():
    torch.manual_seed(0)
    head = nn.Sequential(WidenedLinear(nn.Linear(2, 3), 4), nn.ReLU())
    row = torch.randn(3, 6)
    assert torch.equal(torch.fx.symbolic_trace(head)(row), head(row))
    assert LogitResidual(4, 2)(row[:, :4]).tolist() == [[0.0, 0.0]] * 3


def test_an_unknown_entry_is_refused():
    with pytest.raises(ValueError, match="fusion_entry"):
        RankerConfig(fusion_entry="gate")
