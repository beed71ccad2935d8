"""From interactions to a checkpoint: order, splits, batches, what is learned, and any interruption."""

import json
import re
import signal
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import tower_victim
import tower_world as world
from children import exit_code_of_killed
from torch.nn import functional as F

from learn_recall.store import StoreError, write_store
from learn_recall.towers import checkpoint as files
from learn_recall.towers.checkpoint import load_checkpoint
from learn_recall.towers.config import LossConfig, RecallConfig, SamplingConfig, TowerConfig, TrainConfig
from learn_recall.towers.content_table import ContentTable
from learn_recall.towers.double_tower import DoubleTower
from learn_recall.towers.loss import dense_all_action_loss
from learn_recall.towers.presets import preset
from learn_recall.train.batches import (
    all_action_batch,
    epoch_batches,
    n_batches,
    next_item_batch,
    trainable_users,
    users_per_batch,
)
from learn_recall.train.loop import train_towers
from learn_recall.train.objective import Objective
from learn_recall.train.optimizer import learning_rate
from learn_recall.train.sequences import build_sequences, last_events, split_validation


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    return world.content_store(tmp_path_factory.mktemp("content") / "store")


def sequence_of(sequences, user):
    index = sequences.user_ids.tolist().index(user)
    return sequences.rows[sequences.offsets[index] : sequences.offsets[index + 1]].tolist()


def test_events_are_ordered_by_time_then_position_then_row(content):
    table = pd.DataFrame(
        {
            "user_id": ["b", "a", "b", "a", "a", "a"],
            "item_id": ["i1", "i2", "i3", "i4", "i5", "i6"],
            "timestamp": [5, 9, 1, 3, 3, 3],
            "position": [0, 0, 1, 2, 1, 1],
        }
    )
    sequences = build_sequences(table, content)
    assert sequence_of(sequences, "a") == [5, 6, 4, 2]
    assert sequence_of(sequences, "b") == [3, 1]
    by_position = build_sequences(table.drop(columns="timestamp"), content)
    assert sequence_of(by_position, "b") == [1, 3]
    assert by_position.times is None


def test_items_without_a_vector_are_left_out_and_counted(tmp_path):
    store = write_store(
        tmp_path / "c",
        ids=[1, 2, 3],
        vectors=np.eye(3),
        present=[True, False, True],
        kind="content",
        **world.CARD,
    )
    table = pd.DataFrame({"user_id": [7, 7, 7, 8], "item_id": [1, 2, 99, 3], "position": [0, 1, 2, 0]})
    sequences = build_sequences(table, store)
    assert sequence_of(sequences, 7) == [0]
    assert (sequences.n_unknown, sequences.n_without_vector) == (1, 1)


def test_tables_that_do_not_fit_are_refused_with_the_remedy(content):
    good = world.interactions(5)
    with pytest.raises(ValueError, match="expected a column 'item_id'"):
        build_sequences(good.drop(columns="item_id"), content)
    with pytest.raises(ValueError, match="'position'"):
        build_sequences(good.drop(columns="timestamp"), content)
    with pytest.raises(ValueError, match="1 empty"):
        build_sequences(good.assign(timestamp=[np.nan, *good.timestamp[1:]]), content)
    with pytest.raises(ValueError, match="Remedy: encode the items"):
        build_sequences(good.assign(item_id="other"), content)
    with pytest.raises(StoreError, match="string ids"):
        build_sequences(good.assign(item_id=1), content)


def test_validation_takes_the_last_event_of_users_with_two_or_more(content):
    everything = build_sequences(world.interactions(), content)
    kept, user, row = split_validation(everything, TrainConfig(max_validation_users=1000))
    assert user.tolist() == np.flatnonzero(everything.lengths >= 2).tolist()
    for index in range(everything.n_users):
        whole = everything.rows[everything.offsets[index] : everything.offsets[index + 1]].tolist()
        left = kept.rows[kept.offsets[index] : kept.offsets[index + 1]].tolist()
        assert left == (whole[:-1] if len(whole) >= 2 else whole)
        if len(whole) >= 2:
            assert row[user.tolist().index(index)] == whole[-1]
    few, user, _ = split_validation(everything, TrainConfig(max_validation_users=7))
    assert len(user) == 7
    assert len(few.rows) == len(everything.rows) - 7


