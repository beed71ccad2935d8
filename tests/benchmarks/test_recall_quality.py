"""The recall benchmark on a folder whose answer is known: world, judgement, models, going on after a stop."""

import gzip
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from benchmarks import recall_quality
from benchmarks.recall.published import published
from learn_recall.comparison.judgement import (
    Places,
    dial,
    interval,
    judge_towers,
    official,
    place_targets,
    user_values,
)
from learn_recall.comparison.orderings import ORDERINGS, judge_orderings, ordering_table
from learn_recall.comparison.run import Run
from learn_recall.comparison.scores import Bench, _newest
from learn_recall.comparison.variants import VARIANTS, chosen
from learn_recall.comparison.world import VALIDATION, WINDOW, RecallWorld, read_world
from learn_recall.store import write_store

COLOURS = ("red", "blue", "green", "black")
WORDS = [f"{colour} {thing}" for thing in ("shoe", "lamp", "chair", "soap", "book") for colour in COLOURS]


def folder_of(path, n_users=60, seed=0, words=WORDS):
    """Items of four colours; every user stays with one colour. Item 19 has the text of item 18."""
    rng = np.random.default_rng(seed)
    texts = [*words[:19], words[18]]
    items = [{"item_id": number, "title": text} for number, text in enumerate(texts)]
    with gzip.open(path / "items.jsonl.gz", "wt") as file:
        file.write("".join(json.dumps(item) + "\n" for item in items))
    with gzip.open(path / "sequences.txt.gz", "wt") as file:
        for user in range(n_users):
            colour = rng.integers(4)
            length = rng.integers(4, 6)
            own = rng.permutation(5)[:length] * 4 + colour
            file.write(" ".join(map(str, (user, *own))) + "\n")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return folder_of(tmp_path_factory.mktemp("folder"))


@pytest.fixture(scope="module")
def world(folder):
    return read_world(folder)


def lines(folder):
    with gzip.open(folder / "sequences.txt.gz", "rt") as file:
        return [[int(word) for word in line.split()] for line in file]


# ------------------------------------------------------------------------------------------------- the world


def test_leave_one_out_asks_for_the_last_event_with_all_before_it_as_history(folder, world):
    for number, (_, *events) in enumerate(lines(folder)):
        assert world.targets[number] == events[-1]
        assert world.histories[number][world.histories[number] >= 0].tolist() == events[:-1]
    counts = np.bincount(np.concatenate([events[:-2] for _, *events in lines(folder)]), minlength=20)
    assert world.train_counts.tolist() == counts.tolist()


def test_a_window_asks_for_the_last_events_together(folder):
    world = read_world(folder, task=WINDOW, window=2)
    number, first = world.users
    assert len(first) == len(lines(folder))
    for user, (_, *events) in enumerate(lines(folder)):
        assert world.targets[number == user].tolist() == events[-2:]
        assert world.histories[user][world.histories[user] >= 0].tolist() == events[:-2]
    with pytest.raises(ValueError, match="expected users with 11 events or more"):
        read_world(folder, task=WINDOW, window=9)
    with pytest.raises(ValueError, match="task: expected one of"):
        read_world(folder, task="month")


def test_validation_asks_for_the_event_before_the_last_and_never_reads_the_last(folder, world):
    asked = read_world(folder, task=VALIDATION)
    for number, (_, *events) in enumerate(lines(folder)):
        assert asked.targets[number] == events[-2]
        assert asked.histories[number][asked.histories[number] >= 0].tolist() == events[:-2]
    assert asked.train_counts.tolist() == world.train_counts.tolist()
    beauty = {"n_users": 22_363, "n_items": 12_101, "n_train": 153_776, "n_valid": 22_363, "n_test": 22_363}
    assert published({"fingerprint": beauty})
    assert published({"fingerprint": {**beauty, "validation": True}}) == {}


def test_items_with_equal_texts_are_counted_and_so_are_the_targets_among_them(world):
    assert world.duplicates() == {"items": 2, "targets": int(np.isin(world.targets, (18, 19)).sum())}


# --------------------------------------------------------------------------------------------- the judgement


def scores_of(matrix):
    return lambda part: torch.from_numpy(matrix[part]).float().clone()


