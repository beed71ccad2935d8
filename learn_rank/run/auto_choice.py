"""`auto`: the fused ranker where validation proves it better, the team's own ranker everywhere else.

Vectors that say nothing still cost: a ranker with more inputs overfits to more noise, and no amount of
dropout takes that away. What cannot harm is a choice between two trained rankers, head by head and where
there is reason to item by item, in which the one without the plugin wins every doubt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from learn_rank.metrics.auc import AUC, UAUC
from learn_rank.rankers.by_head import ALL, KNOWN, NEW, NONE
from learn_rank.run.judged_head import LEAST_CLICKS, Head, served_scores
from learn_rank.run.new_item_choice import Forward, NewItems, choose_for_new_items, forward_words
from learn_rank.uncertainty.base import Delta
from learn_recall.columns import CLICK, CONVERSION, PCTCVR, PCTR, PCVR


@dataclass(frozen=True)
class Choice:
    """Which ranker serves each head, and the validation evidence.

    Attributes:
        click: items whose pCTR comes from the fused ranker: "none", "all", and where new items are to be
            served otherwise than those of training, "known" or "new".
        conversion: items whose pCVR comes from it, "none", "all", and where validation has too few new items
            "known" or "new". Where the two differ, or where items do, both rankers have to be served.
        ctr: AUC of click, what is served - base, on the validation rows; of "all" where nothing was taken.
        cvr: AUC of conversion, fused - base, on the clicked validation rows; None where conversions are not
            recorded.
        against: what spoke against the fused ranker in sentences, one a reason.
        few_new_clicks: clicks of validation on items that training never had, where they are fewer than
            `LEAST_CLICKS` though such items are served; None else.
        forward_clicks: clicks of the last part of training on items that nothing before it met; None where it
            was not asked for, or has no such part.
        new_items: what was decided for new items there; None where nothing was.
        why_no_forward: why training has no such part, where it was asked for.
    """

    click: str
    conversion: str
    ctr: Delta
    cvr: Delta | None
    against: tuple[str, ...] = ()
    few_new_clicks: int | None = None
    forward_clicks: int | None = None
    new_items: NewItems | None = None
    why_no_forward: str = ""

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
        note = "" if self.few_new_clicks is None else f"; {self._of_new_items(self.few_new_clicks)}"
        decided = note if self.new_items is not None else ""
        if self.click == self.conversion == ALL:
            return f"both heads from the fused ranker{decided}"
        if self.click == self.conversion == NONE:
            return f"both heads from the base ranker: validation shows no gain{decided}"
        of_kind = {
            NONE: "the base",
            ALL: "the fused ranker",
            KNOWN: "the fused ranker for items of training, from the base for new ones",
            NEW: "the fused ranker for new items, from the base for those of training",
        }
        if self.click == self.conversion:
            return f"both heads from {of_kind[self.click]}: both are served{note}"
        return (
            f"the click head from {of_kind[self.click]}, the conversion head from "
            f"{of_kind[self.conversion]}: both are served{note}"
        )

    def _of_new_items(self, few: int) -> str:
        return forward_words(few, LEAST_CLICKS, self.forward_clicks, self.new_items)


def choose(
    labels: pd.DataFrame,
    base: pd.DataFrame,
    fused: pd.DataFrame,
    *,
    level: float = 0.95,
    meets_new: bool = False,
    forward: Forward | None = None,
) -> Choice:
    """Choose on validation rows, in favour of the base.

    Definition: the click head is fused where the paired, user-clustered interval of its AUC difference lies
    above 0, unless UAUC is worse with its interval below 0, or its predictions of a kind or bucket of items
    are off beside the others: predicted over observed, divided by that of all rows, differs from 1 by more
    than `OFF` with its whole interval, and by more than the base's. With enough clicks on items that training
    never had and on the others, it may be fused for one kind alone: where that passes and all does not, or
    where it is better than all with its interval above 0. With fewer clicks on items that training never had,
    though such items are served, validation proves nothing for them: "all" is then every item of training,
    and new ones are left to the base in both heads, unless the last part of training can decide
    (`choose_for_new_items`; each of the two questions then has half of 1 - level). The conversion head goes
    with a click head that is fused for all unless its own difference is negative; alone, it is fused where
    its interval lies above 0; calibration forbids it too. So rankers that are equal in truth are taken for
    better in at most (1 - level) / 2 of the cases, shared among what was tried, and vectors that harm are not
    taken at all.

    Args:
        labels: user_id, click and, where recorded, conversion (anything where not clicked) of each row;
            item_is_new and item_bucket where they are known.
        base: pctr and, unless it ranks by clicks alone, pcvr of the ranker without the plugin, row by row.
        fused: the same of the ranker with it.
        level: of the intervals.
        meets_new: whether items that training never had are served, also where validation has none.
        forward: what the last part of training says of new items; read where validation has too few.

    Raises:
        ValueError: other numbers of rows, or rows that cannot be judged (`learn_rank.metrics.labelled_rows`).
    """
    if not len(labels) == len(base) == len(fused):
        raise ValueError(
            f"labels, base, fused: expected the same validation rows, got {len(labels)}, {len(base)} and "
            f"{len(fused)} rows. Remedy: score one table with both rankers"
        )
    of_clicks = Head.of(labels, CLICK, base[PCTR], fused[PCTR])
    few = of_clicks.few_new_clicks(meets_new)
    if few is None or forward is None:
        return _on_validation(labels, base, fused, few, level)
    if forward.base is None or forward.fused is None:
        chosen = _on_validation(labels, base, fused, few, level)
        return replace(chosen, forward_clicks=forward.n_clicks, why_no_forward=forward.why_not)
    shared = 1 - (1 - level) / 2
    chosen = _on_validation(labels, base, fused, few, shared)
    serves = ALL if chosen.click == KNOWN else NEW
    new = choose_for_new_items(forward.base, forward.fused, serves=serves, level=shared)
    return replace(
        chosen,
        click=_together(chosen.click == KNOWN, new.click),
        conversion=_together(chosen.conversion == KNOWN, new.conversion),
        forward_clicks=forward.n_clicks,
        new_items=new,
    )


def _together(known: bool, new: bool) -> str:
    """The items of the fused ranker where items of training and new ones were decided apart."""
    if known:
        return ALL if new else KNOWN
    return NEW if new else NONE


def _on_validation(
    labels: pd.DataFrame, base: pd.DataFrame, fused: pd.DataFrame, few: int | None, level: float
) -> Choice:
    """`choose` by validation alone; where it has few clicks on new items, they stay with the base."""
    of_clicks = Head.of(labels, CLICK, base[PCTR], fused[PCTR])
    whole = ALL if few is None else KNOWN
    click, ctr, against = _click_head(of_clicks, whole, level)
    if not (CONVERSION in labels and PCVR in base and PCVR in fused):
        return Choice(click, whole if click == whole else NONE, ctr, None, against, few)
    clicked = labels[CLICK].to_numpy() > 0
    head = Head.of(labels[clicked], CONVERSION, base.loc[clicked, PCVR], fused.loc[clicked, PCVR])
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
    pctr = served_scores(choice.click, base[PCTR], fused[PCTR], is_new)
    if PCVR not in base:
        return pd.DataFrame({PCTR: pctr})
    if choice.click == choice.conversion:
        columns = (PCTR, PCVR, PCTCVR)
        return pd.DataFrame(
            {name: served_scores(choice.click, base[name], fused[name], is_new) for name in columns}
        )
    pcvr = served_scores(choice.conversion, base[PCVR], fused[PCVR], is_new)
    return pd.DataFrame({PCTR: pctr, PCVR: pcvr, PCTCVR: pctr * pcvr})


def _click_head(head: Head, whole: str, level: float) -> tuple[str, Delta, tuple[str, ...]]:
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