def test_a_validation_window_holds_every_later_event_of_users_with_a_history(content):
    everything = build_sequences(world.interactions(), content)
    config = TrainConfig(validation="last_window", validation_seconds=3 * 86_400.0)
    kept, user, row = split_validation(everything, config)
    cut = everything.times.max() - 3 * 86_400
    assert kept.times.max() <= cut
    owner = np.repeat(np.arange(everything.n_users), everything.lengths)
    expected = [(u, r) for u, r, t in zip(owner, everything.rows, everything.times, strict=True)
                if t > cut and kept.lengths[u] > 0]  # fmt: skip
    assert list(zip(user, row, strict=True)) == expected
    with pytest.raises(ValueError, match="timestamp"):
        split_validation(replace(everything, times=None), config)


def test_next_item_batches_pair_each_event_with_the_one_after_it(content):
    table = pd.DataFrame({"user_id": [1] * 4 + [2] * 2, "item_id": [f"i{k}" for k in (4, 7, 1, 9, 3, 3)]})
    sequences = build_sequences(table.assign(position=[0, 1, 2, 3, 0, 1]), content)
    rng = np.random.default_rng(0)
    batch = next_item_batch(sequences, np.array([0, 1]), SamplingConfig(history_length=10), rng)
    assert batch.history.tolist() == [[4, 7, 1], [3, -1, -1]]
    assert batch.target.tolist() == [[7, 1, 9], [3, -1, -1]]
    seen = set()
    for _ in range(30):
        short = next_item_batch(sequences, np.array([0]), SamplingConfig(history_length=2), rng)
        seen.add((*short.history[0].tolist(), *short.target[0].tolist()))
    assert seen == {(4, 7, 7, 1), (7, 1, 1, 9)}


@pytest.mark.parametrize("split", ["random", "last", "window"])
def test_all_action_batches_never_put_a_target_before_a_history_item(content, split):
    table = world.interactions(60)
    sequences = build_sequences(table, content)
    config = SamplingConfig(
        split=split, history_length=5, target_length=4, n_history=3, n_target=2, target_seconds=4 * 86_400.0
    )
    users = trainable_users(
        sequences, RecallConfig(loss=LossConfig(kind="dense_all_action"), sampling=config)
    )
    distinct = replace(sequences, rows=np.arange(len(sequences.rows)))  # rows that show the event itself
    rng = np.random.default_rng(0)
    for _ in range(5):
        batch = all_action_batch(distinct, users, config, rng)
        for i, user in enumerate(users):
            history, target = batch.history[i], batch.target[i]
            history, target = history[history >= 0], target[target >= 0]
            assert 1 <= len(history) <= 5 and 1 <= len(target) <= 4
            assert (np.diff(history) > 0).all() and (np.diff(target) > 0).all()
            assert sequences.offsets[user] <= history[0] < history[-1] + 1 <= target[0]
            assert target[-1] < sequences.offsets[user + 1]
            if split == "window":
                cut = sequences.times.max() - 4 * 86_400
                assert (sequences.times[history] <= cut).all() and (sequences.times[target] > cut).all()
        drawn_history, drawn_target = (batch.history_drawn >= 0).sum(1), (batch.target_drawn >= 0).sum(1)
        assert drawn_history.tolist() == np.minimum((batch.history >= 0).sum(1), 3).tolist()
        assert drawn_target.tolist() == np.minimum((batch.target >= 0).sum(1), 2).tolist()


def test_an_epoch_sees_every_trainable_user_once_and_depends_on_seed_and_epoch_alone(content):
    sequences = build_sequences(world.interactions(), content)
    config = world.small_config()
    users = trainable_users(sequences, config)
    assert users.tolist() == np.flatnonzero(sequences.lengths >= 2).tolist()
    epochs = [[b.history for b, _ in epoch_batches(sequences, users, config, epoch)] for epoch in (0, 0, 1)]
    assert sum(len(history) for history in epochs[0]) == len(users)
    assert all(np.array_equal(one, other) for one, other in zip(epochs[0], epochs[1], strict=True))
    assert not all(np.array_equal(one, other) for one, other in zip(epochs[0], epochs[2], strict=True))


