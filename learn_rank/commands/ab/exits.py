"""With which code `learn-rank ab` ends after a judged test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learn_rank.commands.common import INVALID, IS_WORSE

if TYPE_CHECKING:
    from learn_rank.ab.report.result import ABResult


def exit_code(result: ABResult, *, fail_if_worse: bool = False) -> int:
    """0, 1 or 3 as `learn-rank ab` exits.

    Definition: 3 where a guard failed, and in mode D with ``fail_if_worse``; 1 with ``fail_if_worse``
    where the verdict is worse, or any row is significantly worse within its own family, whether or not the
    primary metric was found; else 0.

    Example:
        >>> from learn_rank.ab.report.result import ABResult
        >>> from learn_rank.ab.report.verdict import ABVerdict
        >>> result = ABResult("D", ABVerdict("descriptive only", ("No propensities.",)))
        >>> exit_code(result), exit_code(result, fail_if_worse=True)
        (0, 3)
    """
    from learn_rank.ab.report import verdict

    if result.verdict.status == verdict.INVALID or (result.mode == "D" and fail_if_worse):
        return INVALID
    losses = verdict.significant_apart(result.rows, verdict.WORSE, result.about.get("level", 0.95))
    is_worse = result.verdict.status == verdict.WORSE or bool(losses)
    return IS_WORSE if fail_if_worse and is_worse else 0
