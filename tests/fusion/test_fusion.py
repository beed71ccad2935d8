"""`LearnFeatureFusion`: what goes in, what comes out, what it learns from, and what stays frozen."""

import math

import pytest
import torch
from small_fusions import THREE, fusion, rows, tables
from torch.nn import functional
from torchrec import KeyedJaggedTensor

from learn_rank import FrozenEmbedding, FusionConfig, LearnFeatureFusion
from learn_rank.fusion.inputs import recent_items, unit_variance
from learn_rank.fusion.similarity import similarity_names
from learn_rank.testing import assert_frozen


def test_the_features_are_fusion_user_item_similarity_and_presence_side_by_side():
    module = fusion(passes_vectors=True)
    out = module(THREE)
    assert out.features.shape == (3, module.output_dim)
    torch.testing.assert_close(out.features[:, :32], out.fusion)
    user, _ = module.user_vectors(torch.tensor([100, 101]))
    torch.testing.assert_close(out.features[:2, 32:36], unit_variance(user))
    assert out.features[:, -2:].tolist() == [[1, 1], [1, 0], [0, 1]]
    assert out.has_user.tolist() == [True, True, False]
    assert out.has_item.tolist() == [True, False, True]


def test_by_default_the_vectors_reach_the_host_through_the_fusion_alone():
    module, wide = fusion(), fusion(passes_vectors=True)
    wide.load_state_dict(module.state_dict())
    assert wide.output_dim - module.output_dim == 2 * 4
    kept = torch.cat([wide(THREE).features[:, :32], wide(THREE).features[:, 40:]], dim=1)
    torch.testing.assert_close(module(THREE).features, kept)


def test_a_missing_vector_is_a_learned_fallback_and_gets_its_gradient():
    module = fusion(passes_vectors=True)
    with torch.no_grad():
        module.item_fallback.fill_(0.5)
    out = module(THREE)
    assert out.features[1, 36:40].tolist() == [0.5] * 4
    out.features[1].sum().backward()
    assert module.item_fallback.grad.abs().sum() > 0
    assert module.user_fallback.grad.abs().sum() == 0  # the second row's user is known


def test_a_batch_that_lacks_no_vector_gives_the_fallbacks_a_zero_gradient_rather_than_none():
    module = fusion()
    module(rows([100], [200], [[200, 201]])).fusion.sum().backward()
    assert module.item_fallback.grad.tolist() == module.user_fallback.grad.tolist() == [0.0] * 4
    assert module.item_projection.weight.grad.abs().sum() > 0


def test_each_row_is_scored_for_itself_and_the_order_of_rows_does_not_matter():
    module = fusion()
    together = module(THREE).features
    alone = [
        module(rows([100], [200], [[200, 201]])).features,
        module(rows([101], [999], [[]])).features,
        module(rows([999], [203], [[203, 999]])).features,
    ]
    torch.testing.assert_close(together, torch.cat(alone))


def test_of_a_long_history_the_most_recent_items_are_compared():
    module = fusion(history_length=2)
    long = rows([100], [200], [[203, 999, 204, 201, 202]])
    torch.testing.assert_close(module(long).features, module(rows([100], [200], [[201, 202]])).features)


def of_lengths(users, lengths, items=(200, 201), *, histories=((200,), ())):
    flat = [item for history in histories for item in history]
    return KeyedJaggedTensor(
        ["learn_user", "learn_item", "learn_history"],
        torch.tensor([*users, *items, *flat]),
        lengths=torch.tensor([*lengths, *[1] * len(items), *map(len, histories)]),
    )


def test_a_row_without_a_user_has_none_and_never_that_of_another_row():
    module = fusion()
    out = module(of_lengths([100], [0, 1]))
    assert out.has_user.tolist() == [False, True]
    unknown = module(of_lengths([999, 100], [1, 1]))
    torch.testing.assert_close(out.features, unknown.features)


def test_a_row_without_a_user_has_none_even_where_minus_one_is_an_id():
    vectors = functional.normalize(torch.randn(2, 4), dim=1)
    table = FrozenEmbedding(torch.tensor([-1, 200]), vectors)
    out = LearnFeatureFusion(table, table).eval()(of_lengths([200], [0, 1]))
    assert out.has_user.tolist() == [False, True]


