"""The reference ranker: its losses by hand, its batches, its training, its resuming."""

import math

import numpy as np
import pytest
import torch
from ranking_worlds import planted_dataset
from torch import nn

from learn_rank.data.encoded_rows import encode_dataset
from learn_rank.data.host_statistics import FEATURES
from learn_rank.data.newness import UNKNOWN
from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.fusion.config import FusionConfig
from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion
from learn_rank.metrics.auc import AUC
from learn_rank.rankers.multi_task import MultiTaskRanker, RankerConfig, Scores, ranking_loss
from learn_rank.rankers.train import RankTrainConfig, predict, train_ranker
from learn_rank.uncertainty.intervals import paired_delta
from learn_recall.store import id_keys

SMALL = RankerConfig(embedding_dim=4, bottom_dims=(16,), tower_dim=8)


@pytest.fixture(scope="module")
def world():
    dataset, users, items = planted_dataset()
    return dataset, encode_dataset(dataset, history_length=10), users, items


def fused(world, *, is_shuffled=False):
    dataset, _, users, items = world
    contexts = dataset.contexts
    vectors = users[contexts["user_id"].to_numpy()]
    if is_shuffled:
        generator = np.random.default_rng(5)
        vectors, items = generator.permutation(vectors), generator.permutation(items)
    return LearnFeatureFusion(
        FrozenEmbedding(
            torch.from_numpy(id_keys(contexts["context_id"].to_numpy())), torch.from_numpy(vectors)
        ),
        FrozenEmbedding(torch.arange(len(items)), torch.from_numpy(items)),
        FusionConfig(projection_dim=16, hidden_dim=32, fusion_dim=8, history_length=10),
    )


def test_esmm_loss_is_cross_entropy_of_click_plus_of_the_product_on_all_rows_by_hand():
    ctr, cvr = torch.tensor([0.3, -1.0, 2.0]), torch.tensor([0.5, 0.1, -2.0])
    click, conversion = torch.tensor([1.0, 0.0, 1.0]), torch.tensor([1.0, math.nan, 0.0])
    p, q = torch.sigmoid(ctr), torch.sigmoid(ctr) * torch.sigmoid(cvr)
    by_hand = -(torch.log(p[0]) + torch.log(1 - p[1]) + torch.log(p[2])) / 3
    by_hand = by_hand - (torch.log(q[0]) + torch.log(1 - q[1]) + torch.log(1 - q[2])) / 3
    found = ranking_loss(Scores(ctr, cvr, None), click, conversion, kind="esmm")
    torch.testing.assert_close(found, by_hand)


def test_shared_bottom_learns_conversion_from_clicked_rows_alone():
    ctr, cvr = torch.tensor([0.3, -1.0]), torch.tensor([0.5, 0.1], requires_grad=True)
    click, conversion = torch.tensor([1.0, 0.0]), torch.tensor([1.0, math.nan])
    ranking_loss(Scores(ctr, cvr, None), click, conversion, kind="shared_bottom").backward()
    assert cvr.grad[1] == 0
    torch.testing.assert_close(cvr.grad[0], (torch.sigmoid(torch.tensor(0.5)) - 1) / 2)


def test_esmm_loss_and_gradient_stay_finite_for_extreme_logits():
    ctr = torch.tensor([60.0, -60.0], requires_grad=True)
    cvr = torch.tensor([60.0, -60.0], requires_grad=True)
    loss = ranking_loss(Scores(ctr, cvr, None), torch.ones(2), torch.tensor([0.0, 1.0]), kind="esmm")
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(ctr.grad).all() and torch.isfinite(cvr.grad).all()


def test_esmm_still_teaches_a_row_that_it_is_wrongly_sure_of():
    """1 - pq is about 2 exp(-30) here, far below what float32 can subtract from 1."""
    ctr, cvr = (torch.tensor([30.0], requires_grad=True) for _ in range(2))
    loss = ranking_loss(Scores(ctr, cvr, None), torch.ones(1), torch.zeros(1), kind="esmm")
    loss.backward()
    assert loss.item() == pytest.approx(30 - math.log(2), abs=1e-4)
    assert ctr.grad.item() == pytest.approx(0.5, abs=1e-4)
    assert cvr.grad.item() == pytest.approx(0.5, abs=1e-4)


def test_batches_hold_every_row_once_and_in_order_without_a_generator(world):
    _, data, _, _ = world
    batches = list(data.test.batches(64))
    clicks = torch.cat([batch.click for batch in batches])
    np.testing.assert_array_equal(clicks.numpy(), data.test.click)
    items = torch.cat([batch.sparse["learn_item"].values() for batch in batches])
    np.testing.assert_array_equal(items.numpy(), data.test.item_key)


def test_the_history_of_a_batch_is_the_newest_of_each_rows_context(world):
    dataset, data, _, _ = world
    batch = next(data.valid.batches(50))
    history = dataset.contexts.set_index("context_id")["history"]
    for row, jagged in enumerate(batch.sparse["learn_history"].to_dense()):
        assert jagged.tolist() == list(history[dataset.valid["context_id"][row]])[-10:]


def test_the_flags_beside_a_history_are_the_conversions_of_its_items(world):
    dataset, data, _, _ = world
    batch = next(data.valid.batches(50))
    flags = dataset.contexts.set_index("context_id")["history_converted"]
    for row, jagged in enumerate(batch.sparse["learn_history_converted"].to_dense()):
        assert jagged.tolist() == [int(flag) for flag in flags[dataset.valid["context_id"][row]]][-10:]