def test_places_and_means_equal_a_loop_over_users(world):
    rng = np.random.default_rng(1)
    matrix = rng.integers(0, 6, (len(world.histories), 20)).astype(float)  # few values: many ties
    places = place_targets(world, scores_of(matrix))
    result = judge_towers(world, places)
    for history in ("filtered", "unfiltered"):
        recalls = []
        for row, target, past in zip(matrix, world.targets, world.histories, strict=True):
            out = set(past[past >= 0].tolist()) if history == "filtered" else set()
            others = [row[i] for i in range(20) if i != target and i not in out]
            higher, equal = sum(s > row[target] for s in others), sum(s == row[target] for s in others)
            recalls.append(np.mean([place < 10 for place in range(higher, higher + equal + 1)]))
        assert result["strict"][history]["R@10"] == pytest.approx(np.mean(recalls))
    shown = np.unique(places.top[places.top >= 0])
    assert result["coverage@10"] == len(shown) / 20
    assert sum(bucket["n"] for name, bucket in result["buckets"]["item_count"].items() if name != "0-5") == 60


def test_the_official_protocol_counts_ties_as_hits_and_weighs_the_last_batch_as_a_whole_one():
    places = np.zeros((2, 1025), dtype=np.int64)
    places[0, :1024], places[1] = 10, 50  # 1,024 misses and one tie for the first place
    found = official(places)
    assert found["R@10"] == 0.5
    assert found["N@10"] == 0.5


def test_several_targets_of_a_user_give_a_share_and_a_chance_of_any(folder):
    world = read_world(folder, task=WINDOW, window=2)
    matrix = np.zeros((len(world.histories), 20))
    matrix[np.arange(len(matrix)), world.targets[::2]] = (
        1.0  # the first of the two stands first, the other ties
    )
    values = user_values(world, place_targets(world, scores_of(matrix)).filtered)
    n_free = 20 - 1 - (world.histories >= 0).sum(1)  # the other target and its ties share places 2..
    expected = 4 / n_free
    np.testing.assert_allclose(values["R@5"], (1 + expected) / 2)
    np.testing.assert_allclose(values["H@5"], 1.0)


def test_the_interval_is_of_users_not_of_seeds():
    values = np.array([[0.0, 1.0, 1.0, 0.0]] * 3)
    low, high = interval(values)
    half = 1.96 * np.std([0, 1, 1, 0], ddof=1) / 2
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half))


def test_orderings_are_paired_by_user_and_stay_open_where_an_interval_holds_0(folder):
    world = read_world(folder, task=WINDOW, window=2)
    number, first = world.users
    n_targets, n_users = len(number), len(first)

    def places(is_hit):
        place = np.where(is_hit, 0, 10)
        both = np.stack([place, np.zeros(n_targets, np.int64)])
        return [Places(filtered=both, unfiltered=both, top=np.zeros((n_users, 10), np.int64))]

    rng = np.random.default_rng(0)
    worse, better = rng.random(n_targets) < 0.3, rng.random(n_targets) < 0.7
    found = judge_orderings(world, {"text": places(better), "id": places(worse), "learn": places(better)})
    by_words = {row["words"]: row for row in found}
    assert {(row["better"], row["worse"]) for row in found} == {
        ("text", "id"),
        ("learn", "text"),
        ("learn", "id"),
    }

    shares = [[hit[number == user].mean() for user in range(n_users)] for hit in (better, worse)]
    difference = np.subtract(*shares)
    row = by_words["text > ids"]["strict"]
    half = 1.96 * difference.std(ddof=1) / np.sqrt(n_users)
    assert (row["value"], row["low"], row["high"]) == pytest.approx(
        (difference.mean(), difference.mean() - half, difference.mean() + half)
    )
    assert row["verdict"] == "held"
    assert by_words["text and ids > text"]["strict"]["verdict"] == "open"
    turned = judge_orderings(world, {"text": places(worse), "id": places(better)})
    assert turned[0]["official"]["verdict"] == "refuted"

    counts = np.where(np.arange(20) < 8, 3, 30)  # the first eight items are rare
    some_rare = replace(world, train_counts=counts)
    found = judge_orderings(some_rare, {"text": places(better), "id": places(worse)})
    row = next(row for row in found if row["words"] == "text > ids, targets with 1 to 5 events")
    own = [np.flatnonzero((world.targets < 8) & (number == user)) for user in range(n_users)]
    expected = [better[rows].mean() - 1.0 * worse[rows].mean() for rows in own if len(rows)]
    assert 2 <= row["n"] == len(expected) < n_users
    assert row["strict"]["value"] == pytest.approx(np.mean(expected))
    assert "text > ids, targets without an event" not in {row["words"] for row in found}  # nobody has one
    assert ordering_table(found).row_count == len(found)


def test_orderings_name_models_that_exist():
    assert {name for each in ORDERINGS for name in (each.better, each.worse)} <= set(VARIANTS)


# ------------------------------------------------------------------------------------------------- the models


