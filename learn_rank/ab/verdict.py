"""The verdict of an A/B simulation: one status and the sentences that say why, computed from the rows."""

from __future__ import annotations

from dataclasses import dataclass

BETTER, WORSE, LEVEL = "better", "worse", "no detectable difference"
INVALID, DESCRIPTIVE = "invalid", "descriptive only"
STATUSES = (BETTER, WORSE, LEVEL, INVALID, DESCRIPTIVE)


@dataclass(frozen=True)
class Verdict:
    """What may be said about treatment against control.

    Attributes:
        status: one of ``STATUSES``.
        words: sentences; the first is the answer, the others are its grounds.

    Raises:
        ValueError: an unknown status, or no sentence.

    Example:
        >>> Verdict("better", ("Revenue per user rose.",)).status
        'better'
    """

    status: str
    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status: expected one of {', '.join(STATUSES)}, got {self.status!r}.")
        if not self.words or isinstance(self.words, str):
            raise ValueError(f"words: expected a tuple of sentences, got {self.words!r}.")
        object.__setattr__(self, "words", tuple(self.words))
