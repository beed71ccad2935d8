"""Which ranker serves new items where validation saw too few: decided forward in time, within training."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from learn_rank.metrics.auc import AUC, UAUC
from learn_rank.rankers.by_head import ALL
from learn_rank.run.judged_head import Head
from learn_rank.uncertainty.base import Delta
from learn_recall.columns import CLICK, CONVERSION, PCTR, PCVR


@dataclass(frozen=True)
class Forward:
    """What the last part of training says of its new items (`learn_rank.datasets.forward_part`).

    Attributes:
        n_clicks: clicks there on items that nothing before it met; None where there is no such part.
        why_not: why there is none.
        base: labels and scores of its rows by a copy of the ranker without the plugin; None where the clicks
            are too few to choose by, and no copy was trained.
        fused: the same of a copy of the ranker with it, row by row.
    """

    n_clicks: int | None = None
    why_not: str = ""
    base: pd.DataFrame | None = None
    fused: pd.DataFrame | None = None


@dataclass(frozen=True)
class NewItems:
    """Whether new items are served by the fused ranker, and the evidence.

    Attributes:
        n_clicks: on new items, by which they were judged.
        click: whether their pCTR comes from the fused ranker; conversion: whether their pCVR does.
        ctr: AUC of click among rows of new items, fused - base.
        cvr: AUC of conversion among clicked rows of new items; None where conversions are not recorded.
        against: what spoke against the fused ranker, a sentence each.
    """

    n_clicks: int
    click: bool
    conversion: bool
    ctr: Delta
    cvr: Delta | None
    against: tuple[str, ...] = ()


def choose_for_new_items(base: pd.DataFrame, fused: pd.DataFrame, *, serves: str, level: float) -> NewItems:
    """Choose for new items alone, in favour of the base.

    Definition: the click head is fused where the interval of its AUC difference, among rows of new items,
    lies above 0, unless UAUC is worse there with its interval below 0 or new items are pushed up or down
    beside all others (`Head.miscalibrated`). The conversion head goes with it unless its own difference is
    negative; alone, it is fused where its interval lies above 0; calibration forbids it too.

    Args:
        base: user_id, click, item_is_new, pctr and, where recorded, conversion and pcvr of every row.
        fused: the same rows, scored by the ranker with the plugin.
        serves: "all" or "new": whether the fused ranker would serve the other items, too.
        level: of the intervals.
    """
    head = Head.of(base, CLICK, base[PCTR], fused[PCTR])
    alone = head.of_new()
    ctr, uauc = (alone.difference(metric, ALL, level) for metric in (AUC(), UAUC()))
    against = head.miscalibrated_new(serves, level)
    if uauc.high < 0:
        against = (f"UAUC of clicks on new items {100 * uauc.delta:+.2f} points", *against)
    n_clicks, click = int(alone.rows.labels.sum()), ctr.low > 0 and not against
    if not (CONVERSION in base and PCVR in base and PCVR in fused):
        return NewItems(n_clicks, click, click, ctr, None, against)
    clicked = base[CLICK].to_numpy() > 0
    head = Head.of(base[clicked], CONVERSION, base.loc[clicked, PCVR], fused.loc[clicked, PCVR])
    cvr, off = head.of_new().difference(AUC(), ALL, level), head.miscalibrated_new(serves, level)
    is_better = cvr.low > 0 or (click and not cvr.delta < 0)
    return NewItems(n_clicks, click, is_better and not off, ctr, cvr, (*against, *off))


def forward_words(few_new_clicks: int, least: int, n_clicks: int | None, new: NewItems | None) -> str:
    """On what the choice for new items was made, or why on nothing.

    Args:
        few_new_clicks: of validation.
        least: that are needed.
        n_clicks: of the last part of training; None where there is none.
        new: what was decided there.
    """
    if new is not None:
        return (
            f"new items, of which validation has {few_new_clicks} clicks, were decided on the last part of "
            f"training: {new.n_clicks} clicks on items that nothing before it met, judged by copies of both "
            "rankers that were trained on what lies before"
        )
    also = "" if n_clicks is None else f" and the last part of training {n_clicks}"
    return (
        f"nothing was proved for new items, of which validation has {few_new_clicks} clicks{also}, and "
        f"{least} are needed"
    )


__all__ = ["Forward", "NewItems", "choose_for_new_items", "forward_words"]
