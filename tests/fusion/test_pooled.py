"""The history pooled by content inside the plugin: against a loop, and what it costs to look up."""

import pytest
import torch
from small_fusions import THREE, fusion, tables

from learn_rank.fusion.config import FusionConfig
from learn_rank.testing import check_fusion


def moved(pooled_dim: int):
    """A fusion whose temperatures are not one."""
    made = fusion(pooled_dim=pooled_dim)
    with torch.no_grad():
        made.pooled.log_temperature.fill_(0.7)
    return made


def test_the_pooled_history_is_what_a_loop_over_rows_and_items_gives():
    made, (_, items) = moved(2), tables()
    with torch.no_grad():
        found = made(THREE).features[:, -3:]
    histories, targets = [[200, 201], [], [203]], [200, 999, 203]  # item 999 has no vector
    for row, history in enumerate(histories):
        near, pooled = torch.zeros(1), torch.zeros(4)
        if history:
            target, vectors = items(torch.tensor(targets[row]))[0], items(torch.tensor(history))[0]
            r = vectors @ target * 2 / 3
            weight = torch.softmax(r / torch.tensor(0.7).exp(), 0)
            near, pooled = (weight @ r)[None], weight @ vectors
        with torch.no_grad():
            expected = torch.cat([near, made.pooled.projection(2 * pooled)])
        torch.testing.assert_close(found[row], expected)


@pytest.mark.parametrize("pooled_dim", [0, 3])
def test_it_keeps_the_contract_and_is_off_by_default(pooled_dim):
    check_fusion(moved(pooled_dim))
    assert fusion().pooled is None
    assert moved(pooled_dim).output_dim == fusion().output_dim + 1 + pooled_dim


def test_the_other_features_are_as_without_it():
    plain, made = fusion(), moved(3)
    made.load_state_dict(plain.state_dict(), strict=False)
    torch.testing.assert_close(made(THREE).features[:, :-4], plain(THREE).features)


def test_similarities_alone_look_no_vector_up(monkeypatch):
    made, looked_up = moved(0), []
    plain = made.item_vectors.forward
    monkeypatch.setattr(made.item_vectors, "forward", lambda ids: (looked_up.append(ids), plain(ids))[1])
    made(THREE)
    assert [ids.ndim for ids in looked_up] == [1]  # the targets'


def test_a_pooled_history_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="pooled_dim: expected at least 0 and a history_feature"):
        FusionConfig(pooled_dim=-1)
    with pytest.raises(ValueError, match="pooled_dim: expected at least 0 and a history_feature"):
        FusionConfig(pooled_dim=2, history_feature=None)
    with pytest.raises(ValueError, match="pooled_dim: expected None beside stops_gradient"):
        FusionConfig(pooled_dim=2, stops_gradient=True)
