"""Random columns, written as parquet, csv and jsonl the way that other tools write them."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

ENDINGS = ("parquet", "csv", "jsonl")
WORDS = st.sampled_from(["007", "NA", "null", "1e5", "Bonn", "é", "a,b", 'a "b"', "x y", "-0", "true"])
INT_TYPES = (pa.int64(), pa.uint64(), pa.decimal128(20, 0), pa.dictionary(pa.int32(), pa.int64()))
TEXT_TYPES = (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()))


def arrays(values, types, n_rows):
    cells = st.lists(values, min_size=n_rows, max_size=n_rows)
    return st.tuples(cells, st.sampled_from(types))


def plain_values(column):
    """Values with None where one is missing; integers that came as floats are integers again."""
    values = [None if missing else value for value, missing in zip(column, column.isna(), strict=True)]
    return [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]


def written(table, path):
    """Write an arrow table as the format that the name says; csv and jsonl as a plain tool writes them."""
    if path.suffix == ".parquet":
        pq.write_table(table, path)
        return path
    rows = table.to_pylist()
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows), encoding="utf-8")
        return path
    frame = pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype=object) for name in table.column_names}
    )
    frame.to_csv(path, index=False)
    return path


def as_typed(values, kind):
    return (
        pa.array(values).dictionary_encode() if pa.types.is_dictionary(kind) else pa.array(values).cast(kind)
    )