def test_few_users_share_smaller_batches_so_that_an_epoch_has_its_least_number_of_steps(content):
    sequences = build_sequences(world.interactions(), content)
    users = trainable_users(sequences, world.small_config())
    for least, expected in ((0, 8), (1, 8), (5, len(users) // 5), (10 * len(users), 1)):
        config = world.small_config(train={"batch_users": 8, "min_epoch_steps": least})
        batches = [len(batch.history) for batch, _ in epoch_batches(sequences, users, config, 0)]
        assert max(batches) == users_per_batch(len(users), config) == min(8, expected)
        assert len(batches) == n_batches(len(users), config) >= min(least, len(users))
        assert sum(batches) == len(users)


def objective_of(content, sequences, config):
    rows, counts = np.unique(sequences.rows, return_counts=True)
    torch.manual_seed(0)
    towers = DoubleTower(world.CONTENT, config.tower, counts).eval()
    with torch.no_grad():
        for parameter in towers.pal.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    towers.whitening.fit(np.asarray(content.vectors[rows]))
    return Objective(towers, ContentTable(content, towers.whitening), rows, counts, config.loss), rows, counts


@pytest.mark.parametrize("tower", ["seq_to_seq", "rec_to_llm", "projection"])
@pytest.mark.parametrize(("strength", "masks_own_items"), [(1.0, False), (0.4, True)])
def test_the_gathered_next_item_loss_equals_full_cross_entropy_user_by_user(
    content, tower, strength, masks_own_items
):
    config = world.small_config(item_tower=tower, id_residual=tower == "projection")
    loss = LossConfig(n_uniform=10_000, logq_strength=strength, masks_own_items=masks_own_items)
    config = replace(config, loss=loss)
    sequences = build_sequences(world.interactions(20), content)
    objective, rows, counts = objective_of(content, sequences, config)
    batch = next_item_batch(
        sequences, trainable_users(sequences, config), config.sampling, np.random.default_rng(0)
    )
    fast = objective(batch, np.random.default_rng(1))

    towers, table = objective.towers, objective.table
    known = torch.arange(len(rows))
    whitened = table[rows]
    item = towers.single_items(whitened, towers.embed_items(whitened, known))
    losses = []
    for history, target in zip(batch.history, batch.target, strict=True):
        length = int((target >= 0).sum())
        index = np.searchsorted(rows, history[:length])
        embedded = towers.embed_items(table[history[:length]], torch.from_numpy(index))
        logit = towers.users(embedded[None])[0] @ item.T / towers.temperature
        logit = logit + (1 - strength) * torch.from_numpy(np.log(counts / counts.sum())).float()
        label = torch.from_numpy(np.searchsorted(rows, target[:length]))
        if masks_own_items:
            is_own = torch.from_numpy(np.isin(rows, [history[0], *target[:length]]))
            logit = logit.masked_fill(is_own & ~F.one_hot(label, len(rows)).bool(), -torch.inf)
        losses += F.cross_entropy(logit, label, reduction="none").tolist()
    assert fast.item() == pytest.approx(np.mean(losses), rel=1e-4)


@pytest.mark.parametrize("tower", ["seq_to_seq", "seq_to_item", "rec_to_llm"])
def test_the_gathered_all_action_loss_equals_towers_applied_to_whole_sequences(content, tower):
    config = world.small_config("dense_all_action", item_tower=tower)
    sequences = build_sequences(world.interactions(20), content)
    objective, _, _ = objective_of(content, sequences, config)
    users = trainable_users(sequences, config)
    batch = all_action_batch(sequences, users, config.sampling, np.random.default_rng(0))
    fast = objective(batch, np.random.default_rng(1))

    towers, table = objective.towers, objective.table
    user = torch.zeros(len(users), 4, towers.dimension)
    target = torch.zeros(len(users), 3, towers.dimension)
    ids = np.zeros((len(users), 3), dtype=np.int64)
    for i in range(len(users)):
        history = table[batch.history[i][batch.history[i] >= 0]][None]
        items = table[batch.target[i][batch.target[i] >= 0]][None]
        user_all = towers.users(towers.embed_items(history[0])[None])[0]
        item_all = towers.items(items, towers.embed_items(items[0])[None])[0]
        for j, position in enumerate(batch.history_drawn[i]):
            user[i, j] = user_all[position] if position >= 0 else 0.0
        for k, position in enumerate(batch.target_drawn[i]):
            if position >= 0:
                target[i, k], ids[i, k] = item_all[position], batch.target[i][position]
    slow = dense_all_action_loss(
        user, target, torch.from_numpy(ids), has_user=torch.from_numpy(batch.history_drawn >= 0),
        has_target=torch.from_numpy(batch.target_drawn >= 0), temperature=towers.temperature,
    )  # fmt: skip
    assert fast.item() == pytest.approx(slow.item(), rel=1e-4)


def test_negatives_are_training_items_only_each_with_its_expected_count(content):
    config = replace(world.small_config(), loss=LossConfig(n_uniform=5, in_batch=True))
    sequences = build_sequences(world.interactions(8), content)
    objective, rows, counts = objective_of(content, sequences, config)
    assert len(rows) < len(content)
    target = sequences.rows[:30]
    total = np.zeros(len(rows))
    for seed in range(2000):
        candidate, log_copies = objective._candidates(target, np.random.default_rng(seed))
        place = np.searchsorted(rows, candidate)
        assert (rows[place] == candidate).all()
        total[place] += np.exp(log_copies)
    share_in_batch = np.bincount(np.searchsorted(rows, target), minlength=len(rows))
    np.testing.assert_allclose(total / 2000, 5 / len(rows) + share_in_batch, rtol=0.2)
    np.testing.assert_allclose(objective._expected(30), 5 / len(rows) + 30 * counts / counts.sum())


def test_standard_logq_corrects_the_positive_by_its_own_expected_count(content):
    sequences = build_sequences(world.interactions(20), content)
    found = {}
    for corrects in (False, True):
        loss = LossConfig(n_uniform=7, in_batch=True, corrects_positive=corrects)
        config = replace(world.small_config(), loss=loss)
        objective, rows, counts = objective_of(content, sequences, config)
        users = trainable_users(sequences, config)[:1]
        batch = next_item_batch(sequences, users, config.sampling, np.random.default_rng(0))
        found[corrects] = objective(batch, np.random.default_rng(1)).item()
    # the two differ only in what is added to the positive's score, here by the gradient of the sum of losses
    target = batch.target[batch.target >= 0]
    expected = 7 / len(rows) + len(target) * counts[np.searchsorted(rows, target)] / counts.sum()
    assert (expected < 1).all()  # so the positive is raised and the loss falls, by less than -log q
    assert 0 < found[False] - found[True] < np.mean(-np.log(expected))


def log_of(folder):
    return [json.loads(line) for line in (folder / files.HISTORY).read_text().splitlines()]


@pytest.mark.parametrize(
    "fields", [{}, {"loss": "dense_all_action"}, {"item_tower": "projection", "id_residual": True}]
)
def test_planted_groups_are_learned_far_beyond_chance(content, tmp_path, fields):
    config = world.small_config(train={"n_epochs": 8, "patience": 8, "learning_rate": 1e-2}, **fields)
    out = train_towers(world.interactions(120), content, tmp_path / "t", config, progress=False)
    best = max(line["recall@10"] for line in log_of(out))
    assert best > 0.6  # chance 10 / 60; knowing the group gives up to 1


def test_the_exported_model_is_the_best_epoch_and_training_ends_when_patience_does(content, tmp_path):
    config = world.small_config(train={"n_epochs": 30, "patience": 2, "learning_rate": 3e-2})
    out = train_towers(world.interactions(40), content, tmp_path / "t", config, progress=False)
    scores = [line["recall@10"] for line in log_of(out)]
    trained = load_checkpoint(out)
    assert trained.extra["epoch"] == int(np.argmax(scores)) + 1
    assert len(scores) == trained.extra["epoch"] + 2 < 30
    assert trained.as_of == world.interactions(40).timestamp.max()
    assert trained.content_identity["encoder_sha256"] == "abc"


def test_training_counts_and_whitening_come_from_training_events_alone(content, tmp_path):
    table = world.interactions(30)
    config = world.small_config(train={"n_epochs": 1})
    out = train_towers(table, content, tmp_path / "t", config, progress=False)
    kept, _, _ = split_validation(build_sequences(table, content), config.train)
    trained = load_checkpoint(out)
    expected = np.bincount(kept.rows, minlength=len(content))
    assert trained.counts(content.ids).tolist() == expected.tolist()
    mean = content.vectors[np.unique(kept.rows)].mean(axis=0)
    np.testing.assert_allclose(trained.towers.whitening.mean.numpy(), mean, rtol=1e-4, atol=1e-5)


def test_the_callers_random_state_is_left_alone(content, tmp_path):
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state().clone(), np.random.get_state()[1].copy()
    train_towers(
        world.interactions(30),
        content,
        tmp_path / "t",
        world.small_config(train={"n_epochs": 1}),
        progress=False,
    )
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()


def bytes_of(folder):
    return [(folder / name).read_bytes() for name in (files.MODEL, files.CONFIG)]


class Interruption(Exception):
    pass


@pytest.mark.parametrize(
    "fields",
    [
        {"id_residual": True, "id_dropout": 0.3, "train": {"average_decay": 0.9}},
        {"loss": "dense_all_action"},
    ],
)
def test_a_run_stopped_in_the_middle_of_an_epoch_ends_with_the_same_bits(
    content, tmp_path, monkeypatch, fields
):
    table, config = world.interactions(), world.small_config(**fields)
    straight = train_towers(table, content, tmp_path / "straight", config, progress=False)
    n_calls = 0
    undisturbed = Objective.__call__

    def interrupted(self, batch, rng):
        nonlocal n_calls
        n_calls += 1
        if n_calls in (8, 14):
            raise Interruption
        return undisturbed(self, batch, rng)

    monkeypatch.setattr(Objective, "__call__", interrupted)
    for _ in range(2):
        with pytest.raises(Interruption):
            train_towers(table, content, tmp_path / "stopped", config, progress=False)
    stopped = train_towers(table, content, tmp_path / "stopped", config, progress=False)
    assert bytes_of(straight) == bytes_of(stopped)
    drop = [[{**line, "seconds": 0} for line in log_of(folder)] for folder in (straight, stopped)]
    assert drop[0] == drop[1]


def test_a_killed_training_finishes_with_the_result_of_an_undisturbed_one(content, tmp_path):
    table = world.interactions()
    config = world.small_config(train={"n_epochs": 14, "patience": 14})
    history = tmp_path / "killed" / files.HISTORY
    given = (table, content.path, history.parent, config)
    code = exit_code_of_killed(
        tower_victim.train, *given, when=lambda: history.exists() and len(log_of(history.parent)) >= 2
    )
    assert code == -signal.SIGKILL
    assert 2 <= len(log_of(history.parent)) < 14
    killed = train_towers(table, content, tmp_path / "killed", config, progress=False)
    straight = train_towers(table, content, tmp_path / "straight", config, progress=False)
    assert bytes_of(killed) == bytes_of(straight)


def test_a_finished_run_is_returned_untouched_and_another_one_is_refused(content, tmp_path, monkeypatch):
    table, config = world.interactions(30), world.small_config(train={"n_epochs": 1})
    out = train_towers(table, content, tmp_path / "t", config, progress=False)
    before = (out / files.LAST).stat().st_mtime_ns
    train_towers(table, content, tmp_path / "t", config, progress=False)
    assert (out / files.LAST).stat().st_mtime_ns == before
    other = world.small_config(train={"n_epochs": 2})
    with pytest.raises(ValueError, match="resume=False"):
        train_towers(table, content, tmp_path / "t", other, progress=False)
    with pytest.raises(ValueError, match="resume=False"):
        train_towers(table.iloc[:-1], content, tmp_path / "t", config, progress=False)
    (out / files.LAST).unlink()  # a model kept without the file for resuming is still not written over
    with pytest.raises(ValueError, match="resume=False"):
        train_towers(table, content, tmp_path / "t", other, progress=False)
    train_towers(table, content, tmp_path / "t", other, resume=False, progress=False)
    assert len(log_of(out)) == 2


def test_a_log_that_lags_behind_the_checkpoint_is_made_whole(content, tmp_path):
    table, config = world.interactions(30), world.small_config(train={"n_epochs": 2})
    out = train_towers(table, content, tmp_path / "t", config, progress=False)
    whole = (out / files.HISTORY).read_bytes()
    (out / files.HISTORY).write_bytes(whole.splitlines(keepends=True)[0])  # killed between the two renames
    train_towers(table, content, tmp_path / "t", config, progress=False)
    assert (out / files.HISTORY).read_bytes() == whole


def test_users_without_a_second_event_cannot_train_alone(content, tmp_path):
    single = world.interactions(30).drop_duplicates("user_id")
    with pytest.raises(ValueError, match="none usable"):
        train_towers(single, content, tmp_path / "t", world.small_config(), progress=False)


def test_a_store_of_another_kind_is_refused(tmp_path):
    store = write_store(tmp_path / "i", ids=["i1"], vectors=np.ones((1, 4)), kind="item", **world.CARD)
    with pytest.raises(StoreError, match="kind"):
        train_towers(world.interactions(5), store, tmp_path / "t", world.small_config(), progress=False)


def test_damaged_and_missing_checkpoints_are_told_apart(content, tmp_path):
    out = train_towers(
        world.interactions(30),
        content,
        tmp_path / "t",
        world.small_config(train={"n_epochs": 1}),
        progress=False,
    )
    whole = (out / files.MODEL).read_bytes()
    (out / files.MODEL).write_bytes(whole[:-1])
    with pytest.raises(StoreError, match="whole checkpoint"):
        load_checkpoint(out)
    with pytest.raises(FileNotFoundError, match="learn-recall train"):
        load_checkpoint(tmp_path / "nothing")


def test_nothing_is_pickled(content, tmp_path):
    out = train_towers(
        world.interactions(30),
        content,
        tmp_path / "t",
        world.small_config(train={"n_epochs": 1}),
        progress=False,
    )
    names = sorted(path.name for path in out.iterdir())
    assert names == ["config.json", "history.jsonl", "last.safetensors", "model.safetensors"]


def test_settings_survive_json_and_the_default_preset_is_the_default_constructor():
    for name in ("paper", "official_amazon", "default", "thorough"):
        config = preset(name)
        assert RecallConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert preset("default") == RecallConfig()
    paper = preset("paper")
    assert (paper.tower.hidden, paper.tower.n_layers, paper.tower.dimension) == (768, 12, 64)
    assert (paper.sampling.history_length, paper.sampling.target_length) == (80, 40)
    assert (paper.sampling.alpha, paper.sampling.beta) == (10, 10_000)
    assert (paper.train.batch_users, paper.train.n_epochs, paper.loss.kind) == (240, 10, "dense_all_action")
    assert paper.tower.item_tower == "seq_to_seq"


@pytest.mark.parametrize(
    ("part", "fields", "text"),
    [
        (TowerConfig, {"item_tower": "other"}, "seq_to_seq, seq_to_item"),
        (TowerConfig, {"hidden": 10, "n_heads": 3}, "divisor of hidden"),
        (TowerConfig, {"dropout": 1.5}, "dropout"),
        (LossConfig, {"temperature": 0.0}, "temperature"),
        (LossConfig, {"temperature": float("nan")}, "temperature"),
        (LossConfig, {"n_uniform": 0}, "n_uniform"),
        (SamplingConfig, {"alpha": 1.0}, "alpha"),
        (SamplingConfig, {"n_history": 0}, "n_history"),
        (TrainConfig, {"validation": "test"}, "last_item"),
        (TrainConfig, {"learning_rate": True}, "learning_rate"),
        (TrainConfig, {"n_epochs": 2.5}, "expected int"),
        (TrainConfig, {"beta1": 1.0}, "beta1"),
        (TrainConfig, {"learning_rate": float("inf")}, "a finite number above 0; got inf"),
        (TowerConfig, {"hidden": "wide"}, "expected int"),
        (TowerConfig, {"norm_first": 1}, "expected bool"),
        (TowerConfig, {"feed_forward": 0}, "feed_forward"),
        (TowerConfig, {"item_tower": "rec_to_llm"}, "id_residual"),
    ],
)
def test_impossible_settings_are_refused_by_name(part, fields, text):
    with pytest.raises(ValueError, match=text) as refused:
        part(**fields)
    assert re.search(r": expected \S.*; got \S.*\. Remedy: \S", str(refused.value))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"tower": {"typo": 1}}, "got 'typo'"),
        ({"towr": {}}, "'towr'"),
        ({"tower": 3}, "config.tower: expected an object of settings; got 'int'"),
        ([1], "config: expected the parts"),
        (
            {"tower": {"max_length": 20}, "sampling": {"history_length": 30, "target_length": 5}},
            "max_length: expected at least 30",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_refused_with_a_remedy(values, text):
    with pytest.raises(ValueError, match=text) as refused:
        RecallConfig.from_dict(values)
    assert re.search(r": expected \S.*; got \S.*\. Remedy: \S", str(refused.value))


def test_the_learning_rate_warms_up_and_falls_to_zero():
    config = TrainConfig(learning_rate=1.0, n_epochs=10, warmup_epochs=1.0)
    rates = [learning_rate(step, 20, config) for step in range(200)]
    assert rates[0] == pytest.approx(1 / 21)
    assert max(rates) == rates[20] == 1.0
    assert (np.diff(rates[20:]) < 0).all()
    assert rates[-1] < 1e-3


def test_last_events_are_the_newest_ones_oldest_first(content):
    table = pd.DataFrame(
        {"user_id": [1, 1, 1, 2], "item_id": ["i5", "i6", "i7", "i8"], "position": [0, 1, 2, 0]}
    )
    sequences = build_sequences(table, content)
    assert last_events(sequences, np.array([0, 1]), 2).tolist() == [[6, 7], [8, -1]]
