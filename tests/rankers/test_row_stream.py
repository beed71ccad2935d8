"""The row stream: every row in its place whatever the number of processes and workers, from any position."""

from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from learn_rank.data.batch import joined
from learn_rank.engine import BatchColumns, RowStream, StreamPosition
from learn_rank.engine.position import after_rows, group_order, spans
from learn_recall.store import id_keys

N_ROWS = 1003


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    generator = np.random.default_rng(0)
    rows = pa.table(
        {
            "code": np.arange(N_ROWS),
            "tags": [generator.integers(0, 9, generator.integers(0, 3)).tolist() for _ in range(N_ROWS)],
            "item_id": [f"item {row % 7}" for row in range(N_ROWS)],
            "context_id": np.arange(N_ROWS) % 11,
            "click": np.ones(N_ROWS, np.int64),
            "unused": ["x"] * N_ROWS,
        }
    )
    pq.write_table(rows[:600], folder / "a.parquet", row_group_size=130)
    pq.write_table(rows[600:], folder / "b.parquet", row_group_size=77)
    return [folder / "a.parquet", folder / "b.parquet"]


COLUMNS = BatchColumns(("code", "tags"), history=None, conversion=None)


def stream_of(files, **settings) -> RowStream:
    return RowStream(files, COLUMNS.names, COLUMNS.batch, **{"batch_size": 96, "n_lanes": 4, **settings})


def rows_of(batch) -> list[int]:
    return batch.sparse["code"].values().tolist()


def epoch_of(stream, position=StreamPosition(), **share) -> list[list[int]]:  # noqa: B008
    return [rows_of(batch) for batch in stream.batches(position, **share)]


@pytest.mark.parametrize("n_ranks", [2, 4])
def test_the_parts_of_the_processes_are_the_batch_of_one_process_in_order(files, n_ranks):
    stream = stream_of(files)
    parts = [epoch_of(stream, rank=rank, n_ranks=n_ranks) for rank in range(n_ranks)]
    whole = epoch_of(stream)
    assert [list(chain(*of_ranks)) for of_ranks in zip(*parts, strict=True)] == whole
    assert all(len({len(part) for part in of_ranks}) == 1 for of_ranks in zip(*parts, strict=True))
    assert len(whole) == stream.n_batches == 11


def test_an_epoch_is_every_row_once_but_for_a_remainder_smaller_than_the_lanes(files):
    seen = list(chain(*epoch_of(stream_of(files))))
    assert len(seen) == len(set(seen)) == N_ROWS // 4 * 4


@pytest.mark.parametrize("n_ranks", [1, 2, 4])
def test_scoring_leaves_no_row_out_and_gives_every_process_as_many_batches(files, n_ranks):
    stream = stream_of(files, keeps_all=True, seed=None)
    parts = [epoch_of(stream, rank=rank, n_ranks=n_ranks) for rank in range(n_ranks)]
    assert {len(part) for part in parts} == {stream.n_batches}
    assert sorted(row for part in parts for batch in part for row in batch) == list(range(N_ROWS))


@pytest.mark.parametrize("batch", [0, 1, 5, 10, 11])
def test_from_any_position_the_rest_of_the_epoch_is_the_same(files, batch):
    stream = stream_of(files)
    assert epoch_of(stream, StreamPosition(3, batch)) == epoch_of(stream, StreamPosition(3, 0))[batch:]


def test_workers_read_their_lanes_and_change_no_row(files):
    stream = stream_of(files)
    share = {"rank": 1, "n_ranks": 2}
    with_workers = epoch_of(stream, StreamPosition(0, 3), n_workers=2, start_method="fork", **share)
    assert with_workers == epoch_of(stream, StreamPosition(0, 3), **share)


def test_epochs_and_seeds_have_their_own_orders_and_no_seed_keeps_that_of_the_files(files):
    first = epoch_of(stream_of(files))
    assert first == epoch_of(stream_of(files))
    assert first != epoch_of(stream_of(files), StreamPosition(1, 0))
    assert first != epoch_of(stream_of(files, seed=1))
    lanes = N_ROWS // 4
    assert epoch_of(stream_of(files, seed=None))[0] == [
        lane * lanes + row for lane in range(4) for row in range(24)
    ]