def test_a_row_without_an_item_has_none():
    ids = KeyedJaggedTensor(
        ["learn_user", "learn_item", "learn_history"],
        torch.tensor([100, 101, 200]),
        lengths=torch.tensor([1, 1, 0, 1, 0, 0]),
    )
    assert fusion()(ids).has_item.tolist() == [False, True]


@torch.no_grad()
def test_rows_without_a_user_among_the_candidates_of_a_request_have_none():
    module = fusion()
    n = 96
    histories = [[]] * n
    some = module(
        of_lengths([100] * (n - 1), [1] * 40 + [0] + [1] * (n - 41), [200] * n, histories=histories)
    )
    whole = module(rows([100] * 40 + [999] + [100] * (n - 41), [200] * n, histories))
    assert some.has_user.tolist() == whole.has_user.tolist() == [True] * 40 + [False] + [True] * (n - 41)
    torch.testing.assert_close(some.features, whole.features)


def test_a_row_with_two_users_is_refused():
    with pytest.raises(ValueError, match="learn_user: expected at most one id a row, got 2 in row 1"):
        fusion()(of_lengths([100, 101], [0, 2]))


def test_a_missing_feature_is_told_with_those_that_are_there():
    ids = KeyedJaggedTensor(["user", "item"], torch.tensor([100, 200]), lengths=torch.tensor([1, 1]))
    with pytest.raises(ValueError, match=r"key 'learn_user', got \['user', 'item'\].*FusionConfig"):
        fusion()(ids)
    with pytest.raises(ValueError, match="key 'learn_history'"):
        fusion(user_feature="user", item_feature="item")(ids)


def test_conversions_of_other_lengths_than_the_history_are_refused():
    keys = ["learn_user", "learn_item", "learn_history", "learn_history_converted"]
    module = fusion(converted_feature="learn_history_converted")

    def with_flags(lengths):
        values = torch.tensor([100, 101, 200, 201, 202, 203, 204, *[1] * sum(lengths)])
        return KeyedJaggedTensor(keys, values, lengths=torch.tensor([1, 1, 1, 1, 2, 1, *lengths]))

    module(with_flags([2, 1]))
    for lengths in ([1, 2], [2, 0]):
        with pytest.raises(ValueError, match="learn_history_converted: expected one value for each history"):
            module(with_flags(lengths))


def test_a_traced_plugin_reads_rows_without_a_user_alike():
    module = fusion()
    batch = of_lengths([100], [0, 1])
    for one, other in zip(torch.fx.symbolic_trace(module)(batch)[:-1], module(batch)[:-1], strict=True):
        assert torch.equal(one, other)


def test_torch_fx_traces_the_plugin_and_the_trace_computes_the_same():
    module = fusion(passes_vectors=True)
    traced = torch.fx.symbolic_trace(module)
    for batch in (THREE, rows([100], [205], [[200]]), rows([], [], [])):
        for one, other in zip(traced(batch)[:-1], module(batch)[:-1], strict=True):
            assert torch.equal(one, other)


def test_an_empty_batch_gives_empty_features():
    module = fusion()
    assert module(rows([], [], [])).features.shape == (0, module.output_dim)


def test_the_auxiliary_loss_is_the_cross_entropy_of_clicked_rows_by_hand():
    module = fusion(auxiliary_weight=0.5)
    out = module(THREE)
    click = torch.tensor([1.0, 0.0, 1.0])
    conversion = torch.tensor([1.0, float("nan"), 0.0])
    p = torch.sigmoid(out.auxiliary_logit)
    by_hand = 0.5 * (-torch.log(p[0]) - torch.log(1 - p[2])) / 2
    torch.testing.assert_close(module.auxiliary_loss(out, click, conversion), by_hand)


def test_on_the_entire_space_an_unclicked_row_is_no_conversion():
    module = fusion(auxiliary_space="all", auxiliary_weight=1.0)
    out = module(THREE)
    label = torch.tensor([1.0, 0.0, 0.0])
    expected = functional.binary_cross_entropy_with_logits(out.auxiliary_logit, label)
    found = module.auxiliary_loss(out, torch.tensor([1.0, 0.0, 1.0]), torch.tensor([1.0, float("nan"), 0.0]))
    torch.testing.assert_close(found, expected)