def test_list_features_become_bags_of_codes(world):
    dataset, data, _, _ = world
    batch = next(data.test.batches(20))
    n_tags = dataset.items.set_index("item_id")["tags"].map(len)
    assert batch.sparse["tags"].lengths().tolist() == n_tags[dataset.test["item_id"][:20]].tolist()


def test_simulated_newness_hides_id_and_rates_of_the_item_and_keeps_its_vector(world):
    _, data, _, _ = world
    plain = next(data.train.batches(400, generator=np.random.default_rng(0)))
    # the same shuffle, then every row made new
    made_new = next(data.train.batches(400, generator=np.random.default_rng(0), newness_rate=0.999999))
    assert (made_new.sparse["item_id"].values() == UNKNOWN).all()
    assert torch.equal(plain.sparse["learn_item"].values(), made_new.sparse["learn_item"].values())
    assert torch.equal(plain.sparse["user_id"].values(), made_new.sparse["user_id"].values())
    clicks_log = FEATURES.index("item_clicks_log")
    assert made_new.dense[:, clicks_log].unique().numel() == 1
    assert torch.equal(plain.dense[:, 0], made_new.dense[:, 0])
    assert data.train.dense[:, clicks_log].std() > 0  # the rows themselves were not written to


def test_an_item_that_training_never_showed_is_unknown_to_the_host(world):
    dataset, data, _, _ = world
    is_new = ~dataset.test["item_id"].isin(dataset.train["item_id"])
    assert is_new.any()
    np.testing.assert_array_equal(data.test.codes["item_id"] == UNKNOWN, is_new)


def trained(world, tmp_path, fusion, *, n_epochs=3, on_step=None):
    _, data, _, _ = world
    config = RankTrainConfig(n_epochs=n_epochs, batch_size=256, learning_rate=5e-3, seed=1)
    return train_ranker(
        lambda: MultiTaskRanker(data.n_codes, data.n_dense, SMALL, fusion() if fusion else None),
        data,
        config,
        tmp_path,
        on_step=on_step,
    )


def test_vectors_that_say_everything_help_and_shuffled_ones_do_not(world, tmp_path):
    dataset, data, _, _ = world
    score = {}
    for name, fusion in (
        ("base", None),
        ("learn", lambda: fused(world)),
        ("shuffled", lambda: fused(world, is_shuffled=True)),
    ):
        ranker, _ = trained(world, tmp_path / name, fusion)
        score[name] = [predict(ranker, data.test)["pctr"].to_numpy()]
    users = dataset.test["user_id"].to_numpy()
    lift, chance = (
        paired_delta(data.test.click, users, score["base"], score[name], metric=AUC())
        for name in ("learn", "shuffled")
    )
    assert lift.low > 0.1
    assert chance.low < 0


def test_a_training_that_was_stopped_and_resumed_ends_with_the_same_bits(world, tmp_path):
    undisturbed, history = trained(world, tmp_path / "one", lambda: fused(world))
    seen = []

    def stop_in_the_second_epoch(step, n_steps):
        seen.append(step)
        if step == int(n_steps * 0.5):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(world, tmp_path / "two", lambda: fused(world), on_step=stop_in_the_second_epoch)
    seen.clear()
    resumed, resumed_history = trained(
        world, tmp_path / "two", lambda: fused(world), on_step=lambda step, _: seen.append(step)
    )
    assert seen[0] > 1, "the first epoch was not done again"
    for name, value in undisturbed.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert [r.ctr_auc for r in history] == [r.ctr_auc for r in resumed_history]


def test_training_does_not_touch_the_callers_random_state(world, tmp_path):
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    trained(world, tmp_path, None, n_epochs=1)
    assert torch.equal(torch.rand(3), expected)


def test_a_checkpoint_of_other_settings_is_refused(world, tmp_path):
    trained(world, tmp_path, None, n_epochs=1)
    with pytest.raises(ValueError, match="another folder"):
        trained(world, tmp_path, None, n_epochs=2)


def test_a_loss_that_is_not_finite_stops_training_in_words(world, tmp_path):
    _, data, _, _ = world

    class Broken(MultiTaskRanker):
        def loss(self, scores, batch):
            return super().loss(scores, batch) * float("nan")

    with pytest.raises(FloatingPointError, match="epoch 0, step 0"):
        train_ranker(
            lambda: Broken(data.n_codes, data.n_dense, SMALL),
            data,
            RankTrainConfig(n_epochs=1),
            tmp_path,
        )


def test_the_plugin_fits_a_plain_module_ranker():
    from small_fusions import THREE, fusion

    plugin = fusion()
    head = nn.Linear(plugin.output_dim + 2, 1)
    out = plugin(THREE)
    assert head(torch.cat([torch.zeros(3, 2), out.features], dim=1)).shape == (3, 1)


def test_string_ids_work_all_the_way_through(tmp_path):
    dataset, _, _ = planted_dataset(n_rows=1500, ids="string")
    data = encode_dataset(dataset, history_length=5)
    key_of_item = id_keys(dataset.items["item_id"].to_numpy())
    batch = next(data.test.batches(10))
    assert set(batch.sparse["learn_item"].values().tolist()) <= set(key_of_item.tolist())
    assert (data.test.user_key == id_keys(dataset.test["context_id"].to_numpy())).all()
