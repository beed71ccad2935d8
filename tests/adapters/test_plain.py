"""The fusion inside a plain module: the same numbers from dicts of tensors, and what cannot be read."""

import copy

import pytest
import torch
from adapter_world import stores
from small_fusions import THREE, fusion, tables
from torch import nn
from torch.nn import functional
from torchrec import KeyedJaggedTensor

from learn_rank import FusionConfig, LearnFeatureFusion
from learn_rank.adapters.plain import PlainFusion
from learn_rank.fusion.kinds import GateFusion
from learn_rank.testing import assert_frozen
from learn_recall.store import StoreError

IDS = {"user_id": torch.tensor([100, 101, 999]), "item_id": torch.tensor([200, 999, 203])}
LISTS = [[200, 201], [], [203, 999]]
HISTORIES = {
    "lists": LISTS,
    "tensors": [torch.tensor(row) for row in LISTS],
    "right padded": torch.tensor([[200, 201, -1], [-1, -1, -1], [203, 999, -1]]),
    "left padded": torch.tensor([[-1, 200, 201], [-1, -1, -1], [-1, 203, 999]]),
    "int32": torch.tensor([[200, 201], [-1, -1], [203, 999]], dtype=torch.int32),
}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
@pytest.mark.parametrize("history_length", [30, 1])
def test_a_dict_of_tensors_gives_the_numbers_and_gradients_of_the_jagged_tensor(history, history_length):
    module = fusion(history_length=history_length)
    learn = PlainFusion(copy.deepcopy(module))
    outputs = module(THREE), learn(IDS | {"history": history, "price": torch.ones(3)})
    for jagged, dense in zip(*outputs, strict=True):
        torch.testing.assert_close(jagged, dense, rtol=0, atol=0)
    for each, output in zip((module, learn), outputs, strict=True):
        (output.features.sum() + each.auxiliary_loss(output, torch.ones(3), torch.ones(3))).backward()
    for jagged, dense in zip(module.parameters(), learn.fusion.parameters(), strict=True):
        torch.testing.assert_close(jagged.grad, dense.grad, rtol=0, atol=0)


# beside HISTORIES: in empty slots anything may stand
CONVERSIONS = {
    "lists": [[1, 0], [], [1, 1]],
    "tensors": [torch.tensor(row) for row in ([1.0, 0.0], [], [1.0, 1.0])],
    "right padded": torch.tensor([[1, 0, -1], [-1, 7, -1], [1, 1, 1]]),
    "left padded": torch.tensor([[True, True, False], [True, True, True], [False, True, True]]),
    "int32": torch.tensor([[1, 0], [1, 1], [1, 1]], dtype=torch.int32),
    "lists beside a padded history": [[1, 0], [], [1, 1]],
}
BESIDE = [(HISTORIES.get(name, HISTORIES["left padded"]), flags) for name, flags in CONVERSIONS.items()]


@pytest.mark.parametrize(("history", "flags"), BESIDE, ids=CONVERSIONS)
@pytest.mark.parametrize("history_length", [30, 1])
def test_conversions_on_the_history_give_the_numbers_of_the_jagged_tensor(history, flags, history_length):
    module = fusion(history_length=history_length, converted_feature="learn_history_converted")
    together = KeyedJaggedTensor(
        keys=[*THREE.keys(), "learn_history_converted"],
        values=torch.cat([THREE.values(), torch.tensor([1, 0, 1, 1])]),
        lengths=torch.cat([THREE.lengths(), torch.tensor([2, 0, 2])]),
    )
    batch = IDS | {"history": history, "history_converted": flags}
    for jagged, dense in zip(module(together), PlainFusion(module)(batch), strict=True):
        torch.testing.assert_close(jagged, dense, rtol=0, atol=0)
    named = PlainFusion(module, converted="bought")
    renamed = IDS | {"history": history, "bought": flags}
    torch.testing.assert_close(named(renamed).features, module(together).features, rtol=0, atol=0)


def test_conversions_are_asked_for_only_where_the_fusion_compares_them():
    batch = IDS | {"history": LISTS, "history_converted": "not read"}
    assert PlainFusion(fusion())(batch).features.shape[0] == 3
    with pytest.raises(ValueError, match=r"got no \['history_converted'\].*converted_feature=None"):
        PlainFusion(fusion(converted_feature="learn_history_converted"))(IDS | {"history": LISTS})


def test_names_padding_and_the_absence_of_a_history_are_the_hosts_choice():
    module = fusion(history_length=1)
    batch = {
        "u": IDS["user_id"],
        "i": IDS["item_id"],
        "h": torch.tensor([[200, 201, 0], [0, 0, 0], [203, 999, 0]]),
    }
    named = PlainFusion(module, user="u", item="i", history="h", padding=0)
    torch.testing.assert_close(named(batch).features, module(THREE).features, rtol=0, atol=0)
    without = PlainFusion(LearnFeatureFusion(*tables(), FusionConfig(history_feature=None)))
    assert without(IDS).features.shape == (3, without.output_dim)


