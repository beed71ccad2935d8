"""Long histories searched by content: the K most similar items, whichever way they are looked up."""

import pytest
import torch
from small_fusions import fusion, rows
from torch.nn import functional
from torchrec import JaggedTensor, KeyedJaggedTensor

from learn_rank import FrozenEmbedding, FusionConfig, LearnFeatureFusion
from learn_rank.frozen import nearest as nearest_module
from learn_rank.testing import check_fusion

BLOCKS = ((0, 3), (3, 8))
N_ITEMS, N_KEPT = 40, 4


def table(dtype="float32") -> FrozenEmbedding:
    """Forty items of two blocks, every seventh without a vector."""
    vectors = torch.randn(N_ITEMS, 8, generator=torch.Generator().manual_seed(0))
    has_vector = torch.arange(N_ITEMS) % 7 != 3
    return FrozenEmbedding(torch.arange(N_ITEMS) * 3, vectors, has_vector, blocks=BLOCKS, dtype=dtype)


def lists(n_rows: int, n_slots: int = 15, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids without repetition, some of them unknown, of rows of unequal length, and targets."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.stack([torch.randperm(N_ITEMS + 5, generator=generator)[:n_slots] * 3 for _ in range(n_rows)])
    lengths = torch.randint(0, n_slots + 1, (n_rows,), generator=generator)
    lengths[0], lengths[-1] = n_slots, 2
    has_id = torch.arange(n_slots) < lengths[:, None]
    return ids, has_id, torch.randn(n_rows, 8, generator=generator)


def oracle(frozen: FrozenEmbedding, ids, has_id, target, searched: int):
    """One row, item by item: (places of the nearest with a vector, {place: cosine by block})."""
    cosines = {}
    for place in has_id.nonzero()[:, 0].tolist():
        vector, has_vector = frozen(ids[place])
        if has_vector:
            cosines[place] = [
                float(functional.cosine_similarity(target[start:stop], vector[start:stop], dim=0))
                for start, stop in BLOCKS
            ]
    best = sorted(cosines, key=lambda place: -cosines[place][searched])[:N_KEPT]
    return sorted(best), cosines


@pytest.mark.parametrize("searched", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_the_kept_items_and_their_cosines_are_those_of_a_loop_over_rows_and_items(searched, dtype):
    frozen, (ids, has_id, targets) = table(dtype), lists(9)
    found = frozen.nearest(ids, has_id, targets, searched, N_KEPT)
    for row in range(len(targets)):
        best, cosines = oracle(frozen, ids[row], has_id[row], targets[row], searched)
        kept = found.place[row][found.has_vector[row]].tolist()
        assert kept == best
        assert found.place[row].tolist() == sorted(found.place[row].tolist())
        assert found.has_id[row].sum() == min(N_KEPT, int(has_id[row].sum()))
        torch.testing.assert_close(found.ids[row], ids[row][found.place[row]])
        expected = torch.tensor([cosines[place] for place in best]).reshape(-1, 2).T
        torch.testing.assert_close(
            found.cosine[row][:, found.has_vector[row]], expected, rtol=1e-4, atol=1e-5
        )


def test_one_history_for_all_rows_and_the_same_in_every_row_are_searched_alike(monkeypatch):
    frozen, (ids, _, targets) = table(), lists(12)
    one, everywhere = ids[:1], ids[:1].expand(12, -1)
    has_id = torch.ones_like(one, dtype=torch.bool)
    whole = frozen.nearest(one, has_id, targets, 0, N_KEPT)
    repeated = frozen.nearest(everywhere, has_id.expand(12, -1), targets, 0, N_KEPT)
    alone = [frozen.nearest(one, has_id, target[None], 0, N_KEPT) for target in targets]
    monkeypatch.setattr(nearest_module, "id_runs", lambda ids, has_id: (None, None))
    apart = frozen.nearest(everywhere, has_id.expand(12, -1), targets, 0, N_KEPT)
    monkeypatch.setattr(nearest_module, "COSINES_AT_ONCE", 31)  # two rows a piece
    pieces = frozen.nearest(one, has_id, targets, 0, N_KEPT)
    for at in range(len(whole)):
        for other in (repeated[at], torch.cat([each[at] for each in alone]), apart[at], pieces[at]):
            torch.testing.assert_close(whole[at], other, rtol=1e-5, atol=1e-6)


def test_a_request_with_one_long_history_looks_its_vectors_up_once(monkeypatch):
    frozen, (ids, _, targets) = table(), lists(12)
    looked_up = []
    plain = nearest_module.look_up_cosines
    monkeypatch.setattr(
        nearest_module,
        "look_up_cosines",
        lambda ids, *rest: (looked_up.append(ids.shape), plain(ids, *rest))[1],
    )
    frozen.nearest(ids[:1], torch.ones_like(ids[:1], dtype=torch.bool), targets, 0, N_KEPT)
    assert looked_up == [(1, 15)] * len(BLOCKS)  # a block each


def test_a_fusion_compares_the_most_similar_items_and_not_the_newest():
    searching = fusion(history_length=1, searched_block=0)
    batch = rows([100, 101], [200, 203], [[200, 201, 202], [203, 204]])
    slots = searching(batch).slots
    assert slots.ids.tolist() == [[200], [203]] and slots.place.tolist() == [[0], [0]]
    torch.testing.assert_close(slots.cosine, torch.ones(2, 1, 1))
    assert fusion(history_length=1)(batch).slots.ids.tolist() == [[202], [204]]
    newest = fusion(history_length=1, searched_block=0, searched_length=2)(batch).slots
    assert newest.ids[1].tolist() == [203] and newest.ids[0].item() in (201, 202)


def test_where_no_history_is_longer_a_search_changes_nothing():
    batch = rows([100, 101, 999], [200, 999, 203], [[200, 201], [], [203, 999]])
    expected, found = fusion(history_length=3)(batch), fusion(history_length=3, searched_block=0)(batch)
    torch.testing.assert_close(found.features, expected.features)


def test_what_converted_is_known_of_the_items_that_are_kept():
    batch = rows([100], [200], [[200, 201, 202]])
    batch = KeyedJaggedTensor(
        keys=[*batch.keys(), "bought"],
        values=torch.cat([batch.values(), torch.tensor([1, 0, 0])]),
        lengths=torch.cat([batch.lengths(), torch.tensor([3])]),
    )
    found = fusion(history_length=1, searched_block=0, converted_feature="bought")(batch)
    short = rows([100], [200], [[200]])
    short = KeyedJaggedTensor(
        keys=[*short.keys(), "bought"],
        values=torch.cat([short.values(), torch.tensor([1])]),
        lengths=torch.cat([short.lengths(), torch.tensor([1])]),
    )
    torch.testing.assert_close(
        found.features, fusion(history_length=1, converted_feature="bought")(short).features
    )


def test_a_searching_fusion_keeps_its_contract():
    check_fusion(fusion(history_length=2, searched_block=0))


@pytest.mark.long
def test_a_recorded_program_searches_a_history_of_any_length():
    frozen = table()
    plugin = LearnFeatureFusion(
        frozen, frozen, FusionConfig(history_length=N_KEPT, searched_block=1, dropout=0.0)
    ).eval()

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.plugin = plugin

        def forward(self, user, item, history):
            ones = torch.ones_like(item)
            features = {
                "learn_user": JaggedTensor(user, lengths=ones[:1]),
                "learn_item": JaggedTensor(item, lengths=ones),
                "learn_history": JaggedTensor(history, lengths=ones[:1] * history.shape[0]),
            }
            return self.plugin(features).features

    ids = torch.arange(N_ITEMS) * 3
    rows_of, slots = torch.export.Dim("rows", min=2), torch.export.Dim("slots", min=2)
    program = torch.export.export(
        Plain(),
        (ids[:1], ids[:5], ids[5:17]),
        dynamic_shapes=({}, {0: rows_of}, {0: slots}),
        strict=False,
    ).module()
    for n_slots in (3, 20):
        given = ids[1:2], ids[:7], ids[8 : 8 + n_slots]
        with torch.no_grad():
            torch.testing.assert_close(program(*given), Plain()(*given), rtol=1e-4, atol=1e-5)


def test_a_search_that_cannot_be_is_refused():
    with pytest.raises(
        ValueError, match=r"searched_block: expected one of 0\.\.0, blocks of the tables, got 1"
    ):
        fusion(searched_block=1)
    with pytest.raises(ValueError, match="searched_block: expected the number of a block and a history"):
        FusionConfig(searched_block=0, history_feature=None)
    shared = table()
    shared.group_name = "all"
    ids, has_id, targets = lists(3)
    with pytest.raises(ValueError, match="expected a replicated table of items"):
        shared.nearest(ids, has_id, targets, 0, 2)
