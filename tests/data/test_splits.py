"""The splits leak nothing, and a leak that is planted is found."""

import numpy as np
import pandas as pd
import pytest

from learn_rank.datasets.splits import SplitLeak, check_chronology, check_no_leak, sample_negatives


def tables():
    train = pd.DataFrame(
        {"user_id": [1, 1, 2], "item_id": [10, 11, 10], "click": [1, 0, 1], "context_id": ["a", "a", "b"]}
    )
    valid = pd.DataFrame({"user_id": [1], "item_id": [12], "click": [1], "context_id": ["u1"]})
    test = pd.DataFrame({"user_id": [2], "item_id": [13], "click": [1], "context_id": ["u2"]})
    interactions = pd.DataFrame({"user_id": [1], "item_id": [10]})
    contexts = pd.DataFrame(
        {"context_id": ["a", "b", "u1", "u2"], "user_id": [1, 2, 1, 2], "history": [[], [], [10], [10]]}
    )
    return {"train": train, "valid": valid, "test": test, "interactions": interactions, "contexts": contexts}


def test_a_clean_split_passes_and_says_what_was_checked():
    assert check_no_leak(**tables(), new_items=[12])["rows checked"] == 5


def leak_unseen_interaction(t):
    t["interactions"] = pd.DataFrame({"user_id": [2], "item_id": [11]})


def leak_test_pair_in_train(t):
    t["test"] = t["train"].iloc[:1].assign(context_id="u1")


def leak_own_item_in_context(t):
    t["contexts"] = t["contexts"].assign(history=[[10], [], [10], [10]])


def leak_own_item_in_test_context(t):
    t["contexts"] = t["contexts"].assign(history=[[], [], [10], [13]])


def leak_new_item_in_a_history(t):
    t["contexts"] = t["contexts"].assign(history=[[], [], [10], [10, 99]])


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (leak_unseen_interaction, "must see every event"),
        (leak_test_pair_in_train, "already in train"),
        (leak_own_item_in_context, "holds the row's own item"),
        (leak_own_item_in_test_context, "holds the row's own item"),
        (leak_new_item_in_a_history, "seen before validation"),
    ],
)
def test_a_planted_leak_is_refused_with_its_rows(plant, words):
    planted = tables()
    plant(planted)
    with pytest.raises(SplitLeak, match=words):
        check_no_leak(**planted, new_items=[99])


def timed():
    def part(*rows):
        return pd.DataFrame(rows, columns=["user_id", "item_id", "click", "timestamp", "context_id"])

    return {
        "train": part((1, 10, 1, 100, "1@0"), (1, 11, 0, 150, "1@1")),
        "valid": part((1, 12, 1, 200, "1@1")),
        "test": part((1, 13, 1, 300, "1@2")),
        "interactions": pd.DataFrame({"user_id": [1], "item_id": [10], "timestamp": [100]}),
        "contexts": pd.DataFrame(
            {"context_id": ["1@0", "1@1", "1@2"], "timestamp": [float("nan"), 100.0, 200.0]}
        ),
    }


def test_a_chronological_split_passes_and_counts_what_the_base_never_saw():
    found = check_chronology(**timed())
    assert found["interactions that the base ranker never saw"] == 0
    stranger = timed()
    stranger["interactions"] = stranger["interactions"].assign(item_id=77)
    assert check_chronology(**stranger)["interactions that the base ranker never saw"] == 1


@pytest.mark.parametrize(
    ("name", "time", "words"),
    [
        ("valid", 120, "before the last train row"),
        ("interactions", 200, "judged period"),
        ("contexts", 400, "not older than their rows"),
    ],
)
def test_time_that_runs_backwards_is_refused(name, time, words):
    planted = timed()
    planted[name] = planted[name].assign(timestamp=time)
    with pytest.raises(SplitLeak, match=words):
        check_chronology(**planted)


def test_negatives_are_never_owned_never_repeated_and_come_in_the_number_asked_for():
    generator = np.random.default_rng(0)
    acquired = pd.DataFrame({"user_id": [1] * 5 + [2] * 2, "item_id": [0, 1, 2, 3, 4, 0, 9]})
    positives = acquired.sample(200, replace=True, random_state=1).reset_index(drop=True)
    rows = sample_negatives(
        positives,
        acquired,
        catalogue=np.arange(10),
        popularity=np.arange(10.0),
        n_popular=2,
        n_uniform=2,
        generator=generator,
    )
    negatives = rows[rows.click == 0]
    owned = set(map(tuple, acquired.to_numpy().tolist()))
    assert not any(
        pair in owned for pair in negatives[["user_id", "item_id"]].itertuples(index=False, name=None)
    )
    assert not negatives.duplicated(["request", "item_id"]).any()
    assert (rows.groupby("request")["click"].agg(["sum", "size"]) == [1, 5]).all().all()


def test_popular_negatives_follow_popularity_and_uniform_ones_do_not():
    positives = pd.DataFrame({"user_id": np.arange(4000), "item_id": np.zeros(4000, int)})
    settings = {
        "catalogue": np.arange(5),
        "popularity": np.array([0.0, 1.0, 1.0, 1.0, 7.0]),
        "generator": np.random.default_rng(2),
    }
    popular = sample_negatives(positives, positives, n_popular=1, n_uniform=0, **settings)
    uniform = sample_negatives(positives, positives, n_popular=0, n_uniform=1, **settings)
    share = [
        rows[rows.click == 0]["item_id"].value_counts(normalize=True).reindex(range(1, 5)).to_numpy()
        for rows in (popular, uniform)
    ]
    np.testing.assert_allclose(share[0], [0.1, 0.1, 0.1, 0.7], atol=0.03)
    np.testing.assert_allclose(share[1], [0.25] * 4, atol=0.03)


def test_every_leak_of_a_split_is_told_at_once_with_rows_and_remedy():
    planted = tables()
    planted["interactions"] = pd.DataFrame({"user_id": [2], "item_id": [11]})  # 2 never clicked 11 in train
    planted["test"] = planted["test"].assign(item_id=10)  # 2 clicked 10 in train
    with pytest.raises(SplitLeak) as told:
        check_no_leak(**planted)
    assert [problem.table for problem in told.value.problems] == ["interactions", "test", "test"]
    first, second, third = told.value.problems
    assert "first user_id 2, item_id 11" in first.got and first.first_rows == (0,)
    assert "already in train" in second.got and "own item" in third.got
    assert all("What a split must keep" in problem.remedy for problem in told.value.problems)
