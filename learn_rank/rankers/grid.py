"""A grid of settings of which validation chooses, widened while its edge is the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence


def beyond_edge(scores: Mapping[float, float]) -> float | None:
    """The next value behind the edge of a grid where the best lies at it; None inside, or without a ratio.

    Example:
        >>> beyond_edge({1.0: 0.64, 10.0: 0.65}), beyond_edge({1.0: 0.64, 10.0: 0.65, 100.0: 0.63})
        (100.0, None)
    """
    tried, best = sorted(scores), max(scores, key=lambda value: scores[value])
    if len(tried) < 2 or tried[0] <= 0:
        return None
    if best == tried[-1]:
        return best * (tried[-1] / tried[-2])
    return best / (tried[1] / tried[0]) if best == tried[0] else None


def widening_scores(
    values: Sequence[float],
    score: Callable[[float], float],
    *,
    most_wider: int,
    is_allowed: Callable[[float], bool] = lambda value: True,
) -> dict[float, float]:
    """The score of each value and, while the best lies at an edge, of one further in the same ratio.

    Args:
        values: at least one, tried in order; a single one is not widened.
        score: larger is better.
        most_wider: values tried besides those.
        is_allowed: whether a value behind the edge may be tried.

    Example:
        >>> widening_scores((1.0, 10.0), lambda value: -abs(value - 100), most_wider=2)
        {1.0: -99.0, 10.0: -90.0, 100.0: -0.0, 1000.0: -900.0}
    """
    scores = {value: score(value) for value in values}
    for _ in range(most_wider):
        further = beyond_edge(scores)
        if further is None or not is_allowed(further):
            break
        scores[further] = score(further)
    return scores


__all__ = ["beyond_edge", "widening_scores"]
