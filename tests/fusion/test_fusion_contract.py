"""`check_fusion`: the ready fusions keep every promise, and each broken promise is named in words."""

import pytest
import torch
from small_fusions import tables
from torch import nn

from learn_rank import FrozenEmbedding, FusionConfig, LearnFeatureFusion
from learn_rank.fusion.kinds import FUSIONS, fusion_of_kind
from learn_rank.testing import FusionContractError, check_fusion, fusion_problems

OPTIONS = [
    *((kind, {}) for kind in FUSIONS),
    ("learn", {"passes_vectors": True, "stops_gradient": True}),
    ("gate", {"history_feature": None, "stops_gradient": True}),
    ("experts", {"auxiliary_task": "both", "auxiliary_space": "all"}),
    ("similarity", {"auxiliary_task": "ctr", "auxiliary_weight": 0.0}),
]


@pytest.mark.parametrize(("kind", "settings"), OPTIONS, ids=str)
def test_every_ready_fusion_keeps_every_promise(kind, settings):
    fusion = fusion_of_kind(kind, *tables(), FusionConfig(**settings), host_dim=6)
    check_fusion(fusion, host_dim=6 if fusion.needs_host else None)


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_quantised_tables_and_tables_with_absent_vectors_keep_the_promises(dtype):
    made = []
    for table in tables(n=5):
        has = torch.tensor([True, False, True, True, True])
        made.append(FrozenEmbedding(table.keys, table.vectors[:-1], has, dtype=dtype))
    check_fusion(LearnFeatureFusion(*made))


class WrongWidth(LearnFeatureFusion):
    @property
    def output_dim(self):
        return 7


class TwoColumnLogit(LearnFeatureFusion):
    def auxiliary_logit(self, fusion):
        return self.auxiliary_head(fusion)


class ZerosForMissing(LearnFeatureFusion):
    """Looks the item up again and forgets that it may be missing."""

    def forward(self, features, host=None):
        out = super().forward(features, host)
        item, _ = self.item_vectors(features[self.config.item_feature].values())
        return out._replace(features=torch.cat([out.features[:, 4:], item], dim=1))


class AlwaysPresent(LearnFeatureFusion):
    def forward(self, features, host=None):
        out = super().forward(features, host)
        return out._replace(has_user=torch.ones_like(out.has_user))


class BatchMean(LearnFeatureFusion):
    def fuse(self, user, item, evidence):
        fused = super().fuse(user, item, evidence)
        return fused - fused.mean(dim=0, keepdim=True) if len(fused) else fused


class Random(LearnFeatureFusion):
    def fuse(self, user, item, evidence):
        return super().fuse(user + torch.rand_like(user), item, evidence)


class NeedsTwoRows(LearnFeatureFusion):
    def fuse(self, user, item, evidence):
        return (
            super().fuse(user, item, evidence).squeeze()
        )  # the fault: a batch of one row loses its first dimension


class NoEmptyBatch(LearnFeatureFusion):
    def fuse(self, user, item, evidence):
        return super().fuse(user, item, evidence) * (1 + 0 * evidence.amax())


class NotANumber(LearnFeatureFusion):
    """Divides by the length of a vector that may be the fallback, zeros."""

    def fuse(self, user, item, evidence):
        return super().fuse(user / user.norm(dim=1, keepdim=True), item, evidence)


class HoldsTheTable(LearnFeatureFusion):
    def __init__(self, *args):
        super().__init__(*args)
        self.copy = nn.Embedding.from_pretrained(self.item_vectors.vectors, freeze=True)


class TrainableTable(LearnFeatureFusion):
    def __init__(self, *args):
        super().__init__(*args)
        self.item_vectors = nn.Embedding(6, 4)


class WritesToTheTable(LearnFeatureFusion):
    def fuse(self, user, item, evidence):
        if self.training:
            self.user_vectors.vectors.mul_(1.01)
        return super().fuse(user, item, evidence)


class UnusedLayer(LearnFeatureFusion):
    def __init__(self, *args):
        super().__init__(*args)
        self.forgotten = nn.Linear(2, 2)


class Detached(LearnFeatureFusion):
    def fuse(self, user, item, evidence):
        return super().fuse(user, item, evidence).detach()


class LeaksIntoStopped(LearnFeatureFusion):
    def __init__(self, users, items, config=FusionConfig(stops_gradient=True)):  # noqa: B008
        super().__init__(users, items, config)

    def forward(self, features, host=None):
        out = super().forward(features, host)
        return out._replace(features=torch.cat([out.fusion, out.features[:, 32:]], dim=1))


class UnreducedLoss(LearnFeatureFusion):
    def auxiliary_loss(self, output, click, conversion):
        return output.auxiliary_logit.square()


class UnweightedLoss(LearnFeatureFusion):
    def auxiliary_loss(self, output, click, conversion):
        return super().auxiliary_loss(output, click, conversion) / self.config.auxiliary_weight


class LossOfUnknownLabels(LearnFeatureFusion):
    def auxiliary_loss(self, output, click, conversion):
        return self.config.auxiliary_weight * (output.auxiliary_logit - conversion).square().mean()