def test_the_click_task_is_supervised_by_clicks_on_all_rows():
    module = fusion(auxiliary_task="ctr", auxiliary_weight=1.0)
    out = module(THREE)
    click = torch.tensor([1.0, 0.0, 1.0])
    expected = functional.binary_cross_entropy_with_logits(out.auxiliary_logit, click)
    nothing = torch.full((3,), float("nan"))
    torch.testing.assert_close(module.auxiliary_loss(out, click, nothing), expected)


def test_both_tasks_have_a_logit_each_and_their_losses_add_up():
    module = fusion(auxiliary_task="both", auxiliary_weight=0.5)
    out = module(THREE)
    assert out.auxiliary_logit.shape == (3, 2)
    click = torch.tensor([1.0, 0.0, 1.0])
    conversion = torch.tensor([1.0, float("nan"), 0.0])
    of_conversion, of_click = torch.sigmoid(out.auxiliary_logit).unbind(1)
    by_hand = (-torch.log(of_conversion[0]) - torch.log(1 - of_conversion[2])) / 2
    by_hand = by_hand - (torch.log(of_click[0]) + torch.log(1 - of_click[1]) + torch.log(of_click[2])) / 3
    torch.testing.assert_close(module.auxiliary_loss(out, click, conversion), 0.5 * by_hand)
    assert module(rows([], [], [])).auxiliary_logit.shape == (0, 2)


def test_a_batch_without_a_click_has_an_auxiliary_loss_of_zero():
    module = fusion()
    loss = module.auxiliary_loss(module(THREE), torch.zeros(3), torch.full((3,), float("nan")))
    assert loss.item() == 0


def test_a_block_left_out_of_a_known_user_leaves_no_trace_of_the_items_block():
    users, items = tables()
    left_out = users.vectors[:-1].clone()
    left_out[0, :2] = 0
    blocks = [(0, 2), (2, 4)]
    torch.manual_seed(0)
    module = LearnFeatureFusion(
        FrozenEmbedding(users.keys, left_out, blocks=blocks),
        FrozenEmbedding(items.keys, items.vectors[:-1], blocks=blocks),
        FusionConfig(passes_vectors=True),
    ).eval()
    changed = items.vectors[:-1].clone()
    changed[:, :2] = changed[:, :2].flip(0)
    other = LearnFeatureFusion(
        module.user_vectors, FrozenEmbedding(items.keys, changed, blocks=blocks), module.config
    ).eval()
    learned = {name: value for name, value in module.state_dict().items() if "_vectors." not in name}
    other.load_state_dict(learned, strict=False)
    same, different = (rows([user], [200], [[201, 202]]) for user in (100, 101))
    torch.testing.assert_close(module(same).features, other(same).features)
    assert not torch.allclose(module(different).features, other(different).features)


@pytest.mark.parametrize("stops", [True, False])
def test_stop_gradient_keeps_the_ranking_loss_out_of_the_fusion_module(stops):
    module = fusion(stops_gradient=stops, passes_vectors=True)
    module(THREE).features.sum().backward()
    moved = [name for name, p in module.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0]
    assert ("mlp.0.weight" in moved) is not stops
    assert not any("head" in name for name in moved)


def test_the_auxiliary_loss_trains_the_fusion_and_both_projections():
    module = fusion()
    out = module(THREE)
    module.auxiliary_loss(out, torch.ones(3), torch.tensor([1.0, 0.0, 1.0])).backward()
    for name in ("user_projection.weight", "item_projection.weight", "mlp.0.weight", "auxiliary_head.weight"):
        assert dict(module.named_parameters())[name].grad.abs().sum() > 0


def test_training_leaves_the_frozen_vectors_bitwise_unchanged():
    module = fusion().train()
    weight = module.mlp[0].weight.clone()
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
    with assert_frozen(module, optimizer):
        for _ in range(3):
            optimizer.zero_grad()
            out = module(THREE)
            auxiliary = module.auxiliary_loss(out, torch.ones(3), torch.ones(3))
            (out.features.square().mean() + auxiliary).backward()
            optimizer.step()
    assert not torch.equal(weight, module.mlp[0].weight)


