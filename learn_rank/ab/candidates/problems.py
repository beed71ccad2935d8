"""What is wrong with candidates: problems gathered over all days, told once with counts and places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from learn_rank.ab.candidates.columns import Coded

AN_ID = "an id in every row"
_SHOWN = 3
_REMEDIES = {
    "bid": "bids are target costs per conversion; leave out rows without one",
    "request_id, item_id": "keep one row of each",
    "user_id": "a request belongs to one user; make request ids unique",
    "timestamp": "write the time of the request in each of its rows",
    "budget": "write the daily budget in currency units",
}


class Problems:
    """Problems by column and expectation, each with its count and its first places."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], tuple[int, list[str], str]] = {}

    def add(self, name: str, expected: str, n_bad: int, places: Sequence[str], remedy: str) -> None:
        """Count `n_bad` more of one kind; the first places are kept."""
        count, shown, _ = self._found.get((name, expected), (0, [], ""))
        self._found[name, expected] = count + n_bad, [*shown, *places][:_SHOWN], remedy

    def add_rows(
        self,
        name: str,
        expected: str,
        is_bad: np.ndarray,
        *,
        ids: Mapping[str, Coded],
        day: int,
        values: np.ndarray | None = None,
    ) -> None:
        """Count the rows with `is_bad`, named by their request and item."""
        rows = np.flatnonzero(is_bad)
        if rows.size == 0:
            return
        places = []
        for row in rows[:_SHOWN]:
            request, item = (ids[key].values[ids[key].codes[row]] for key in ("request_id", "item_id"))
            value = "" if values is None else f"{float(values[row]):g} in "
            places.append(f"{value}day {day}, request {request}, item {item}")
        remedy = _REMEDIES.get(name, "correct the scores, or leave out the rows")
        if name in ids and expected == AN_ID:
            remedy = "give these rows an id, or leave them out"
        self.add(name, expected, rows.size, places, remedy)

    def raise_if_any(self) -> None:
        """Refuse everything that was found, in one ValueError."""
        if not self._found:
            return
        lines = [
            f"- {name}: expected {expected}, got {count} other(s): {'; '.join(places)}. Remedy: {remedy}"
            for (name, expected), (count, places, remedy) in self._found.items()
        ]
        raise ValueError(f"candidates: {len(lines)} problem(s)\n" + "\n".join(lines))


__all__ = ["Problems"]
