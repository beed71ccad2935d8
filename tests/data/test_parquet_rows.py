"""Parquet rows a chunk at a time: what the reader of whole tables gives, whatever types the files have."""

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from random_tables import INT_TYPES, TEXT_TYPES, WORDS, as_typed, plain_values

from learn_rank.data.parquet_rows import ParquetRows
from learn_recall.tables.parquet_files import as_column
from learn_recall.tables.read import read_table
from learn_recall.tables.rules import Rules

BINARY = (pa.binary(), pa.large_binary(), pa.binary_view())
INTEGERS = (pa.int8(), pa.int32(), pa.int64())
NAMES = ("user_id", "bucket", "n", "x", "flag")


@st.composite
def parts(draw):
    """Two tables of the same kinds of values, in types of their own."""
    is_text = draw(st.booleans())
    values, types = (WORDS, (*TEXT_TYPES, *BINARY)) if is_text else (st.integers(0, 2**63 - 1), INT_TYPES)
    found = []
    for _ in range(2):
        n = draw(st.integers(1, 4))
        cells = {
            "user_id": as_typed(draw(st.lists(values, min_size=n, max_size=n)), draw(st.sampled_from(types))),
            "bucket": as_typed(
                draw(st.lists(WORDS, min_size=n, max_size=n)), draw(st.sampled_from((*TEXT_TYPES, *BINARY)))
            ),
            "n": pa.array(
                draw(st.lists(st.none() | st.integers(-9, 9), min_size=n, max_size=n)),
                draw(st.sampled_from(INTEGERS)),
            ),
            "x": pa.array(
                draw(st.lists(st.none() | st.integers(-9, 9).map(float), min_size=n, max_size=n)),
                draw(st.sampled_from((pa.float32(), pa.float64()))),
            ),
            "flag": pa.array(draw(st.lists(st.none() | st.booleans(), min_size=n, max_size=n)), pa.bool_()),
        }
        found.append(pa.table(cells))
    return found


@settings(max_examples=15, deadline=None)
@given(parts(), st.integers(1, 5))
def test_chunks_of_any_length_are_the_rows_of_the_table_whatever_types_its_parts_have(
    tmp_path_factory, tables, chunk_rows
):
    folder = tmp_path_factory.mktemp("parts")
    for number, table in enumerate(tables):
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=2)
    whole, rows = read_table(folder), ParquetRows.at(folder)
    chunks = list(rows.chunks(NAMES, chunk_rows))
    assert [len(chunk) for chunk in chunks[:-1]] == [chunk_rows] * (len(chunks) - 1)
    for found in (rows.read(NAMES), pa.concat_tables(chunks)):
        for name in NAMES:
            assert plain_values(as_column(found[name], name, Rules())) == plain_values(whole[name])
