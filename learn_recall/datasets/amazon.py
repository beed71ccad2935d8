"""Amazon reviews as sequences (Beauty of 2014, Video Games of 2018): items, interactions, leave-one-out.

The folder holds `items.jsonl.gz` (item_id, title, categories, perhaps asin) and `sequences.txt.gz` (a user a
line, `user item item ...`, oldest first). There are no timestamps: recency is the position.
"""

import gzip
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from learn_recall import columns as c
from learn_recall.datasets.splits import LeaveOneOut, leave_one_out
from learn_recall.tables.links import check_same_ids
from learn_recall.tables.problems import SHOWN_ROWS, Problem, TableError, counted
from learn_recall.tables.read import read_table, validate_interactions, validate_items

ITEMS, SEQUENCES = "items.jsonl.gz", "sequences.txt.gz"


@dataclass(frozen=True)
class AmazonData:
    """A folder of Amazon reviews as canonical tables.

    Args:
        items: item_id, title, category (the last path, "Beauty > Makeup > Nails"; no such column where the
            folder has no categories), and the folder's further columns.
        interactions: user_id, item_id, position (0 = oldest of the user).
        split: Leave-one-out of the interactions.
    """

    items: pd.DataFrame
    interactions: pd.DataFrame
    split: LeaveOneOut


def read_amazon(folder: str | os.PathLike[str]) -> AmazonData:
    """Read a folder of Amazon reviews.

    Args:
        folder: holds items.jsonl.gz and sequences.txt.gz.

    Raises:
        TableError: A file is missing or damaged, or everything that is wrong with its content.
    """
    path = Path(folder)
    items = _with_category(read_table(path / ITEMS))
    interactions = _read_sequences(path / SEQUENCES)
    validate_items(items, table=str(path / ITEMS))
    validate_interactions(interactions, table=str(path / SEQUENCES))
    check_same_ids(items, {str(path / SEQUENCES): interactions})
    return AmazonData(items, interactions, leave_one_out(interactions))


def _with_category(items: pd.DataFrame) -> pd.DataFrame:
    if "categories" not in items:
        return items
    paths = [_last_path(cell) for cell in items["categories"]]
    items = items.drop(columns="categories")
    if any(path is not None for path in paths):
        items[c.CATEGORY] = pd.Series(paths, dtype="str")
    return items


def _last_path(cell: Any) -> str | None:
    return " > ".join(cell[-1]) if isinstance(cell, list) and cell and cell[-1] else None


def _read_sequences(path: Path) -> pd.DataFrame:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            lines = [line.split() for line in file]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        remedy = "copy the file again"
        raise TableError([Problem(str(path), "", "a readable file", str(error), (), remedy)]) from error
    wrong = [row for row, words in enumerate(lines) if not _is_sequence(words)]
    if wrong:
        got = f"{counted(len(wrong), 'other line')}, first {' '.join(lines[wrong[0]])[:60]!r}"
        expected = "a user and at least one item in each line, all integers"
        raise TableError(
            [Problem(str(path), "", expected, got, tuple(wrong[:SHOWN_ROWS]), "correct these lines")]
        )
    numbers = [np.array(words, dtype=np.int64) for words in lines]
    lengths = np.array([len(row) - 1 for row in numbers], dtype=np.int64)
    first = np.cumsum(lengths) - lengths
    return pd.DataFrame(
        {
            c.USER_ID: np.repeat([row[0] for row in numbers], lengths),
            c.ITEM_ID: np.concatenate([row[1:] for row in numbers]) if numbers else np.empty(0, np.int64),
            c.POSITION: np.arange(lengths.sum()) - np.repeat(first, lengths),
        }
    )


def _is_sequence(words: list[str]) -> bool:
    return len(words) > 1 and all(word.isdecimal() and word.isascii() and len(word) < 19 for word in words)


__all__ = ["AmazonData", "read_amazon"]
