"""Won pairs of each user as one relational expression, the same for every engine.

Of a row, ``less + le`` is twice its mid-rank but for a constant: the rows that score less plus those that
score at most as much. Among a user's rows, with P positive ones, twice the won pairs (ties half) are::

    2 W_u = sum over positive rows (less + le) - P^2

and what a row meets in the other class is the difference between its ranks in all rows and in its own class
(the placement value of DeLong)::

    less_other + le_other = (less + le in all rows) - (less + le in its own class)

All of these are window functions and integers: nothing is rounded, ties need no joins, and the order of rows
does not matter. The windows over all rows are cut into `N_RANGES` ranges of scores, so that no worker sorts
everything; what the ranges below hold is added.

Source: Mann and Whitney (1947); DeLong, DeLong and Clarke-Pearson (1988).
"""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

N_RANGES = 4096
BUCKET, USER, LABEL, SCORE = "bucket", "user", "label", "score"
N_ROWS, N_POSITIVES, TWICE_WON, TWICE_MET = "n_rows", "n_positives", "twice_won", "twice_met"
_RANGE, _OWN, _OTHER = "score_range", "own_rank", "other_rank"


def won_pairs(rows: ir.Table, low: float, high: float, summed: Sequence[str] = ()) -> ir.Table:
    """Counts of every user in every bucket.

    Args:
        rows: bucket (if there are any), user, label (int64, 0 or 1), score (finite), and the columns summed.
        low: smallest score.
        high: largest score; the two only say how ranges are cut.
        summed: columns to be summed by user.

    Returns:
        A row for each user of a bucket: the keys; n_rows; n_positives; twice_won, twice the user's own won
        pairs, ties half; twice_met, twice the won pairs of all rows in the bucket with a row of the user on
        either side; the sums.
    """
    keys = [BUCKET] if BUCKET in rows.columns else []
    cut = rows.mutate(_range_of(rows[SCORE], low, high).name(_RANGE))
    ranked = cut.mutate(
        _doubled_rank(cut, [*keys, USER]).name(_OWN),
        (_doubled_rank(cut, [*keys, _RANGE]) - _doubled_rank(cut, [*keys, _RANGE, LABEL])).name(_OTHER),
    )
    joined = _joined_to_ranges(ranked, _ranges(cut, keys), [*keys, _RANGE])
    is_positive = joined[LABEL] == 1
    below = 2 * joined["negatives_below"] + joined[_OTHER]
    above = 2 * joined["positives"] - 2 * joined["positives_below"] - joined[_OTHER]
    found = joined.group_by([*keys, USER]).aggregate(
        joined.count().name(N_ROWS),
        joined[LABEL].sum().name(N_POSITIVES),
        is_positive.ifelse(joined[_OWN], 0).sum().name("own"),
        is_positive.ifelse(below, above).sum().cast("int64").name(TWICE_MET),
        *(joined[name].sum().cast("int64").name(name) for name in summed),
    )
    won = (found["own"] - found[N_POSITIVES] * found[N_POSITIVES]).cast("int64").name(TWICE_WON)
    return found.select([*keys, USER, N_ROWS, N_POSITIVES, won, TWICE_MET, *summed])


def _range_of(score: ir.NumericColumn, low: float, high: float) -> ir.IntegerValue:
    """A whole number that never falls as the score rises; every step rounds, and none turns two scores."""
    if not low < high:
        return ibis.literal(0, "int64")
    share = (score.cast("float64") / 2 - low / 2) / (high / 2 - low / 2)
    return (share * N_RANGES).floor().cast("int64")


def _doubled_rank(rows: ir.Table, keys: Sequence[str]) -> ir.IntegerValue:
    """Rows of the same keys that score less, plus those that score at most as much."""
    less = ibis.rank().over(ibis.window(group_by=keys, order_by=SCORE))
    at_most = ibis.range_window(group_by=keys, order_by=SCORE, preceding=None, following=0)
    return less + rows.count().over(at_most)


def _ranges(cut: ir.Table, keys: Sequence[str]) -> ir.Table:
    """`positives` of the bucket of each range, and both classes in the ranges below: a few thousand rows."""
    held = cut.group_by([*keys, _RANGE]).aggregate(
        cut[LABEL].sum().name("positive"), (1 - cut[LABEL]).sum().name("negative")
    )
    so_far = ibis.window(group_by=keys, order_by=_RANGE, preceding=None, following=0)
    whole = ibis.window(group_by=keys)
    return held.select(
        *(held[key] for key in (*keys, _RANGE)),
        (held["positive"].sum().over(so_far) - held["positive"]).cast("int64").name("positives_below"),
        (held["negative"].sum().over(so_far) - held["negative"]).cast("int64").name("negatives_below"),
        held["positive"].sum().over(whole).cast("int64").name("positives"),
    )


def _joined_to_ranges(ranked: ir.Table, ranges: ir.Table, keys: Sequence[str]) -> ir.Table:
    there = ranges.rename({f"{key}_": key for key in keys})
    return ranked.join(there, [ranked[key] == there[f"{key}_"] for key in keys])
