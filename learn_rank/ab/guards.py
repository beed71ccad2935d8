"""Guards: what must hold before a number of the experiment may be read; one failed guard makes it invalid."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Guard"]


@dataclass(frozen=True)
class Guard:
    """One check and its outcome.

    Attributes:
        name: short, unique in a report.
        value: the measured number; None where it is undefined.
        limit: in words, what the value has to meet.
        has_passed: None where the check does not apply; ``words`` then says why.
        words: a sentence for the reader of the report.
    """

    name: str
    value: float | None
    limit: str
    has_passed: bool | None
    words: str
