"""The folder of a run: every place is where the runs of earlier versions have it."""

from pathlib import Path

import pytest

from learn_rank.run.folder import RunFolder

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