def test_a_fusion_that_joins_the_hosts_embeddings_is_given_them():
    module = GateFusion(*tables(), host_dim=5).eval()
    host = torch.ones(3, 5)
    output = PlainFusion(module)(IDS | {"history": LISTS}, host)
    torch.testing.assert_close(output.features, module(THREE, host).features, rtol=0, atol=0)


class Host(nn.Module):
    """A ranker that takes a dict."""

    def __init__(self, learn: PlainFusion) -> None:
        super().__init__()
        self.learn = learn
        self.head = nn.Linear(learn.output_dim, 1)

    def forward(self, batch):
        fused = self.learn(batch)
        return self.head(fused.features)[:, 0], fused


def test_a_host_from_two_stores_learns_and_the_vectors_stay(tmp_path):
    torch.manual_seed(0)
    users, items = stores(tmp_path)
    from learn_recall.store import id_keys

    learn = PlainFusion.from_stores(users, items.path, FusionConfig(history_feature=None), user="user")
    host = Host(learn)
    names, item = ["u0", "u1", "u2", "u3"] * 9, torch.arange(36) % 9
    batch = {"user": torch.from_numpy(id_keys(names)), "item_id": item}
    click = (item % 2).float()
    optimizer = torch.optim.Adam(host.parameters(), lr=0.01)
    losses = []
    with assert_frozen(host, optimizer):
        for _ in range(60):
            logit, fused = host(batch)
            loss = functional.binary_cross_entropy_with_logits(logit, click)
            (loss + learn.auxiliary_loss(fused, click, click)).backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    with pytest.raises(StoreError, match="expected a store of kind user"):
        PlainFusion.from_stores(items, users)


def test_torch_fx_traces_a_host_with_the_plugin():
    host = Host(PlainFusion(fusion())).eval()
    batch = IDS | {"history": HISTORIES["left padded"]}
    traced = torch.fx.symbolic_trace(host)
    torch.testing.assert_close(traced(batch)[0], host(batch)[0])


WRONG = {
    "no item": ({"user_id": IDS["user_id"], "history": LISTS}, r"got no \['item_id'\] among \['user_id', 'h"),
    "floats": (
        IDS | {"user_id": torch.ones(3), "history": LISTS},
        "user_id: expected integers, got torch.fl",
    ),
    "names": (IDS | {"user_id": ["a", "b", "c"], "history": LISTS}, r"got list. Remedy.*id_keys"),
    "a column": (IDS | {"item_id": torch.ones(3, 1).long(), "history": LISTS}, r"got shape \(3, 1\)"),
    "rows": (IDS | {"item_id": torch.ones(2).long(), "history": LISTS}, "item_id: expected 3 rows, as many"),
    "history rows": (IDS | {"history": LISTS[:2]}, "history: expected 3 rows"),
    "flat history": (IDS | {"history": torch.ones(3).long()}, r"history: expected shape \(B, H\)"),
    "float history": (IDS | {"history": [[200.0], [], []]}, "history: expected integers"),
}


@pytest.mark.parametrize(("batch", "words"), WRONG.values(), ids=WRONG)
def test_a_batch_that_cannot_be_read_is_refused_with_the_remedy(batch, words):
    with pytest.raises(ValueError, match=words):
        PlainFusion(fusion())(batch)


PADDED = HISTORIES["right padded"]
WRONG_CONVERSIONS = {
    "another padding": (PADDED, torch.ones(3, 2), r"got shape \(3, 2\) beside \(3, 3\). Remedy: pad both"),
    "a tensor beside lists": (LISTS, torch.ones(3, 2), r"got shape \(3, 2\) beside lists"),
    "other lengths": (PADDED, [[1], [], [0, 0]], r"got \[1, 0, 2\] for \[2, 0, 2\] items"),
    "rows": (LISTS, [[1, 0], []], r"got \[2, 0\] for \[2, 0, 2\] items"),
    "another side": (PADDED, torch.tensor([[-1, 1, 0], [-1, -1, -1], [-1, 1, 1]]), "got -1. Remedy: 0 where"),
    "counts": (LISTS, [[2, 0], [], [0, 0]], "expected 0 or 1 for each item of history, got 2"),
}


@pytest.mark.parametrize(("history", "flags", "words"), WRONG_CONVERSIONS.values(), ids=WRONG_CONVERSIONS)
def test_conversions_that_do_not_stand_beside_the_history_are_refused(history, flags, words):
    learn = PlainFusion(fusion(converted_feature="learn_history_converted"))
    with pytest.raises(ValueError, match=words) as error:
        learn(IDS | {"history": history, "history_converted": flags})
    assert str(error.value).startswith("history_converted: expected ")