def test_a_process_reads_the_row_groups_of_its_lanes_and_one_at_a_time(files, monkeypatch):
    read = []
    original = pq.ParquetFile.read_row_group

    def watched(self, number, columns):
        table = original(self, number, columns=columns)
        read.append((len(table), tuple(columns)))
        return table

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", watched)
    stream = stream_of(files)
    epoch_of(stream, rank=0, n_ranks=4)
    assert sum(size for size, _ in read) < 0.6 * N_ROWS  # a fourth, and the groups shared with a neighbour
    assert {columns for _, columns in read} == {COLUMNS.names}
    read.clear()
    next(stream.batches())
    assert len(read) == 4, "one row group a lane is decoded for the first batch"
    read.clear()
    next(stream.batches(StreamPosition(0, 9)))
    assert len(read) <= 8, "a position is reached without reading what lies before it"


def test_strings_become_keys_and_lists_become_bags(files):
    stream = stream_of(files, seed=None)
    batch = next(stream.batches())
    rows = rows_of(batch)
    assert (
        batch.sparse["learn_item"].values().tolist() == id_keys([f"item {row % 7}" for row in rows]).tolist()
    )
    assert batch.sparse["learn_user"].values().tolist() == [row % 11 for row in rows]
    tags = pq.read_table(files, columns=["tags"])["tags"].to_pylist()
    assert [bag.tolist() for bag in batch.sparse["tags"].to_dense()] == [tags[row] for row in rows]
    assert batch.dense.shape == (96, 0)
    assert torch.isnan(batch.conversion).all()


def test_a_null_conversion_is_nan_and_a_null_list_is_empty_by_hand():
    columns = BatchColumns(("code",), ("price",))
    rows = pa.table(
        {
            "code": [3, 4],
            "price": [0.5, -1.0],
            "context_id": [1, 2],
            "item_id": [5, 6],
            "history": pa.array([[7, 8], None], type=pa.list_(pa.int64())),
            "click": [1, 0],
            "conversion": pa.array([1, None], type=pa.int64()),
        }
    )
    batch = columns.batch(rows)
    assert batch.sparse.keys() == ["code", "learn_user", "learn_item", "learn_history"]
    assert batch.sparse["learn_history"].lengths().tolist() == [2, 0]
    assert batch.sparse["learn_history"].values().tolist() == [7, 8]
    assert batch.dense.tolist() == [[0.5], [-1.0]]
    assert batch.conversion[0] == 1
    assert torch.isnan(batch.conversion[1])


ROWS = {
    "code": [3, 4],
    "price": [0.5, -1.0],
    "context_id": [1, 2],
    "item_id": [5, 6],
    "history": pa.array([[7, 8], [9]]),
    "history_converted": pa.array([[True, False], [True]]),
    "click": [1, 0],
    "conversion": pa.array([1, None]),
}
ALL_COLUMNS = BatchColumns(("code",), ("price",), history_converted="history_converted")


@pytest.mark.parametrize(
    ("column", "values", "word"),
    [
        ("code", pa.array([None, 1]), "code: expected no null code, got 1 in 2 rows"),
        ("code", [-1, 1], "code: expected codes from 0 on, got -1"),
        ("code", [0.5, 1.0], "code: expected integer codes, got double"),
        ("code", pa.array([[1, None], [2]]), "code: expected no null code"),
        ("item_id", pa.array(["a", None]), "item_id: expected no null id"),
        ("item_id", [1.0, 2.0], "item_id: .*float64"),
        ("history", pa.array([[7, None], [9]]), "history: expected no null id"),
        ("click", [2, 0], "click: expected 0 or 1 in each row, got 2"),
        ("click", pa.array([1, None]), "click: expected 0 or 1 in each row, got nan"),
        ("click", ["1", "0"], "click: expected numbers, got string"),
        ("conversion", pa.array([3, None]), "conversion: expected 0, 1 or null"),
        ("conversion", pa.array([1, 1]), "conversion: expected a conversion only where clicked"),
        ("conversion", pa.array([None, 0]), "conversion: expected 0 or 1 where clicked"),
        ("price", pa.array([0.5, None]), "price: expected a finite number"),
        ("price", [0.5, 1e39], "price: expected a finite number in each row, within float32, got 1e"),
        ("history_converted", pa.array([[True], [True]]), "history_converted: .*got 1 beside 2"),
        ("history_converted", pa.array([[2, 0], [1]]), "history_converted: expected 0 or 1"),
    ],
)
def test_a_column_that_a_table_would_be_refused_for_is_refused_by_its_name(column, values, word):
    ALL_COLUMNS.batch(pa.table(ROWS))
    with pytest.raises(ValueError, match=word):
        ALL_COLUMNS.batch(pa.table({**ROWS, column: values}))


