"""What users do with what an auction shows them: the interface, and the two environments of known truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from learn_recall.columns import ITEM_ID, USER_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learn_rank.ab.candidates.day import CandidateDay
    from learn_rank.datasets.marketplace.world import World

__all__ = ["Environment", "KnownEnvironment", "MarketplaceEnvironment"]

P_CLICK = "p_click"  # at the top of the page
P_CONVERSION = "p_conversion"  # given a click


class Environment(Protocol):
    """Answers an auction: who clicks, who buys.

    An environment may also offer ``replicas(n)``, other environments that the same data would have given as
    well; the interval of an experiment then carries their spread.

    Attributes:
        name: as printed in the report.
        needs: columns of the candidates that it asks for.
    """

    @property
    def name(self) -> str:
        """As printed in the report."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns of the candidates that it asks for."""
        ...

    def click_probability(self, day: CandidateDay, rows: np.ndarray, slots: np.ndarray) -> np.ndarray:
        """p(click).

        Args:
            day: the candidates of a day.
            rows: (M,) positions of rows of the day.
            slots: (M,) where each is shown, 0 = top.

        Returns:
            (M,) float64 in [0, 1].
        """
        ...

    def conversion_probability(self, day: CandidateDay, rows: np.ndarray) -> np.ndarray:
        """p(conversion | click).

        Args:
            day: the candidates of a day.
            rows: (M,) positions of rows of the day.

        Returns:
            (M,) float64 in [0, 1].
        """
        ...


@dataclass(frozen=True)
class KnownEnvironment:
    """The truth as columns of the candidates: ``p_click`` at the top of the page, ``p_conversion``.

    Args:
        slot_effect: p(click) at a slot over p(click) at the top, from the top down.

    Raises:
        ValueError: an effect outside [0, 1].
    """

    slot_effect: Sequence[float] = (1.0, 0.6, 0.4)
    name: str = "known truth of the candidates"
    needs: tuple[str, ...] = (P_CLICK, P_CONVERSION)

    def __post_init__(self) -> None:
        if not self.slot_effect or not all(0 <= effect <= 1 for effect in self.slot_effect):
            raise ValueError(
                f"slot_effect: expected at least one number inside [0, 1], got {tuple(self.slot_effect)}. "
                "Remedy: give p(click) of each slot relative to the top slot."
            )

    def click_probability(self, day: CandidateDay, rows: np.ndarray, slots: np.ndarray) -> np.ndarray:
        """p(click) at the top times the effect of the slot."""
        if slots.size and slots.max() >= len(self.slot_effect):
            raise ValueError(
                f"slot_effect: expected an effect for each of {int(slots.max()) + 1} slots, got "
                f"{len(self.slot_effect)}. Remedy: name one more."
            )
        effect = np.asarray(self.slot_effect, np.float64)
        return _probabilities(day, P_CLICK, rows) * effect[slots]

    def conversion_probability(self, day: CandidateDay, rows: np.ndarray) -> np.ndarray:
        """The column as it stands."""
        return _probabilities(day, P_CONVERSION, rows)


@dataclass(frozen=True, eq=False)
class MarketplaceEnvironment:
    """The generated marketplace, whose truth is known for any user, item and place on the page.

    Args:
        world: of `generate_marketplace`.
        top_slot: the place on the marketplace's page at which the auction's slot 0 lies. Each place further
            down costs .12 log odds of a click, by the world's own model.
    """

    world: World
    top_slot: float = 0.0
    name: str = "generated marketplace, truth known"
    needs: tuple[str, ...] = (USER_ID, ITEM_ID)

    def click_probability(self, day: CandidateDay, rows: np.ndarray, slots: np.ndarray) -> np.ndarray:
        """The world's own p(click), its cost of lower places included."""
        users, items = (day.columns[name][rows] for name in self.needs)
        return self.world.click_probability(users, items, slots + self.top_slot)

    def conversion_probability(self, day: CandidateDay, rows: np.ndarray) -> np.ndarray:
        """The world's own p(conversion | click)."""
        users, items = (day.columns[name][rows] for name in self.needs)
        return self.world.conversion_probability(users, items)


def _probabilities(day: CandidateDay, column: str, rows: np.ndarray) -> np.ndarray:
    found = day.columns[column][rows]
    try:
        values = np.asarray(found, np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"{column}: expected probabilities inside [0, 1] as numbers, got {type(found[0]).__name__} "
            f"{found[0]!r} in day {day.day}. Remedy: cast the column to a number."
        ) from None
    is_bad = ~((values >= 0) & (values <= 1))
    if is_bad.any():
        at = int(rows[np.flatnonzero(is_bad)[0]])
        raise ValueError(
            f"{column}: expected probabilities inside [0, 1], got {int(is_bad.sum())} others, first "
            f"{float(values[is_bad][0]):g} in row {at} of day {day.day}. Remedy: correct the column."
        )
    return values
