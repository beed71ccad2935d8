"""`auto`: the fused ranker where validation proves it better, the team's own ranker everywhere else.

Vectors that say nothing still cost: a ranker with more inputs overfits to more noise, and no amount of
dropout takes that away. What cannot harm is a choice between two trained rankers, head by head and where
there is reason to item by item, in which the one without the plugin wins every doubt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from learn_rank.metrics.auc import AUC, UAUC
from learn_rank.metrics.calibration import PCOC
from learn_rank.metrics.labelled_rows import LabelledRows
from learn_rank.rankers.by_head import ALL, KNOWN, NEW, NONE
from learn_rank.uncertainty.base import Delta
from learn_rank.uncertainty.intervals import ClosedForm
from learn_recall.columns import CLICK, CONVERSION, ITEM_BUCKET, ITEM_IS_NEW, PCTCVR, PCTR, PCVR, USER_ID

LEAST_CLICKS = 100
"""Clicks on items of a kind, new or known, below which nothing is proved for that kind."""
OFF = 0.1
"""Predicted over observed of a bucket may lie this far from that of all rows before it forbids a ranker."""


@dataclass(frozen=True)
class Choice:
    """Which ranker serves each head, and the validation evidence.

    Attributes:
        click: items whose pCTR comes from the fused ranker: "none", "all", and where new items are to be
            served otherwise than those of training, "known" or "new".
        conversion: items whose pCVR comes from it, "none", "all", or "known" where nothing is known of new
            ones. Where the two differ, or where items do, both rankers have to be served.
        ctr: AUC of click, what is served - base, on the validation rows; of "all" where nothing was taken.
        cvr: AUC of conversion, fused - base, on the clicked validation rows; None where conversions are not
            recorded.
        against: what spoke against the fused ranker in sentences, one a reason.
        few_new_clicks: clicks of validation on items that training never had, where they are fewer than
            `LEAST_CLICKS` though such items are served; None else.
    """

    click: str
    conversion: str
    ctr: Delta
    cvr: Delta | None
    against: tuple[str, ...] = ()
    few_new_clicks: int | None = None

    @property
    def fuses_ctr(self) -> bool:
        """Some pCTR comes from the fused ranker."""
        return self.click != NONE

    @property
    def fuses_cvr(self) -> bool:
        """Some pCVR comes from the fused ranker."""
        return self.conversion != NONE

    @property
    def words(self) -> str:
        """One plain sentence."""
        if self.click == self.conversion == ALL:
            return "both heads from the fused ranker"
        if self.click == self.conversion == NONE:
            return "both heads from the base ranker: validation shows no gain"
        of_kind = {
            NONE: "the base",
            ALL: "the fused ranker",
            KNOWN: "the fused ranker for items of training, from the base for new ones",
            NEW: "the fused ranker for new items, from the base for those of training",
        }
        few = ""
        if self.few_new_clicks is not None:
            few = (
                f"; nothing was proved for new items, of which validation has {self.few_new_clicks} clicks, "
                f"and {LEAST_CLICKS} are needed"
            )
        if self.click == self.conversion:
            return f"both heads from {of_kind[self.click]}: both are served{few}"
        return (
            f"the click head from {of_kind[self.click]}, the conversion head from "
            f"{of_kind[self.conversion]}: both are served{few}"
        )


def choose(
    labels: pd.DataFrame,
    base: pd.DataFrame,
    fused: pd.DataFrame,
    *,
    level: float = 0.95,
    meets_new: bool = False,
) -> Choice:
    """Choose on validation rows, in favour of the base.

    Definition: the click head is fused where the paired, user-clustered interval of its AUC difference lies
    above 0, unless UAUC is worse with its interval below 0, or its predictions of a kind or bucket of items
    are off beside the others: predicted over observed, divided by that of all rows, differs from 1 by more
    than `OFF` with its whole interval, and by more than the base's. With enough clicks on items that training
    never had and on the others, it may be fused for one kind alone: where that passes and all does not, or
    where it is better than all with its interval above 0. With fewer clicks on items that training never had,
    though such items are served, nothing is proved for them, and both heads leave them to the base: "all" is
    then every item of training. The conversion head goes with a click head that is
    fused for all unless its own difference is negative; alone, it is fused where its interval lies above 0;
    calibration forbids it too. So rankers that are equal in truth are taken for better in at most
    (1 - level) / 2 of the cases, shared among what was tried, and vectors that harm are not taken at all.

    Args:
        labels: user_id, click and, where recorded, conversion (anything where not clicked) of each row;
            item_is_new and item_bucket where they are known.
        base: pctr and, unless it ranks by clicks alone, pcvr of the ranker without the plugin, row by row.
        fused: the same of the ranker with it.
        level: of the intervals.
        meets_new: whether items that training never had are served, also where validation has none.

    Raises:
        ValueError: other numbers of rows, or rows that cannot be judged (`learn_rank.metrics.labelled_rows`).
    """
    if not len(labels) == len(base) == len(fused):
        raise ValueError(
            f"labels, base, fused: expected the same validation rows, got {len(labels)}, {len(base)} and "
            f"{len(fused)} rows. Remedy: score one table with both rankers"
        )
    of_clicks = _Head.of(labels, CLICK, base[PCTR], fused[PCTR])
    few = of_clicks.few_new_clicks(meets_new)
    whole = ALL if few is None else KNOWN
    click, ctr, against = _click_head(of_clicks, whole, level)
    if not (CONVERSION in labels and PCVR in base and PCVR in fused):
        return Choice(click, whole if click == whole else NONE, ctr, None, against, few)
    clicked = labels[CLICK].to_numpy() > 0
    head = _Head.of(labels[clicked], CONVERSION, base.loc[clicked, PCVR], fused.loc[clicked, PCVR])
    cvr, off = head.difference(AUC(), whole, level), head.miscalibrated(whole, level)
    is_better = cvr.low > 0 or (click == whole and not cvr.delta < 0)
    return Choice(click, whole if is_better and not off else NONE, ctr, cvr, (*against, *off), few)


def combine(
    choice: Choice, base: pd.DataFrame, fused: pd.DataFrame, is_new: np.ndarray | None = None
) -> pd.DataFrame:
    """The scores that are served: pctr, pcvr, pctcvr, each head from the ranker that was chosen for it.

    Args:
        choice: of `choose`.
        base, fused: scores of the same rows.
        is_new: (N,) bool, items that training never had; needed where the choice divides them.
    """
    pctr = _served(choice.click, base[PCTR], fused[PCTR], is_new)
    if PCVR not in base:
        return pd.DataFrame({PCTR: pctr})
    if choice.click == choice.conversion:
        columns = (PCTR, PCVR, PCTCVR)
        return pd.DataFrame(
            {name: _served(choice.click, base[name], fused[name], is_new) for name in columns}
        )
    pcvr = _served(choice.conversion, base[PCVR], fused[PCVR], is_new)
    return pd.DataFrame({PCTR: pctr, PCVR: pcvr, PCTCVR: pctr * pcvr})


def new_items(rows: pd.DataFrame) -> np.ndarray | None:
    """(N,) bool, items that training never had; None of predictions that were made before this was kept."""
    return rows[ITEM_IS_NEW].to_numpy(bool) if ITEM_IS_NEW in rows else None


@dataclass(frozen=True)
class _Head:
    """The rows by which one head is judged: its labels, both scores, and what is known of the items."""

    rows: LabelledRows
    base: pd.Series
    fused: pd.Series
    is_new: np.ndarray | None
    buckets: dict[str, np.ndarray]

    @classmethod
    def of(cls, labels: pd.DataFrame, label: str, base: pd.Series, fused: pd.Series) -> _Head:
        rows = LabelledRows.of(labels[label].to_numpy(np.float64), labels[USER_ID])
        is_new = new_items(labels)
        buckets = {} if is_new is None else {"items that training never had": is_new}
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
        return _served(items, self.base, self.fused, self.is_new).to_numpy()

    def difference(self, metric: AUC | UAUC, items: str, level: float, than: str = NONE) -> Delta:
        how = ClosedForm(level)
        new, old = (how.evidence([metric], self.rows, self.served(each)) for each in (items, than))
        return how.delta(new, old)

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


def _click_head(head: _Head, whole: str, level: float) -> tuple[str, Delta, tuple[str, ...]]:
    """What is served of the fused ranker's clicks, its difference to the base, and what spoke against it.

    `whole` is what it would serve alone: every item, or every one of training.
    """
    kinds = (whole, *head.divisions)
    shared = 1 - (1 - level) / len(kinds)
    passed, against = {}, {}
    for items in kinds:
        auc, uauc = (head.difference(metric, items, shared) for metric in (AUC(), UAUC()))
        off = head.miscalibrated(items, shared)
        if uauc.high < 0:
            low, high = 100 * uauc.low, 100 * uauc.high
            off = (f"UAUC of clicks {100 * uauc.delta:+.2f} [{low:+.2f}, {high:+.2f}] points", *off)
        against[items] = off
        if auc.low > 0 and not off:
            passed[items] = auc.delta
    best = max(passed, key=lambda items: passed[items], default=NONE)
    # one ranker is simpler to serve than two: they have to be better, and not by chance
    if whole in passed and best != whole and not head.difference(AUC(), best, shared, than=whole).low > 0:
        best = whole
    return best, head.difference(AUC(), whole if best == NONE else best, level), against[whole]


def is_fused(items: str, is_new: np.ndarray) -> np.ndarray:
    """(N,) bool, rows that the fused ranker serves where `items` are its own; `is_new` as in `combine`."""
    return {NONE: np.zeros_like(is_new), ALL: np.ones_like(is_new), KNOWN: ~is_new, NEW: is_new}[items]


def _served(items: str, base: pd.Series, fused: pd.Series, is_new: np.ndarray | None) -> pd.Series:
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