@pytest.mark.parametrize("kind", [pa.list_(pa.int64(), 2), pa.large_list(pa.int64()), pa.list_(pa.int32())])
def test_lists_of_every_kind_are_lists(kind):
    for null in ([], [None]):  # a null list of fixed size holds values all the same
        cells = [[7, 8], *null, [9, 7]]
        n = len(cells)
        rows = {name: [values[0]] * n for name, values in pa.table(ROWS).to_pydict().items()}
        batch = BatchColumns(("code",)).batch(pa.table({**rows, "history": pa.array(cells, kind)}))
        assert batch.sparse["learn_history"].values().tolist() == [7, 8, 9, 7]
        assert batch.sparse["learn_history"].lengths().tolist() == [2, *[0] * len(null), 2]


def test_files_of_other_types_are_no_one_stream(tmp_path):
    for name, codes in (("a", [1, 2]), ("b", ["1", "2"])):
        pq.write_table(pa.table({**ROWS, "code": codes}), tmp_path / f"{name}.parquet")
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    with pytest.raises(
        ValueError, match=r"b\.parquet: expected code as int64, as in .*a\.parquet, got string"
    ):
        RowStream(files, ALL_COLUMNS.names, ALL_COLUMNS.batch, batch_size=1, n_lanes=1)


def test_batches_put_together_are_the_batch_of_their_rows(files):
    rows = pq.read_table(files, columns=list(COLUMNS.names))
    whole = COLUMNS.batch(rows[:50])
    parts = joined([COLUMNS.batch(rows[:20]), COLUMNS.batch(rows[20:20]), COLUMNS.batch(rows[20:50])])
    assert torch.equal(whole.sparse.values(), parts.sparse.values())
    assert torch.equal(whole.sparse.lengths(), parts.sparse.lengths())
    assert torch.equal(whole.click, parts.click)
    with pytest.raises(ValueError, match="at least one"):
        joined([])


def test_a_batch_moves_whole_as_torchrecs_pipelines_ask(files):
    batch = next(stream_of(files).batches())
    moved = batch.to(torch.device("meta"))
    assert {moved.dense.device.type, moved.click.device.type, moved.sparse.values().device.type} == {"meta"}


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
    st.integers(1, 5),
    st.booleans(),
    st.integers(0, 12),
)
def test_lanes_cut_an_epoch_into_disjoint_equal_parts(sizes, n_lanes, keeps_all, gone):
    order = group_order(len(sizes), seed=4, epoch=2)
    lanes = [spans(sizes, order, lane=lane, n_lanes=n_lanes, keeps_all=keeps_all) for lane in range(n_lanes)]
    rows = [[(s.group, row) for s in lane for row in range(s.start, s.stop)] for lane in lanes]
    flat = list(chain(*rows))
    in_order = [(group, row) for group in order for row in range(sizes[group])]
    assert flat == in_order[: len(flat)]
    assert len(flat) == (sum(sizes) if keeps_all else sum(sizes) // n_lanes * n_lanes)
    assert max(map(len, rows)) - min(map(len, rows)) <= int(keeps_all)
    left = after_rows(lanes[0], gone)
    assert [(s.group, row) for s in left for row in range(s.start, s.stop)] == rows[0][gone:]


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"batch_size": 97}, "batch_size: expected a multiple"),
        ({"n_lanes": 2000, "batch_size": 2000}, "files: expected at least n_lanes"),
    ],
)
def test_a_stream_that_cannot_be_cut_is_refused(files, settings, word):
    with pytest.raises(ValueError, match=word):
        stream_of(files, **settings)


def test_columns_that_are_missing_and_lanes_that_do_not_divide_are_named(files):
    with pytest.raises(ValueError, match="price"):
        RowStream(files, ["price"], COLUMNS.batch, batch_size=8)
    with pytest.raises(ValueError, match="n_lanes: expected a multiple"):
        next(stream_of(files).batches(rank=0, n_ranks=3))
