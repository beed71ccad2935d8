"""The whole way on a small marketplace: tables to report, killed anywhere, with the same result."""

import json
import shutil
import signal
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from children import exit_codes_of
from rich.console import Console
from run_victim import MARKET, PLOTS, chosen, config, run
from tiny_models import save_tiny_model
from typer.testing import CliRunner

from learn_rank.cli import app
from learn_rank.data.dataset_files import read_dataset
from learn_rank.datasets.marketplace.read import read_marketplace
from learn_rank.report import read_report
from learn_rank.run.config import RunConfig, read_config
from learn_rank.run.folder import RunFolder
from learn_recall.store import EmbeddingStore, StoreError


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, encoder):
    out = tmp_path_factory.mktemp("finished")
    run(out, encoder)
    with pytest.MonkeyPatch.context() as patch:
        # of this run's page above; every later report would draw the same ones again
        patch.setattr(PLOTS, lambda *_: "")
        yield out


def test_the_run_ends_with_rows_of_every_arm_task_metric_and_bucket(finished):
    report = read_report(RunFolder(finished).report_json)
    rows = pd.DataFrame(report.rows)
    floors = {"rates", "recent", "no_history"}
    assert set(rows.model) == {"baseline", "learn", "auto", "raw_text", "shuffled"} | floors
    assert set(rows.task) == {"CTR", "CVR", "CTCVR"}
    assert set(rows.metric) == {"AUC", "UAUC", "WUAUC"}
    assert len(rows) == 8 * 3 * 3 * 7  # models, tasks, metrics, buckets and all rows
    whole = rows[(rows.bucket_kind == "all") & (rows.task == "CTR") & (rows.metric == "AUC")]
    assert (whole.n_rows == len(read_dataset(RunFolder(finished).tables).test)).all()
    assert RunFolder(finished).report_html.read_text(encoding="utf-8").startswith("<!")


def test_the_report_tells_what_the_encoder_read_of_the_items_that_moved_most(finished):
    moved = read_report(RunFolder(finished).report_json).about["moved_items"]
    items = read_dataset(RunFolder(finished).tables).items.set_index("item_id")["title"]
    assert {row["direction"] for row in moved} == {"gained", "lost"} and len(moved) == 10
    for row in moved:
        assert row["text"].startswith(f'Item title is "{items[row["item_id"]]}".')


def test_user_and_item_bucket_rows_partition_the_test_rows(finished):
    rows = pd.DataFrame(read_report(RunFolder(finished).report_json).rows)
    for task in ("CTR", "CTCVR"):
        chosen = rows[(rows.model == "learn") & (rows.task == task) & (rows.metric == "AUC")]
        total = chosen[chosen.bucket_kind == "all"]["n_rows"].sum()
        assert chosen[chosen.bucket_kind == "user"]["n_rows"].sum() == total
        assert chosen[chosen.bucket_kind == "item"]["n_rows"].sum() == total


@pytest.mark.long
def test_a_run_killed_in_one_stage_after_another_ends_like_an_undisturbed_one(finished, encoder, tmp_path):
    out = tmp_path / "killed"
    for stage in ("export", "rankers", "report"):
        assert exit_codes_of(run, (out, encoder, stage)) == [-signal.SIGKILL]
    assert exit_codes_of(run, (out, encoder)) == [0]
    for arm in ("baseline", "learn", "raw_text", "shuffled", "no_history"):
        for seed in (0, 1):
            pd.testing.assert_frame_equal(
                pd.read_parquet(RunFolder(out).predictions_of(arm, seed)),
                pd.read_parquet(RunFolder(finished).predictions_of(arm, seed)),
                check_exact=True,
            )
    assert read_report(RunFolder(out).report_json).rows == read_report(RunFolder(finished).report_json).rows


