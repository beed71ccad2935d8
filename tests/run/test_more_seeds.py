"""A run adds seeds while that helps, says so, and stops."""

import os
from dataclasses import asdict, replace

import pytest
from planted_predictions import planted
from rich.console import Console

from learn_rank.pipeline import more_seeds
from learn_rank.run.config import RunConfig, read_config
from learn_rank.run.folder import RunFolder
from learn_recall.files.whole_files import write_json

ARMS = {"baseline": ((1, 0.3), 0.3), "learn": ((1, 0.3), 0.3)}


def added(tmp_path, monkeypatch, config, **world):
    """The seeds that a run ends with, those that were trained each time, and what was told."""
    run, trained = RunFolder(tmp_path), []
    tables = planted(ARMS, n_seeds=config.max_seeds + 4, **world)
    write_json(run.settings, {"source": {}, "config": asdict(config), "command": ""})

    def train(run, config, console):
        trained.append(config.seeds)
        for arm, own in tables.items():
            for seed in config.seeds:
                path = run.predictions_of(arm, seed)
                path.parent.mkdir(parents=True, exist_ok=True)
                own[seed].to_parquet(path)

    monkeypatch.setattr(more_seeds, "train_rankers", train)
    console = Console(width=300, record=True, file=open(os.devnull, "w"))  # noqa: SIM115 - closed below
    more_seeds.train_enough(run, config, console)
    console.file.close()
    return read_config(tmp_path)[0].seeds, trained, console.export_text()


def test_seeds_are_added_until_the_interval_is_narrow_enough(tmp_path, monkeypatch):
    config = RunConfig(arms=("baseline", "learn"), max_seeds=12)
    seeds, trained, told = added(tmp_path, monkeypatch, config, seed_noise=0.04, seed=1)
    assert 4 < len(seeds) < 12
    assert trained == [tuple(range(n)) for n in range(3, len(seeds) + 1)]
    assert "seed 3 is added: the interval of LEARN - baseline in " in told
    assert "5 points would do (up to 12 seeds, --max-seeds)" in told
    assert "no further seed" not in told


def test_no_more_seeds_are_added_than_asked_for_and_what_would_do_is_told(tmp_path, monkeypatch):
    config = RunConfig(arms=("baseline", "learn"), max_seeds=4)
    seeds, _, told = added(tmp_path, monkeypatch, config, seed_noise=0.12)
    assert seeds == (0, 1, 2, 3)
    assert "no further seed (--max-seeds 4): " in told
    assert "about --max-seeds " in told


@pytest.mark.parametrize("max_seeds", [3, 1])
def test_as_many_as_the_seeds_turns_it_off(tmp_path, monkeypatch, max_seeds):
    config = RunConfig(arms=("baseline", "learn"), max_seeds=max_seeds)
    seeds, trained, _ = added(tmp_path, monkeypatch, config, seed_noise=0.12)
    assert seeds == (0, 1, 2) and len(trained) == 1


def test_narrow_intervals_ask_for_nothing(tmp_path, monkeypatch):
    config = RunConfig(arms=("baseline", "learn"))
    seeds, _, told = added(tmp_path, monkeypatch, config, seed_noise=0.002)
    assert seeds == (0, 1, 2) and told == ""


def test_where_the_users_are_too_few_no_seed_is_added(tmp_path, monkeypatch):
    config = RunConfig(arms=("baseline", "learn"))
    world = {"n_users": 12, "seed_noise": 0.3}
    seeds, _, told = added(tmp_path, monkeypatch, config, **world)
    assert seeds == (0, 1, 2)
    assert "no seed is added" in told and "no number of seeds narrows that" in told


def test_a_run_that_goes_on_takes_the_same_decisions_again(tmp_path, monkeypatch):
    config = RunConfig(arms=("baseline", "learn"), max_seeds=12)
    first, _, _ = added(tmp_path, monkeypatch, config, seed_noise=0.04, seed=1)
    again, _, _ = added(tmp_path, monkeypatch, config, seed_noise=0.04, seed=1)
    assert again == first


def test_a_comparison_without_learn_has_no_interval_to_narrow(tmp_path, monkeypatch):
    config = replace(RunConfig(), arms=("baseline",))
    seeds, trained, told = added(tmp_path, monkeypatch, config, seed_noise=0.3)
    assert (seeds, len(trained), told) == ((0, 1, 2), 1, "")
