"""A simple comparison that rows must fulfil, as a user types it: `click == 1`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_SIGNS: Mapping[str, Callable[..., Any]] = {
    "==": pc.equal,
    "!=": pc.not_equal,
    "<=": pc.less_equal,
    ">=": pc.greater_equal,
    "<": pc.less,
    ">": pc.greater,
}
_FORM = re.compile(r"\s*(.+?)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*")
_FLAGS = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True)
class RowCondition:
    """A column compared with a value; a missing cell fulfils no condition.

    Attributes:
        column: its name.
        sign: one of ==, !=, <=, >=, <, >.
        value: as typed; read as a number, a flag or text, whichever the column holds.
    """

    column: str
    sign: str
    value: str

    @classmethod
    def parse(cls, text: str) -> RowCondition:
        """Read COLUMN SIGN VALUE; quotes around the value are left out.

        Raises:
            ValueError: another form.

        Example:
            >>> RowCondition.parse("click == 1"), RowCondition.parse("city!='Bad Ems'").value
            (RowCondition(column='click', sign='==', value='1'), 'Bad Ems')
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError(
                f"--where: expected COLUMN SIGN VALUE with one of {', '.join(_SIGNS)}, got {text!r}. "
                'Remedy: for example --where "click == 1"; several conditions are several --where'
            )
        column, sign, value = found.groups()
        is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        return cls(column, sign, value[1:-1] if is_quoted else value)

    def __str__(self) -> str:
        return f"{self.column} {self.sign} {self.value}"

    def holds(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """(N,) bool without missing values.

        Raises:
            ValueError: a value that cannot be compared with what the column holds.
        """
        compare, value = _SIGNS[self.sign], self.value_for(column.type)
        if isinstance(value, str):
            found = compare(column, pa.scalar(value, column.type))
        elif isinstance(value, bool):
            found = compare(column, value)
        else:
            column = column.cast(pa.float64()) if isinstance(value, float) else column
            found = pc.and_(compare(column, value), pc.invert(pc.is_null(column, nan_is_null=True)))
        return pc.fill_null(found, False)

    def value_for(self, kind: pa.DataType) -> bool | int | float | str:
        """The value to compare a column of this type with; a float where the column is compared as floats.

        Raises:
            ValueError: a value, or a sign, that does not go with what the column holds.
        """
        if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
            return self._number(kind)
        if pa.types.is_boolean(kind):
            self._check_equality(kind)
            return self._flag(kind)
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            self._check_equality(kind)
            return self.value
        raise self._error(f"a column of numbers, text or flags, got {kind}", "compare another column")

    def _number(self, kind: pa.DataType) -> int | float:
        try:
            return int(self.value) if pa.types.is_integer(kind) else float(self.value)
        except ValueError:
            pass
        try:
            number = float(self.value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self._error(f"a finite number to compare with {kind}, got {self.value!r}", "write a number")
        return number

    def _flag(self, kind: pa.DataType) -> bool:
        flag = _FLAGS.get(self.value.lower())
        if flag is None:
            raise self._error(f"1, 0, true or false to compare with {kind}, got {self.value!r}", "write one")
        return flag

    def _check_equality(self, kind: pa.DataType) -> None:
        if self.sign not in ("==", "!="):
            remedy = "text has no order here; compare with == or !=, or a column of numbers"
            raise self._error(f"== or != for a column of {kind}, got {self.sign}", remedy)

    def _error(self, expected: str, remedy: str) -> ValueError:
        return ValueError(f"--where {str(self)!r}: expected {expected}. Remedy: {remedy}")


def rows_where(table: pa.Table, conditions: Sequence[RowCondition]) -> pa.Table:
    """The rows that fulfil every condition; the table holds their columns."""
    for condition in conditions:
        table = table.filter(condition.holds(table[condition.column]))
    return table


def condition_words(conditions: Sequence[RowCondition]) -> str:
    """All conditions as one text."""
    return " and ".join(map(str, conditions))


__all__ = ["RowCondition", "condition_words", "rows_where"]