def test_words_find_the_colour_that_a_user_stays_with(world, tmp_path):
    bench = Bench(world, tmp_path)
    chance = 5 / (20 - (world.histories >= 0).sum(1)).mean()
    for name in ("tfidf", "bm25"):
        scores = bench.scores(name, VARIANTS[name], None, tmp_path)
        recall = judge_towers(world, place_targets(world, scores))["strict"]["filtered"]["R@5"]
        assert recall > max(0.9, 2 * chance), name
        whole = scores(slice(0, 60))
        assert torch.equal(whole[:, 18], whole[:, 19])  # equal texts tie


def test_a_size_of_one_letter_is_a_word_to_those_that_search_by_words(tmp_path):
    sizes = dict(zip(COLOURS, "SMLX", strict=True))
    words = [f"{sizes[colour]} {thing}" for colour, thing in (text.split() for text in WORDS)]
    world = read_world(folder_of(tmp_path, words=words))
    for name in ("tfidf", "bm25"):
        scores = Bench(world, tmp_path).scores(name, VARIANTS[name], None, tmp_path)
        recall = judge_towers(world, place_targets(world, scores))["strict"]["filtered"]["R@5"]
        assert recall > 0.9, name


def test_bm25_equals_the_formula_word_by_word(world, tmp_path):
    scores = Bench(world, tmp_path).scores("bm25", VARIANTS["bm25"], None, tmp_path)(slice(0, 3))
    documents = [text.lower().replace('"', " ").replace(".", " ").split() for text in world.texts]
    mean_length = np.mean([len(document) for document in documents])

    def weight(word, document):
        n_with = sum(word in other for other in documents)
        n_here = document.count(word)
        norm = 1.2 * (0.25 + 0.75 * len(document) / mean_length)
        return np.log(1 + (20 - n_with + 0.5) / (n_with + 0.5)) * n_here * 2.2 / (n_here + norm)

    for user in range(3):
        past = world.histories[user][world.histories[user] >= 0]
        query = [word for item in past for word in set(documents[item])]
        expected = np.array([sum(weight(word, document) for word in query) for document in documents])
        np.testing.assert_allclose(scores[user] / scores[user].max(), expected / expected.max(), rtol=1e-5)


def test_popularity_counts_everything_before_the_test(folder, world, tmp_path):
    scores = Bench(world, tmp_path).scores("popularity", VARIANTS["popularity"], None, tmp_path)
    counts = np.bincount(np.concatenate([events[:-1] for _, *events in lines(folder)]), minlength=20)
    assert scores(slice(2, 4)).tolist() == [counts.tolist()] * 2


def test_the_newest_items_are_kept_in_order():
    history = np.array([[1, 2, 3, 4], [5, 6, -1, -1]])
    assert _newest(history, 2).tolist() == [[3, 4], [5, 6]]
    assert _newest(history, 3).tolist() == [[2, 3, 4], [5, 6, -1]]
    assert _newest(history, 9).tolist() == history.tolist()


def test_every_variant_has_settings_that_exist():
    for variant in VARIANTS.values():
        if variant.scorer == "towers":
            assert variant.config(3, fit="all", n_epochs=2).train.seed == 3
            assert variant.config(3, fit="train").train.max_validation_users >= 1_000_000
    with pytest.raises(ValueError, match="--only: expected names among popularity"):
        chosen(["bert"])
    assert set(chosen(None, is_quick=True)) < set(chosen(None)) < set(chosen(None, with_ablation=True))
    assert set(chosen(None, with_transfer=True)) - set(chosen(None)) == {"zero_shot", "finetuned"}


# ------------------------------------------------------------------------------------------------ the command


def train_shorter(monkeypatch, name, n_epochs=2):
    """Let a variant take fewer epochs than the table's, where what is asked does not hang on them."""
    settings = VARIANTS[name].settings
    train = {**settings.get("train", {}), "n_epochs": n_epochs}
    monkeypatch.setitem(VARIANTS, name, replace(VARIANTS[name], settings={**settings, "train": train}))


