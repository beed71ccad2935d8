"""Amazon sequences as canonical tables, and leave-one-out."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn_recall.datasets import leave_one_out, read_amazon
from learn_recall.tables.read import TableError

ITEMS = [
    {
        "item_id": 0,
        "title": "Neon Polish",
        "categories": [["Beauty", "Tools"], ["Beauty", "Nails"]],
        "asin": "B0",
    },
    {"item_id": 1, "title": "Lacquer", "categories": [["Beauty"]], "asin": "B1"},
    {"item_id": 2, "title": "Scent", "categories": [], "asin": "B2"},
    {"item_id": 3, "title": "Soap", "categories": [[]], "asin": "B3"},
]


def folder_of(path, items=ITEMS, sequences="5 0 1 2 3\n4 1 0\n9 3 2 1\n"):
    with gzip.open(path / "items.jsonl.gz", "wt") as file:
        file.write("".join(json.dumps(item) + "\n" for item in items))
    with gzip.open(path / "sequences.txt.gz", "wt") as file:
        file.write(sequences)
    return path


def events(part):
    return list(zip(part["user_id"], part["item_id"], part["position"], strict=True))


# ------------------------------------------------------------------------------------------------- reading


def test_a_folder_becomes_items_with_their_last_category_path_and_events_with_positions(tmp_path):
    data = read_amazon(folder_of(tmp_path))
    assert data.items.columns.tolist() == ["item_id", "title", "asin", "category"]
    assert data.items["category"].iloc[:2].tolist() == ["Beauty > Nails", "Beauty"]
    assert data.items["category"].isna().tolist() == [False, False, True, True]
    assert events(data.interactions) == [
        *[(5, 0, 0), (5, 1, 1), (5, 2, 2), (5, 3, 3)],
        *[(4, 1, 0), (4, 0, 1)],
        *[(9, 3, 0), (9, 2, 1), (9, 1, 2)],
    ]


def test_a_folder_without_categories_has_no_such_column(tmp_path):
    items = [{**item, "categories": []} for item in ITEMS]
    assert read_amazon(folder_of(tmp_path, items)).items.columns.tolist() == ["item_id", "title", "asin"]
    bare = [{"item_id": item["item_id"], "title": item["title"]} for item in ITEMS]
    assert read_amazon(folder_of(tmp_path, bare)).items.columns.tolist() == ["item_id", "title"]


@pytest.mark.parametrize(
    ("sequences", "rows"),
    [
        ("5 0 1\n7\n", (1,)),
        ("5 0 x\n", (0,)),
        ("5 0 1\n\n8 -1\n", (1, 2)),
        ("5 0 ²\n", (0,)),
        ("5 0 9223372036854775808\n", (0,)),
    ],
)
def test_a_line_that_is_no_sequence_is_refused_with_its_number(tmp_path, sequences, rows):
    with pytest.raises(TableError, match="a user and at least one item") as caught:
        read_amazon(folder_of(tmp_path, sequences=sequences))
    assert caught.value.problems[0].first_rows == rows


def test_an_event_of_an_unknown_item_is_refused(tmp_path):
    with pytest.raises(TableError, match="first 77"):
        read_amazon(folder_of(tmp_path, sequences="5 0 77 1\n"))


def test_missing_and_damaged_files_are_refused_by_name(tmp_path):
    with pytest.raises(TableError, match=r"items\.jsonl\.gz"):
        read_amazon(tmp_path)
    file = folder_of(tmp_path) / "sequences.txt.gz"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(TableError, match=r"sequences\.txt\.gz"):
        read_amazon(tmp_path)


# ----------------------------------------------------------------------------------------------- the split


def test_the_last_event_is_the_test_and_the_one_before_it_validates(tmp_path):
    split = read_amazon(folder_of(tmp_path)).split
    assert events(split.train) == [
        (5, 0, 0),
        (5, 1, 1),
        (4, 1, 0),
        (4, 0, 1),
        (9, 3, 0),
    ]  # user 4 has two events
    assert events(split.valid) == [(5, 2, 2), (9, 2, 1)]
    assert events(split.test) == [(5, 3, 3), (9, 1, 2)]


def test_counts_come_from_train_alone(tmp_path):
    split = read_amazon(folder_of(tmp_path)).split
    assert split.item_counts([0, 1, 2, 3, 99]).tolist() == [2, 2, 0, 1, 0]


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=25
    ),
    by=st.sampled_from(["position", "timestamp"]),
)
def test_the_split_equals_a_loop_over_users(rows, by):
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", by])
    frame["row"] = range(len(frame))
    train, valid, test = [], [], []
    for user in dict.fromkeys(user for user, _, _ in rows):
        own = sorted((place, row) for row, (who, _, place) in enumerate(rows) if who == user)
        own = [row for _, row in own]
        if len(own) < 3:
            train += own
        else:
            train, valid, test = train + own[:-2], [*valid, own[-2]], [*test, own[-1]]
    split = leave_one_out(frame)
    assert split.train["row"].tolist() == train
    assert split.valid["row"].tolist() == valid
    assert split.test["row"].tolist() == test


def test_position_decides_where_there_is_a_time_too():
    frame = pd.DataFrame({"user_id": 1, "item_id": [1, 2, 3], "position": [2, 1, 0], "timestamp": [1, 2, 3]})
    assert leave_one_out(frame).test["item_id"].tolist() == [1]


def test_events_without_a_place_cannot_be_split():
    with pytest.raises(TableError, match="rows without position"):
        leave_one_out(pd.DataFrame({"user_id": [1, 1], "item_id": [1, 2], "position": [0, np.nan]}))
    with pytest.raises(TableError, match="neither column"):
        leave_one_out(pd.DataFrame({"user_id": [1, 1], "item_id": [1, 2]}))


def test_the_fingerprint_knows_the_order_of_events_but_not_of_users(tmp_path):
    frame = read_amazon(folder_of(tmp_path)).interactions
    first = leave_one_out(frame).fingerprint
    assert {name: first[name] for name in ("n_users", "n_items", "n_train", "n_valid", "n_test")} == {
        "n_users": 3,
        "n_items": 4,
        "n_train": 5,
        "n_valid": 2,
        "n_test": 2,
    }
    assert leave_one_out(frame.sample(frac=1, random_state=0)).fingerprint == first
    swapped = frame.assign(position=[1, 0, *frame["position"][2:]])
    assert leave_one_out(swapped).fingerprint["sha256"] != first["sha256"]
    renamed = frame.assign(user_id=frame["user_id"].replace(9, 8))
    assert leave_one_out(renamed).fingerprint["sha256"] != first["sha256"]


# ------------------------------------------------------------------------------------------- the real data


@pytest.mark.parametrize(
    ("name", "counts", "has_category", "sha256"),
    [
        ("amazon_beauty", (22_363, 12_101, 198_502), True, "9862b016d9997e9f"),
        ("amazon_games", (50_546, 16_859, 440_264), False, "6ba220f299473a83"),
    ],
)
def test_the_real_folders_have_the_published_counts(shared_data, name, counts, has_category, sha256):
    n_users, n_items, n_events = counts
    data = read_amazon(shared_data / name)
    assert (len(data.items), len(data.interactions)) == (n_items, n_events)
    assert ("category" in data.items) == has_category
    found = data.split.fingerprint
    assert (found["n_users"], found["n_valid"], found["n_test"]) == (n_users, n_users, n_users)
    assert found["n_train"] == n_events - 2 * n_users
    assert str(found["sha256"]).startswith(sha256)


def test_the_beauty_targets_are_as_rare_in_train_as_the_data_page_says(shared_data):
    split = read_amazon(shared_data / "amazon_beauty").split
    counts = split.item_counts(split.test["item_id"])
    assert round(100 * (counts == 0).mean(), 1) == 0.6
    assert round(100 * (counts <= 5).mean(), 1) == 27.7
    assert round(100 * (counts <= 10).mean(), 1) == 46.8
