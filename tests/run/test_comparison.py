"""A team's own rankers compared in one call: what is written, what is judged, what is refused."""

import os
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from ranking_worlds import planted_dataset
from rich.console import Console
from torchrec import EmbeddingBagCollection
from torchrec.models.dlrm import DLRM

import learn_rank
from learn_rank import (
    HostRanker,
    LearnFeatureFusion,
    RankTrainConfig,
    chosen_ranker,
    compare_rankers,
    embedding_tables,
    encode_dataset,
)
from learn_rank.data.batch import HISTORY_ITEM
from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.metrics.auc import AUC
from learn_rank.pipeline import compare_rankers as comparison
from learn_rank.rankers.by_head import RankerByHead
from learn_rank.rankers.train import predict
from learn_rank.run.folder import RunFolder
from learn_rank.run.predictions import labelled_rows, write_predictions
from learn_recall.files.whole_files import write_json
from learn_recall.store import id_keys

pytestmark = pytest.mark.usefixtures("without_plots")
TRAINING = RankTrainConfig(n_epochs=2, batch_size=128, learning_rate=5e-3)


def dlrm(data, n_dense, n_outputs):
    return DLRM(
        EmbeddingBagCollection(embedding_tables(data.n_codes, 8)),
        n_dense,
        dense_arch_layer_sizes=[32, 8],
        over_arch_layer_sizes=[16, n_outputs],
    )


def rankers(users, items, contexts, kind):
    n_outputs = 1 if kind == "ctr" else 2
    keys = torch.from_numpy(id_keys(contexts["context_id"].to_numpy()))
    of_users = torch.from_numpy(users[contexts["user_id"].to_numpy()])

    def learn(data):
        fusion = LearnFeatureFusion(
            FrozenEmbedding(keys, of_users),
            FrozenEmbedding(torch.arange(len(items)), torch.from_numpy(items)),
        )
        return HostRanker(dlrm(data, data.n_dense + fusion.output_dim, n_outputs), fusion, kind=kind)

    return {
        "baseline": lambda data: HostRanker(dlrm(data, data.n_dense, n_outputs), kind=kind),
        "learn": learn,
    }


@pytest.fixture(scope="module")
def world():
    return planted_dataset(n_rows=6000)


@pytest.fixture(scope="module")
def compared(world, tmp_path_factory):
    dataset, users, items = world
    out = tmp_path_factory.mktemp("compared")
    arms = rankers(users, items, dataset.contexts, "ctr")
    return out, compare_rankers(dataset, arms, out, seeds=[3], training=TRAINING)


def test_vectors_that_say_everything_lift_torchrecs_dlrm(compared):
    _, report = compared
    lift = [
        row
        for row in report.deltas
        if (row["model"], row["task"], row["metric"], row["bucket"]) == ("learn", "CTR", "AUC", "all")
    ]
    assert len(lift) == 1 and lift[0]["low"] > 0.05


def test_the_report_says_what_the_prediction_files_say(world, compared):
    dataset, _, _ = world
    out, report = compared
    for model in ("baseline", "learn"):
        table = pd.read_parquet(RunFolder(out).predictions_of(model, 3))
        pd.testing.assert_series_equal(table["item_id"], dataset.test["item_id"], check_dtype=False)
        said = [
            row["value"]
            for row in report.rows
            if (row["model"], row["task"], row["metric"], row["bucket"]) == (model, "CTR", "AUC", "all")
        ]
        assert said == [AUC()(table["click"], table["pctr"]).value]


def test_a_ranker_of_clicks_alone_is_judged_by_clicks_alone(compared):
    out, report = compared
    assert {row["task"] for row in report.rows} == {"CTR"}
    assert "pcvr" not in pd.read_parquet(RunFolder(out).predictions_of("learn", 3))
    assert {row["model"] for row in report.rows} == {"baseline", "learn", "auto", "rates", "recent"}


def test_the_coverage_is_that_of_the_fusions_own_tables(compared):
    assert {row["share_with_vector"] for row in compared[1].about["coverage"] if row["n"]} == {1.0}


def test_what_auto_serves_is_a_ranker_with_the_weights_of_its_choice(world, compared):
    dataset, users, items = world
    data = encode_dataset(dataset)
    ranker = chosen_ranker(rankers(users, items, dataset.contexts, "ctr"), data, compared[0], seed=3)
    # the vectors say everything, but of new items validation has too few clicks to prove it for those
    assert isinstance(ranker, RankerByHead) and (ranker.click, ranker.conversion) == ("known", "known")
    found = predict(ranker, data.test)["pctr"]
    expected = pd.read_parquet(RunFolder(compared[0]).predictions_of("auto", 3))["pctr"]
    pd.testing.assert_series_equal(found, expected)


