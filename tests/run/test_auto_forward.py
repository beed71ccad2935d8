"""`auto` chooses for new items within training, forward in time, where validation has too few of them."""

import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from auto_worlds import better_everywhere, divided, noisy, scores
from drift_log import drift_dataset
from rich.console import Console

from learn_rank.data.encoded_rows import encode_dataset
from learn_rank.datasets.forward_part import FORWARD_SHARE, forward_part
from learn_rank.pipeline import forward_stage
from learn_rank.run import auto_choice, forward_copies
from learn_rank.run.auto_arm import choices, served_heads, write_auto
from learn_rank.run.auto_choice import choose, combine
from learn_rank.run.config import RunConfig
from learn_rank.run.folder import RunFolder
from learn_rank.run.new_item_choice import Forward
from learn_rank.run.predictions import write_predictions
from learn_recall.files.whole_files import read_json

ARMS = ("baseline", "learn")


def forward_world(*, gains=True, pushed=0.0, seed=1):
    """The last part of training as two copies score it: of new items the fused one knows more, or less."""
    labels, liking, buying, is_new, rng = divided(seed=seed)
    known = noisy(liking, 1.0, rng)
    base = scores(np.where(is_new, noisy(liking, 1.5, rng), known) - 1, noisy(buying, 1.5, rng))
    skill = 0.5 if gains else 3.0
    better = noisy(liking, skill, rng) + pushed
    fused = scores(np.where(is_new, better, known) - 1, noisy(buying, skill, rng))
    n_clicks = int(labels["click"][is_new].sum())
    return Forward(n_clicks, "", *(pd.concat([labels, own], axis=1) for own in (base, fused)))


def test_new_items_come_from_the_ranker_that_was_better_for_those_of_the_last_part_of_training():
    labels, base, fused, is_new = better_everywhere(120)
    forward = forward_world()
    choice = choose(labels, base, fused, forward=forward)
    assert (choice.click, choice.conversion) == ("all", "all")
    assert choice.few_new_clicks < 100 < choice.forward_clicks == choice.new_items.n_clicks
    assert choice.new_items.ctr.low > 0 and choice.new_items.cvr.low > 0
    assert choice.words == (
        f"both heads from the fused ranker; new items, of which validation has {choice.few_new_clicks} "
        f"clicks, were decided on the last part of training: {forward.n_clicks} clicks on items that nothing "
        "before it met, judged by copies of both rankers that were trained on what lies before"
    )
    pd.testing.assert_frame_equal(combine(choice, base, fused, is_new), fused)


@pytest.mark.parametrize("shape", [{"gains": False}, {"pushed": -1.5}, {"pushed": 1.5}])
def test_where_new_items_lose_there_or_are_pushed_they_stay_with_the_base(shape):
    labels, base, fused, _ = better_everywhere(120)
    choice = choose(labels, base, fused, forward=forward_world(**shape))
    assert choice.click == "known" and not choice.new_items.click
    assert (choice.new_items.ctr.low > 0) == (
        "pushed" in shape
    )  # it orders them better, and that is not enough
    of_level = [reason for reason in choice.new_items.against if "predicted over observed" in reason]
    assert bool(of_level) == ("pushed" in shape)
    assert "were decided on the last part of training" in choice.words


def test_new_items_alone_come_from_a_ranker_that_is_no_better_for_those_of_training():
    labels, base, _, is_new = better_everywhere(120)
    choice = choose(labels, base, base, forward=forward_world())
    assert (choice.click, choice.conversion) == ("new", "new")
    served = combine(choice, base, base + 0.001, is_new)
    np.testing.assert_array_equal(served["pctr"], base["pctr"] + 0.001 * is_new)


def test_without_conversions_new_items_of_both_heads_follow_the_clicks():
    labels, base, fused, _ = better_everywhere(120)
    forward = forward_world()
    tables = (table.drop(columns="conversion") for table in (forward.base, forward.fused))
    bare = Forward(forward.n_clicks, "", *tables)
    choice = choose(labels.drop(columns="conversion"), base, fused, forward=bare)
    assert (choice.click, choice.conversion, choice.new_items.cvr) == ("all", "all", None)


def test_where_validation_suffices_the_last_part_of_training_has_no_say():
    labels, base, fused, _ = better_everywhere(1000)
    losing = forward_world(gains=False)
    assert choose(labels, base, fused, forward=losing) == choose(labels, base, fused)


def test_too_few_clicks_there_leave_new_items_to_the_base_and_are_told():
    labels, base, fused, _ = better_everywhere(120)
    alone = choose(labels, base, fused)
    few = choose(labels, base, fused, forward=Forward(40))
    assert (few.click, few.forward_clicks, few.new_items) == ("known", 40, None)
    assert "clicks and the last part of training 40, and 100 are needed" in few.words
    none = choose(labels, base, fused, forward=Forward(None, "no time"))
    assert none == replace(alone, why_no_forward="no time") and none.words == alone.words


