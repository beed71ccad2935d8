"""Dense features by training's mean and spread: computed in float64, and only then narrowed to float32.

A time of day is lost in a unix time of float32, whose steps there are 128 seconds; once standardised it fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

_SMALLEST_RATE = 1e-6
_SMALLEST_STATISTIC = 1e-6  # they come in float32: a spread below is rounding
_SMALLEST_SHARE = 1e-12  # of the largest value, of features as they come


def log_odds(rate: pd.Series | np.ndarray | float, *, smallest: float = _SMALLEST_RATE) -> np.ndarray:
    """``log(p / (1 - p))`` in float64, of rates kept `smallest` away from 0 and 1.

    Example:
        >>> log_odds(np.array([0.5, 0.0])).round(1).tolist()
        [0.0, -13.8]
    """
    inside = np.clip(np.asarray(rate, np.float64), smallest, 1 - smallest)
    return np.asarray(np.log(inside / (1 - inside)))


def with_log_odds(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The frame with its rates among `names` as log odds, in which rates of several sides add up.

    Example:
        >>> rows = pd.DataFrame({"ctr": [0.5, 0.0], "clicks": [3, 0]})
        >>> with_log_odds(rows, ["ctr"]).round(1).to_numpy().tolist()
        [[0.0, 3.0], [-13.8, 0.0]]
    """
    return frame.assign(**{name: log_odds(frame[name]) for name in names if name in frame})


def standardised(
    statistics: Mapping[str, pd.DataFrame], features: Mapping[str, pd.DataFrame]
) -> tuple[dict[str, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Give statistics and features side by side, less the mean of train and over its standard deviation.

    A column without spread in train is only centred.

    Args:
        statistics: part -> rows of the host's statistics; "train" is one of the parts.
        features: part -> rows of the dense features, columns by name.

    Returns:
        Part -> (rows, columns) float32, and the means and deviations, float64.

    Raises:
        ValueError: a value that is not finite, or not once it is standardised; names part and column.
    """
    names = [*statistics["train"].columns, *features["train"].columns]
    raw = {
        part: np.asfortranarray(
            np.column_stack([known.to_numpy(np.float64), features[part].to_numpy(np.float64)])
        )
        for part, known in statistics.items()
    }
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = raw["train"].mean(0), raw["train"].std(0)
        smallest = _SMALLEST_SHARE * np.abs(raw["train"]).max(0, initial=0.0)
        smallest[: statistics["train"].shape[1]] = _SMALLEST_STATISTIC
        std = np.where((std > smallest) | ~np.isfinite(std), std, 1.0)
        narrow = {part: ((values - mean) / std).astype(np.float32) for part, values in raw.items()}
    for part, values in narrow.items():
        is_wrong = ~np.isfinite(values) | ~np.isfinite(std)
        if is_wrong.any():
            row, column = np.argwhere(is_wrong)[0]
            raise ValueError(
                f"{part}: expected in {names[column]!r} finite numbers that float32 holds when they are "
                f"standardised by train, got {raw[part][row, column]:g} in row {row}; in train, mean "
                f"{mean[column]:g} and deviation {std[column]:g}. Remedy: fill or clip the column, or take "
                "its logarithm."
            )
    return narrow, (mean, std)