def test_the_page_and_the_rows_are_written(compared):
    out, report = compared
    assert RunFolder(out).report_html.is_file()
    assert learn_rank.report.read_report(out).rows == report.rows


def test_rankers_of_an_earlier_call_are_trained_anew_on_the_rows_that_are_asked_for(world, tmp_path):
    dataset, users, items = world
    made = []
    arms = rankers(users, items, dataset.contexts, "esmm")

    def counted(data):
        made.append(data.train)
        return arms["baseline"](data)

    once = RankTrainConfig(n_epochs=1, batch_size=1024)
    with_history = partial(encode_dataset, has_item_history=True)
    reports = [
        compare_rankers(dataset, {"baseline": counted}, tmp_path, seeds=[0], training=training, encode=encode)
        for training, encode in ((once, encode_dataset), (TRAINING, with_history))
    ]
    assert [HISTORY_ITEM in rows.lists for rows in made] == [False, True]
    assert reports[0].rows[0]["value"] != reports[1].rows[0]["value"]
    assert {row["task"] for row in reports[0].rows} == {"CTR", "CVR", "CTCVR"}


@pytest.mark.parametrize(
    "names", [["mine"], ["baseline", "rates"], ["baseline", "recent"], ["baseline", "auto"]]
)
def test_names_that_the_report_cannot_use_are_refused(world, tmp_path, names):
    with pytest.raises(ValueError, match="Remedy: name the ranker without the plugin 'baseline'"):
        compare_rankers(world[0], dict.fromkeys(names, None), tmp_path)


def test_no_seed_is_refused(world, tmp_path):
    with pytest.raises(ValueError, match="seeds: expected at least one"):
        compare_rankers(world[0], {"baseline": None}, tmp_path, seeds=[])


def test_a_console_is_told_the_verdict(world, tmp_path):
    dataset, users, items = world
    console = Console(record=True, width=100)
    arms = rankers(users, items, dataset.contexts, "ctr")
    once = RankTrainConfig(n_epochs=1, batch_size=1024)
    compare_rankers(dataset, arms, tmp_path, seeds=[0], training=once, console=console)
    assert "Verdict" in console.export_text()


@pytest.mark.parametrize(("max_seeds", "expected"), [(4, (2, 5, 6, 7)), (2, (2, 5))])
def test_seeds_are_added_while_they_would_narrow_what_decides(
    world, tmp_path, monkeypatch, max_seeds, expected
):
    dataset, _, _ = world

    def scored(make, dataset, data, training, run, *, arm, on_step):
        """A ranker whose scores know the click better or worse by its seed."""
        skill = 0.3 if arm == "baseline" else (0.25, 0.4)[training.seed % 2]
        for path, part in ((run.predictions_of, "test"), (run.validation_of, "valid")):
            labels = labelled_rows(dataset, part)
            click = labels["click"].to_numpy(float)
            pctr = skill * click + (1 - skill) * np.random.default_rng(0).random(len(click))
            write_predictions(path(arm, training.seed), labels, pd.DataFrame({"pctr": pctr}))
        write_json(run.history_of(arm, training.seed), [])
        trained.append((arm, training.seed))
        return SimpleNamespace(fusion=None)

    trained = []
    monkeypatch.setattr(comparison, "train_and_score", scored)
    console = Console(record=True, width=300, file=open(os.devnull, "w"))  # noqa: SIM115 - closed below
    report = compare_rankers(
        dataset,
        {"baseline": None, "learn": None},
        tmp_path,
        seeds=[2, 5],
        max_seeds=max_seeds,
        console=console,
    )
    console.file.close()
    assert report.about["seeds"] == list(expected)
    assert sorted(trained) == sorted((arm, seed) for arm in ("baseline", "learn") for seed in expected)
    told = console.export_text()
    assert f"no further seed (max_seeds {max_seeds}): the interval of LEARN - baseline in CTR UAUC" in told
    assert ("seed 6 is added" in told) == (max_seeds == 4)


def test_every_public_name_is_there():
    assert all(getattr(learn_rank, name).__doc__ for name in learn_rank.__all__)
