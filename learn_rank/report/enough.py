"""What it would take to say something: seeds or users, by the arithmetic of square roots."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from learn_rank.report_kit.rules import DECIDING_WIDTH, Delta, find
from learn_rank.report_kit.words import count_words, said

FEW_SEEDS = 3  # with fewer, the spread of training is not known, or from one difference alone
_MANY_SEEDS = 10  # above that, users are named as well


def enough_words(rows: Sequence[Delta], about: Mapping[str, Any]) -> str:
    """What would be enough for intervals no wider than `DECIDING_WIDTH`: `about 7 seeds (now 3)`.

    Definition: `about["precision"]` says how much of an interval is the users' and how much the seeds'; with
    K seeds the latter falls as t(K - 1) / sqrt(K). Where no number of seeds does, or it is not known,
    users by (width / wanted width)^2.

    Args:
        rows: whose intervals are too wide; the one that needs most counts.
        about: of the report.
    """
    n_seeds = len(about.get("seeds") or [])
    needs = [_need(row, about) for row in rows]
    seeds = max((need or 0 for need, _ in needs), default=0)
    by_seeds = all(need is not None for need, _ in needs) and seeds > n_seeds
    users, now = max((users for _, users in needs), default=(0, 0))
    parts = [f"about {seeds} seeds{_now(n_seeds)}"] if by_seeds else []
    if not by_seeds or seeds > _MANY_SEEDS:
        parts.append(f"about {count_words(_rounded(users))} users{_now(now)}")
    few = f" and {FEW_SEEDS} seeds" if 0 < n_seeds < FEW_SEEDS and not by_seeds else ""
    return " or ".join(parts) + few


def few_seeds_words(seeds: Sequence[Any]) -> str | None:
    """A warning where the seeds are too few to know how trainings differ."""
    if len(seeds) == 1:
        return "One seed only: the intervals do not contain the chance of training."
    if 0 < len(seeds) < FEW_SEEDS:
        return (
            "Two seeds only: what the intervals know of the chance of training is one difference, so they "
            "are wide (Student's t is 12.7 with two seeds, 4.3 with three) or narrow by luck."
        )
    return None


def widest_words(rows: Sequence[Delta]) -> str:
    """`the interval of CTR UAUC, −8.33 [−36.40, +19.74], could hide 5 points`, of the widest."""
    row = max(rows, key=lambda row: row["high"] - row["low"])
    return f"the interval of {row['task']} {row['metric']}, {said(row)}, could hide 5 points"


def _need(row: Delta, about: Mapping[str, Any]) -> tuple[int | None, tuple[int, int]]:
    known = find(about.get("precision") or [], task=row["task"], metric=row["metric"])
    users = None if known is None else known["enough_users"]
    if users is None:
        users = math.ceil(row["n_users"] * max(1.0, (row["high"] - row["low"]) / DECIDING_WIDTH) ** 2)
    return (None if known is None else known["enough_seeds"]), (users, row["n_users"])


def _now(count: int) -> str:
    return f" (now {count_words(count)})" if count else ""


def _rounded(count: int) -> int:
    """Two figures are more than an estimate of a variance gives away."""
    step = int(10 ** max(0, len(str(count)) - 2))
    return math.ceil(count / step) * step
