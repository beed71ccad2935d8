"""How many of a column's ids have a vector, and how many have none for which reason."""

from __future__ import annotations

from dataclasses import dataclass

N_EXAMPLES = 5


@dataclass(frozen=True)
class Coverage:
    """Counts over the values of one column; two of them add up.

    Attributes:
        n_values: all values.
        n_with_vector: the store has a vector for them.
        n_without_vector: the store knows the id and has no vector for it.
        n_unknown: the store does not know the id.
        n_empty: null.
        unknown_examples: a few unknown ids.
    """

    n_values: int = 0
    n_with_vector: int = 0
    n_without_vector: int = 0
    n_unknown: int = 0
    n_empty: int = 0
    unknown_examples: tuple[str, ...] = ()

    @property
    def share(self) -> float | None:
        """Of the values, how many have a vector; None where there are no values."""
        return self.n_with_vector / self.n_values if self.n_values else None

    def __add__(self, other: Coverage) -> Coverage:
        examples = dict.fromkeys([*self.unknown_examples, *other.unknown_examples])
        return Coverage(
            self.n_values + other.n_values,
            self.n_with_vector + other.n_with_vector,
            self.n_without_vector + other.n_without_vector,
            self.n_unknown + other.n_unknown,
            self.n_empty + other.n_empty,
            tuple(examples)[:N_EXAMPLES],
        )


__all__ = ["Coverage"]
