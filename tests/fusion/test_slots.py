"""The history slot by slot, and an attention by id and content over it."""

import pytest
import torch
from small_fusions import THREE, fusion, tables

from learn_rank.fusion import HistorySlots, SlotAttention


def drawn(n_rows=5, n_slots=4, blocks=((0, 3), (3, 4)), seed=0):
    """Slots with empty ones behind and a row without any, values and scores; not a number in empty slots."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([4, 0, 2, 1, 3])[:n_rows]
    has_slot = torch.arange(n_slots) < lengths[:, None]
    cosine = torch.rand(n_rows, len(blocks), n_slots, generator=generator) * 2 - 1
    compared = has_slot & (torch.rand(n_rows, n_slots, generator=generator) < 0.7)
    cosine = cosine * compared[:, None]
    ids = torch.where(has_slot, torch.arange(n_slots) + 10, -1)
    values = torch.randn(n_rows, n_slots, 6, generator=generator)
    values = torch.where(has_slot[:, :, None], values, torch.nan)
    score = torch.randn(n_rows, n_slots, generator=generator)
    return HistorySlots(ids, has_slot, cosine, compared), values, score


def test_the_slots_are_the_newest_items_with_the_targets_cosine_by_block():
    plugin = fusion(history_length=2)
    slots = plugin(THREE).slots
    _, items = tables()
    assert slots.ids.tolist() == [[200, 201], [-1, -1], [203, 999]]
    assert slots.has_slot.tolist() == [[True, True], [False, False], [True, True]]
    assert slots.is_compared.tolist() == [[True, True], [False, False], [True, False]]
    target, other = items(torch.tensor([200]))[0], items(torch.tensor([201]))[0]
    torch.testing.assert_close(
        slots.cosine[0, 0], torch.stack([target @ target.T, target @ other.T]).flatten()
    )
    assert fusion(history_feature=None)(THREE).slots is None


def test_it_starts_as_the_hosts_own_attention():
    slots, values, score = drawn()
    found = SlotAttention([(0, 3), (3, 4)])(values, score, slots)
    for row in range(len(score)):
        filled = slots.has_slot[row]
        expected = (
            torch.softmax(score[row][filled], 0) @ values[row][filled] if filled.any() else torch.zeros(6)
        )
        torch.testing.assert_close(found[row], expected)


def test_the_weights_are_those_of_a_loop_over_slots_and_blocks():
    slots, _, score = drawn()
    attention = SlotAttention([(0, 3), (3, 4)])
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.copy_(torch.randn_like(parameter))
        found = attention.weights(score, slots)
    a, b, c = attention.of_id, attention.of_cosine, attention.of_product
    for row in range(len(score)):
        logits = []
        for slot in slots.has_slot[row].nonzero()[:, 0]:
            logit = a * score[row, slot]
            for block, width in enumerate((3, 1)):
                r = slots.cosine[row, block, slot] * width**0.5 / 3 / attention.log_temperature[block].exp()
                if slots.is_compared[row, slot]:
                    logit = logit + b[block] * r + c[block] * score[row, slot] * r
            logits.append(logit)
        expected = torch.zeros(4)
        if logits:
            expected[: len(logits)] = torch.softmax(torch.stack(logits), 0)
        torch.testing.assert_close(found[row], expected.detach())


def test_one_history_for_all_rows_needs_its_values_once():
    slots, values, _ = drawn(n_rows=1)
    rows = HistorySlots(slots.ids, slots.has_slot, torch.rand(3, 2, 4), slots.is_compared.expand(3, -1))
    attention, scores = SlotAttention([(0, 3), (3, 4)]), torch.randn(3, 4)
    whole = HistorySlots(*(part.expand(3, *part.shape[1:]) for part in rows[:4]))
    torch.testing.assert_close(
        attention(values, scores, rows), attention(values.expand(3, -1, -1), scores, whole)
    )


def test_empty_slots_and_rows_without_history_leave_every_gradient_finite():
    slots, values, score = drawn()
    attention = SlotAttention([(0, 3), (3, 4)])
    score.requires_grad_()
    attention(values, score, slots).sum().backward()
    gradients = [score.grad, *(parameter.grad for parameter in attention.parameters())]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert attention.of_cosine.grad.any()


def test_shapes_that_are_not_those_of_the_slots_are_refused():
    slots, values, score = drawn()
    with pytest.raises(
        ValueError, match=r"expected \(B, H, E\) and \(B, H\) with B and H of the slots, \(5, 4\)"
    ):
        SlotAttention([(0, 4)])(values[:, :3], score, slots)
    with pytest.raises(ValueError, match="blocks: expected at least one"):
        SlotAttention([])
