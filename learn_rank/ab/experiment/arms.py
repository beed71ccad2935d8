"""The arms of an experiment: which is the control, and that nobody was in two of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from learn_recall.tables.problems import counted

__all__ = ["one_arm_a_user", "ordered_arms"]


def ordered_arms(names: np.ndarray, control: str | None) -> tuple[str, ...]:
    """The arms, the control first, the others by name.

    Raises:
        ValueError: fewer than two, or no control among them.
    """
    found = sorted(set(names.tolist()))
    if len(found) < 2:
        raise ValueError(
            f"arm: expected two arms or more, got one: {found[0]!r}. Remedy: give the rows of all arms; a "
            "test without a control has no answer."
        )
    if control is None and "control" in found:
        control = "control"
    if control not in found:
        got = "none named" if control is None else repr(control)
        raise ValueError(
            f"control: expected one of the arms {', '.join(map(repr, found))}, got {got}. Remedy: "
            f'--control "{found[0]}" if that is what users had before.'
        )
    return (control, *(name for name in found if name != control))


def one_arm_a_user(
    user_ids: np.ndarray, row_user: np.ndarray, row_arm: np.ndarray, arms: Sequence[str]
) -> np.ndarray:
    """(U,) the place of each user's arm.

    Args:
        user_ids: (U,).
        row_user: (N,) places of users.
        row_arm: (N,) places of arms.
        arms: names.

    Raises:
        ValueError: users in two arms.
    """
    low, high = np.full(user_ids.size, len(arms)), np.full(user_ids.size, -1)
    np.minimum.at(low, row_user, row_arm)
    np.maximum.at(high, row_user, row_arm)
    in_both = np.flatnonzero(low != high)
    if in_both.size:
        first = in_both[0]
        raise ValueError(
            f"arm: expected one arm a user, got {counted(in_both.size, 'user')} of {user_ids.size:,} in "
            f"two or more, as {user_ids[first]} in {arms[low[first]]!r} and {arms[high[first]]!r}. Remedy: "
            "find out what moved them (another device, a salt that changed); leave a user out of all arms "
            "only where the reason cannot depend on the arm."
        )
    return low