class BranchesOnValues(LearnFeatureFusion):
    def fuse(self, user, item, evidence):
        if bool((evidence > 2).any()):
            evidence = evidence.clamp(max=2)
        return super().fuse(user, item, evidence)


class StateOutsideTheStateDict(LearnFeatureFusion):
    def __init__(self, *args):
        super().__init__(*args)
        self.level = torch.zeros(32)

    def fuse(self, user, item, evidence):
        fused = super().fuse(user, item, evidence)
        if self.training:
            self.level = 0.9 * self.level + 0.1 * fused.detach().mean(dim=0)
        return fused + self.level


class Tuple(LearnFeatureFusion):
    def forward(self, features, host=None):
        return tuple(super().forward(features, host))


class Raises(LearnFeatureFusion):
    def fuse(self, user, item, evidence):
        return self.projection_that_is_not_there(user)


class DoublePrecision(LearnFeatureFusion):
    def forward(self, features, host=None):
        out = super().forward(features, host)
        return out._replace(features=out.features.double())


BROKEN = [
    (WrongWidth, r"features: expected shape \(8, 7\) = \(B, output_dim\) for 8 rows"),
    (TwoColumnLogit, r"auxiliary_logit: expected shape \(8,\) for 8 rows, got \(8, 1\)"),
    (ZerosForMissing, r"missing item vectors: features of rows without one depend on what is stored"),
    (AlwaysPresent, r"has_user: expected True exactly where there is a vector"),
    (BatchMean, r"fusion: expected each row to be computed for itself"),
    (Random, r"expected equal outputs of two calls in evaluation"),
    (NeedsTwoRows, r"a batch of one row: raised"),
    (NoEmptyBatch, r"an empty batch: raised"),
    (NotANumber, r"fusion: expected finite numbers for 8 rows"),
    (HoldsTheTable, r"copy\.weight: holds the vectors of item_vectors as a parameter"),
    (TrainableTable, r"item_vectors: expected the FrozenEmbedding .* got Embedding"),
    (WritesToTheTable, r"frozen tables: user_vectors: expected the bytes of before"),
    (UnusedLayer, r"forgotten\.weight: neither the ranking loss nor the auxiliary loss"),
    (Detached, r"features: the ranking loss trains nothing of the fusion"),
    (Detached, r"auxiliary loss: trains nothing but the head"),
    (LeaksIntoStopped, r"stops_gradient: expected no gradient of the ranking loss inside the fusion.*mlp\.0"),
    (UnreducedLoss, r"auxiliary_loss: expected a scalar, got shape \(8,\)"),
    (UnweightedLoss, r"auxiliary_loss: expected twice the loss at twice the auxiliary_weight"),
    (LossOfUnknownLabels, r"auxiliary_loss: expected a finite number with NaN conversions"),
    (BranchesOnValues, r"torch\.fx, with which torchrec's pipelines trace .*: raised TraceError"),
    (StateOutsideTheStateDict, r"state dict: features, fusion, auxiliary_logit differ after loading"),
    (Tuple, r"forward: expected a FusionOutput, got tuple"),
    (Raises, r"forward: raised AttributeError: .*projection_that_is_not_there"),
    (DoublePrecision, r"features: expected float32, got torch\.float64"),
]


@pytest.mark.parametrize(("broken", "words"), BROKEN, ids=[f"{kind.__name__}" for kind, _ in BROKEN])
def test_a_broken_promise_is_named_in_words(broken, words):
    torch.manual_seed(0)
    with pytest.raises(FusionContractError, match=words):
        check_fusion(broken(*tables()))


def test_all_broken_promises_are_told_at_once():
    class Several(WrongWidth, UnweightedLoss, UnusedLayer):
        pass

    torch.manual_seed(0)
    module = Several(*tables())
    problems = fusion_problems(module)
    for words in ("output_dim", "twice the auxiliary_weight", "forgotten.weight", "forgotten.bias"):
        assert any(words in problem for problem in problems), words
    with pytest.raises(FusionContractError) as error:
        check_fusion(module)
    assert set(error.value.problems) == set(problems)
    assert f"Several: {len(problems)} broken promises" in str(error.value)


def test_a_sound_fusion_has_no_problem_and_is_left_as_it_was():
    fusion = LearnFeatureFusion(*tables()).train()
    before = {name: value.clone() for name, value in fusion.state_dict().items()}
    torch.manual_seed(4)
    expected = torch.rand(2)
    torch.manual_seed(4)
    assert fusion_problems(fusion) == []
    assert torch.equal(torch.rand(2), expected)
    assert all(torch.equal(value, before[name]) for name, value in fusion.state_dict().items())
    assert fusion.training and all(parameter.grad is None for parameter in fusion.parameters())


def test_a_fusion_that_joins_the_host_is_checked_with_its_width_only():
    gate = fusion_of_kind("gate", *tables(), FusionConfig(), host_dim=6)
    with pytest.raises(ValueError, match="host_dim"):
        check_fusion(gate)
    with pytest.raises(ValueError, match="host_dim"):
        check_fusion(LearnFeatureFusion(*tables()), host_dim=6)