def test_a_subclass_that_overrides_one_hook_keeps_the_rest():
    class SumFusion(LearnFeatureFusion):
        def fuse(self, user, item, evidence):
            return functional.pad(user + item, (0, self.config.fusion_dim - user.shape[1]))

    module = SumFusion(*tables(), FusionConfig(passes_vectors=True))
    out = module(THREE)
    torch.testing.assert_close(out.fusion[0, :4], out.features[0, 32:36] + out.features[0, 36:40])
    assert out.auxiliary_logit.shape == (3,)


def test_tables_with_different_blocks_are_refused():
    users, items = tables()
    split = FrozenEmbedding(items.keys, items.vectors[:-1], blocks=[(0, 2), (2, 4)])
    with pytest.raises(ValueError, match="equal blocks"):
        LearnFeatureFusion(users, split)


@pytest.mark.parametrize(
    "settings",
    [{"auxiliary_space": "shown"}, {"auxiliary_task": "like"}, {"fusion_dim": 0}, {"dropout": 1.0}],
)
def test_a_setting_outside_its_range_is_refused_by_name(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        FusionConfig(**settings)


def test_items_that_converted_are_compared_apart():
    def output(flags: list[int]):
        ids = rows([100, 101], [200, 203], [[200, 201, 202], [205]])
        together = KeyedJaggedTensor(
            keys=[*ids.keys(), "learn_history_converted"],
            values=torch.cat([ids.values(), torch.tensor(flags)]),
            lengths=torch.cat([ids.lengths(), torch.tensor([3, 1])]),
        )
        module = fusion(converted_feature="learn_history_converted", history_length=2)
        return module(together).features

    names = similarity_names(has_history=True, has_conversions=True)
    at = 32 + names.index("converted_log_count")
    # of three items the two newest are compared, so the flag of the oldest does not count
    assert output([1, 0, 1, 0])[:, at].tolist() == pytest.approx([math.log(2) / 3, 0])
    torch.testing.assert_close(output([0, 0, 1, 0]), output([1, 0, 1, 0]))


def test_flags_of_conversion_without_a_history_are_refused():
    with pytest.raises(ValueError, match="converted_feature: expected None without a history_feature"):
        FusionConfig(history_feature=None, converted_feature="learn_history_converted")


def test_blocks_that_are_compared_only_reach_no_linear_layer():
    users, items = (
        FrozenEmbedding(table.keys, table.vectors[:-1], blocks=((0, 1), (1, 4))) for table in tables()
    )
    whole, part = (
        LearnFeatureFusion(users, items, FusionConfig(projected_blocks=numbers)) for numbers in (None, (1,))
    )
    assert (whole.vector_dim, part.vector_dim) == (4, 3)
    assert whole.n_similarities == part.n_similarities == 2 * len(similarity_names(has_history=True))
    seen = []
    part.user_projection.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    part(THREE)
    expected = unit_variance(users(torch.tensor([100, 101]))[0][:, 1:])
    torch.testing.assert_close(seen[0][:2], expected)


def test_a_block_that_no_table_has_is_named():
    with pytest.raises(ValueError, match=r"projected_blocks: expected some of 0..0, .* got \(1,\)"):
        LearnFeatureFusion(*tables(), FusionConfig(projected_blocks=(1,)))


def test_no_slot_is_made_that_the_longest_history_of_the_batch_does_not_fill():
    values, lengths = torch.tensor([11, 12, 13, 21]), torch.tensor([3, 1, 0])
    found = {length: recent_items(values, lengths, length) for length in (2, 80)}
    assert found[80][0].tolist() == [[11, 12, 13], [21, -1, -1], [-1, -1, -1]]
    assert found[80][1].tolist() == [[True] * 3, [True, False, False], [False] * 3]
    assert found[2][0].tolist() == [[12, 13], [21, -1], [-1, -1]]
    empty = recent_items(values[:0], torch.tensor([0, 0]), 80)
    assert [part.tolist() for part in empty] == [[[-1], [-1]], [[False], [False]]]