def test_two_questions_share_the_chance_of_a_false_gain(monkeypatch):
    labels, base, fused, _ = better_everywhere(120)
    asked = []

    def judged(*tables, serves, level):
        asked.append(level)
        return chosen(*tables, serves=serves, level=level)

    chosen = auto_choice.choose_for_new_items
    monkeypatch.setattr(auto_choice, "choose_for_new_items", judged)
    shared = choose(labels, base, fused, forward=forward_world())
    assert asked == [pytest.approx(0.975)] and shared.ctr.level == pytest.approx(0.975)


# ---------------------------------------------------------------------------------- the part and its copies


@pytest.fixture(scope="module")
def log():
    return drift_dataset(n_rows_per_day=400, n_test_rows_per_day=100)


@pytest.fixture(scope="module")
def part(log):
    return forward_part(log)[0]


def test_the_part_is_the_last_quarter_of_training_and_everything_it_learns_from_is_older(log, part):
    assert FORWARD_SHARE == 1 / 4 and len(part.valid) >= len(log.train) / 4 > len(part.valid) - 5
    begin = part.valid.timestamp.min()
    assert part.train.timestamp.max() < begin and part.interactions.timestamp.max() < begin
    pd.testing.assert_frame_equal(pd.concat([part.train, part.valid], ignore_index=True), log.train)
    assert len(part.test) == 0 and part.contexts.timestamp.max() < log.valid.timestamp.min()