def test_one_command_gives_table_json_and_figure_and_goes_on_after_a_stop(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train_shorter(monkeypatch, "id")
    out = tmp_path / "out.json"
    arguments = [
        "--data",
        str(folder),
        "--work",
        "work",
        "--json",
        str(out),
        "--figure",
        "dial.png",
        "--quick",
    ]
    arguments += ["--only", "popularity", "--only", "id", "--only", "tfidf"]
    first = CliRunner().invoke(recall_quality.app, arguments)
    assert first.exit_code == 0, first.output
    report = json.loads(out.read_text())
    assert set(report) >= {"models", "fingerprint", "protocol", "environment"}
    assert list(report["models"]) == ["popularity", "tfidf", "id"]
    for model in report["models"].values():
        assert 0 <= model["low"] <= model["R@10"] <= model["high"]
        assert model["N@10"] <= model["R@10"]
    assert "value" in report["models"]["tfidf"]["minus_id"]["R@10"]
    assert (tmp_path / "dial.png").stat().st_size > 1000

    def trained_again(*_, **__):
        raise AssertionError("a finished model was trained again")

    monkeypatch.setattr("learn_recall.comparison.scores.train_towers", trained_again)
    second = CliRunner().invoke(recall_quality.app, arguments)
    assert second.exit_code == 0, second.output
    assert json.loads(out.read_text())["models"] == report["models"]


def test_what_the_command_cannot_use_is_refused_in_words(folder, tmp_path):
    for arguments, words in (
        ([], "--data: expected a folder"),
        (["--data", str(folder), "--fit", "test"], "--fit: expected all or train"),
        (["--data", str(tmp_path)], "items.jsonl.gz"),
    ):
        result = CliRunner().invoke(recall_quality.app, arguments)
        assert result.exit_code != 0
        assert words in result.output


def test_results_of_another_setting_are_not_mistaken_for_these(world, tmp_path):
    run = Run(Bench(world, tmp_path), fit="all")
    variant = VARIANTS["id"]
    keys = {run._key(variant, variant.config(seed, fit=fit)) for seed in (0, 1) for fit in ("all", "train")}
    other = RecallWorld(
        world.items, world.history, world.test, world.train_counts, world.task, {"sha256": "x"}
    )
    keys.add(Run(Bench(other, tmp_path), fit="all")._key(variant, variant.config(0, fit="all")))
    assert len(keys) == 5


def test_the_dial_equals_ranking_shifted_scores(world):
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(len(world.histories), 20))
    curve = dial(world, scores_of(matrix))
    unit = float(torch.from_numpy(matrix).float().std(dim=1).mean())
    for point in curve:
        shifted = matrix - point["a"] * unit * np.log1p(world.train_counts)
        expected = judge_towers(world, place_targets(world, scores_of(shifted)))
        assert point["R@10"] == pytest.approx(expected["strict"]["filtered"]["R@10"])
        assert point["rare R@10"] == pytest.approx(expected["buckets"]["item_count"]["0-5"]["R@10"])


def test_towers_of_another_folder_are_used_as_they_are_or_trained_on(folder, world, tmp_path, monkeypatch):
    # no encoder here: an item's vector is its colour, in this folder and in the other one
    def encoded(self, items, path):
        colour = np.array([COLOURS.index(title.split()[0]) for title in items["title"]])
        noise = np.random.default_rng(0).normal(size=(len(items), 4))
        return write_store(
            path, ids=items["item_id"].to_numpy(), vectors=np.eye(4)[colour] + 0.01 * noise, kind="content",
            encoder="colours", encoder_sha256="c", prompt="p", pooling="mean", max_tokens=1, overwrite=True,
        )  # fmt: skip

    monkeypatch.setattr(Bench, "_encoded", encoded)
    train_shorter(monkeypatch, "text_lm")
    (tmp_path / "other").mkdir()
    bench = Bench(world, tmp_path, pretrain=(folder_of(tmp_path / "other", seed=5),))
    own = np.array([COLOURS.index(WORDS[past[0]].split()[0]) for past in world.histories])
    is_own = (np.arange(20) % 4)[None] == own[:, None]
    is_own[:, 19] = own == COLOURS.index(WORDS[18].split()[0])
    for name in ("zero_shot", "finetuned"):
        config = VARIANTS[name].config(0, fit="all", n_epochs=1)
        scores = bench.scores(name, VARIANTS[name], config, tmp_path / name)(slice(0, 60)).numpy()
        assert np.mean(scores[is_own]) > np.mean(scores[~is_own]), name
    assert not (tmp_path / "zero_shot").exists()
    assert (tmp_path / "finetuned" / "model.safetensors").exists()
    with pytest.raises(ValueError, match="--pretrain: expected a folder"):
        Bench(world, tmp_path).scores("zero_shot", VARIANTS["zero_shot"], config, tmp_path / "x")


def test_published_figures_stand_beside_ours_only_on_a_split_of_the_same_counts():
    split = {"n_users": 22_363, "n_items": 12_101, "n_train": 153_776, "n_valid": 22_363, "n_test": 22_363}
    assert published({"fingerprint": split})["eSASRec"] == (0.0921, None)
    assert published({"fingerprint": {**split, "n_train": 153_777}}) == {}
    assert published({"fingerprint": {**split, "window": 3}}) == {}
