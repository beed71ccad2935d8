"""How one head of the base and of the fused ranker is judged on the same rows: order, calibration, items."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from learn_rank.metrics.auc import AUC, UAUC
from learn_rank.metrics.calibration import PCOC
from learn_rank.metrics.labelled_rows import LabelledRows
from learn_rank.rankers.by_head import ALL, KNOWN, NEW, NONE
from learn_rank.uncertainty.base import Delta
from learn_rank.uncertainty.intervals import ClosedForm
from learn_recall.columns import ITEM_BUCKET, ITEM_IS_NEW, USER_ID

LEAST_CLICKS = 100
"""Clicks on items of a kind, new or known, below which nothing is proved for that kind."""
OFF = 0.1
"""Predicted over observed of a bucket may lie this far from that of all rows before it forbids a ranker."""
_NEW_ITEMS = "items that training never had"


@dataclass(frozen=True)
class Head:
    """The rows by which one head is judged: its labels, both scores, and what is known of the items."""

    rows: LabelledRows
    base: pd.Series
    fused: pd.Series
    is_new: np.ndarray | None
    buckets: dict[str, np.ndarray]

    @classmethod
    def of(cls, labels: pd.DataFrame, label: str, base: pd.Series, fused: pd.Series) -> Head:
        """From a table with the label's column, user_id and, where known, item_is_new and item_bucket."""
        rows = LabelledRows.of(labels[label].to_numpy(np.float64), labels[USER_ID])
        is_new = new_items(labels)
        buckets = {} if is_new is None else {_NEW_ITEMS: is_new}
        if ITEM_BUCKET in labels:
            names = labels[ITEM_BUCKET].to_numpy(object)
            buckets |= {f"{name} items": names == name for name in pd.unique(names)}
        return cls(rows, base, fused, is_new, buckets)

    @property
    def divisions(self) -> tuple[str, ...]:
        """Kinds of items for which the head may be fused alone."""
        if self.is_new is None:
            return ()
        clicks = [float(self.rows.labels[kind].sum()) for kind in (self.is_new, ~self.is_new)]
        return (KNOWN, NEW) if min(clicks) >= LEAST_CLICKS else ()

    def few_new_clicks(self, meets_new: bool) -> int | None:
        """Clicks on items that training never had, where they are too few to prove anything for those."""
        if self.is_new is None or not (meets_new or self.is_new.any()):
            return None
        n_clicks = int(self.rows.labels[self.is_new].sum())
        return n_clicks if n_clicks < LEAST_CLICKS else None

    def served(self, items: str) -> np.ndarray:
        """(N,) scores where the fused ranker serves `items`."""
        return served_scores(items, self.base, self.fused, self.is_new).to_numpy()

    def difference(self, metric: AUC | UAUC, items: str, level: float, than: str = NONE) -> Delta:
        """The metric where the fused ranker serves `items`, less where it serves `than`."""
        how = ClosedForm(level)
        new, old = (how.evidence([metric], self.rows, self.served(each)) for each in (items, than))
        return how.delta(new, old)

    def of_new(self) -> Head:
        """The same head on the rows of new items alone, by which its buckets are not judged."""
        if self.is_new is None:
            raise ValueError(
                f"rows: expected the column {ITEM_IS_NEW}, got none. Remedy: score the run's rows anew"
            )
        chosen = np.flatnonzero(self.is_new)
        base, fused = (scores.iloc[chosen] for scores in (self.base, self.fused))
        return Head(self.rows.take(chosen), base, fused, None, {})

    def miscalibrated_new(self, items: str, level: float) -> tuple[str, ...]:
        """`miscalibrated`, of new items alone."""
        kept = {name: rows for name, rows in self.buckets.items() if name == _NEW_ITEMS}
        return replace(self, buckets=kept).miscalibrated(items, level)

    def miscalibrated(self, items: str, level: float) -> tuple[str, ...]:
        """A sentence for each bucket whose predictions are off beside the others, by more than the base's.

        Predicted over observed is divided by that of all rows: a level that is wrong everywhere moves no item
        before another, and one calibration behind the ranker mends it.
        """
        how, served, found = ClosedForm(level), self.served(items), []
        of_all = [PCOC()(self.rows.labels, scores).value for scores in (served, self.base)]
        for name, is_member in self.buckets.items():
            rows = self.rows.take(np.flatnonzero(is_member))
            if not rows.labels.any():
                continue
            new, old = (
                how.interval(how.evidence([PCOC()], rows, scores[is_member]))
                for scores in (served, self.base.to_numpy())
            )
            is_off = new.high / of_all[0] < 1 / (1 + OFF) or new.low / of_all[0] > 1 + OFF
            shares = new.value / of_all[0], old.value / of_all[1]
            if is_off and _distance(shares[0]) > _distance(shares[1]):
                found.append(
                    f"{name}: predicted over observed {shares[0]:.2f} times that of all rows, with the base "
                    f"{shares[1]:.2f}"
                )
        return tuple(found)


def new_items(rows: pd.DataFrame) -> np.ndarray | None:
    """(N,) bool, items that training never had; None of predictions that were made before this was kept."""
    return rows[ITEM_IS_NEW].to_numpy(bool) if ITEM_IS_NEW in rows else None


def is_fused(items: str, is_new: np.ndarray) -> np.ndarray:
    """(N,) bool, rows that the fused ranker serves where `items` are its own; `is_new` as in `combine`."""
    return {NONE: np.zeros_like(is_new), ALL: np.ones_like(is_new), KNOWN: ~is_new, NEW: is_new}[items]


def served_scores(items: str, base: pd.Series, fused: pd.Series, is_new: np.ndarray | None) -> pd.Series:
    """(N,) the fused ranker's scores where `items` are its own, the base's elsewhere."""
    if items in (NONE, ALL):
        return base if items == NONE else fused
    if is_new is None:
        raise ValueError(
            f"is_new: expected which items training never had, since {items} items are served apart, got "
            f"None. Remedy: give the column {ITEM_IS_NEW} of the predictions"
        )
    return fused.where(is_fused(items, is_new), base)


def _distance(pcoc: float) -> float:
    return abs(np.log(pcoc)) if pcoc > 0 else np.inf