def test_the_same_command_again_trains_nothing(finished, encoder):
    trained = [path for path in finished.rglob("seed-*.parquet") if path.parent.name != "auto"]
    times = {path: path.stat().st_mtime_ns for path in trained}
    run(finished, encoder)
    assert times and all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_a_report_that_is_made_anew_says_when_the_run_began_and_not_when_it_was_reported(finished):
    stamp = RunFolder(finished).stamp_of("tables")
    began = json.loads(stamp.read_text())["started"]
    stamp.write_text(stamp.read_text().replace(began, "2001-02-03 04:05 UTC"))
    assert CliRunner().invoke(app, ["report", str(finished)]).exit_code == 0
    assert read_report(RunFolder(finished).report_json).about["started"] == "2001-02-03 04:05 UTC"
    stamp.write_text(stamp.read_text().replace("2001-02-03 04:05 UTC", began))


def test_the_stages_are_commands_of_their_own(finished):
    runner = CliRunner()
    result = runner.invoke(app, ["report", str(finished), "--seeds", "1"])
    assert result.exit_code == 0, result.output
    assert read_report(RunFolder(finished).report_json).about["seeds"] == [0]
    assert runner.invoke(app, ["report", str(finished)]).exit_code == 0
    assert runner.invoke(app, ["train", str(finished)]).exit_code == 0


@pytest.mark.parametrize(
    "choice",
    [{"click": "none", "conversion": "none"}, {"fuses_ctr": False, "fuses_cvr": False}],
    ids=["now", "as older runs wrote it"],
)
def test_what_is_chosen_where_the_base_ranker_is_better_is_that_ranker_itself(finished, tmp_path, choice):
    from learn_rank.serving import run_export

    exported = []
    with chosen(finished, **choice), pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_export, "export_ranker", lambda *given, **named: exported.append((given, named)))
        for arm in ("auto", "baseline"):
            run_export.export_run(finished, tmp_path, arm=arm)
    (auto, told), (baseline, _) = exported
    with torch.inference_mode():
        scores = [ranker(sparse, dense) for ranker, _, sparse, dense in (auto, baseline)]
    assert torch.equal(scores[0].ctr_logit, scores[1].ctr_logit)
    assert torch.equal(scores[0].cvr_logit, scores[1].cvr_logit)
    assert told["choice"] == choice
    assert told["sources"] == {}


def test_an_arm_that_a_run_did_not_choose_or_train_is_not_exported(finished, tmp_path):
    from learn_rank.serving.run_export import export_run

    with pytest.raises(ValueError, match=r"expected a choice between 'baseline' and 'learn' of seed 7"):
        export_run(finished, tmp_path / "none", arm="auto", seed=7)
    with pytest.raises(ValueError, match=r"one of \['baseline', 'learn', 'raw_text', 'no_history', 'auto'\]"):
        export_run(finished, tmp_path / "none", arm="thorough")


