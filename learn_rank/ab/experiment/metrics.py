"""The metrics of an experiment: a column summed over a user's days, or one such sum over another."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from learn_rank.ab.hierarchy.declaration import known_name

__all__ = ["STANDARD", "Metric", "metric_of", "metrics_of"]


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: as it is printed.
        above: the column that is summed per user.
        below: the column that divides its total; None for a mean over users.
    """

    name: str
    above: str
    below: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return (self.above,) if self.below is None else (self.above, self.below)


STANDARD = (
    Metric("revenue", "revenue"),
    Metric("CTR", "clicks", "impressions"),
    Metric("CVR", "conversions", "clicks"),
    Metric("conversions", "conversions"),
    Metric("revenue/clicks", "revenue", "clicks"),
)


def metric_of(text: str) -> Metric:
    """The metric that an option names: a standard one, a column (mean over users), or ABOVE/BELOW (ratio).

    Raises:
        ValueError: no name, or more than one slash.

    Example:
        >>> metric_of("CTR").columns, metric_of("spend").columns, metric_of("spend/visit").columns
        (('clicks', 'impressions'), ('spend',), ('spend', 'visit'))
    """
    name = known_name(text)
    known = {metric.name: metric for metric in STANDARD}
    if name in known:
        return known[name]
    parts = [part.strip() for part in name.split("/")]
    if len(parts) > 2 or not all(parts):
        raise ValueError(
            f"metric: expected a column, or two as ABOVE/BELOW, got {text!r}. Remedy: --metric spend for a "
            "mean over users, --metric spend/visit for a ratio of sums."
        )
    return Metric(name, *parts)


def metrics_of(
    columns: Collection[str], named: Sequence[str] = (), standard: Collection[str] | None = None
) -> tuple[Metric, ...]:
    """The metrics of a file: the standard ones whose columns are there, then the named ones.

    Args:
        columns: of the file.
        named: as `metric_of` reads them.
        standard: names of the standard metrics that are wanted; None for all whose columns are there.

    Example:
        >>> [metric.name for metric in metrics_of({"clicks", "impressions", "visit"}, ["visit"])]
        ['CTR', 'visit']
    """
    wanted = [metric for metric in STANDARD if standard is None or metric.name in standard]
    there = [metric for metric in wanted if set(metric.columns) <= set(columns)]
    return tuple(dict.fromkeys([*there, *map(metric_of, named)]))
