"""`learn-rank ablate`: which variants a run can train, how they are compared, what the command prints."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from learn_rank.ablation import encoder_text
from learn_rank.ablation import study as study_module
from learn_rank.ablation.study import Study, ablate, mean_logits
from learn_rank.ablation.table import ablation_table
from learn_rank.ablation.variants import VARIANTS, trainable
from learn_rank.cli import app
from learn_rank.fusion.config import FusionConfig
from learn_rank.fusion.kinds import FUSIONS
from learn_rank.rankers.multi_task import RankerConfig
from learn_rank.rankers.train import RankTrainConfig
from learn_rank.run.config import RunConfig
from learn_rank.run.folder import RunFolder
from learn_rank.run.predictions import write_predictions
from learn_recall.towers.presets import preset

STRENGTH = {"baseline": 0.5, "gate": 1.5, "shuffled": 0.5, "base_ensemble": 0.5}


def predictions(name, seed, rows_seed=0):
    """Rows of 60 users whose scores know as much of the labels as the arm's strength says."""
    rows, noise = np.random.default_rng(rows_seed), np.random.default_rng([seed, len(name)])
    n = 1200
    click = rows.integers(0, 2, n)
    conversion = np.where(click == 1, rows.integers(0, 2, n), np.nan)
    table = pd.DataFrame(
        {
            "user_id": rows.integers(0, 60, n),
            "item_id": rows.integers(0, 50, n),
            "click": click,
            "conversion": conversion,
            "user_bucket": "other",
            "item_bucket": "other",
        }
    )
    pctr = 1 / (1 + np.exp(-(STRENGTH[name] * click + noise.normal(size=n))))
    pcvr = 1 / (1 + np.exp(-noise.normal(size=n)))
    return table.assign(pctr=pctr, pcvr=pcvr, pctcvr=pctr * pcvr)


@pytest.fixture
def study(tmp_path):
    """A run whose variants are made up instead of trained; their validation scores are written."""
    run = RunFolder(tmp_path / "run")

    def train(name, variant, seed):
        whole = predictions(name, seed, rows_seed=1)
        scores = whole[["pctr", "pcvr", "pctcvr"]]
        write_predictions(run.ablation.validation_of(name, seed), whole.drop(columns=scores.columns), scores)
        return predictions(name, seed)

    return Study(run, RunConfig(word_dimension=0), True, train)


def row_of(rows, task, metric):
    found = [row for row in rows if (row["task"], row["metric"], row["bucket_kind"]) == (task, metric, "all")]
    (row,) = found
    return row


def test_every_variant_names_settings_that_exist():
    for variant in VARIANTS.values():
        FusionConfig(**variant.settings)
        RankerConfig(**variant.ranker)
        RankTrainConfig(**variant.training)
        assert variant.kind in FUSIONS
        assert variant.preset is None or preset(variant.preset)


def test_a_variant_is_left_out_for_what_the_run_lacks_and_an_unknown_one_is_refused():
    asked = ["no_words", "gate", "auxiliary_both", "gate"]
    assert trainable(asked, has_conversions=True, has_words=True)[0] == ["no_words", "gate", "auxiliary_both"]
    assert trainable(asked, has_conversions=False, has_words=False) == (
        ["gate"],
        {"no_words": "words", "auxiliary_both": "conversions"},
    )
    without = trainable(["slots", "gate"], has_conversions=True, has_words=True, has_attention=False)
    assert without == (["gate"], {"slots": "an attention of the host"})
    assert trainable(None, has_conversions=True, has_words=True) == (list(VARIANTS), {})
    with pytest.raises(ValueError, match=r"--only: expected some of learn, .*; got gates"):
        trainable(["gates"], has_conversions=True, has_words=True)


def test_variants_are_compared_with_the_baseline_and_auto_keeps_what_is_no_better(study):
    trained = []
    names = ["gate", "shuffled", "base_ensemble"]
    found = ablate(study, names, range(2), on_training=lambda name, seed: trained.append((name, seed)))
    assert trained == [
        *(("baseline", seed) for seed in (0, 1)),
        *((name, seed) for name in ("gate", "shuffled") for seed in (0, 1)),
        ("baseline", 2),  # the second half of the ensemble
        ("baseline", 3),
    ]
    assert list(found) == ["auto gate", "gate", "auto shuffled", "shuffled", "base_ensemble"]
    lift = row_of(found["gate"], "CTR", "AUC")
    assert lift["low"] > 0.1 and row_of(found["auto gate"], "CTR", "AUC")["delta"] == pytest.approx(
        lift["delta"]
    )
    assert abs(row_of(found["shuffled"], "CTR", "AUC")["delta"]) < 0.05

    table = ablation_table(found, names, over="baseline", part="test")
    assert [column.header for column in table.columns][1:] == [
        f"{task} {metric}" for task in ("CTR", "CVR", "CTCVR") for metric in ("AUC", "UAUC")
    ]
    assert list(table.columns[0].cells) == ["gate", "auto gate", "shuffled", "auto shuffled", "base_ensemble"]
    assert next(iter(table.columns[1].cells)).startswith(f"{100 * lift['delta']:+.2f} [")


