"""The readers of real impressions: a folder of a few rows, the real files cut short, and what they refuse."""

import logging

import numpy as np
import pandas as pd
import pytest

from learn_rank.data.dataset_files import read_dataset, write_dataset
from learn_rank.datasets.ebnerd import read_ebnerd
from learn_rank.datasets.known import READERS
from learn_rank.datasets.kuairand import OF_ITEMS, OF_USERS, read_kuairand
from learn_rank.datasets.splits import SplitLeak
from learn_recall.tables.read import TableError

START = 1_700_000_000
PARTS = ("train", "valid", "test")


def write(tables, folder):
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    return folder


def changed(folder, name, change):
    path = folder / f"{name}.parquet"
    change(pd.read_parquet(path)).to_parquet(path, index=False)
    return folder


@pytest.fixture
def news(tmp_path):
    """Two users, six articles, a slate of three in each part; user 1 has read 10 and 11, user 2 nothing."""

    def slate(part, user, clicked):
        number = PARTS.index(part)
        return pd.DataFrame(
            {
                "user_id": user,
                "item_id": [10 + number, 12, 13 + number],
                "timestamp": START + 100 * number,
                "request_id": 700 + number,
                "click": [int(place == clicked) for place in range(3)],
                "conversion": [1.0 if place == clicked else np.nan for place in range(3)],
                "value": [42.0 if place == clicked else np.nan for place in range(3)],
                "device": 1,
                "page": "front",
                "subscriber": 0,
                "hour": 7,
                "id_gap": [0.0, 1.5, 2.5],
                "shown_before": [0.0, 1.0, 2.0],
                "clicked_before": 0.0,
                "user_events_before": 1.1,
                "context_id": 700 + number,
            }
        )

    tables = {
        "items": pd.DataFrame(
            {
                "item_id": range(10, 16),
                "title": [f"Nyhed {number}" for number in range(10, 16)],
                "attributes": ["kort", None, "lang", "kort", "lang", "kort"],
                "section": ["1", "1", "2", "2", "3", "3"],
            }
        ),
        "interactions": pd.DataFrame(
            {"user_id": 1, "item_id": [10, 11], "timestamp": [START - 20, START - 10], "conversion": [1, 0]}
        ),
        "train": slate("train", user=1, clicked=1),
        "valid": slate("valid", user=2, clicked=0),
        "test": slate("test", user=1, clicked=2),
        "contexts": pd.DataFrame(
            {
                "context_id": [700, 701, 702],
                "user_id": [1, 2, 1],
                "history": [[10, 11], [], [10, 11, 12]],
                "history_converted": [[True, False], [], [True, False, True]],
                "timestamp": [START - 10.0, np.nan, START + 5.0],
            }
        ),
    }
    return write(tables, tmp_path)


@pytest.fixture
def videos(tmp_path):
    """Two users and ten videos; user 1 was shown 0, 1, 2, 1 and watched 1 and 2 for long; user 2 is new."""

    def part(start, rows):
        frame = pd.DataFrame(rows, columns=["user_id", "item_id", "click", "conversion"])
        frame["value"] = frame["conversion"] * 9.0
        return frame.assign(timestamp=start + np.arange(len(frame)), like=0, tab=1, hour=3)

    nothing = np.nan
    tables = {
        "items": pd.DataFrame(
            {
                "item_id": range(10),
                "title": [f"tag {number % 3}" for number in range(9)] + ["tag 20,43"],
                "author_id": range(10),
                "video_type": "NORMAL",
                "upload_type": "Web",
                "music_type": [9.0] * 9 + [nothing],
                "duration_seconds": pd.array([np.e - 1] * 9 + [None], dtype="Float64"),
            }
        ),
        "users": pd.DataFrame({"user_id": [1], **dict.fromkeys(OF_USERS, "few"), "register_days": [30]}),
        "interactions": pd.DataFrame({"user_id": 1, "item_id": [0, 1, 2, 1], "position": range(4)}),
        "long_watched": pd.DataFrame({"user_id": 1, "item_id": [1, 2, 1]}),
        "train": part(START, [(1, item, item % 2, 1.0 if item % 2 else nothing) for item in range(10)]),
        "valid": part(START + 100, [(2, 3, 1, 0.0), (2, 4, 0, nothing)]),
        "test": part(START + 200, [(2, 5, 1, 1.0), (1, 9, 1, 1.0), (1, 8, 0, nothing)]),
    }
    return write(tables, tmp_path)


def history_of(dataset, part, row):
    context = dataset.parts[part]["context_id"].iloc[row]
    return dataset.contexts.set_index("context_id").loc[context]