@pytest.mark.long
def test_an_exported_ranker_of_a_run_scores_the_test_rows_as_its_predictions_say(finished, tmp_path):
    from learn_rank.run.rows import rows_of_run
    from learn_rank.serving import VectorSource, load_exported, swap_vectors

    runner = CliRunner()
    served = tmp_path / "served"
    with chosen(finished, click="all", conversion="none", words="clicks alone"):
        result = runner.invoke(app, ["export", str(finished), "--out", str(served), "--arm", "auto"])
    assert result.exit_code == 0, result.output
    assert "auto: clicks alone" in result.output
    assert "fused.fusion.item_vectors: 120 of 120 ids with a vector, float16" in result.output
    ranker = load_exported(served)
    assert ranker.manifest.choice is not None and ranker.manifest.choice["conversion"] == "none"
    tables = read_dataset(RunFolder(finished).tables)
    data = rows_of_run(tables, EmbeddingStore.open(RunFolder(finished).items), read_config(finished)[0])
    scores = [ranker(batch.sparse, batch.dense) for batch in data.test.batches(97)]
    for head, arm, name in (("ctr_logit", "learn", "pctr"), ("cvr_logit", "baseline", "pcvr")):
        found = torch.cat([part[head] for part in scores]).sigmoid()
        expected = pd.read_parquet(RunFolder(finished).predictions_of(arm, 0))[name]
        np.testing.assert_allclose(found.numpy(), expected, atol=2e-6)
    other = tmp_path / "request"
    runner.invoke(app, ["export", str(finished), "--out", str(other), "--one-request", "--arm", "raw_text"])
    of_request = load_exported(other)
    blocks = of_request.manifest.tables["fusion.item_vectors"].blocks
    assert [name for name, *_ in blocks] == ["content", "words"]
    expected = pd.read_parquet(RunFolder(finished).predictions_of("raw_text", 0))["pctr"]
    assert of_request.manifest.per_request == (
        "user_id",
        "history_item_id",
        "learn_history_converted",
        "learn_user",
        "learn_history",
    )
    for row, batch in enumerate(data.test.batches(1)):
        if row == 20:
            break
        one = of_request(batch.sparse, batch.dense)["ctr_logit"].sigmoid()
        np.testing.assert_allclose(one.numpy(), expected[row : row + 1], atol=2e-6)
    users = EmbeddingStore.open(RunFolder(finished).users)
    with pytest.raises(ValueError, match="kind: expected 'item', got 'user'"):
        swap_vectors(served, "fused.fusion.item_vectors", VectorSource(users, ("tower", "content")))
    refused = runner.invoke(app, ["export", str(finished), "--out", str(served), "--arm", "shuffled"])
    assert refused.exit_code == 2
    assert "expected one of" in refused.output


def test_vectors_newer_than_the_first_judged_label_are_refused(finished, tmp_path, monkeypatch):
    dataset = read_dataset(RunFolder(finished).tables)
    first_label = float(dataset.valid["timestamp"].min())
    store = EmbeddingStore.open(RunFolder(finished).items)
    assert store.card.as_of is not None and store.card.as_of <= first_label
    from learn_recall.store.as_of import check_as_of

    with pytest.raises(StoreError, match="as_of"):
        check_as_of(store, store.card.as_of - 1)