def test_rows_of_one_moment_are_not_cut(log):
    coarse = log.train.assign(timestamp=log.train.timestamp // 86_400 * 86_400)
    early = log.interactions.assign(timestamp=0)
    old = log.contexts.assign(timestamp=np.nan)
    found, _ = forward_part(replace(log, train=coarse, interactions=early, contexts=old))
    assert found.valid.timestamp.nunique() == 3 and found.train.timestamp.max() < found.valid.timestamp.min()


def test_new_there_is_what_no_loop_finds_before(part, part_labels):
    met = {*part.train.item_id, *part.interactions.item_id}
    history = dict(zip(part.contexts.context_id, part.contexts.history, strict=True))
    for context in part.train.context_id:
        met |= {*history[context]}
    assert part_labels.item_is_new.tolist() == [item not in met for item in part.valid.item_id]
    assert part_labels.item_is_new.any() and not part_labels.item_is_new.all()


def test_an_item_that_only_the_towers_or_a_history_met_is_not_new(part, part_labels):
    learned, read, other = part_labels.item_id[part_labels.item_is_new].unique()[:3]
    contexts = part.contexts.copy()
    row = contexts.index[contexts.context_id == part.train.context_id.iloc[0]][0]
    contexts.at[row, "history"] = [*contexts.history[row], read]
    more = part.interactions.iloc[:1].assign(item_id=learned)
    met = replace(
        part, contexts=contexts, interactions=pd.concat([part.interactions, more], ignore_index=True)
    )
    is_new = forward_copies.forward_labels(met).item_is_new
    for item, expected in ((learned, False), (read, False), (other, True)):
        assert (is_new[part.valid.item_id == item] == expected).all()


def test_nothing_of_validation_and_test_is_in_what_the_copies_see(log, part):
    """Other labels, items and users there leave every number of the copies as it was."""
    shuffled = {
        name: rows.assign(
            item_id=rows.item_id.to_numpy()[::-1], user_id=rows.user_id.to_numpy()[::-1], click=1 - rows.click
        )
        for name, rows in (("valid", log.valid), ("test", log.test))
    }
    other, _ = forward_part(replace(log, **shuffled))
    encoded = [encode_dataset(each, has_item_history=True, recent_popularity=True) for each in (part, other)]
    for name in ("train", "valid"):
        one, two = (getattr(data, name) for data in encoded)
        np.testing.assert_array_equal(one.dense, two.dense)
        for column in one.codes:
            np.testing.assert_array_equal(one.codes[column], two.codes[column])
    assert encoded[0].n_codes == encoded[1].n_codes and len(encoded[0].test) == 0


def test_data_for_which_it_cannot_be_done_soundly_has_no_such_part_and_says_why(log):
    late = log.interactions.assign(timestamp=log.train.timestamp.max())
    future = log.contexts.assign(timestamp=log.test.timestamp.max())
    refused = {
        "training rows and interactions have no time": {"train": log.train.drop(columns="timestamp")},
        "user contexts do not say how new they are": {"contexts": log.contexts.drop(columns="timestamp")},
        "user contexts of training rows are not older than their rows": {"contexts": future},
        "towers learned from interactions as late as the last training rows": {"interactions": late},
        "the last training rows, or those before them, are all clicked or all not": {
            "train": log.train.assign(click=1)
        },
    }
    for why, changed in refused.items():
        assert forward_part(replace(log, **changed)) == (None, why)


@pytest.fixture(scope="module")
def part_labels(part):
    return forward_copies.forward_labels(part)


@pytest.fixture
def stage(part, part_labels, tmp_path, monkeypatch):
    """A run whose arms are trained and whose copies are planted: the run, `go`, what would be trained."""
    run, trained = RunFolder(tmp_path), []
    monkeypatch.setattr(forward_stage, "read_dataset", lambda path: None)
    monkeypatch.setattr(forward_copies, "forward_part", lambda dataset: (part, ""))
    monkeypatch.setattr(forward_copies, "forward_labels", lambda part: part_labels)
    monkeypatch.setattr(forward_stage, "EmbeddingStore", SimpleNamespace(open=lambda path: None))
    monkeypatch.setattr(
        forward_stage, "rows_of_run", lambda part, *_: SimpleNamespace(train=part.train, valid=part)
    )

    def ranker(make, data, training, place, *, on_step):
        trained.append((place.parent.name, training.seed))
        on_step(1, 1)
        return (place.parent.name, training.seed), []

    def go(*, n_new, gains=True, seeds=(0,), arms=ARMS):
        labels, base, fused = (table.iloc[:3000] for table in better_everywhere(n_new)[:3])
        for arm, own in zip(ARMS, (base, fused), strict=True):
            for seed in seeds:
                write_predictions(run.validation_of(arm, seed), labels, own)
                is_new = np.arange(len(labels)) % 2 == 0
                write_predictions(run.predictions_of(arm, seed), labels.assign(item_is_new=is_new), own)

        def score(ranker, part):
            """The truth with noise, of which the ranker that gains has less for new items."""
            rng = np.random.default_rng(ranker[1])
            click = part.valid.click.to_numpy()
            is_better = ranker[0] == ("learn" if gains else "baseline")
            logit = noisy(2.0 * click - 1.5, 1.0 if is_better else 3.0, rng)
            return scores(logit, rng.normal(size=len(click)))

        monkeypatch.setattr(forward_copies, "train_ranker", ranker)
        monkeypatch.setattr(forward_copies, "predict", score)
        config = RunConfig(arms=arms, seeds=seeds)
        console = Console(width=400, record=True, file=open(os.devnull, "w"))  # noqa: SIM115 - closed below
        forward_stage.train_forward(run, config, console)
        console.file.close()
        write_auto(run, arms, seeds)
        return console.export_text()

    return SimpleNamespace(run=run, go=go, trained=trained)


def test_copies_are_trained_where_validation_has_few_new_items_and_decide(stage):
    told = stage.go(n_new=0, seeds=(0, 1))
    assert stage.trained == [("baseline", 0), ("learn", 0), ("baseline", 1), ("learn", 1)]
    assert "copies of baseline and learn learn from" in told
    found = served_heads(stage.run, 1)
    assert found.click == "all" and found.why["new_items"]["ctr"]["low"] > 0
    assert found.why["forward_clicks"] == read_json(stage.run.forward_part)["n_clicks"] >= 100
    assert "were decided on the last part of training" in choices(stage.run, [0, 1])
    stage.trained.clear()
    stage.run.forward.validation_of("learn", 1).unlink()  # as if it had been stopped there
    stage.go(n_new=0, seeds=(0, 1))
    assert stage.trained == [("learn", 1)]


def test_copies_that_lose_leave_new_items_to_the_baseline(stage):
    stage.go(n_new=120, gains=False)
    assert len(stage.trained) == 2 and served_heads(stage.run, 0).click == "known"


@pytest.mark.parametrize("asked", [{"n_new": 1000}, {"n_new": 0, "arms": ("baseline",)}])
def test_no_copy_is_trained_where_validation_suffices_or_nothing_is_chosen(stage, asked):
    assert stage.go(**asked) == "" and stage.trained == []
    assert not stage.run.forward.path.exists()


def test_no_copy_is_trained_where_it_could_not_decide_and_that_is_found_once(stage, monkeypatch):
    monkeypatch.setattr(forward_copies, "LEAST_CLICKS", 10_000)
    told = stage.go(n_new=0)
    assert stage.trained == [] and "(10000 are needed)" in told
    assert served_heads(stage.run, 0).click == "known"
    monkeypatch.setattr(forward_stage, "read_dataset", None)
    assert stage.go(n_new=0) == ""
