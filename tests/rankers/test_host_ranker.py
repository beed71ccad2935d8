"""torchrec's own DLRM, DCN and DeepFM with the plugin: trained, traced, gathered, told what is missing."""

import pytest
import torch
from small_fusions import THREE, fusion
from torch import nn
from torchrec import EmbeddingBagCollection, KeyedJaggedTensor
from torchrec.distributed.train_pipeline.tracing import Tracer
from torchrec.models.deepfm import SimpleDeepFMNN
from torchrec.models.dlrm import DLRM, DLRM_DCN

from learn_rank.data.batch import Batch
from learn_rank.engine import processes
from learn_rank.engine.global_loss import gathered
from learn_rank.fusion.kinds import GateFusion
from learn_rank.rankers.host import HostRanker
from learn_rank.rankers.id_tables import embedding_tables, table_parameters
from learn_rank.rankers.multi_task import MultiTaskRanker, RankerConfig
from learn_rank.rankers.scores import Scores, ranking_loss
from learn_rank.rankers.zero_start import start_from_host, zero_start_parameters

N_CODES = {"item_id": 5, "city": 4}


def dlrm(n_dense, n_outputs):
    tables = EmbeddingBagCollection(embedding_tables(N_CODES, 4))
    return DLRM(tables, n_dense, dense_arch_layer_sizes=[8, 4], over_arch_layer_sizes=[8, n_outputs])


def dcn(n_dense, n_outputs):
    layers = {"dense_arch_layer_sizes": [8, 4], "over_arch_layer_sizes": [8, n_outputs]}
    tables = EmbeddingBagCollection(embedding_tables(N_CODES, 4))
    return DLRM_DCN(tables, n_dense, **layers, dcn_num_layers=2, dcn_low_rank_dim=4)


def deepfm(n_dense, n_outputs):
    host = SimpleDeepFMNN(n_dense, EmbeddingBagCollection(embedding_tables(N_CODES, 4)), 8, 4)
    host.over_arch = nn.Linear(4 + 4 + 1, n_outputs)
    return host


HOSTS = pytest.mark.parametrize("make_host", [dlrm, dcn, deepfm])


def batch_of_three():
    """The rows of the fusion's own tests, with the host's codes beside them."""
    codes = KeyedJaggedTensor(
        ["item_id", "city"], torch.tensor([1, 2, 3, 0, 1, 3]), lengths=torch.ones(6).long()
    )
    sparse = KeyedJaggedTensor(
        [*codes.keys(), *THREE.keys()],
        torch.cat([codes.values(), THREE.values()]),
        lengths=torch.cat([codes.lengths(), THREE.lengths()]),
    )
    dense = torch.tensor([[0.1, 0.2], [0.3, -0.4], [-1.0, 0.0]])
    return Batch(sparse, dense, torch.tensor([1.0, 0.0, 1.0]), torch.tensor([1.0, torch.nan, 0.0]))


def with_learn(make_host, kind="esmm", *, is_widened=False):
    torch.manual_seed(0)
    plugin, n_outputs = fusion(), 1 if kind == "ctr" else 2
    if is_widened:
        return HostRanker(make_host(2, n_outputs), plugin, n_dense=2, kind=kind)
    return HostRanker(make_host(2 + plugin.output_dim, n_outputs), plugin, kind=kind)


@HOSTS
@pytest.mark.parametrize(("kind", "is_widened"), [("esmm", False), ("ctr", False), ("esmm", True)])
def test_torchrecs_own_models_learn_their_rows_by_heart_with_the_plugin(make_host, kind, is_widened):
    ranker, batch = with_learn(make_host, kind, is_widened=is_widened), batch_of_three()
    optimizer = torch.optim.Adam(ranker.parameters(), lr=0.01)
    losses = []
    for _ in range(150):
        loss = ranker.loss(ranker(batch.sparse, batch.dense), batch)
        optimizer.zero_grad()
        loss.backward()
        if (
            len(losses) == 1
        ):  # the second step: the first one of a widened host moves its zeros; and before any of them can die
            assert all(p.grad.abs().sum() > 0 for p in ranker.fusion.mlp.parameters())
        optimizer.step()
        losses.append(loss.item())
        if losses[-1] < losses[0] / 3:
            break
    assert losses[-1] < losses[0] / 3


@HOSTS
@pytest.mark.parametrize("is_widened", [False, True])
def test_they_are_traced_by_torch_fx_to_the_same_logits(make_host, is_widened):
    ranker, batch = with_learn(make_host, is_widened=is_widened).eval(), batch_of_three()
    holder = next(name for name, m in ranker.named_modules() if isinstance(m, EmbeddingBagCollection))
    traced = torch.fx.GraphModule(ranker, Tracer(leaf_modules=[holder]).trace(ranker))
    found, expected = traced(batch.sparse, batch.dense), ranker(batch.sparse, batch.dense)
    assert torch.equal(found.ctr_logit, expected.ctr_logit)
    assert torch.equal(found.cvr_logit, expected.cvr_logit)


