"""`auto`: the fused ranker where validation proves it better, the team's own ranker everywhere else.

Vectors that say nothing still cost: a ranker with more inputs overfits to more noise, and no amount of
dropout takes that away. What cannot harm is a choice between two trained rankers, head by head, in which the
one without the plugin wins every doubt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from learn_rank.metrics.auc import AUC
from learn_rank.metrics.labelled_rows import LabelledRows
from learn_rank.uncertainty.base import Delta
from learn_rank.uncertainty.intervals import ClosedForm
from learn_recall.columns import CLICK, CONVERSION, PCTCVR, PCTR, PCVR, USER_ID


@dataclass(frozen=True)
class Choice:
    """Which ranker serves each head, and the validation evidence.

    Attributes:
        fuses_ctr: pCTR comes from the fused ranker.
        fuses_cvr: pCVR comes from the fused ranker. Where the two differ, both rankers have to be served.
        ctr: AUC of click, fused - base, on the validation rows.
        cvr: AUC of conversion on the clicked validation rows; None where conversions are not recorded.
    """

    fuses_ctr: bool
    fuses_cvr: bool
    ctr: Delta
    cvr: Delta | None

    @property
    def words(self) -> str:
        """One plain sentence."""
        if self.fuses_ctr and self.fuses_cvr:
            return "both heads from the fused ranker"
        if not (self.fuses_ctr or self.fuses_cvr):
            return "both heads from the base ranker: validation shows no gain"
        fused, base = ("click", "conversion") if self.fuses_ctr else ("conversion", "click")
        return f"the {fused} head from the fused ranker, the {base} head from the base: both are served"


def choose(labels: pd.DataFrame, base: pd.DataFrame, fused: pd.DataFrame, *, level: float = 0.95) -> Choice:
    """Choose on validation rows, in favour of the base.

    Definition: the click head is fused where the paired, user-clustered interval of its AUC difference lies
    above 0. The conversion head goes with it unless its own difference is negative; alone, it is fused where
    its interval lies above 0. So rankers that are equal in truth are taken for better in (1 - level) / 2 of
    the cases, and vectors that harm are not taken at all.

    Args:
        labels: user_id, click and, where recorded, conversion (anything where not clicked) of each row.
        base: pctr and, unless it ranks by clicks alone, pcvr of the ranker without the plugin, row by row.
        fused: the same of the ranker with it.
        level: of the intervals.

    Raises:
        ValueError: other numbers of rows, or rows that cannot be judged (`learn_rank.metrics.labelled_rows`).
    """
    if not len(labels) == len(base) == len(fused):
        raise ValueError(
            f"labels, base, fused: expected the same validation rows, got {len(labels)}, {len(base)} and "
            f"{len(fused)} rows. Remedy: score one table with both rankers"
        )
    click = labels[CLICK].to_numpy()
    ctr = _difference(LabelledRows.of(click, labels[USER_ID]), fused[PCTR], base[PCTR], level)
    fuses_ctr = ctr.low > 0
    cvr = None
    if CONVERSION in labels and PCVR in base and PCVR in fused:
        clicked = np.flatnonzero(click)
        conversion = labels[CONVERSION].to_numpy(np.float64)[clicked]
        rows = LabelledRows.of(conversion, labels[USER_ID].iloc[clicked])
        cvr = _difference(rows, fused[PCVR].iloc[clicked], base[PCVR].iloc[clicked], level)
    fuses_cvr = fuses_ctr if cvr is None else cvr.low > 0 or (fuses_ctr and not cvr.delta < 0)
    return Choice(fuses_ctr, fuses_cvr, ctr, cvr)


def combine(choice: Choice, base: pd.DataFrame, fused: pd.DataFrame) -> pd.DataFrame:
    """The scores that are served: pctr, pcvr, pctcvr, each head from the ranker that was chosen for it."""
    if PCVR not in base:
        return (fused if choice.fuses_ctr else base)[[PCTR]]
    pctr = (fused if choice.fuses_ctr else base)[PCTR]
    pcvr = (fused if choice.fuses_cvr else base)[PCVR]
    if choice.fuses_ctr == choice.fuses_cvr:
        return (fused if choice.fuses_ctr else base)[[PCTR, PCVR, PCTCVR]]
    return pd.DataFrame({PCTR: pctr, PCVR: pcvr, PCTCVR: pctr * pcvr})


def _difference(rows: LabelledRows, fused: pd.Series, base: pd.Series, level: float) -> Delta:
    how = ClosedForm(level)
    new, old = (how.evidence([AUC()], rows, scores.to_numpy()) for scores in (fused, base))
    return how.delta(new, old)
