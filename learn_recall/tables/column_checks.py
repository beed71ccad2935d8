"""The checks of single columns that the schemas are made of; each notes every problem and stops at none."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from learn_recall.errors import StoreError
from learn_recall.store.ids import as_id_array
from learn_recall.tables.problems import SHOWN_ROWS, Problem, ValidationReport, counted

_KINDS = {"i": "integer", "u": "integer", "f": "number", "b": "truth value", "M": "date", "m": "duration"}
_INT64 = range(-(2**63), 2**63)
_LATEST_SECONDS = 1e11  # the year 5138; a time beyond it is in milliseconds or finer


class TableCheck:
    """Collects the problems of one frame; each method looks at one kind of column."""

    def __init__(self, frame: pd.DataFrame, table: str) -> None:
        self.frame = frame
        self.table = table
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        if len(frame) == 0:
            self.add("", "at least one row", "none", "check the file or the filter before")

    def report(self) -> ValidationReport:
        """What was found."""
        return ValidationReport(self.table, len(self.frame), tuple(self.problems), tuple(self.warnings))

    def wrong_rows(
        self,
        column: str,
        is_wrong: Any,
        expected: str,
        remedy: str,
        *,
        what: str = "",
        warn: bool = False,
    ) -> None:
        """Note one problem if any row is wrong, with the first of them and their values."""
        rows = np.flatnonzero(np.asarray(is_wrong, dtype=bool))
        if len(rows) == 0:
            return
        first = tuple(int(row) for row in rows[:SHOWN_ROWS])
        values = ", ".join(_short(self.frame[column].iloc[row]) for row in first)
        noted = Problem(
            self.table, column, expected, f"{counted(len(rows), 'row')}{what}, first {values}", first, remedy
        )
        (self.warnings if warn else self.problems).append(noted)

    def ids(self, column: str) -> pd.Series | None:
        """Check a column of ids; give it back with None for what is null or blank, if it can be used."""
        if not self.has(column, "an id in each row, integer or string"):
            return None
        values = self.frame[column]
        is_null = values.isna().to_numpy()
        if values.dtype.kind not in "iufb":
            is_null = is_null | (values == "").to_numpy(dtype=bool, na_value=False)
        self.wrong_rows(column, is_null, "an id in each row", "drop these rows or give them their id")
        if not self.kind_of_ids(column):
            return None
        return values.mask(is_null) if is_null.any() else values

    def kind_of_ids(self, column: str) -> bool:
        """Check that ids are integers of 64 bits or text, wherever they are filled."""
        values = self.frame[column]
        is_null = values.isna().to_numpy()
        try:
            as_id_array(values[~is_null], name=column)
        except StoreError:
            self._wrong_kind(column, values, is_null)
            return False
        return True

    def distinct(self, column: str, ids: pd.Series, remedy: str) -> None:
        """Check that no id stands twice."""
        is_again = ids.notna() & ids.duplicated(keep=False)
        self.wrong_rows(column, is_again, "each id once", remedy, what=" that share an id")

    def texts(self, column: str, *, is_required: bool = False, is_list_allowed: bool = False) -> None:
        """Check a column of text: never blank if required, else empty cells are allowed."""
        if column not in self.frame and not is_required:
            return
        if not self.has(column, "text in each row"):
            return
        values = self.frame[column]
        is_null = values.isna().to_numpy()
        is_text = np.ones(len(values), dtype=bool)
        if values.dtype != "str":
            is_text = np.fromiter((_is_text(each, is_list_allowed) for each in values), bool, len(values))
        expected = "text or a list of text" if is_list_allowed else "text"
        remedy = "write it as text" + (" or a list of text" if is_list_allowed else "")
        self.wrong_rows(column, ~is_text & ~is_null, expected, remedy)
        if is_required:
            is_blank = is_null.copy()
            usable = is_text & ~is_null
            is_blank[usable] = (values[usable].astype("str").str.strip() == "").to_numpy(dtype=bool)
            self.wrong_rows(column, is_blank, "text in each row", "give the item a short text, or drop it")

    def amounts(self, column: str, *, is_text_allowed: bool = False) -> None:
        """Check money or the like: a number, finite, not negative; may be empty."""
        if column not in self.frame:
            return
        numbers = self.numbers(column, "a number or empty", is_text_allowed=is_text_allowed)
        remedy = "correct these cells or leave them empty"
        self.wrong_rows(column, np.isinf(numbers), "a finite number or empty", remedy)
        self.wrong_rows(column, np.isfinite(numbers) & (numbers < 0), "a number >= 0 or empty", remedy)

    def times(self, timestamp: str, position: str | None, *, may_lack: np.ndarray | None = None) -> bool:
        """Check when a row happened; give True where a usable position column is there.

        Args:
            timestamp, position: columns; position None where there is no such column.
            may_lack: (N,) bool, rows in which nothing happened and that need no time.
        """
        has_time = timestamp in self.frame
        has_position = position is not None and position in self.frame
        if not has_time and not has_position:
            expected = "timestamp (unix seconds) or position (0 = oldest of the user)"
            self.add(f"{timestamp} or {position}", expected, self._columns(), "add one of the two")
            return False
        places = np.full(len(self.frame), np.nan)
        if has_position and position is not None:
            places = self.numbers(position, "an integer >= 0")
            is_wrong = ~np.isnan(places) & ((places < 0) | (places != np.floor(places)) | np.isinf(places))
            remedy = "number each user's events 0, 1, 2, ... from the oldest"
            self.wrong_rows(position, is_wrong, "an integer >= 0", remedy)
        if has_time:
            seconds = self._times_as_seconds(timestamp)
            is_missing = self.frame[timestamp].isna().to_numpy() & np.isnan(places)
            if may_lack is not None:
                is_missing &= ~may_lack
            which = f"{timestamp} or {position}" if has_position else timestamp
            self.wrong_rows(timestamp, is_missing, f"{which} in each row", "add the time or drop the row")
            self.wrong_rows(timestamp, np.isinf(seconds), "a finite time", "correct these cells")
            is_late = np.isfinite(seconds) & (np.abs(seconds) > _LATEST_SECONDS)
            remedy = "divide milliseconds by 1,000, nanoseconds by 1e9"
            self.wrong_rows(timestamp, is_late, "unix seconds", remedy)
        elif position is not None:
            is_missing = self.frame[position].isna().to_numpy()
            self.wrong_rows(
                position, is_missing, f"{position} in each row", "number the event or drop the row"
            )
        return has_position

    def repeated(self, columns: list[str], what: str, remedy: str) -> None:
        """Warn of rows that repeat an earlier one in these columns."""
        if self.problems:
            return  # a table that is refused anyhow, and whose cells may not even be comparable
        is_again = self.frame.duplicated(subset=columns).to_numpy()
        rows = np.flatnonzero(is_again)
        if len(rows):
            first = tuple(int(row) for row in rows[:SHOWN_ROWS])
            got = f"{what}: {counted(len(rows), 'row')} like an earlier one"
            self.warnings.append(Problem(self.table, ", ".join(columns), "distinct rows", got, first, remedy))

    def numbers(self, column: str, expected: str, *, is_text_allowed: bool = False) -> np.ndarray:
        """A column as float64, NaN where it is not a number, after noting the cells that are not."""
        values = self.frame[column]
        if values.dtype.kind in "iufb":
            return values.to_numpy(dtype=np.float64, na_value=np.nan)
        if values.dtype.kind in "mM":
            self.add(column, expected, f"dtype {values.dtype}", "cast it to a number")
            return np.full(len(values), np.nan)
        numbers = pd.to_numeric(values.astype(object), errors="coerce").to_numpy(np.float64, na_value=np.nan)
        is_wrong = np.isnan(numbers) & ~values.isna().to_numpy()
        self.wrong_rows(column, is_wrong, expected, f"write {expected} there")
        has_text = any(isinstance(value, str) for value in values[values.notna()])
        if not is_wrong.any() and not is_text_allowed and has_text:
            got = f"numbers written as text (dtype {values.dtype})"
            self.add(column, expected, got, "cast the column to a number")
        return numbers

    def _times_as_seconds(self, column: str) -> np.ndarray:
        values = self.frame[column]
        if values.dtype.kind == "M":
            remedy = f'seconds = ({column} - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)'
            self.add(column, "unix seconds", f"dates (dtype {values.dtype})", remedy)
            return np.full(len(values), np.nan)
        return self.numbers(column, "unix seconds")

    def has(self, column: str, expected: str) -> bool:
        """Check that there is such a column."""
        if column in self.frame:
            return True
        self.add(column, expected, f"no such column; {self._columns()}", "add it, or rename yours")
        return False

    def _columns(self) -> str:
        return f"columns {', '.join(map(str, self.frame.columns[:12]))}" + (
            ", ..." if len(self.frame.columns) > 12 else ""
        )

    def _wrong_kind(self, column: str, values: pd.Series, is_null: np.ndarray) -> None:
        expected = "only integers or only strings"
        if values.dtype.kind == "f":
            remedy = 'cast to "int64" (an integer column with empty cells becomes float: drop those first)'
            self.add(column, expected, f"dtype {values.dtype}", remedy)
            return
        if values.dtype.kind in "iu" or values[~is_null].map(_is_integer).all():
            is_beyond = np.array(
                [
                    not null and not _INT64.start <= value < _INT64.stop
                    for value, null in zip(values, is_null, strict=True)
                ],
                bool,
            )
            remedy = 'write the ids as text in every table (in Python, read with ids="string")'
            self.wrong_rows(column, is_beyond, "integers of 64 bits, or text", remedy, what=" beyond them")
            return
        kinds = values.map(lambda each: type(each).__name__).where(~is_null)
        rare = kinds.value_counts().index[-1]
        counts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.value_counts().items())
        remedy = f"cast the column to integers or to text in every table ({counts})"
        if set(kinds.dropna()) == {"int", "str"}:
            remedy += '; in Python ids="string" reads all as text'
        self.wrong_rows(column, (kinds == rare).to_numpy(), expected, remedy, what=f" of kind {rare}")

    def add(self, column: str, expected: str, got: str, remedy: str) -> None:
        """Note a problem that is not about single rows."""
        self.problems.append(Problem(self.table, column, expected, got, (), remedy))


def column_kind(values: pd.Series) -> str:
    """What a column holds: "integer", "number", "text", "truth value", "date", "list", "empty", or a type.

    Example:
        >>> column_kind(pd.Series([1, None], dtype=object)), column_kind(pd.Series(["1", "a"]))
        ('integer', 'text')
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        return column_kind(values.dtype.categories.to_series())
    if values.isna().all():
        return "empty"
    kind = _KINDS.get(values.dtype.kind)
    if kind is not None or values.dtype != object:
        return kind if kind is not None else "text" if values.dtype == "str" else str(values.dtype)
    kinds = {_kind_of(type(value)) for value in values[values.notna()]}
    if kinds == {"integer", "number"}:
        return "number"
    return " and ".join(sorted(kinds))


def _kind_of(kind: type) -> str:
    usual: tuple[tuple[Any, str], ...] = (
        (bool | np.bool_, "truth value"),
        (int | np.integer, "integer"),
        (float | np.floating, "number"),
        (str, "text"),
        (list | tuple | np.ndarray, "list"),
        (date | np.datetime64, "date"),
    )
    return next((name for types, name in usual if issubclass(kind, types)), kind.__name__)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool | np.bool_)


def _is_text(value: Any, is_list_allowed: bool) -> bool:
    if isinstance(value, str):
        return True
    is_list = is_list_allowed and isinstance(value, list | tuple | np.ndarray)
    return is_list and all(isinstance(each, str) for each in value)


def _short(value: Any) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "empty"
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 40 else text[:37] + "..."


__all__ = ["TableCheck", "column_kind"]