def test_a_slate_of_news_has_its_given_context_its_labels_and_host_features_of_both_sides(news):
    dataset = read_ebnerd(news)
    assert [len(part) for part in dataset.parts.values()] == [3, 3, 3]
    assert dataset.test[["click", "value"]].fillna(-1.0).to_numpy().tolist() == [[0, -1], [0, -1], [1, 42]]
    known = history_of(dataset, "test", 0)
    assert list(known["history"]) == [10, 11, 12] and list(known["history_converted"]) == [True, False, True]
    assert "section" in dataset.items and set(dataset.dense) <= set(dataset.train)
    assert not dataset.is_sampled and dataset.has_conversions
    for word in ("click", "conversion", "negatives", "split", "licence", "towers"):
        assert dataset.protocol[word]


def test_towers_of_news_learn_from_all_that_was_read_before_the_log_and_from_no_row_of_it(news):
    dataset = read_ebnerd(news)
    assert dataset.interactions["item_id"].tolist() == [10, 11]
    assert not dataset.contexts["is_learned"].any()


def test_given_contexts_are_not_said_to_be_unlearned_once_an_interaction_lies_in_the_log(news):
    late = pd.DataFrame({"user_id": [1], "item_id": [12], "timestamp": [START + 1], "conversion": [1]})
    changed(news, "interactions", lambda frame: pd.concat([frame, late]))
    changed(news, "train", lambda frame: frame.assign(timestamp=START + np.array([0, 1, 9])))
    dataset = read_ebnerd(news)
    assert len(dataset.interactions) == 3
    assert "is_learned" not in dataset.contexts


def test_news_come_back_from_disk_as_they_were(news, tmp_path):
    dataset = read_ebnerd(news)
    write_dataset(dataset, tmp_path / "kept")
    back = read_dataset(tmp_path / "kept")
    pd.testing.assert_frame_equal(back.test, dataset.test)
    assert back.protocol == dataset.protocol


@pytest.mark.parametrize("name", ["items", "interactions", *PARTS, "contexts"])
def test_a_file_of_news_that_is_missing_is_named(news, name):
    (news / f"{name}.parquet").unlink()
    with pytest.raises(TableError, match=rf"{name}\.parquet"):
        read_ebnerd(news)


@pytest.mark.parametrize(
    ("name", "column"),
    [("train", "id_gap"), ("test", "click"), ("items", "title"), ("contexts", "history")],
)
def test_a_column_of_news_that_is_missing_is_named_with_its_file(news, name, column):
    changed(news, name, lambda frame: frame.drop(columns=column))
    with pytest.raises(TableError, match=rf"{name}\.parquet, column {column}"):
        read_ebnerd(news)


def test_news_that_were_read_in_the_judged_period_are_no_interactions(news):
    changed(news, "interactions", lambda frame: frame.assign(timestamp=START + 150))
    with pytest.raises(SplitLeak, match="judged period"):
        read_ebnerd(news)


def test_a_part_of_news_that_reaches_into_the_next_is_refused(news):
    changed(news, "valid", lambda frame: frame.assign(timestamp=START + 300))
    with pytest.raises(SplitLeak, match="last of valid"):
        read_ebnerd(news)


def test_what_was_watched_before_the_log_is_known_to_every_row_in_its_order(videos):
    dataset = read_kuairand(videos, new_item_share=0)
    assert dataset.interactions["item_id"].tolist() == [1, 2, 1]
    assert dataset.interactions["timestamp"].tolist() == [START - 3, START - 2, START - 1]
    assert list(history_of(dataset, "train", 0)["history"]) == [1, 2, 1]
    # the log's clicks strictly before the row follow; row 4 of user 1 comes after his clicks on 1 and 3
    assert list(history_of(dataset, "train", 4)["history"]) == [1, 2, 1, 1, 3]
    assert list(history_of(dataset, "valid", 0)["history"]) == []
    assert list(history_of(dataset, "test", 0)["history"]) == [3]
    assert not dataset.contexts["is_learned"].any()


def test_all_that_was_shown_before_the_log_says_which_of_it_was_watched_for_long(videos):
    dataset = read_kuairand(videos, new_item_share=0, before="watched")
    assert dataset.interactions["item_id"].tolist() == [0, 1, 2, 1]
    known = history_of(dataset, "train", 0)
    assert list(known["history"]) == [0, 1, 2, 1]
    assert list(known["history_converted"]) == [False, True, True, True]


def test_videos_held_out_as_new_are_in_no_row_and_no_history_before_valid(videos):
    whole = read_kuairand(videos, new_item_share=0)
    dataset = read_kuairand(videos, new_item_share=0.5)
    assert dataset.protocol["new items held out"] == 5
    early = set(dataset.train["item_id"]) | set(dataset.interactions["item_id"])
    new = set(range(10)) - early
    assert len(new) == 5
    of_train = dataset.contexts[dataset.contexts["context_id"].isin(dataset.train["context_id"])]
    assert not new & set(np.concatenate([np.asarray(each) for each in of_train["history"]]))
    for part in ("valid", "test"):
        pd.testing.assert_series_equal(dataset.parts[part]["item_id"], whole.parts[part]["item_id"])
    again = read_kuairand(videos, new_item_share=0.5)
    assert set(again.train["item_id"]) == set(dataset.train["item_id"])
    other = read_kuairand(videos, new_item_share=0.5, seed=1)
    assert set(other.train["item_id"]) != set(dataset.train["item_id"])


