"""Candidates: the same bytes from every order of rows, and every kind of bad input told with counts."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.ab.candidate_worlds import BUCKETS, small_world
from learn_rank.ab.candidates.files import CandidateFiles


def arrays(day):
    """All arrays of a day, rows sorted by item within their request."""
    order = np.lexsort((day.item_key, day.request_of_row()))
    of_rows = (day.item_key, day.advertiser, day.bid, *day.pctr, *day.pcvr, day.item_bucket)
    return [day.start, day.request_key, day.user, *(column[order] for column in of_rows)]


def are_equal(one, other):
    return all(np.array_equal(left, right) for left, right in zip(arrays(one), arrays(other), strict=True))


@pytest.mark.parametrize("ids", ["integer", "string"])
@pytest.mark.parametrize("has_timestamp", [True, False])
def test_the_order_of_the_rows_makes_no_difference(ids, has_timestamp):
    frame = small_world(is_ragged=True, ids=ids, n_requests_per_day=80)
    if not has_timestamp:
        frame = frame.drop(columns="timestamp")
    expected = CandidateFiles(frame)
    shuffled = CandidateFiles(frame.sample(frac=1, random_state=1))
    blocks = pd.concat([group for _, group in reversed(list(frame.groupby("request_id")))])
    for source in (shuffled, CandidateFiles(blocks)):
        assert np.array_equal(source.user_ids, expected.user_ids)
        assert all(are_equal(source.read(day), expected.read(day)) for day in expected.days)


def test_files_of_many_row_groups_and_folders_give_the_same_days(tmp_path):
    frame = small_world(ids="string", budget=5.0, n_requests_per_day=80)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(table, tmp_path / "one.parquet", row_group_size=100)
    (tmp_path / "parts").mkdir()
    for day, part in frame.groupby("day"):
        part.to_parquet(tmp_path / "parts" / f"{day}.parquet", index=False)
    expected = CandidateFiles(frame)
    for path in (tmp_path / "one.parquet", tmp_path / "parts"):
        source = CandidateFiles(path)
        assert source.days == expected.days and np.array_equal(source.budgets, expected.budgets)
        assert all(are_equal(source.read(day), expected.read(day)) for day in source.days)


def test_requests_are_in_the_order_of_time_with_all_that_belongs_to_them():
    frame = small_world(is_ragged=True, n_requests_per_day=50).sample(frac=1, random_state=2)
    source = CandidateFiles(frame)
    day = source.read(1, ("request_id", "timestamp", "user_id", "item_id", "p_click"))
    own = frame[frame["day"] == 1].set_index(["request_id", "item_id"])
    assert np.all(np.diff(day.columns["timestamp"]) >= 0)
    assert np.array_equal(day.n_candidates, own.groupby("request_id").size().to_numpy())
    rows = own.loc[list(zip(day.columns["request_id"], day.columns["item_id"], strict=True))]
    assert np.array_equal(source.user_ids[day.user][day.request_of_row()], rows["user_id"])
    assert np.array_equal(source.advertiser_ids[day.advertiser], rows["advertiser_id"])
    assert np.array_equal(np.array(source.item_buckets)[day.item_bucket], rows["item_bucket"])
    assert np.array_equal(day.pctr, rows[["pctr_a", "pctr_b"]].to_numpy().T)
    assert np.array_equal(day.pcvr, rows[["pcvr_a", "pcvr_b"]].to_numpy().T)
    assert np.array_equal(day.columns["p_click"], rows["p_click"])


def test_buckets_budgets_and_given_arms_are_those_of_the_file():
    frame = small_world(budget=5.0)
    frame["arm"] = np.where(frame["user_id"] % 2 == 1, "b", "a")
    frame.loc[frame["advertiser_id"] == 3, "budget"] = np.nan
    source = CandidateFiles(frame)
    assert source.user_buckets == source.item_buckets == BUCKETS
    assert np.array_equal(source.user_bucket, source.user_ids % 3)
    assert np.array_equal(source.assigned, source.user_ids % 2)
    assert source.budgets.tolist() == [np.inf if advertiser == 3 else 5.0 for advertiser in range(12)]


def test_without_optional_columns_there_is_one_bucket_and_no_budget():
    source = CandidateFiles(small_world().drop(columns=["user_bucket", "item_bucket", "timestamp"]))
    assert source.user_buckets == source.item_buckets == ("all",)
    assert source.budgets is None and source.assigned is None
    assert not source.read(0).item_bucket.any()


def test_odd_rows_are_kept_and_counted():
    frame = small_world(is_ragged=True)
    frame.loc[[3, 5], "pctr_b"] = 0.0
    source = CandidateFiles(frame)
    assert source.excluded["candidates_with_ecpm_0_in_b"] == 2
    assert source.excluded["candidates_with_ecpm_0_in_a"] == 0
    alone = int((frame.groupby("request_id").size() == 1).sum())
    assert source.excluded["requests_with_one_candidate"] == alone > 0
    assert sum(source.read(day).item_key.size for day in source.days) == len(frame)


def at(column, rows, value):
    """Sets a column in some rows."""

    def change(frame):
        if frame[column].dtype.kind == "f":
            frame.loc[rows, column] = value
        else:
            frame[column] = frame[column].astype(object)
            frame.loc[rows, column] = value
            frame[column] = frame[column].infer_objects()
        return frame

    return change


SAID = {
    "a negative bid": (
        at("bid", [3], -1.0),
        r"bid: expected .* above 0, got 1 other\(s\): -1 in day 0, request 0",
    ),
    "no bid": (at("bid", [3, 4], 0.0), r"bid: .* got 2 other"),
    "an endless bid": (at("bid", [3], np.inf), "bid: expected a finite number"),
    "a score above 1": (at("pcvr_b", [3], 1.5), "pcvr_b: expected a probability from 0 to 1, got 1 other"),
    "a negative score": (at("pctr_a", [3], -0.1), "pctr_a: expected a probability"),
    "a missing score": (at("pctr_a", [3], np.nan), "pctr_a: expected a value in every row, got 1 other"),
    "a duplicate": (lambda frame: pd.concat([frame, frame[:2]]), r"request_id, item_id: .* got 4 other"),
    "a request of two users": (at("user_id", [0], 777), "user_id: expected one value within a request"),
    "a request on two days": (at("day", [0], 2), "day: expected one value for each request_id, got 1 other"),
    "a request at two times": (at("timestamp", [0], 5), "timestamp: expected one value within a request"),
    "a bucket that changes within a day": (
        at("item_bucket", [0], "new"),
        r"item_bucket: expected one value for each item_id, got 1 .*treatment after the fact",
    ),
    "a bucket that changes between days": (
        lambda frame: frame.assign(user_bucket=np.where(frame["day"] == 2, "late", frame["user_bucket"])),
        r"user_bucket: expected one value for each user_id.*treatment after the fact",
    ),
    "a user in both arms": (
        lambda frame: frame.assign(arm=np.where(frame["day"] == 2, "b", "a")),
        "arm: expected one value for each user_id",
    ),
    "an unknown arm": (lambda frame: frame.assign(arm="c"), r"arm: expected a or b .* 'c'"),
    "a negative budget": (lambda frame: frame.assign(budget=-1.0), "budget: expected 0 or more"),
    "a budget that changes": (
        lambda frame: frame.assign(budget=1.0 + frame["day"]),
        "budget: expected one value for each advertiser_id, got 12 other",
    ),
    "a negative day": (at("day", [0], -1), "day: expected 0 or more, got -1"),
    "no rows": (lambda frame: frame[:0], "expected rows, got none"),
    "missing columns": (
        lambda frame: frame.drop(columns=["bid", "pctr_b"]),
        r"2 problem\(s\) in the columns\n- bid: .*\n- pctr_b: .*\nRemedy",
    ),
    "a user without an id": (
        lambda frame: frame.astype({"user_id": str}).assign(
            user_id=lambda t: t["user_id"].where(t.index > 0, "")
        ),
        r"user_id: expected an id in every row, got 1 other\(s\): day 0, request 0",
    ),
    "dates": (
        lambda frame: frame.assign(timestamp=pd.to_datetime(frame["timestamp"], unit="s")),
        r"timestamp: expected numbers, got timestamp\[.*seconds = \(timestamp -",
    ),
    "lists": (
        lambda frame: frame.assign(item_bucket=[["a"]] * len(frame)),
        "item_bucket: expected one name in each row, got list",
    ),
    "float ids": (
        lambda frame: frame.assign(user_id=frame["user_id"] + 0.0),
        "user_id: expected integers or strings, got double",
    ),
}


@pytest.mark.parametrize("what", SAID)
def test_bad_input_is_refused_with_its_count(what):
    change, words = SAID[what]
    with pytest.raises(ValueError, match=words):
        CandidateFiles(change(small_world(n_requests_per_day=40)))


def test_every_problem_is_told_at_once():
    frame = small_world(n_requests_per_day=40)
    frame.loc[[0, 900], "bid"] = -2.0
    frame.loc[7, "pctr_b"] = 2.0
    with pytest.raises(ValueError, match=r"2 problem\(s\)") as told:
        CandidateFiles(frame)
    assert "got 2 other(s)" in str(told.value) and "pctr_b" in str(told.value)


@pytest.mark.parametrize(
    "change",
    {
        "text views": lambda t: t.set_column(0, "request_id", t["request_id"].cast(pa.string_view())),
        "categories": lambda t: t.set_column(
            t.column_names.index("item_bucket"), "item_bucket", t["item_bucket"].dictionary_encode()
        ),
        "decimals": lambda t: t.set_column(
            t.column_names.index("bid"), "bid", t["bid"].cast(pa.decimal128(38, 20), safe=False)
        ),
        "bytes": lambda t: t.set_column(0, "request_id", t["request_id"].cast(pa.binary())),
    }.items(),
    ids=lambda change: change[0],
)
def test_types_that_say_the_same_are_the_same_candidates(tmp_path, change):
    frame = small_world(n_requests_per_day=40).astype({"request_id": str})
    frame = frame[["request_id", *(name for name in frame if name != "request_id")]]
    expected = CandidateFiles(frame).read(1)
    pq.write_table(change[1](pa.Table.from_pandas(frame, preserve_index=False)), tmp_path / "typed.parquet")
    frame.to_csv(tmp_path / "typed.csv.gz", index=False)
    day = CandidateFiles(tmp_path / "typed.parquet").read(1)
    assert day.request_key.tolist() == expected.request_key.tolist()
    assert day.bid == pytest.approx(expected.bid)
    assert day.item_bucket.tolist() == expected.item_bucket.tolist()


def test_candidates_of_a_csv_are_those_of_a_frame(tmp_path):
    frame = small_world(n_requests_per_day=40)
    frame.to_csv(tmp_path / "c.csv.gz", index=False)
    one, other = CandidateFiles(frame).read(1), CandidateFiles(tmp_path / "c.csv.gz").read(1)
    assert one.request_key.tolist() == other.request_key.tolist()
    assert one.pctr.tolist() == other.pctr.tolist()


def test_a_column_twice_and_a_file_that_is_no_parquet_are_refused(tmp_path):
    table = pa.Table.from_pandas(small_world(n_requests_per_day=40), preserve_index=False)
    pq.write_table(table.append_column("bid", table["bid"]), tmp_path / "twice.parquet")
    with pytest.raises(
        ValueError,
        match=r"expected each column once, got .* Remedy: write the file again with distinct names",
    ):
        CandidateFiles(tmp_path / "twice.parquet")
    (tmp_path / "text.parquet").write_text("request_id,user_id\n1,2\n")
    with pytest.raises(ValueError, match=r"text.parquet: expected a parquet file that can be read.*Remedy"):
        CandidateFiles(tmp_path / "text.parquet")


def test_folders_say_ids_and_buckets_as_in_every_other_table(tmp_path):
    frame = small_world(n_requests_per_day=40)
    codes = frame["advertiser_id"].map({n: "007" if n % 2 else "7" for n in frame["advertiser_id"].unique()})
    frame = frame.assign(advertiser_id=codes, user_bucket=np.where(frame["user_id"] % 2, "01", "1"))
    by = ["day", "advertiser_id", "user_bucket"]
    for (day, advertiser, bucket), part in frame.groupby(by):
        folder = tmp_path / f"day={day}" / f"advertiser_id={advertiser}" / f"user_bucket={bucket}"
        folder.mkdir(parents=True)
        part.drop(columns=by).to_parquet(folder / "part.parquet", index=False)
    (tmp_path / "README.md").write_text("what this is")  # as job runners leave it
    source, expected = CandidateFiles(tmp_path), CandidateFiles(frame)
    assert source.user_buckets == expected.user_buckets == ("01", "1")
    assert source.advertiser_ids.tolist() == expected.advertiser_ids.tolist() == ["007", "7"]
    assert source.days == expected.days
    assert all(are_equal(source.read(day), expected.read(day)) for day in source.days)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda part: part.assign(user_id=part["user_id"].astype(str)), "user_id as int64, as in"),
        (lambda part: part.drop(columns="p_click"), r"got no \['p_click'\]"),
        (lambda part: part.assign(day=part["day"] * 1.0), "day as int64, as in"),
    ],
    ids=["ids of two kinds", "a column that one lacks", "days of two kinds"],
)
def test_parts_that_are_no_one_table_are_refused(tmp_path, change, words):
    frame = small_world(n_requests_per_day=10)
    frame.to_parquet(tmp_path / "a.parquet", index=False)
    change(frame.assign(request_id=frame["request_id"] + 10**6)).to_parquet(
        tmp_path / "b.parquet", index=False
    )
    with pytest.raises(ValueError, match=rf"b.parquet: expected .*{words}.*Remedy"):
        CandidateFiles(tmp_path)


def test_parts_that_hold_a_column_in_several_widths_are_one_table(tmp_path):
    frame = small_world(n_requests_per_day=10)
    for day, part in frame.groupby("day"):
        kind = ("int16", "int64", "category")[day % 3]
        part.astype({"item_id": kind}).to_parquet(tmp_path / f"{day}.parquet", index=False)
    source, expected = CandidateFiles(tmp_path / "*.parquet"), CandidateFiles(frame)
    assert all(
        np.array_equal(source.read(day).item_key, expected.read(day).item_key) for day in expected.days
    )


def test_an_unknown_day_or_column_is_refused():
    source = CandidateFiles(small_world())
    with pytest.raises(ValueError, match=r"day: expected one of \[0, 1, 2\], got 7"):
        source.read(7)
    with pytest.raises(ValueError, match="what the environment asks for, got no p_view"):
        source.read(0, ("p_view",))


def test_a_file_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(ValueError, match=r"none.parquet: expected a file, got nothing there. Remedy"):
        CandidateFiles(tmp_path / "none.parquet")
