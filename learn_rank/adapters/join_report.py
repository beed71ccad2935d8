"""What a join found, kept inside each file that it wrote."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from learn_rank.adapters.coverage import Coverage

_KEY = b"learn_rank.join"


@dataclass(frozen=True)
class JoinReport:
    """Counts over all rows of a join.

    Attributes:
        files: that were written, or were there from the same inputs and settings.
        n_kept: how many of them were there.
        n_rows: rows.
        users: coverage of the user ids, items: of the item ids, histories: of the history items.
        columns: the columns that were added.
        first_time: unix seconds of the oldest row; None where the time was not checked.
    """

    files: tuple[Path, ...]
    n_kept: int
    n_rows: int
    users: Coverage
    items: Coverage
    histories: Coverage
    columns: tuple[str, ...]
    first_time: float | None


@dataclass(frozen=True)
class FilePart:
    """Counts over the rows of one file.

    Attributes:
        n_rows: rows; users, items, histories: coverage of the ids.
    """

    n_rows: int = 0
    users: Coverage = field(default_factory=Coverage)
    items: Coverage = field(default_factory=Coverage)
    histories: Coverage = field(default_factory=Coverage)

    def __add__(self, other: FilePart) -> FilePart:
        return FilePart(
            self.n_rows + other.n_rows,
            self.users + other.users,
            self.items + other.items,
            self.histories + other.histories,
        )

    def metadata(self, made_from: dict[str, object]) -> dict[bytes, bytes]:
        """What the written file says of itself: its inputs and settings, and these counts."""
        return {_KEY: json.dumps({"made_from": made_from, "part": asdict(self)}).encode()}


def kept_part(path: Path, made_from: dict[str, object]) -> FilePart | None:
    """The counts of a file that was made from the same inputs and settings; None where it has to be made."""
    if not path.is_file():
        return None
    try:
        found = json.loads((pq.read_metadata(path).metadata or {}).get(_KEY, b"{}"))
    except (OSError, ValueError):  # not parquet, or not ours
        return None
    if found.get("made_from") != json.loads(json.dumps(made_from)):
        return None
    part = found["part"]
    sides = {
        name: Coverage(**{**part[name], "unknown_examples": tuple(part[name]["unknown_examples"])})
        for name in ("users", "items", "histories")
    }
    return FilePart(part["n_rows"], **sides)


__all__ = ["FilePart", "JoinReport", "kept_part"]