def test_a_video_has_its_tags_as_text_and_every_row_has_all_host_features(videos):
    dataset = read_kuairand(videos)
    items = dataset.items.set_index("item_id")
    assert items.loc[9, ["title", "tag", "music_type", "duration_log"]].tolist() == [
        "tag 20,43",
        "20,43",
        "unknown",
        0.0,
    ]
    assert items.loc[0, "duration_log"] == pytest.approx(1.0)  # log(1 + e - 1)
    assert dataset.test["fans_user_num_range"].tolist() == ["unknown", "few", "few"]
    assert dataset.test["register_days"].tolist() == [0.0, 30.0, 30.0]
    for name in (*dataset.dense, *dataset.categorical):
        column = dataset.items[name] if name in dataset.items else dataset.train[name]
        assert column.notna().all()
    assert not {"like", "value"} & {*dataset.dense, *dataset.categorical}
    assert "no" in dataset.protocol["text"]


@pytest.mark.parametrize("name", ["items", "users", "interactions", "long_watched", *PARTS])
def test_a_file_of_videos_that_is_missing_is_named(videos, name):
    (videos / f"{name}.parquet").unlink()
    with pytest.raises(TableError, match=rf"{name}\.parquet"):
        read_kuairand(videos)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("items", "duration_seconds"),
        ("items", OF_ITEMS[0]),
        ("users", OF_USERS[0]),
        ("interactions", "position"),
        ("long_watched", "item_id"),
        ("train", "tab"),
        ("valid", "click"),
    ],
)
def test_a_column_of_videos_that_is_missing_is_named_with_its_file(videos, name, column):
    changed(videos, name, lambda frame: frame.drop(columns=column))
    with pytest.raises(TableError, match=rf"{name}\.parquet.*column.*{column}"):
        read_kuairand(videos)


def test_a_share_that_is_none_and_another_past_are_refused(videos):
    with pytest.raises(ValueError, match="new_item_share: expected a share"):
        read_kuairand(videos, new_item_share=1.0)
    with pytest.raises(ValueError, match="before: expected long_watched or watched, got 'liked'"):
        read_kuairand(videos, before="liked")


def test_the_command_knows_a_reader_of_every_set_that_comes_as_a_folder():
    from learn_rank.commands.choices import DATASETS

    assert set(READERS) == set(DATASETS) - {"marketplace"}


def test_real_slates_have_one_click_and_a_history_older_than_the_slate(shared_data, tmp_path):
    source = shared_data / "ebnerd"
    if not source.is_dir():
        pytest.skip(f"real data: expected a folder at {source}, got none")
    tables = {name: pd.read_parquet(source / f"{name}.parquet") for name in ("items", "interactions")}
    for name in PARTS:
        rows = pd.read_parquet(source / f"{name}.parquet")
        tables[name] = rows[rows["request_id"] % 40 == 0]
    contexts = pd.read_parquet(source / "contexts.parquet")
    tables["contexts"] = contexts[contexts["context_id"] % 40 == 0]
    dataset = read_ebnerd(write(tables, tmp_path))
    assert len(dataset.interactions) == 222_033
    for part in dataset.parts.values():
        assert (part.groupby("request_id")["click"].sum() == 1).all()
    newest = dataset.contexts.set_index("context_id")["timestamp"]
    assert (newest.reindex(dataset.test["context_id"]).to_numpy() < dataset.test["timestamp"]).all()
    clicked = dataset.test.loc[dataset.test["click"] == 1, "item_id"]
    assert (~clicked.isin(dataset.train["item_id"])).mean() > 0.95  # nearly all were never shown before


def test_real_videos_keep_their_rows_and_hold_a_tenth_of_the_videos_back(shared_data, tmp_path, caplog):
    source = shared_data / "kuairand"
    if not source.is_dir():
        pytest.skip(f"real data: expected a folder at {source}, got none")
    tables = {path.stem: pd.read_parquet(path) for path in sorted(source.iterdir())}
    for name, table in tables.items():
        if name != "items":
            tables[name] = table[table["user_id"] % 20 == 0]
    with caplog.at_level(logging.ERROR):
        dataset = read_kuairand(write(tables, tmp_path))
    assert dataset.protocol["new items held out"] == 758  # of 7,583
    assert len(dataset.test) == len(tables["test"]) and len(dataset.train) < len(tables["train"])
    is_new = ~dataset.test["item_id"].isin({*dataset.train["item_id"], *dataset.interactions["item_id"]})
    assert 0.05 < is_new.mean() < 0.2
    assert dataset.interactions["timestamp"].max() < dataset.train["timestamp"].min()
    assert dataset.dense and not dataset.contexts["is_learned"].any()
