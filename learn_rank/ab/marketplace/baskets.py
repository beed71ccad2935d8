"""What real baskets cost and how often they come, for a simulation whose money and visits look like a shop's.

The numbers in `JOURNEY` were fitted by ``python -m learn_rank.ab.marketplace.baskets FOLDER`` on the Complete
Journey sample (dunnhumby, CC0): a year of 2,377 households of a grocery chain.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from pprint import pprint
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import weibull_min

from learn_rank.datasets.arithmetic import exp

__all__ = ["JOURNEY", "DepartmentPrices", "Journey", "fit_journey", "shop_prices"]

N_DEPARTMENTS = 9
NOT_SOLD_BY_PIECE = ("FUEL", "MISCELLANEOUS")  # their quantity is a volume, or a correction
_MIN_GAPS = 10


@dataclass(frozen=True)
class DepartmentPrices:
    """Log-normal prices of one piece: median in US dollars, standard deviation of the logarithm."""

    name: str
    median: float
    log_sd: float


@dataclass(frozen=True)
class Journey:
    """A shop in a dozen numbers.

    Attributes:
        prices: of the largest departments, from cheap to dear.
        mean_quantity: pieces per line of a basket.
        activity_shape: shape of the gamma distribution of baskets per household; small = few buy most.
        gap_shape: shape of the Weibull distribution of the time between two baskets of a household, relative
            to its mean; 1 is a Poisson process, below 1 visits come in bursts. Measured on a sample of the
            lines, in which whole baskets are missing: that pulls it towards 1.
    """

    prices: tuple[DepartmentPrices, ...]
    mean_quantity: float
    activity_shape: float
    gap_shape: float


def fit_journey(folder: str | Path) -> Journey:
    """Fit the numbers to the tables of the Complete Journey.

    Args:
        folder: holds ``transactions.csv.gz`` and ``products.csv.gz``.

    Raises:
        FileNotFoundError: a table is missing.
    """
    folder = Path(folder)
    for name in ("transactions", "products"):
        if not (folder / f"{name}.csv.gz").is_file():
            raise FileNotFoundError(
                f"{folder}: expected {name}.csv.gz of the Complete Journey, found none; name its folder."
            )
    lines = pd.read_csv(folder / "transactions.csv.gz")
    departments = pd.read_csv(folder / "products.csv.gz", usecols=["product_id", "department"])
    lines = lines.merge(departments, on="product_id", how="left")
    is_sold = (lines["quantity"] > 0) & (lines["sales_value"] > 0)
    lines = lines[is_sold & ~lines["department"].isin(NOT_SOLD_BY_PIECE)]
    baskets = lines.groupby("basket_id")[["household_id", "transaction_timestamp"]].first()
    return Journey(
        prices=_prices(lines),
        mean_quantity=round(float(lines["quantity"].mean()), 3),
        activity_shape=_activity_shape(baskets),
        gap_shape=_gap_shape(baskets),
    )


def _prices(lines: pd.DataFrame) -> tuple[DepartmentPrices, ...]:
    log_price = pd.Series(np.log(lines["sales_value"] / lines["quantity"]))
    found = log_price.groupby(lines["department"]).agg(["size", "mean", "std"])
    largest = found.nlargest(N_DEPARTMENTS, "size").sort_values("mean")
    return tuple(
        DepartmentPrices(str(name), round(float(np.exp(row["mean"])), 3), round(float(row["std"]), 3))
        for name, row in largest.iterrows()
    )


def _activity_shape(baskets: pd.DataFrame) -> float:
    """By moments of the negative binomial: counts are Poisson around a gamma rate."""
    counts = baskets.groupby("household_id").size()
    return round(float(counts.mean() ** 2 / (counts.var() - counts.mean())), 3)


def _gap_shape(baskets: pd.DataFrame) -> float:
    ordered = baskets.sort_values(["household_id", "transaction_timestamp"])
    gaps: Any = ordered.groupby("household_id")["transaction_timestamp"].diff()
    gaps = gaps.loc[gaps > 0]
    by_household = gaps.groupby(ordered["household_id"])
    relative = (gaps / by_household.transform("mean"))[by_household.transform("size") >= _MIN_GAPS]
    return round(float(weibull_min.fit(relative, floc=0)[0]), 3)


JOURNEY = Journey(
    prices=(
        DepartmentPrices("PRODUCE", 1.53, 0.726),
        DepartmentPrices("GROCERY", 1.621, 0.712),
        DepartmentPrices("DRUG GM", 1.966, 1.028),
        DepartmentPrices("PASTRY", 2.018, 0.836),
        DepartmentPrices("NUTRITION", 2.138, 0.584),
        DepartmentPrices("MEAT-PCKGD", 2.577, 0.596),
        DepartmentPrices("DELI", 3.368, 0.57),
        DepartmentPrices("SEAFOOD-PCKGD", 3.87, 0.51),
        DepartmentPrices("MEAT", 4.055, 0.566),
    ),
    mean_quantity=1.323,
    activity_shape=1.278,
    gap_shape=1.101,
)


def shop_prices(prices: np.ndarray, departments: np.ndarray, journey: Journey = JOURNEY) -> np.ndarray:
    """The same order of prices within every department, at a real shop's level and spread.

    Definition: departments are matched by the order of their median prices, several may share one of the
    shop's. Within a department the item of rank r among n costs the (r - 1/2) / n quantile of the log-normal.

    Args:
        prices: (N,) currency units, > 0.
        departments: (N,) names.
        journey: of `fit_journey`.

    Returns:
        (N,) float64, US dollars.

    Example:
        >>> cheap_and_dear = shop_prices(np.array([10.0, 90, 30, 5]), np.array(["a", "a", "a", "b"]))
        >>> cheap_and_dear.round(2).tolist()
        [2.35, 7.01, 4.06, 1.53]
    """
    table = pd.DataFrame({"department": departments, "price": np.asarray(prices, np.float64)})
    by_department = table.groupby("department")["price"]
    medians = by_department.median().sort_values(kind="stable")
    place = np.arange(len(medians)) * (len(journey.prices) - 1) // max(len(medians) - 1, 1)
    matched = pd.Series(place, index=medians.index)
    at = matched.reindex(table["department"]).to_numpy()
    quantile = (by_department.rank(method="average") - 0.5) / by_department.transform("size")
    median = np.array([department.median for department in journey.prices])
    log_sd = np.array([department.log_sd for department in journey.prices])
    return median[at] * exp(log_sd[at] * ndtri(quantile.to_numpy()))


if __name__ == "__main__":
    pprint(fit_journey(sys.argv[1]))