def test_the_marketplace_is_chronological_and_its_contexts_are_older_than_their_rows():
    dataset = read_marketplace(MARKET)
    assert dataset.protocol["interactions that the base ranker never saw"] == 0
    newest = dataset.contexts.set_index("context_id")["timestamp"]
    for part in dataset.parts.values():
        known = newest.reindex(part["context_id"]).to_numpy()
        assert not (known >= part["timestamp"].to_numpy()).any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--out", "x"], "--items"),
        (["run", "--out", "x", "--dataset", "netflix"], "steam"),
        (["run", "--out", "x", "--dataset", "steam"], "--data"),
        (["run", "--out", "x", "--dataset", "marketplace", "--ranker", "mmoe"], "shared_bottom"),
        (["report", "nowhere"], "learn-rank run"),
        (["train", "nowhere"], "learn-rank run"),
    ],
)
def test_wrong_arguments_are_told_in_words_with_exit_code_2(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output


def test_a_run_config_without_the_baseline_is_refused():
    with pytest.raises(ValueError, match="baseline"):
        RunConfig(arms=("learn",))


def test_settings_are_saved_beside_the_results_and_read_back(finished, encoder, tmp_path):
    read, _ = read_config(finished)
    assert read == config(str(encoder))
    saved = json.loads(RunFolder(finished).settings.read_text())
    del saved["config"]["word_dimension"], saved["config"]["user_snapshot_days"]
    RunFolder(tmp_path).settings.write_text(json.dumps(saved))
    assert read_config(tmp_path)[0].word_dimension == 0  # saved before a run could read words
    assert read_config(tmp_path)[0].user_snapshot_days == 0  # and before there were any


def test_towers_on_ids_alone_give_another_tower_block_beside_the_same_frozen_text(finished, tmp_path):
    from learn_rank.ablation.ids_tower import ids_tower_vectors

    dataset = read_dataset(RunFolder(finished).tables)
    users, items = ids_tower_vectors(finished, tmp_path)
    whole = EmbeddingStore.open(RunFolder(finished).items)
    width = {block.name: (block.start, block.stop) for block in whole.card.blocks}["tower"][1]
    assert [block.name for block in items.card.blocks] == ["tower", "content", "words"]
    np.testing.assert_array_equal(items.vectors[:, width:], whole.vectors[:, width:])
    assert not np.allclose(items.vectors[:, :width], whole.vectors[:, :width], atol=0.1)
    is_known = np.isin(items.ids, dataset.interactions["item_id"].unique())
    assert 0 < is_known.sum() < len(is_known)
    np.testing.assert_array_equal((items.vectors[:, :width] != 0).any(axis=1), is_known & items.present)
    np.testing.assert_array_equal(users.ids, EmbeddingStore.open(RunFolder(finished).users).ids)


def test_towers_of_the_runs_own_preset_give_the_runs_own_vectors(finished, tmp_path, monkeypatch):
    import learn_rank.ablation.preset_tower as other
    from learn_recall.towers.checkpoint import load_checkpoint

    own = load_checkpoint(RunFolder(finished).towers, "cpu").config
    monkeypatch.setattr(other, "preset", {"the same": own}.__getitem__)
    for side, store in zip(
        ("users", "items"), other.preset_tower_vectors(finished, tmp_path, "the same"), strict=True
    ):
        whole = EmbeddingStore.open(finished / "vectors" / side)
        assert store.card.blocks == whole.card.blocks
        np.testing.assert_array_equal(store.vectors, whole.vectors)
    monkeypatch.setattr(other, "train_towers", pytest.fail)
    other.preset_tower_vectors(finished, tmp_path, "the same")  # only opens them


def test_the_runs_own_encoder_without_towers_gives_the_text_that_the_run_exported(
    finished, encoder, tmp_path, monkeypatch
):
    import learn_rank.ablation.encoder_text as other

    run = shutil.copytree(finished, tmp_path / "run")
    stores = other.encoder_vectors(run, "raw_text:own", str(encoder))
    for side, store in zip(("users", "items"), stores, strict=True):
        whole = EmbeddingStore.open(finished / "vectors" / side)
        width = {block.name: (block.start, block.stop) for block in whole.card.blocks}["tower"][1]
        assert [block.name for block in store.card.blocks] == ["content", "words"]
        np.testing.assert_array_equal(store.ids, whole.ids)
        np.testing.assert_array_equal(store.present, whole.present)
        np.testing.assert_array_equal(store.vectors, whole.vectors[:, width:])
    monkeypatch.setattr(other, "encode_items", pytest.fail)
    other.encoder_vectors(run, "raw_text:own", str(encoder))  # only opens them


def test_two_encoders_are_compared_by_what_a_ranker_gains_from_their_text(finished, encoder, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    shallow = f"{encoder}@1"
    arguments = ["ablate", str(run), "--encoder", str(encoder), "--encoder", shallow, "--encoder", "words"]
    out = tmp_path / "found.json"
    done = CliRunner().invoke(
        app, [*arguments, "--only", "raw_text", "--seeds", "1", "--part", "valid", "--json", str(out)]
    )
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())
    own, other = (f"raw_text:{name.strip('/').replace('/', '_')}" for name in (str(encoder), shallow))
    assert list(found) == ["raw_text", own, other, "raw_text:words"]
    delta = {
        name: [row["delta"] for row in rows if (row["task"], row["metric"]) == ("CTR", "AUC")]
        for name, rows in found.items()
    }
    assert delta[own] == delta["raw_text"]  # the run's own encoder, by the other way
    assert len({tuple(values) for values in delta.values()}) == 3


def test_variants_that_were_trained_on_other_vectors_of_a_run_are_not_taken_for_its_own(finished, tmp_path):
    from learn_rank.ablation.study import open_study

    run = tmp_path / "run"
    shutil.copytree(finished, run)
    open_study(run)
    open_study(run)
    stamp = RunFolder(run).stamp_of("rankers")
    stamp.write_text(stamp.read_text().replace('"stamp": "', '"stamp": "0'))
    with pytest.raises(ValueError, match=r"Remedy: remove .*ablation"):
        open_study(run)
    (RunFolder(run).ablation.path / "made_of.json").unlink()  # of a version that wrote none
    with pytest.raises(ValueError, match=r"Remedy: remove .*ablation"):
        open_study(run)


def test_a_variant_is_trained_once_beside_the_baseline_of_a_finished_run(finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    arguments = [
        "ablate",
        str(run),
        "--only",
        "random",
        "--seeds",
        "1",
        "--json",
        str(tmp_path / "found.json"),
    ]
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.output
    made = sorted(path for path in RunFolder(run).ablation.path.rglob("seed-0*.parquet"))
    assert [path.parent.name for path in made] == ["baseline"] * 2 + ["random"] * 2
    own = pd.read_parquet(RunFolder(finished).predictions_of("baseline", 0))
    pd.testing.assert_frame_equal(pd.read_parquet(RunFolder(run).ablation.predictions_of("baseline", 0)), own)
    found, times = (tmp_path / "found.json").read_text(), [path.stat().st_mtime_ns for path in made]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert [path.stat().st_mtime_ns for path in made] == times
    assert (tmp_path / "found.json").read_text() == found


@pytest.mark.long
def test_a_host_that_knows_which_items_go_together_is_trained_in_every_arm_and_exported(
    finished, encoder, tmp_path
):
    out = shutil.copytree(finished, tmp_path / "run")
    before = pd.read_parquet(RunFolder(finished).predictions_of("baseline", 0))
    from learn_rank.data.ease_features import EASE_FEATURES, EaseFeatures
    from learn_rank.pipeline.order import run_pipeline
    from learn_rank.run.rows import rows_of_run
    from learn_rank.serving import load_exported
    from learn_rank.serving.run_export import export_run

    asked = replace(
        config(str(encoder)),
        ease="near",
        arms=("baseline", "learn"),
        seeds=(0,),
        embedding_decays=(1.0,),
    )
    run_pipeline(pytest.fail, {"market": "small"}, out, asked, console=Console(quiet=True))
    after = pd.read_parquet(RunFolder(out).predictions_of("baseline", 0))
    assert np.abs(after["pctr"] - before["pctr"]).max() > 0.01
    assert read_config(out)[0].ease == "near"
    ranker = load_exported(export_run(out, tmp_path / "exported"))
    items = EmbeddingStore.open(RunFolder(out).items)
    rows = rows_of_run(read_dataset(RunFolder(out).tables), items, asked).test
    found = [ranker(batch.sparse, batch.dense)["ctr_logit"].sigmoid() for batch in rows.batches(97)]
    expected = pd.read_parquet(RunFolder(out).predictions_of("learn", 0))["pctr"]
    np.testing.assert_allclose(np.concatenate([part.numpy() for part in found]), expected, atol=2e-6)
    served = EaseFeatures.load(RunFolder(out).ease)
    dataset = read_dataset(RunFolder(out).tables)
    history = dataset.contexts.set_index("context_id")["history"]
    columns = served.of(list(history[dataset.test["context_id"]]), dataset.test["item_id"])
    np.testing.assert_array_equal(rows.dense[:, -len(EASE_FEATURES) :], columns.to_numpy())


def test_a_simulated_test_after_a_run_with_item_regressions_is_refused(tmp_path, encoder):
    from learn_rank.pipeline.order import run_pipeline

    with pytest.raises(ValueError, match="run without one of the two"):
        run_pipeline(pytest.fail, {"ab_days": 3}, tmp_path, replace(config(str(encoder)), ease="own"))
    with pytest.raises(ValueError, match=r"ease: expected one of \['none', 'own', 'near'\]"):
        RunConfig(ease="yes")


def test_words_stand_beside_the_language_model_and_are_learned_from_known_items_alone(finished):
    from learn_recall.text.word_vectors import WordVectors, texts_of

    content = EmbeddingStore.open(RunFolder(finished).content)
    assert [block.name for block in content.card.blocks] == ["content", "words"]
    dataset = read_dataset(RunFolder(finished).tables)
    texts = texts_of(content, dataset.items)
    is_known = np.isin(content.ids, dataset.interactions["item_id"])
    assert 0 < is_known.sum() < len(is_known)
    again = WordVectors.fit([text for text, known in zip(texts, is_known, strict=True) if known], 6)
    assert WordVectors.load(RunFolder(finished).words).sha256 == again.sha256
    assert read_config(finished)[0].word_dimension == 6
    items = EmbeddingStore.open(RunFolder(finished).items)
    assert [block.name for block in items.card.blocks] == ["tower", "content", "words"]


def test_a_run_that_goes_on_without_words_has_none(finished, encoder, tmp_path):
    from learn_rank.pipeline.order import run_pipeline

    out = shutil.copytree(finished, tmp_path / "run")
    without = replace(config(str(encoder)), arms=("baseline", "raw_text"), seeds=(0,), word_dimension=0)
    run_pipeline(pytest.fail, {"market": "small"}, out, without, console=Console(quiet=True))
    blocks = EmbeddingStore.open(RunFolder(out).content).card.blocks
    assert "words" not in [block.name for block in blocks]
    with pytest.raises(ValueError, match="word_dimension: expected 0"):
        RunConfig(word_dimension=-1)


class Stopped(Exception):
    """Ends a run behind its encode stage."""


def test_a_run_takes_over_the_content_of_another_and_starts_anew_with_another_store(
    finished, encoder, tmp_path, monkeypatch
):
    from learn_rank.pipeline import order
    from learn_recall.convert.shared_content import take_content
    from learn_recall.encode import job

    def stop(*_):
        raise Stopped

    monkeypatch.setattr(order, "train_double_tower", stop)
    monkeypatch.setattr(job, "encode_items", pytest.fail)
    first = EmbeddingStore.open(RunFolder(finished).language_model)
    out, quiet = tmp_path / "run", Console(quiet=True)
    stamps = []
    dataset = read_dataset(RunFolder(finished).tables)
    other = take_content(first, dataset.items[::-1], tmp_path / "turned")  # the same vectors in other bytes
    for store in (first.path, shutil.copytree(first.path, tmp_path / "copy"), other.path):
        asked = replace(config(str(encoder)), content=str(store))
        with pytest.raises(Stopped):
            order.run_pipeline(lambda: dataset, {"market": "small"}, out, asked, console=quiet)
        taken = EmbeddingStore.open(RunFolder(out).language_model)
        np.testing.assert_array_equal(taken.vectors, first.vectors)
        stamps.append(json.loads(RunFolder(out).stamp_of("encode").read_text())["stamp"])
    assert stamps[0] == stamps[1] != stamps[2]
    words = EmbeddingStore.open(RunFolder(out).content)
    np.testing.assert_array_equal(words.vectors, EmbeddingStore.open(RunFolder(finished).content).vectors)


def test_a_run_does_not_take_over_its_own_content(finished, encoder):
    from learn_rank.pipeline.vector_stages import encode_settings

    run = RunFolder(finished)
    with pytest.raises(
        ValueError, match=r"--content: expected a store outside .* Remedy: leave --content out"
    ):
        encode_settings(run, replace(config(str(encoder)), content=str(run.language_model)))