@HOSTS
def test_a_widened_host_says_at_first_what_its_checkpoint_said_to_the_bit(make_host):
    torch.manual_seed(5)
    running, batch = HostRanker(make_host(2, 2)), batch_of_three()
    ranker = with_learn(make_host, is_widened=True)
    start_from_host(ranker, running.state_dict())
    found, expected = ranker(batch.sparse, batch.dense), running(batch.sparse, batch.dense)
    assert torch.equal(found.ctr_logit, expected.ctr_logit)
    assert torch.equal(found.cvr_logit, expected.cvr_logit)
    ranker.loss(found, batch).backward()
    assert sum(added.grad.abs().sum() for _, added in zero_start_parameters(ranker)) > 0


def test_a_host_that_cannot_be_widened_is_told_what_else_to_do():
    with pytest.raises(ValueError, match=r"got Linear\. Remedy: build the host for n_dense"):
        HostRanker(nn.Linear(2, 1), fusion(), n_dense=2)


def test_without_a_plugin_the_hosts_logits_are_handed_on():
    host, batch = dlrm(2, 2), batch_of_three()
    scores = HostRanker(host)(batch.sparse, batch.dense)
    assert (
        torch.equal(torch.stack(scores[:2], dim=1), host(batch.dense, batch.sparse)) and scores.fusion is None
    )


def test_the_loss_is_the_ranking_loss_plus_the_auxiliary_one():
    ranker, batch = with_learn(dlrm).eval(), batch_of_three()
    scores = ranker(batch.sparse, batch.dense)
    ranking = ranking_loss(scores, batch.click, batch.conversion, kind="esmm")
    auxiliary = ranker.fusion.auxiliary_loss(scores.fusion, batch.click, batch.conversion)
    assert auxiliary > 0
    assert torch.equal(ranker.loss(scores, batch), ranking + auxiliary)


def test_a_host_of_one_output_is_told_how_to_get_a_second():
    batch = batch_of_three()
    with pytest.raises(ValueError, match=r"shape \(B, 2\).*got \(3, 1\).*kind=\"ctr\""):
        HostRanker(dlrm(2, 1))(batch.sparse, batch.dense)


def test_a_host_may_give_its_logits_flat():
    class Flat(nn.Module):
        def forward(self, dense, sparse):
            return dense[:, 0]

    batch = batch_of_three()
    scores = HostRanker(Flat(), kind="ctr")(batch.sparse, batch.dense)
    assert torch.equal(scores.ctr_logit, batch.dense[:, 0]) and scores.cvr_logit is None


def test_a_fusion_that_wants_the_hosts_embeddings_is_refused_with_the_way_to_do_it():
    plain = fusion()
    gate = GateFusion(plain.user_vectors, plain.item_vectors, plain.config, host_dim=8)
    with pytest.raises(ValueError, match="Remedy: subclass Ranker"):
        HostRanker(dlrm(2, 2), gate)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind: expected one of"):
        HostRanker(dlrm(2, 2), kind="both")


def test_conversions_cannot_be_learned_or_scored_from_clicks_alone():
    scores = Scores(torch.zeros(2), None, None)
    with pytest.raises(ValueError, match="cvr_logit: expected a logit of conversion"):
        ranking_loss(scores, torch.ones(2), torch.ones(2), kind="esmm")
    with pytest.raises(ValueError, match="cvr_logit: expected a logit of conversion"):
        scores.ctcvr  # noqa: B018


@pytest.mark.parametrize("kind", ["esmm", "ctr"])
@pytest.mark.parametrize("has_fusion", [True, False])
def test_what_one_process_gathers_is_what_it_had(kind, has_fusion):
    batch = batch_of_three()
    ranker = with_learn(dlrm, kind) if has_fusion else HostRanker(dlrm(2, 2), kind=kind)
    scores = ranker.eval()(batch.sparse, batch.dense)
    with processes(device="cpu") as here:
        found, labels = gathered(scores, batch, here.group)
    assert torch.equal(found.ctr_logit, scores.ctr_logit)
    assert (found.cvr_logit is None) == (kind == "ctr")
    assert (found.fusion is not None) == has_fusion
    assert torch.equal(ranker.loss(found, labels), ranker.loss(scores, batch))


def test_the_tables_of_any_model_are_found_once_each():
    ranker = MultiTaskRanker(N_CODES, 1, RankerConfig(embedding_dim=4))
    assert [p.shape for p in table_parameters(ranker)] == [(5, 4), (4, 4)]
    assert [p.shape for p in table_parameters(nn.Sequential(nn.Embedding(3, 2), nn.Linear(2, 2)))] == [(3, 2)]
