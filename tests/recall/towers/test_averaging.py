"""The running mean of weights, and what the optimizer decays."""

import pytest
import torch
import tower_world as world
from torch import nn

from learn_recall.towers.checkpoint import load_checkpoint
from learn_recall.towers.config import TrainConfig
from learn_recall.towers.double_tower import DoubleTower
from learn_recall.train.loop import train_towers
from learn_recall.train.optimizer import make_optimizer
from learn_recall.train.weight_average import WeightAverage


def moved(module, value):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(value)


def test_the_mean_follows_the_recurrence_by_hand():
    module = nn.Linear(2, 1)
    moved(module, 0.0)
    average = WeightAverage(module, 0.15)
    expected = 0.0
    for step, value in enumerate([1.0, 5.0, -2.0], start=1):
        moved(module, value)
        average.update()
        decay = min(0.15, step / (step + 9))  # .1, then .15 twice
        expected = decay * expected + (1 - decay) * value
    with average.in_place():
        assert module.weight[0].tolist() == pytest.approx([expected] * 2)
    assert module.weight[0].tolist() == [-2.0] * 2


def test_the_weights_come_back_even_after_an_error():
    module = nn.Linear(2, 1)
    average = WeightAverage(module, 0.5)
    moved(module, 3.0)
    with pytest.raises(KeyError), average.in_place():
        raise KeyError
    assert module.bias.tolist() == [3.0]


def test_frozen_parameters_have_no_mean_and_no_decay_keeps_nothing():
    module = nn.Linear(2, 1)
    module.bias.requires_grad_(False)
    assert set(WeightAverage(module, 0.5).tensors()) == {"average.mean.weight", "average.n_steps"}
    off = WeightAverage(module, 0.0)
    off.update()
    assert off.tensors() == {}


def test_a_restored_mean_goes_on_as_if_nothing_had_happened():
    module = nn.Linear(2, 1)
    straight, stopped = WeightAverage(module, 0.9), WeightAverage(module, 0.9)
    for step in range(6):
        moved(module, float(step) ** 2)
        straight.update()
        stopped.update()
        if step == 2:
            kept = {name: value.clone() for name, value in stopped.tensors().items()}
            stopped = WeightAverage(module, 0.9)
            stopped.restore(kept)
    for name, value in straight.tensors().items():
        assert torch.equal(value, stopped.tensors()[name])


def test_what_is_exported_are_the_mean_weights(tmp_path):
    content = world.content_store(tmp_path / "c")
    folders = {}
    for decay in (0.0, 0.9):
        config = world.small_config(train={"n_epochs": 1, "average_decay": decay})
        folders[decay] = train_towers(
            world.interactions(40), content, tmp_path / str(decay), config, progress=False
        )
    plain, mean = (load_checkpoint(folder).towers.pal.adaptor.weight for folder in folders.values())
    assert not torch.equal(plain, mean)


def test_id_embeddings_are_decayed_by_their_own_strength():
    config = world.small_config(id_residual=True).tower
    towers = DoubleTower(12, config, train_counts=[3, 1])
    for parameter in towers.parameters():
        parameter.grad = torch.zeros_like(parameter)
    before = {name: parameter.detach().clone() for name, parameter in towers.named_parameters()}
    train = TrainConfig(learning_rate=0.1, weight_decay=0.0, id_weight_decay=0.5)
    make_optimizer(towers, train).step()
    for name, parameter in towers.named_parameters():
        share = 0.95 if name == "id_embedding.weight" else 1.0  # AdamW: 1 - .1 x .5
        torch.testing.assert_close(parameter.detach(), share * before[name], msg=name)
