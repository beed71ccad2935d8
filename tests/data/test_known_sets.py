"""The readers of Steam and MovieLens, on the real files where they are at hand, else on a made-up folder."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from learn_rank.data.dataset_files import dataset_fingerprint, read_dataset, write_dataset
from learn_rank.datasets.movielens import read_movielens
from learn_rank.datasets.steam import SteamSplit, read_steam


@pytest.fixture
def made_up_steam(tmp_path):
    """60 users, 40 games, in the files and columns of the real folder."""
    generator = np.random.default_rng(0)
    pairs = pd.DataFrame(
        {"user_id": generator.integers(1, 61, 900), "item_id": generator.integers(1, 41, 900)}
    ).drop_duplicates(ignore_index=True)
    pairs.to_csv(tmp_path / "acquisitions.csv.gz", index=False)
    plays = pairs[generator.random(len(pairs)) < 0.5]
    plays.assign(hours=1.5).to_csv(tmp_path / "plays.csv.gz", index=False)
    with gzip.open(tmp_path / "items.jsonl.gz", "wt", encoding="utf-8") as lines:
        for number in range(1, 41):
            item = {"item_id": number, "title": f"Game {number}"}
            if number % 3:
                page = {"genres": ["RPG"], "tags": ["Story"], "specs": ["Solo"], "developer": "D"}
                item |= {**page, "release_date": "2015-11-09", "price": ["9.99", "Free to Play"][number % 2]}
            lines.write(json.dumps(item) + "\n")
    return tmp_path


def check_fair_protocol(dataset, split):
    """What the reader promises, checked here by other means than its own."""
    clicked = {name: part[part["click"] == 1] for name, part in dataset.parts.items()}
    pairs = {name: set(zip(rows["user_id"], rows["item_id"], strict=True)) for name, rows in clicked.items()}
    learned = set(zip(dataset.interactions["user_id"], dataset.interactions["item_id"], strict=True))
    assert learned <= pairs["train"]
    assert not pairs["train"] & pairs["test"] and not pairs["valid"] & pairs["test"]
    assert not learned & (pairs["valid"] | pairs["test"])
    n_new = dataset.protocol["new items held out"]
    assert len(set(dataset.items["item_id"]) - set(dataset.train["item_id"])) >= n_new > 0
    histories = dataset.contexts.set_index("context_id")["history"]
    for rows in clicked.values():
        sample = rows.sample(min(300, len(rows)), random_state=0)
        assert not any(
            item in set(histories[context])
            for context, item in zip(sample["context_id"], sample["item_id"], strict=True)
        )
    share = dataset.train.groupby("request_id")["click"].agg(["sum", "size"])
    assert (share["sum"] == 1).all()
    assert share["size"].max() == 1 + split.n_popular + split.n_uniform


def test_a_made_up_steam_folder_follows_the_fair_protocol(made_up_steam):
    check_fair_protocol(read_steam(made_up_steam), SteamSplit())


def test_the_same_seed_gives_the_same_split_and_another_seed_another(made_up_steam, tmp_path):
    prints = []
    for number, seed in enumerate((0, 0, 1)):
        write_dataset(read_steam(made_up_steam, SteamSplit(seed=seed)), tmp_path / f"t{number}")
        prints.append(dataset_fingerprint(tmp_path / f"t{number}"))
    assert prints[0] == prints[1] != prints[2]


def test_tables_come_back_from_disk_as_they_were(made_up_steam, tmp_path):
    dataset = read_steam(made_up_steam)
    write_dataset(dataset, tmp_path / "tables")
    back = read_dataset(tmp_path / "tables")
    for name, part in dataset.parts.items():
        pd.testing.assert_frame_equal(part, back.parts[name])
    assert [list(h) for h in back.contexts["history"]] == [list(h) for h in dataset.contexts["history"]]
    assert (back.dense, back.categorical, back.is_sampled) == (
        dataset.dense,
        dataset.categorical,
        dataset.is_sampled,
    )


def test_a_share_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match="shares"):
        SteamSplit(tower_share=0.8, test_share=0.3)


@pytest.mark.long
def test_real_steam_follows_the_fair_protocol(shared_data):
    dataset = read_steam(shared_data / "steam")
    check_fair_protocol(dataset, SteamSplit())
    assert len(dataset.train) == 428_870 and len(dataset.test) == 129_760


def test_real_movielens_contexts_are_likes_strictly_before_the_row(shared_data):
    dataset = read_movielens(shared_data / "ml1m_ctr")
    assert [len(part) for part in dataset.parts.values()] == [33_891, 10_401, 7_331]
    assert not dataset.has_conversions
    rows = pd.concat(dataset.parts.values())
    likes = rows[rows["click"] == 1]
    histories = dataset.contexts.set_index("context_id")["history"]
    for _, row in dataset.test.sample(100, random_state=1).iterrows():
        earlier = likes[(likes["user_id"] == row["user_id"]) & (likes["timestamp"] < row["timestamp"])]
        assert set(histories[row["context_id"]]) <= set(earlier["item_id"])
        assert len(histories[row["context_id"]]) == min(80, len(earlier))


def test_a_table_of_a_run_that_was_changed_or_removed_is_told_with_the_way_to_make_it_again(
    made_up_steam, tmp_path
):
    folder = tmp_path / "tables"
    write_dataset(read_steam(made_up_steam), folder)
    dataset_fingerprint(folder)
    path = folder / "valid.parquet"
    pd.read_parquet(path).iloc[1:].to_parquet(path)
    with pytest.raises(ValueError, match=r"valid.parquet: expected the table .* got another. Remedy: remove"):
        dataset_fingerprint(folder)
    path.unlink()
    with pytest.raises(ValueError, match="got none"):
        dataset_fingerprint(folder)
    with pytest.raises(FileNotFoundError, match="make them with `learn-rank run`"):
        dataset_fingerprint(tmp_path)
