"""A team's own tables: linked, checked, and refused in words."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from learn_rank.cli import app
from learn_rank.datasets.own import read_own_tables
from learn_rank.datasets.splits import SplitLeak
from learn_recall.tables.read import TableError

NAMES = ("items", "interactions", "train", "valid", "test")


def frames(has_time=True):
    generator = np.random.default_rng(0)

    def part(n, start):
        click = generator.integers(0, 2, n)
        return pd.DataFrame(
            {
                "user_id": generator.integers(0, 5, n),
                "item_id": generator.integers(0, 8, n),
                "click": click,
                "conversion": np.where(click == 1, generator.integers(0, 2, n), np.nan),
                "timestamp": start + np.arange(n),
                "age_days": generator.random(n),
            }
        )

    tables = {
        "items": pd.DataFrame(
            {"item_id": range(8), "title": [f"t{i}" for i in range(8)], "price_number": 1.0}
        ),
        "train": part(60, 1_700_000_000),
        "valid": part(20, 1_700_001_000),
        "test": part(20, 1_700_002_000),
    }
    train = tables["train"]
    tables["interactions"] = train.loc[train.click == 1, ["user_id", "item_id", "timestamp"]].iloc[:10]
    if not has_time:
        for name in ("train", "valid", "test"):
            tables[name] = tables[name].drop(columns="timestamp").drop_duplicates(["user_id", "item_id"])
        seen = pd.MultiIndex.from_frame(tables["train"][["user_id", "item_id"]])
        for name in ("valid", "test"):
            pairs = pd.MultiIndex.from_frame(tables[name][["user_id", "item_id"]])
            tables[name] = tables[name][~pairs.isin(seen)]
            seen = seen.append(pairs)
        clicked = tables["train"].loc[tables["train"].click == 1, ["user_id", "item_id"]]
        tables["interactions"] = clicked.iloc[:6].assign(position=range(6))
    return tables


def write(tables, folder):
    paths = {}
    for name, table in tables.items():
        paths[name] = folder / f"{name}.parquet"
        table.to_parquet(paths[name], index=False)
    return paths


def test_interactions_that_reach_through_training_leave_its_last_rows_to_the_ranker_alone(tmp_path):
    tables = frames()
    train = tables["train"]
    clicks = train.loc[train.click == 1, ["user_id", "item_id", "timestamp"]].reset_index(drop=True)
    dataset = read_own_tables(**write({**tables, "interactions": clicks}, tmp_path))
    first_later = train.timestamp.iloc[-15]  # of 60 rows, one a second
    assert dataset.interactions["timestamp"].max() < first_later
    assert len(dataset.interactions) == (clicks.timestamp < first_later).sum()
    assert f"{len(dataset.interactions)} of {len(clicks)} interactions" in dataset.protocol["towers"]
    is_learned = dataset.contexts.set_index("context_id")["is_learned"]
    rows = dataset.train.assign(is_learned=is_learned.reindex(dataset.train.context_id).to_numpy())
    np.testing.assert_array_equal(
        ~rows["is_learned"], rows["timestamp"] > dataset.interactions.timestamp.max()
    )
    # a row's user is known with all of his clicks before it, those that nothing was learned from too
    last = rows.iloc[-1]
    history = dataset.contexts.set_index("context_id")["history"][last.context_id]
    assert len(history) == ((clicks.user_id == last.user_id) & (clicks.timestamp < last.timestamp)).sum()


def test_interactions_that_end_early_enough_are_all_learned_from(tmp_path):
    dataset = read_own_tables(**write(frames(), tmp_path))
    assert len(dataset.interactions) == 10
    assert "towers" not in dataset.protocol


def test_tables_with_time_get_point_in_time_contexts_and_host_features_from_both_sides(tmp_path):
    dataset = read_own_tables(**write(frames(), tmp_path), dense=("age_days", "price_number"))
    assert "point in time" in dataset.protocol["user contexts"]
    assert dataset.dense == ("age_days", "price_number")
    assert dataset.contexts["is_learned"].any() and not dataset.contexts["is_learned"].all()


def test_tables_without_time_get_leave_one_out_contexts(tmp_path):
    dataset = read_own_tables(**write(frames(has_time=False), tmp_path))
    assert "leave-one-out" in dataset.protocol["user contexts"]
    assert dataset.protocol["rows checked"] > 0


def test_every_problem_of_every_file_is_told_at_once(tmp_path):
    tables = frames()
    tables["items"] = pd.concat([tables["items"], tables["items"].iloc[:1]])
    tables["train"] = tables["train"].drop(columns="click")
    tables["test"].loc[0, "click"] = 7
    with pytest.raises(TableError) as caught:
        read_own_tables(**write(tables, tmp_path), dense=("no_such",))
    told = str(caught.value)
    for word in ("item_id", "click", "no_such", "train", "test"):
        assert word in told
    assert len(caught.value.problems) >= 3


def test_an_unknown_item_is_refused_or_dropped_and_counted(tmp_path):
    tables = frames()
    tables["test"].loc[[0, 3], "item_id"] = 77
    paths = write(tables, tmp_path)
    with pytest.raises(TableError, match="77"):
        read_own_tables(**paths)
    dataset = read_own_tables(**paths, drops_unknown_items=True)
    assert len(dataset.test) == 18
    assert "test: 2" in dataset.protocol["rows dropped for an unknown item"]


def test_ids_of_two_kinds_are_refused(tmp_path):
    tables = frames()
    tables["items"]["item_id"] = tables["items"]["item_id"].map("i{}".format)
    with pytest.raises(TableError, match="item_id"):
        read_own_tables(**write(tables, tmp_path))


@pytest.mark.parametrize("part", ["valid", "test"])
def test_a_category_of_another_kind_in_another_part_is_refused(tmp_path, part):
    tables = frames()
    for name in ("train", "valid", "test"):
        tables[name]["city"] = np.arange(len(tables[name])) % 3
    dataset = read_own_tables(**write(tables, tmp_path), categorical=("city",))
    tables[part]["city"] = tables[part]["city"].astype(str)
    said = f"text in {part}"
    with pytest.raises(TableError, match=said) as caught:
        read_own_tables(**write(tables, tmp_path), categorical=("city",))
    assert caught.value.problems[0].column == "city"
    # a caller who makes the dataset himself is told the same
    with pytest.raises(TableError, match=said):
        replace(dataset, **{part: getattr(dataset, part).astype({"city": str})})


def test_unsigned_ids_beside_signed_ones_are_one_kind_and_exact(tmp_path):
    tables, big = frames(), 2**53 + 1
    for name, table in tables.items():
        kind = np.uint64 if name in ("valid", "interactions") else np.int64
        tables[name] = table.assign(item_id=(table["item_id"].to_numpy() + big).astype(kind))
    dataset = read_own_tables(**write(tables, tmp_path))
    assert {frame["item_id"].dtype for frame in dataset.parts.values()} == {np.dtype(np.int64)}
    histories = {item for history in dataset.contexts["history"] for item in history}
    assert histories <= set(range(big, big + 8)) and len(histories) > 4
    by_hand = replace(dataset, valid=dataset.valid.astype({"item_id": np.uint64}))
    assert by_hand.valid["item_id"].dtype == np.int64
    with pytest.raises(TableError, match="valid, column item_id"):
        replace(dataset, valid=dataset.valid.astype({"item_id": float}))


def test_towers_that_learn_from_the_judged_period_are_refused(tmp_path):
    tables = frames()
    tables["interactions"].iloc[0, 2] = int(tables["valid"]["timestamp"].min())
    with pytest.raises(SplitLeak, match="judged period"):
        read_own_tables(**write(tables, tmp_path))


def test_the_command_tells_the_problems_without_a_traceback(tmp_path):
    tables = frames()
    tables["train"].loc[0, ["click", "conversion"]] = [0, 1.0]
    paths = write(tables, tmp_path)
    arguments = [word for name in NAMES for word in (f"--{name}", str(paths[name]))]
    result = CliRunner().invoke(app, ["run", *arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "conversion" in result.output and "Traceback" not in result.output


def test_the_command_has_the_remedy_that_the_error_names(tmp_path):
    shown = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert "--drop-unknown-items" in shown
    tables = frames()
    tables["test"].loc[0, "item_id"] = 77
    with pytest.raises(TableError, match="--drop-unknown-items"):
        read_own_tables(**write(tables, tmp_path))
