"""User contexts: nothing of the row itself, nothing later, nothing that betrays the label."""

import numpy as np
import pandas as pd
import pytest

from learn_rank.data.contexts import (
    clicked_events,
    leave_one_out_contexts,
    point_in_time_contexts,
    pseudo_requests,
)


def random_parts(seed: int):
    generator = np.random.default_rng(seed)
    n = 80
    rows = pd.DataFrame(
        {
            "user_id": generator.integers(0, 6, n),
            "item_id": generator.integers(100, 120, n),
            "click": generator.integers(0, 2, n),
            "timestamp": np.sort(generator.integers(0, 25, n)),
        }
    )
    return {"train": rows[:50], "valid": rows[50:65], "test": rows[65:]}


@pytest.mark.parametrize("seed", range(5))
def test_a_point_in_time_history_equals_the_loop_over_strictly_earlier_clicks(seed):
    parts = random_parts(seed)
    events = clicked_events(*parts.values())
    contexts, linked = point_in_time_contexts(events, parts, max_history=4)
    history = contexts.set_index("context_id")["history"]
    ordered = events.sort_values(["user_id", "timestamp"], kind="stable")
    for part in linked.values():
        for _, row in part.iterrows():
            earlier = ordered[(ordered.user_id == row.user_id) & (ordered.timestamp < row.timestamp)]
            assert list(history[row.context_id]) == earlier.item_id.tolist()[-4:]


def test_rows_between_two_events_share_a_context_and_every_context_is_used():
    parts = random_parts(1)
    contexts, linked = point_in_time_contexts(clicked_events(*parts.values()), parts)
    used = pd.concat(linked.values())["context_id"].unique()
    assert contexts["context_id"].is_unique
    assert set(contexts["context_id"]) == set(used)
    assert len(used) < sum(len(part) for part in parts.values())


def test_a_user_without_events_has_an_empty_history_and_no_time():
    rows = pd.DataFrame({"user_id": ["new"], "item_id": ["a"], "click": [0], "timestamp": [5]})
    none = pd.DataFrame({"user_id": [], "item_id": [], "timestamp": []})
    contexts, _ = point_in_time_contexts(none, {"test": rows})
    assert contexts["history"].tolist() == [[]]
    assert np.isnan(contexts["timestamp"].iloc[0])


def requests():
    train = pd.DataFrame(
        {
            "user_id": [1, 1, 1, 2],
            "item_id": [10, 11, 12, 10],
            "click": [1, 0, 1, 1],
            "request_id": ["a", "a", "b", "c"],
        }
    )
    later = pd.DataFrame({"user_id": [1, 3], "item_id": [13, 10], "click": [1, 1], "request_id": ["d", "e"]})
    return {"train": train, "valid": later, "test": later}


def test_leave_one_out_takes_the_requests_own_click_from_all_rows_of_the_request():
    events = pd.DataFrame({"user_id": [1, 1, 1, 2], "item_id": [10, 12, 15, 10]})
    contexts, linked = leave_one_out_contexts(events, requests())
    history = contexts.set_index("context_id")["history"]
    assert history["a"] == [12, 15]  # for the clicked and for the unclicked row alike
    assert history["b"] == [10, 15]
    assert history["c"] == []
    assert history["user-1"] == [10, 12, 15]
    assert history["user-3"] == []
    assert linked["train"]["context_id"].tolist() == ["a", "a", "b", "c"]


def test_the_length_of_a_leave_one_out_history_says_nothing_about_the_label():
    generator = np.random.default_rng(0)
    n = 400
    train = pd.DataFrame(
        {
            "user_id": generator.integers(0, 8, n),
            "item_id": np.arange(n),
            "click": generator.integers(0, 2, n),
        }
    )
    train["request_id"] = pseudo_requests(train)
    events = train.loc[train.click == 1, ["user_id", "item_id"]]
    contexts, linked = leave_one_out_contexts(events, {"train": train, "test": train})
    length = contexts.set_index("context_id")["history"].map(len)
    rows = linked["train"].assign(length=lambda frame: frame["context_id"].map(length))
    n_clicks = train.groupby("user_id")["click"].sum()
    assert (rows["length"] == rows["user_id"].map(n_clicks) - 1).all()


def test_a_pseudo_request_holds_exactly_one_click():
    train = pd.DataFrame({"user_id": [1, 1, 1, 1, 2, 1], "item_id": range(6), "click": [0, 1, 1, 0, 0, 0]})
    made = pseudo_requests(train)
    assert made.tolist() == ["1/0", "1/0", "1/1", "1/1", "2/0", "1/1"]
    assert train.groupby(made)["click"].sum().max() == 1