def test_variants_are_chosen_on_validation_over_another_variant_and_test_stays_out_of_it(study):
    found = ablate(study, ["shuffled", "base_ensemble"], range(2), over="gate", part="valid")
    assert list(found) == ["shuffled", "base_ensemble"]  # no auto: it is between the baseline and a variant
    row = row_of(found["shuffled"], "CTR", "AUC")
    assert row["high"] < 0
    scored = [
        [pd.read_parquet(study.run.ablation.validation_of(name, seed)) for seed in (0, 1)]
        for name in ("gate", "shuffled")
    ]
    auc = [np.mean([roc_auc_score(table["click"], table["pctr"]) for table in tables]) for tables in scored]
    assert row["delta"] == pytest.approx(auc[1] - auc[0])
    table = ablation_table(found, list(found), over="gate", part="valid")
    assert table.title == "Points over gate, all valid rows, 95 % intervals"


def test_an_ensemble_is_the_mean_of_the_logits():
    one, other = (
        pd.DataFrame({"pctr": [p], "pcvr": [q], "pctcvr": [0.0]}) for p, q in ((0.2, 0.5), (0.6, 0.5))
    )
    joined = mean_logits(one, other)
    logit = (math.log(0.2 / 0.8) + math.log(0.6 / 0.4)) / 2
    assert joined["pctr"][0] == pytest.approx(1 / (1 + math.exp(-logit)))
    assert joined["pcvr"][0] == pytest.approx(0.5)
    assert joined["pctcvr"][0] == pytest.approx(joined["pctr"][0] / 2)


def test_the_command_prints_the_table_and_writes_every_difference(study, tmp_path, monkeypatch):
    monkeypatch.setattr(study_module, "open_study", lambda run, device: study)
    out = tmp_path / "new" / "ablation.json"
    arguments = ["ablate", "run", "--only", "gate,no_words", "--only", "shuffled", "--seeds", "2", "--json"]
    done = CliRunner().invoke(app, [*arguments, str(out)])
    assert done.exit_code == 0, done.output
    assert "left out, for want of words: no_words" in done.output
    assert "auto shuffled" in done.output and "95 % intervals" in done.output
    written = json.loads(out.read_text())
    assert list(written) == ["auto gate", "gate", "auto shuffled", "shuffled"]
    assert {row["bucket_kind"] for row in written["gate"]} == {"all", "user", "item"}


def test_encoders_alone_are_trained_alone_and_words_need_a_run_that_reads_them(study, tmp_path, monkeypatch):
    monkeypatch.setattr(study_module, "open_study", lambda run, device: study)
    monkeypatch.setitem(STRENGTH, "raw_text:models_7b@12", 1.5)
    out = tmp_path / "found.json"
    arguments = ["ablate", "run", "--encoder", "models/7b@12", "--seeds", "1", "--json", str(out)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "models/7b" in done.output and "Remedy" in done.output  # told before anything is trained
    monkeypatch.setattr(encoder_text, "find_encoder", lambda name: name)
    monkeypatch.setattr(encoder_text, "encoder_vectors", lambda *_, **__: None)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert list(json.loads(out.read_text())) == ["auto raw_text:models_7b@12", "raw_text:models_7b@12"]
    done = CliRunner().invoke(app, ["ablate", "run", "--encoder", "words"])
    assert done.exit_code == 2
    assert "--encoder words: expected a run that reads words" in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "gates"], "--only: expected some of learn"),
        (["--only", "gate"], "expected the folder of a finished `learn-rank run`, found no run.json"),
        (["--part", "train"], "--part: expected valid or test, got 'train'"),
        (["--over", "base_ensemble"], "--over: expected baseline or a variant that is one ranker"),
        (["--encoder", "a/b", "--encoder", "a_b"], "--encoder: expected each once"),
        (["--json", "/proc/no/such.json"], "--json: expected a file that can be written"),
    ],
)
def test_what_the_command_cannot_do_is_told_in_words(arguments, words, tmp_path):
    done = CliRunner().invoke(app, ["ablate", str(tmp_path), *arguments])
    assert done.exit_code == 2
    assert words in done.output


def test_the_names_of_the_variants_are_printed_without_a_run():
    done = CliRunner().invoke(app, ["ablate", "--names"])
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.output.splitlines()] == list(VARIANTS)
