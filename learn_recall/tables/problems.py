"""What is wrong with a table: every problem at once, as values to inspect and as a list to read."""

from collections.abc import Iterable
from dataclasses import dataclass

SHOWN_ROWS = 5


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong (or, as a warning, odd) in one table.

    Args:
        table: name of the table or file.
        column: the column or columns, "" where the whole table is meant.
        expected: what should stand there.
        got: what stands there, with how often and the first values.
        first_rows: up to five row numbers, from 0 without a header; empty where it is not about rows.
        remedy: what to do.
    """

    table: str
    column: str
    expected: str
    got: str
    first_rows: tuple[int, ...]
    remedy: str

    def __str__(self) -> str:
        place = f"{self.table}, column {self.column}" if self.column else self.table
        rows = f"\n   rows:     {', '.join(map(str, self.first_rows))}" if self.first_rows else ""
        said = f"   expected: {self.expected}\n   got:      {self.got}"
        return f"{place}\n{said}{rows}\n   remedy:   {self.remedy}"


class TableError(ValueError):
    """Tables are not what they must be; `problems` holds everything that was found.

    Args:
        problems: all of them, in the order of the checks.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        head = f"{counted(len(self.problems), 'problem')} in the tables"
        super().__init__(f"{head}\n{numbered(self.problems)}")


@dataclass(frozen=True)
class ValidationReport:
    """What a validation saw in one table.

    Args:
        table: name of the table or file.
        n_rows: its rows.
        problems: what makes the table unusable.
        warnings: what is odd but kept as it is; nothing is ever dropped silently.
    """

    table: str
    n_rows: int
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def raise_if_wrong(self) -> None:
        """Raise `TableError` with all problems, if there is one."""
        if self.problems:
            raise TableError(self.problems)

    def __str__(self) -> str:
        counts = [(self.n_rows, "row"), (len(self.problems), "problem"), (len(self.warnings), "warning")]
        head = f"{self.table}: " + ", ".join(counted(count, noun) for count, noun in counts)
        return "\n".join([head, numbered(self.problems), numbered(self.warnings)]).rstrip("\n")


def counted(count: int, noun: str) -> str:
    """A count with its noun in the right number: "1 row", "2,000 rows"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def numbered(problems: Iterable[Problem]) -> str:
    """Problems as a numbered list to read."""
    return "\n".join(f"{place}. {problem}" for place, problem in enumerate(problems, start=1))


__all__ = ["SHOWN_ROWS", "Problem", "TableError", "ValidationReport", "counted", "numbered"]
