"""The ready fusions: one contract for all, and each one's formula by hand."""

import pytest
import torch
from small_fusions import rows
from torch.testing import assert_close

from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.fusion.config import FusionConfig
from learn_rank.fusion.kinds import FUSIONS, ExpertFusion, GateFusion, SimilarityFusion, fusion_of_kind

HOST = 6


def tables(dimension=4, n=6):
    generator = torch.Generator().manual_seed(1)
    made = [
        torch.nn.functional.normalize(torch.randn(n, dimension, generator=generator), dim=1) for _ in "ui"
    ]
    return FrozenEmbedding(torch.arange(n), made[0]), FrozenEmbedding(torch.arange(10, 10 + n), made[1])


def made(kind, **settings):
    torch.manual_seed(0)
    return fusion_of_kind(kind, *tables(), FusionConfig(dropout=0.0, **settings), host_dim=HOST)


def call(fusion, batch):
    n = len(batch["learn_user"].lengths())
    host = torch.randn(n, HOST, generator=torch.Generator().manual_seed(2))
    return fusion(batch, host) if fusion.needs_host else fusion(batch)


@pytest.mark.parametrize("kind", FUSIONS)
def test_every_kind_gives_features_of_its_declared_width_and_survives_missing_vectors(kind):
    fusion = made(kind)
    output = call(fusion, rows([0, 99], [10, 98], [[11, 12], []]))
    assert output.features.shape == (2, fusion.output_dim)
    assert output.has_user.tolist() == output.has_item.tolist() == [True, False]
    assert torch.isfinite(output.features).all()


@pytest.mark.parametrize("kind", FUSIONS)
def test_every_kind_takes_an_empty_batch(kind):
    assert call(made(kind), rows([], [], [])).auxiliary_logit.shape == (0,)


@pytest.mark.parametrize("kind", FUSIONS)
def test_every_trainable_parameter_of_every_kind_gets_a_gradient_and_no_vector_does(kind):
    fusion = made(kind)
    output = call(fusion, rows([0, 1, 99], [10, 97, 11], [[12], [13, 14], []]))
    before = {name: value.clone() for name, value in fusion.named_buffers()}
    (output.features.square().sum() + output.auxiliary_logit.sum()).backward()
    assert all(p.grad is not None for p in fusion.parameters() if p.requires_grad)
    assert all(torch.equal(value, before[name]) for name, value in fusion.named_buffers())


@pytest.mark.parametrize("kind", FUSIONS)
def test_the_auxiliary_loss_alone_trains_every_kind_under_a_stopped_gradient(kind):
    fusion = made(kind, stops_gradient=True)
    output = call(fusion, rows([0, 1], [10, 11], [[12], [13]]))
    fusion.auxiliary_loss(output, torch.ones(2), torch.tensor([1.0, 0.0])).backward()
    assert fusion.mlp[0].weight.grad.abs().sum() > 0
    assert not output.features.sum().requires_grad


def test_a_gate_that_is_shut_leaves_the_hosts_embeddings_and_an_open_one_the_fusion():
    fusion, host = made("gate"), torch.randn(2, HOST)
    given = torch.randn(2, fusion.config.fusion_dim)
    with torch.no_grad():
        fusion.gate.weight.zero_()
        for bias, expected in ((-100.0, fusion.host_projection(host)), (100.0, given)):
            fusion.gate.bias.fill_(bias)
            assert_close(fusion.join(given, host), expected)
        fusion.gate.bias.zero_()
        assert_close(fusion.join(given, host), (given + fusion.host_projection(host)) / 2)


def test_experts_are_a_softmax_mixture_of_shared_and_own_ones():
    fusion = made("experts")
    vectors = torch.randn(3, 4)
    weight = torch.softmax(fusion.user_gate(vectors), dim=1)
    expected = sum(
        weight[:, at, None] * expert(vectors)
        for at, expert in enumerate([*fusion.shared, *fusion.user_experts])
    )
    assert_close(fusion._mix(vectors, fusion.user_experts, fusion.user_gate), expected)


def test_the_similarity_fusion_does_not_tell_apart_users_who_are_equally_near():
    users, items = tables()
    turned = FrozenEmbedding(
        users.ids if hasattr(users, "ids") else torch.arange(6), users_vectors(users).clone()
    )
    fusion = SimilarityFusion(turned, items, FusionConfig(history_feature=None, dropout=0.0))
    evidence = torch.randn(1, fusion.n_similarities + 2)
    one, other = torch.randn(1, 4), torch.randn(1, 4)
    assert torch.equal(fusion.fuse(one, one, evidence), fusion.fuse(other, other, evidence))


def users_vectors(table):
    return table(torch.arange(6))[0]


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(
        ValueError, match=r"kind: expected one of \['learn', 'gate', 'experts', 'similarity'\]"
    ):
        fusion_of_kind("concat", *tables(), FusionConfig(), host_dim=HOST)


def test_the_kinds_are_the_classes():
    assert isinstance(made("gate"), GateFusion)
    assert isinstance(made("experts"), ExpertFusion)
