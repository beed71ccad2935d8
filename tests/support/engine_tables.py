"""Tables that every engine must judge, or refuse, as memory does: for the tests of DuckDB and of Spark."""

from decimal import Decimal

import numpy as np
import pyarrow as pa

from learn_rank.uauc.count_buckets import CountBucket
from learn_rank.uauc.judgement import Question

BY_HAND = pa.table(
    {
        "user_id": ["ann", "ann", "ann", "bob", "bob", "cid"],
        "click": [1, 0, 0, 1, 0, 1],
        "pctr": [0.9, 0.1, 0.9, 0.2, 0.3, 0.5],
    }
)
# ann wins one pair and ties one, bob loses his, cid has one class. Over all rows the positives .9, .2 and .5
# meet the negatives .1, .9 and .3: 2 1/2 + 1 + 2 of 9 pairs
VALUES_BY_HAND = {"AUC": 5.5 / 9, "UAUC": (0.75 + 0) / 2, "WUAUC": (3 * 0.75 + 2 * 0) / 5}

ASKED = Question(
    baseline_score="old",
    buckets=("kind",),
    count_buckets=(CountBucket.parse("n:3:20"),),
    wuauc="n",
)


def rows(n_rows=900, seed=0):
    """Many ties, users of one row and of one class, ids beyond ASCII, a bucket of three names, counts."""
    rng = np.random.default_rng(seed)
    user = rng.zipf(1.4, n_rows) % 120
    return pa.table(
        {
            "user_id": [f"ü{each}" for each in user],
            "click": rng.random(n_rows) < 0.3,
            "pctr": np.round(rng.normal(0, 1, n_rows), 1).astype(np.float32),
            "old": rng.integers(-3, 3, n_rows),
            "kind": rng.choice(["b", "A", "cold-start"], n_rows),
            "n": rng.integers(0, 40, n_rows),
        }
    )


def with_column(table, name, values):
    """The table with one column replaced, in its place; NaN stays NaN."""
    column = values if isinstance(values, pa.Array) else pa.array(values)
    return table.set_column(table.column_names.index(name), name, column)


def kinds():
    """Tables whose columns engines hold in types of their own; all are the table by hand, or say the same."""
    unsigned = pa.array([2**63 + 5] * 3 + [7, 7, 2**64 - 1], pa.uint64())
    decimals = pa.array([Decimal(text) for text in (".9", ".1", ".9", ".2", ".3", ".5")])
    wide = pa.array([Decimal(text) for text in ("1", "0", "0", "1", "0", "1")], pa.decimal128(5, 1))
    zeros = pa.array([0.0, -1.0, -0.0, -0.75, -0.7, -0.5], pa.float64())
    return {
        "unsigned ids beyond 63 bits": with_column(BY_HAND, "user_id", unsigned),
        "decimal scores": with_column(BY_HAND, "pctr", decimals),
        "decimal labels": with_column(BY_HAND, "click", wide),
        "truth values": with_column(BY_HAND, "click", [True, False, False, True, False, True]),
        "floats as labels": with_column(BY_HAND, "click", [1.0, 0, 0, 1, 0, 1]),
        "whole scores": with_column(BY_HAND, "pctr", [9, 1, 9, 2, 3, 5]),
        "zeros of two signs": with_column(BY_HAND, "pctr", zeros),
        "dictionaries": with_column(
            BY_HAND, "user_id", BY_HAND["user_id"].combine_chunks().dictionary_encode()
        ),
    }


def refused():
    """What is refused -> (table, the beginning of the message, in memory and on every engine)."""
    score, other = [0.9, 0.1, 0.9, 0.2, 0.3], "got 1 other row(s)"
    users = ["ann", "ann", "ann", "bob", "bob"]
    finite, labels = f"candidate: expected finite numbers, {other}", f"labels: expected only 0 and 1, {other}"
    no_id = "users: expected an id in every row, got 1 missing"
    return {
        "a NaN among scores": (with_column(BY_HAND, "pctr", [*score, np.nan]), finite),
        "two NaN among scores": (
            with_column(BY_HAND, "pctr", [*score[:4], np.nan, np.nan]),
            "candidate: expected finite numbers, got 2 other row(s)",
        ),
        "a null among scores": (with_column(BY_HAND, "pctr", [*score, None]), finite),
        "an infinite score": (with_column(BY_HAND, "pctr", [*score, -np.inf]), finite),
        "a score beyond all numbers": (with_column(BY_HAND, "pctr", [*score, np.inf]), finite),
        "a label of 2": (with_column(BY_HAND, "click", [1, 0, 0, 1, 0, 2]), labels),
        "half a label": (with_column(BY_HAND, "click", [1, 0, 0, 1, 0, 0.5]), labels),
        "a NaN among labels": (with_column(BY_HAND, "click", [1, 0, 0, 1, 0, np.nan]), labels),
        "a null among labels": (with_column(BY_HAND, "click", [1, 0, 0, 1, 0, None]), labels),
        "a user without id": (with_column(BY_HAND, "user_id", [*users, None]), no_id),
        "an empty id": (with_column(BY_HAND, "user_id", [*users, ""]), no_id),
        "ids as floats": (
            with_column(BY_HAND, "user_id", [1.0, 1, 1, 2, 2, 3]),
            "users: expected integer or string ids, got float64",
        ),
        "a column of another case": (
            BY_HAND.rename_columns(["user_id", "click", "PCTR"]),
            "{path}: expected the columns ['user_id', 'click', 'pctr'], got no ['pctr']",
        ),
        "texts as scores": (
            with_column(BY_HAND, "pctr", list("abcdef")),
            "{path}: column pctr: expected numbers, got",
        ),
        "no rows": (BY_HAND.slice(0, 0), "{path}: expected rows, got none"),
    }
