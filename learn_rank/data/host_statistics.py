"""Counts and rates of users and items as the existing ranker would know them at the moment of a row.

A row never counts itself. With timestamps a row knows what came strictly earlier, in every part (point in
time, as a feature store would serve it): of its item and of the pair at once, of its user as of the last
midnight. Without, a training row knows all of training but its own request (leave-one-out), and a later row
all of training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from learn_recall.columns import CLICK, CONTEXT_ID, CONVERSION, ITEM_ID, TIMESTAMP, USER_ID

FEATURES = (
    "user_clicks_log",
    "user_cvr",
    "item_clicks_log",
    "item_cvr",
    "user_ctr",
    "item_ctr",
    "pair_clicks_log",
)
ITEM_FEATURES = ("item_clicks_log", "item_cvr", "item_ctr", "pair_clicks_log")
RATE_FEATURES = ("user_cvr", "item_cvr", "user_ctr", "item_ctr")
_PAIR = "pair"
DAY = 86_400.0  # seconds


@dataclass(frozen=True)
class HostStatistics:
    """Smoothed counts and rates; the priors are fitted on training impressions.

    Attributes:
        parts: "train", "valid" and "test" impressions.
        is_sampled: impressions are sampled negatives, so a user's click rate only restates the sampling and
            an item's restates its popularity: both rates are then left at the prior.
        click_prior: pseudo-impressions behind a click rate.
        conversion_prior: pseudo-clicks behind a conversion rate.
        user_snapshot_days: from one snapshot of what is known of users to the next, at midnight UTC for 1; a
            part's own beginning is one, too. Of a training that is shorter than seven of them, a seventh of
            it in their place. 0: every event at once. A rate that follows each event falls in the rows
            behind a miss and rises in those behind a hit, which then have fewer hits left: within one user
            it orders rows backwards, by nothing but counting (arXiv 1902.01265), and UAUC, which sees
            nothing else, pays for it.

    Raises:
        ValueError: snapshots that are not days apart.
    """

    parts: dict[str, pd.DataFrame]
    is_sampled: bool = False
    click_prior: float = 20.0
    conversion_prior: float = 5.0
    user_snapshot_days: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.user_snapshot_days < np.inf:
            raise ValueError(
                f"user_snapshot_days: expected days, 0 or more, got {self.user_snapshot_days}. Remedy: 1, or "
                "0 for statistics that follow every event."
            )

    @property
    def train(self) -> pd.DataFrame:
        """The training impressions."""
        return self.parts["train"]

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in order.

        Sampled negatives are items that the user never clicked, so there the user's earlier clicks on the
        item would only restate the label, and they are left out.
        """
        return tuple(name for name in FEATURES if not (self.is_sampled and name == "pair_clicks_log"))

    @property
    def click_rate(self) -> float:
        """Clicks over impressions in training."""
        return float(self.train[CLICK].mean())

    @property
    def conversion_rate(self) -> float:
        """Conversions over clicks in training; 0 where nothing was clicked or conversion is not recorded."""
        clicks = float(self.train[CLICK].sum())
        return float(_events(self.train)[:, 2].sum()) / clicks if clicks else 0.0

    @property
    def prior(self) -> dict[str, float]:
        """What is known of a user or an item that was never seen."""
        rates = {"user_cvr": self.conversion_rate, "item_cvr": self.conversion_rate}
        rates |= {"user_ctr": self.click_rate, "item_ctr": self.click_rate}
        return {name: rates.get(name, 0.0) for name in self.names}

    @property
    def floors(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The features that add up to a score without a model: of clicks, and of conversions of clicked rows.

        Those are "item rate + user rate", as log odds. Where impressions are sampled, rates of clicks say
        nothing and the item's clicks rank instead.
        """
        clicks = ("item_clicks_log",) if self.is_sampled else ("item_ctr", "user_ctr")
        return clicks, ("item_cvr", "user_cvr")

    def features(self) -> dict[str, pd.DataFrame]:
        """Statistics of the rows of every part; columns are ``FEATURES``."""
        if all(TIMESTAMP in part for part in self.parts.values()):
            return self._point_in_time()
        return {
            name: self._without_own_request() if name == "train" else self._of_training(part)
            for name, part in self.parts.items()
        }

    def _point_in_time(self) -> dict[str, pd.DataFrame]:
        together = _with_pair(pd.concat(list(self.parts.values()), ignore_index=True))
        at_once = together[TIMESTAMP].to_numpy()
        user = _earlier_totals(together, USER_ID, self._snapshots())
        known = self._features(user, *(_earlier_totals(together, key, at_once) for key in (ITEM_ID, _PAIR)))
        edges = np.cumsum([0, *(len(part) for part in self.parts.values())])
        return {
            name: known.iloc[start:stop].reset_index(drop=True)
            for name, start, stop in zip(self.parts, edges[:-1], edges[1:], strict=True)
        }

    def _snapshots(self) -> np.ndarray:
        """Of the rows of all parts, the time that events of the row's user lie before to be known."""
        times = {name: part[TIMESTAMP].to_numpy(np.float64) for name, part in self.parts.items()}
        of_train = self.train[TIMESTAMP]
        every = min(self.user_snapshot_days * DAY, (of_train.max() - of_train.min()) / 7)
        if not every > 0:
            return np.concatenate(list(times.values()))
        return np.concatenate(
            [np.maximum(part // every * every, part.min(initial=np.inf)) for part in times.values()]
        )

    def _without_own_request(self) -> pd.DataFrame:
        train, own = _with_pair(self.train), _events(self.train)
        request = _totals(train, CONTEXT_ID, train[CONTEXT_ID])
        user, item, pair = (_totals(train, key, train[key]) for key in (USER_ID, ITEM_ID, _PAIR))
        return self._features(user - request, item - own, pair - own)

    def _of_training(self, rows: pd.DataFrame) -> pd.DataFrame:
        train, later = _with_pair(self.train), _with_pair(rows)
        return self._features(*(_totals(train, key, later[key]) for key in (USER_ID, ITEM_ID, _PAIR)))

    def _features(self, user: np.ndarray, item: np.ndarray, pair: np.ndarray) -> pd.DataFrame:
        # a host knows what its user clicked before; else any vector that recognises an item seems to help
        columns: dict[str, np.ndarray] = {"pair_clicks_log": np.log1p(pair[:, 1])}
        for side, (shown, clicks, conversions) in (("user", user.T), ("item", item.T)):
            columns[f"{side}_clicks_log"] = np.log1p(clicks)
            columns[f"{side}_cvr"] = (conversions + self.conversion_prior * self.conversion_rate) / (
                clicks + self.conversion_prior
            )
            columns[f"{side}_ctr"] = (
                np.full(len(shown), self.click_rate)
                if self.is_sampled
                else (clicks + self.click_prior * self.click_rate) / (shown + self.click_prior)
            )
        return pd.DataFrame(columns)[list(self.names)].astype(np.float32)


def _with_pair(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with one more id: the user and the item together."""
    user, item = pd.util.hash_array(rows[USER_ID].to_numpy()), pd.util.hash_array(rows[ITEM_ID].to_numpy())
    return rows.assign(**{_PAIR: user * np.uint64(0x9E3779B97F4A7C15) + item})


def _events(rows: pd.DataFrame) -> np.ndarray:
    """Impression, click and conversion of each row, shape (rows, 3); without a label it was never shown."""
    conversion = rows[CONVERSION].fillna(0.0) if CONVERSION in rows else np.zeros(len(rows))
    events = np.column_stack([rows[CLICK].notna(), rows[CLICK].fillna(0.0), conversion])
    return events.astype(np.float64)


def _totals(train: pd.DataFrame, key: str, ids: pd.Series) -> np.ndarray:
    """Events of each id in training, aligned with ``ids``; an id never seen has zeros."""
    codes, unique = pd.factorize(train[key])
    sums = np.column_stack([np.bincount(codes, event, len(unique)) for event in _events(train).T])
    at = pd.Index(unique).get_indexer(pd.Index(ids))
    return np.where((at >= 0)[:, None], sums[at], 0.0)


def _earlier_totals(rows: pd.DataFrame, key: str, moments: np.ndarray) -> np.ndarray:
    """Events of each row's id strictly before a moment of the row's own, (rows, 3)."""
    codes = pd.factorize(rows[key])[0]
    times, rank = np.unique(rows[TIMESTAMP].to_numpy(), return_inverse=True)
    place = codes * (len(times) + 1)  # of an id's events, ordered by time
    order = np.argsort(place + rank, kind="stable")
    running = np.zeros((len(rows) + 1, 3))
    np.cumsum(_events(rows)[order], axis=0, out=running[1:])
    ordered = (place + rank)[order]
    first = np.searchsorted(ordered, place)
    behind = np.searchsorted(ordered, place + np.searchsorted(times, moments))
    return running[behind] - running[first]
