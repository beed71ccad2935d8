"""Random columns in every type that parquet holds: a stream gives what a table gives, or refuses the same."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_tables import INT_TYPES, TEXT_TYPES, WORDS, as_typed

from learn_rank.engine import BatchColumns, RowStream
from learn_recall.store import id_keys
from learn_recall.tables import TableError, read_impressions

COLUMNS = BatchColumns(("code",), ("price",), user="user_id", history=None)
BINARY = (pa.binary(), pa.large_binary(), pa.binary_view())
LABEL_TYPES = (pa.int64(), pa.uint8(), pa.float32(), pa.float64(), pa.decimal128(5, 0))
READ_APART = settings(max_examples=15, deadline=None)


def cells(values, n_rows):
    return st.lists(values, min_size=n_rows, max_size=n_rows)


@st.composite
def id_columns(draw, n_rows):
    """Ids and the type in which parquet gets them."""
    if draw(st.booleans()):
        return draw(cells(st.integers(0, 2**63 - 1), n_rows)), draw(st.sampled_from(INT_TYPES))
    words = WORDS if draw(st.integers(0, 3)) else st.sampled_from(["", "a", None])
    return draw(cells(words, n_rows)), draw(st.sampled_from((*TEXT_TYPES, *BINARY)))


@st.composite
def tables(draw):
    n = draw(st.integers(1, 6))
    typed = {name: as_typed(*draw(id_columns(n))) for name in ("user_id", "item_id")}
    of_click = draw(st.sampled_from(([0, 1], [0, 1], [0, 1, 2], [0, None], [0, 0.5])))
    clicks = draw(cells(st.sampled_from(of_click), n))
    conversions = [draw(st.sampled_from((0, 1))) if click == 1 else None for click in clicks]
    if not draw(st.integers(0, 4)):
        conversions[0] = draw(st.sampled_from((1, None, 2)))
    kind = pa.float64() if 0.5 in clicks else draw(st.sampled_from(LABEL_TYPES))
    typed["click"] = pa.array(clicks, pa.float64()).cast(kind)
    typed["conversion"] = pa.array(conversions, pa.float64()).cast(draw(st.sampled_from(LABEL_TYPES)))
    prices = st.sampled_from(draw(st.sampled_from(([0.5, 1.0], [0.5, None], [0.5, float("inf")]))))
    typed["price"] = pa.array(draw(cells(prices, n)), draw(st.sampled_from((pa.float32(), pa.float64()))))
    typed["code"] = pa.array(
        draw(cells(st.integers(0, 9), n)), draw(st.sampled_from((pa.int8(), pa.uint64())))
    )
    return pa.table(typed)


def read_as_table(path):
    """What the reader of tables gives, and the columns that it refuses."""
    try:
        return read_impressions(path, dense=["price"], categorical=["code"]), set()
    except TableError as error:
        return None, {problem.column for problem in error.problems}


@READ_APART
@given(tables(), st.integers(1, 3))
def test_a_stream_gives_the_values_of_a_table_or_refuses_a_column_that_it_refuses(
    tmp_path_factory, table, group_rows
):
    path = tmp_path_factory.mktemp("rows") / "t.parquet"
    pq.write_table(table, path, row_group_size=group_rows)
    stream = RowStream([path], COLUMNS.names, COLUMNS.batch, 1, n_lanes=1, seed=None, keeps_all=True)
    rows, refused = read_as_table(path)
    if refused:
        with pytest.raises(ValueError, match=f"^({'|'.join(sorted(refused))}): expected .*Remedy: "):
            list(stream.batches())
        return
    batches = list(stream.batches())
    assert len(batches) == len(rows)
    for key, name in (("learn_user", "user_id"), ("learn_item", "item_id")):
        found = [int(batch.sparse[key].values()[0]) for batch in batches]
        assert found == id_keys(rows[name]).tolist()
    assert [int(batch.sparse["code"].values()[0]) for batch in batches] == rows["code"].tolist()
    for name in ("click", "conversion"):
        found = [float(getattr(batch, name)[0]) for batch in batches]
        np.testing.assert_array_equal(found, rows[name].to_numpy(np.float32))
    dense = [float(batch.dense[0, 0]) for batch in batches]
    np.testing.assert_array_equal(dense, rows["price"].to_numpy(np.float32))


@READ_APART
@given(st.data())
def test_the_ids_of_histories_are_keys_whatever_their_type(data):
    ids, kind = data.draw(id_columns(data.draw(st.integers(1, 5))))
    if None in ids or "" in ids:
        ids = ["x" if each in (None, "") else each for each in ids]
    flat = as_typed(ids, kind)
    cut = data.draw(st.integers(0, len(ids)))
    lists = pa.ListArray.from_arrays(pa.array([0, cut, len(ids)], pa.int32()), flat)
    rows = pa.table(
        {
            "code": [1, 2],
            "context_id": [1, 2],
            "item_id": [1, 2],
            "history": lists,
            "click": [1, 0],
            "conversion": pa.array([1.0, None]),
        }
    )
    sparse = BatchColumns(("code",)).batch(rows).sparse
    assert sparse["learn_history"].values().tolist() == id_keys(ids).tolist()
    assert sparse["learn_history"].lengths().tolist() == [cut, len(ids) - cut]


def test_files_that_are_no_parquet_or_hold_a_column_twice_are_named(tmp_path):
    (tmp_path / "t.parquet").write_text("user_id\n1\n")
    twice = pa.Table.from_arrays([pa.array([1])] * 2, names=["code", "code"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    for name, words in (
        ("t", "expected a parquet file that can be read"),
        ("twice", "expected each column once"),
    ):
        with pytest.raises(ValueError, match=rf"{name}.parquet: {words}, got .*Remedy: "):
            RowStream([tmp_path / f"{name}.parquet"], ["code"], COLUMNS.batch, 1, n_lanes=1)


def test_ids_beyond_64_bits_and_ids_as_floats_are_refused_as_tables_refuse_them():
    rows = pd.DataFrame({"code": [1], "item_id": [1], "click": [0], "conversion": [None], "price": [1.0]})
    for ids in (np.array([2**63], np.uint64), np.array([1.0])):
        with pytest.raises(ValueError, match=r"^user_id: .*expected integers"):
            COLUMNS.batch(pa.Table.from_pandas(rows.assign(user_id=ids)))
