"""The folder of a run: every place is where the runs of earlier versions have it."""

from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from learn_rank.cli import app
from learn_rank.data import dataset_files as data_files
from learn_rank.pipeline import order
from learn_rank.run.config import RunConfig
from learn_rank.run.folder import RunFolder
from learn_recall.files.whole_files import write_json

RUN = RunFolder(Path("out"))


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (RUN.settings, "run.json"),
        (RUN.stamp_of("towers"), "stages/towers.json"),
        (RUN.tables, "tables"),
        (RUN.content, "content"),
        (RUN.language_model, "content-lm"),
        (RUN.words, "words.safetensors"),
        (RUN.towers, "towers"),
        (RUN.recall, "recall.json"),
        (RUN.users, "vectors/users"),
        (RUN.items, "vectors/items"),
        (RUN.predictions, "predictions"),
        (RUN.ease, "predictions/ease.npz"),
        (RUN.tuning, "predictions/tuning.json"),
        (RUN.tuning_of(10.0), "predictions/tuning/decay-10"),
        (RUN.model_of("learn", 2), "predictions/learn/seed-2"),
        (RUN.history_of("learn", 2), "predictions/learn/seed-2/history.json"),
        (RUN.predictions_of("learn", 2), "predictions/learn/seed-2.parquet"),
        (RUN.validation_of("learn", 2), "predictions/learn/seed-2.valid.parquet"),
        (RUN.report_json, "report.json"),
        (RUN.report_html, "report.html"),
        (RUN.ab_candidates, "ab"),
        (RUN.ab_json, "ab.json"),
        (RUN.ab_json_of("aa"), "ab_aa.json"),
        (RUN.ab_html, "ab.html"),
        (RUN.ablation.path, "ablation"),
        (RUN.ablation.model_of("gate", 0), "ablation/gate/seed-0"),
        (RUN.ablation.predictions_of("gate", 0), "ablation/gate/seed-0.parquet"),
        (RUN.ablation.validation_of("gate", 0), "ablation/gate/seed-0.valid.parquet"),
        (RUN.ablation_towers, "ablation/towers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_place_is_where_earlier_versions_have_it(place, path):
    assert place == Path("out") / path


def test_the_report_of_a_run_has_the_names_that_every_report_has():
    from learn_rank.report.files import HTML_NAME, JSON_NAME

    assert (RUN.report_json.name, RUN.report_html.name) == (JSON_NAME, HTML_NAME)


def folder_with(path, **seeds):
    run = RunFolder(path)
    for arm, numbers in seeds.items():
        for seed in numbers:
            for file in (run.predictions_of(arm, seed), run.validation_of(arm, seed)):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
            run.model_of(arm, seed).mkdir()
    return run


def test_a_run_knows_the_seeds_that_were_trained_in_it(tmp_path):
    run = folder_with(tmp_path, learn=(10, 2, 0))
    assert run.seeds_of("learn") == (0, 2, 10) and run.seeds_of("shuffled") == ()


def test_the_report_takes_every_seed_that_all_arms_have_and_names_the_others(tmp_path, monkeypatch):
    run = folder_with(tmp_path, baseline=range(5), learn=range(4))
    config = RunConfig(arms=("baseline", "learn"), seeds=(0, 1))
    write_json(run.settings, {"config": asdict(config), "command": "learn-rank run"})
    judged = []
    monkeypatch.setattr(data_files, "dataset_fingerprint", lambda tables: {})
    monkeypatch.setattr(order, "report_stage", lambda run, config, *_: judged.append(config.seeds))
    said = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert said.exit_code == 0, said.output
    assert judged == [(0, 1, 2, 3)]
    assert "not judged: seed 4 of baseline" in said.output
    CliRunner().invoke(app, ["report", str(tmp_path), "--seeds", "3"])
    assert judged[-1] == (0, 1, 2)