def test_a_request_that_the_towers_learned_from_is_marked_with_all_its_rows():
    events = pd.DataFrame({"user_id": [1, 1, 2], "item_id": [10, 12, 10]})
    learned = pd.DataFrame({"user_id": [1, 2], "item_id": [12, 99]})
    contexts, _ = leave_one_out_contexts(events, requests(), learned=learned)
    marked = contexts.loc[contexts["is_learned"], "context_id"].tolist()
    assert marked == ["b"]  # user 1 clicked 12 there; user 2 never clicked 99


def test_rows_up_to_the_towers_newest_event_get_marked_contexts_and_later_ones_do_not():
    parts = random_parts(2)
    contexts, linked = point_in_time_contexts(clicked_events(*parts.values()), parts, learned_until=9)
    is_learned = contexts.set_index("context_id")["is_learned"]
    assert contexts["context_id"].is_unique
    for part in linked.values():
        expected = (part["timestamp"] <= 9).to_numpy()
        assert (is_learned[part["context_id"]].to_numpy() == expected).all()


def test_a_history_says_which_of_its_items_converted_in_any_frame():
    rows = pd.DataFrame(
        {
            "user_id": [1, 1, 1, 1],
            "item_id": [10, 11, 10, 12],
            "click": [1, 1, 1, 0],
            "timestamp": [1, 2, 3, 4],
            "conversion": [1.0, 0.0, 0.0, np.nan],
        }
    )
    interactions = rows.loc[rows.click == 1, ["user_id", "item_id", "timestamp"]]
    events = clicked_events(interactions, rows)
    assert len(events) == 3
    contexts, linked = point_in_time_contexts(events, {"test": rows}, max_history=2)
    by_id = contexts.set_index("context_id")
    of_rows = by_id.loc[linked["test"]["context_id"]]
    assert of_rows["history"].tolist() == [[], [10], [10, 11], [11, 10]]
    # the first event of item 10 converted, its second did not
    assert of_rows["history_converted"].tolist() == [[], [True], [True, False], [False, False]]


def test_a_leave_one_out_history_says_nothing_of_the_requests_own_conversion():
    events = pd.DataFrame(
        {"user_id": [1, 1, 1, 2], "item_id": [10, 12, 15, 10], "conversion": [1.0, 0.0, 1.0, 0.0]}
    )
    contexts, _ = leave_one_out_contexts(events, requests())
    converted = contexts.set_index("context_id")["history_converted"]
    assert converted["a"] == [False, True]
    assert converted["b"] == [True, True]
    assert converted["user-1"] == [True, False, True]
    assert converted["user-3"] == []


def test_without_recorded_conversions_the_contexts_do_not_speak_of_them():
    parts = random_parts(1)
    contexts, _ = point_in_time_contexts(clicked_events(*parts.values()), parts)
    assert "history_converted" not in contexts


def test_events_without_a_time_are_kept_beside_conversions():
    rows = pd.DataFrame(
        {"user_id": [1], "item_id": [2], "click": [1], "timestamp": [5.0], "conversion": [1.0]}
    )
    interactions = pd.DataFrame({"user_id": [1, 1], "item_id": [3, 2], "timestamp": [np.nan, 5.0]})
    events = clicked_events(interactions, rows)
    assert events["item_id"].tolist() == [3, 2]
    assert events["conversion"].tolist() == [0.0, 1.0]


def test_contexts_made_from_timestamps_are_read_back_as_a_table(tmp_path):
    """A user without events has an empty history and no time, and that is no fault of the table."""
    from ranking_worlds import planted_dataset

    from learn_recall.tables.read import TableError, read_contexts

    contexts = planted_dataset(n_rows=600)[0].contexts
    assert contexts["timestamp"].isna().any()
    contexts.to_parquet(tmp_path / "contexts.parquet")
    found = read_contexts(tmp_path / "contexts.parquet")
    pd.testing.assert_series_equal(found["timestamp"], contexts["timestamp"])
    assert [list(history) for history in found["history"]] == contexts["history"].tolist()

    of_somebody = contexts["history"].map(len) > 0
    contexts.loc[of_somebody.idxmax(), "timestamp"] = np.nan
    contexts.to_parquet(tmp_path / "contexts.parquet")
    with pytest.raises(TableError, match=rf"1 row, first empty\n   rows:     {of_somebody.idxmax()}\n"):
        read_contexts(tmp_path / "contexts.parquet")
