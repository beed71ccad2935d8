"""Recent popularity: what was clicked and bought lately, of a row's item, its brand, its category.

No model: what a shop without a ranker shows. Where items come and go in days it is hard to beat, and an item
that nobody has met yet is known by its brand and its category.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from learn_rank.data.dataset import RankingDataset, is_list_column
from learn_rank.data.dense_features import log_odds
from learn_rank.data.host_statistics import DAY
from learn_rank.metrics.auc import AUC
from learn_recall.columns import BRAND, CATEGORY, CLICK, CONVERSION, ITEM_ID, PCTCVR, PCTR, PCVR, TIMESTAMP

Codes = tuple[np.ndarray, np.ndarray]  # of the rows of the log, and of those that ask
WINDOWS = (1.0, 3.0, 7.0, 30.0)
"""Days that are looked back, of which validation chooses."""
HOST_DAYS = 7.0
"""Days that a host's features look back; fixed, so that a request is given what its training rows had."""
RECENT_ITEM = ("recent_item_ctr", "recent_item_cvr")
"""The host's features that are of the item alone: 0, what its brand is, for an item that nobody met."""


@dataclass(frozen=True)
class RecentPopularity:
    """Smoothed rates over trailing days, as they were known strictly before each row.

    Definition: shown, clicked and converted rows of all parts in [t - days, t) are counted by category, brand
    and item. The category's rate is shrunk to that of training, the brand's to the category's, the item's to
    the brand's. Rows of one moment do not know each other. Where impressions are sampled, a rate of clicks
    only restates the sampling: clicks over the busiest item's clicks rank instead.

    Attributes:
        dataset: with timestamps.
        click_prior: impressions behind a click rate; conversion_prior: clicks behind a conversion rate.

    Raises:
        ValueError: a part without timestamps.
    """

    dataset: RankingDataset
    click_prior: float = 20.0
    conversion_prior: float = 5.0

    def __post_init__(self) -> None:
        lacking = [name for name, part in self.dataset.parts.items() if TIMESTAMP not in part]
        if lacking:
            raise ValueError(
                f"dataset: expected a timestamp in every part, got none in {lacking}. Remedy: leave recent "
                "popularity out where rows have no time."
            )

    def scores(self, part: str, days: float) -> pd.DataFrame:
        """pctr, pcvr and pctcvr of the rows of a part, float32.

        Args:
            part: "train", "valid" or "test".
            days: looked back.
        """
        *_, (_, pctr, pcvr, _) = self._rates(part, days)
        scores = {PCTR: pctr, PCVR: pcvr, PCTCVR: pctr * pcvr}
        return pd.DataFrame(scores).astype(np.float32)

    def host_features(self, part: str, days: float = HOST_DAYS) -> pd.DataFrame:
        """What a host may know of the rows of a part, float32; names are `recent_item_ctr` and the like.

        Definition: of category, brand and item, as far as there are any, the log odds of the rate less those
        of the one above it (of training, for the first), so that 0 is "no more than is known anyway" and the
        features of an item that nobody met are 0. Where impressions are sampled, the logarithm of 1 + clicks
        stands in place of click rates. Conversions are there where they are recorded.

        Args:
            part: "train", "valid" or "test".
            days: looked back.
        """
        columns: dict[str, np.ndarray] = {}
        rates = self._rates(part, days)
        _, *above, _ = next(rates)
        for kind, pctr, pcvr, clicked in rates:
            is_sampled = self.dataset.is_sampled
            columns[f"recent_{kind}_ctr"] = (
                np.log1p(clicked) if is_sampled else log_odds(pctr) - log_odds(above[0])
            )
            if self.dataset.has_conversions:
                columns[f"recent_{kind}_cvr"] = log_odds(pcvr) - log_odds(above[1])
            above = [pctr, pcvr]
        return pd.DataFrame(columns).astype(np.float32)

    def _rates(self, part: str, days: float) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
        """Name, click rate, conversion rate and clicks: of training, then of category, brand and item."""
        log = pd.concat(list(self.dataset.parts.values()), ignore_index=True)
        train, asked = self.dataset.train, self.dataset.parts[part]
        clicks = float(train[CLICK].sum())
        bought = float(train[CONVERSION].fillna(0.0).sum()) if CONVERSION in train else 0.0
        pctr = np.full(len(asked), clicks / max(len(train), 1))
        pcvr = np.full(len(asked), bought / clicks if clicks else 0.0)
        yield "train", pctr, pcvr, np.full(len(asked), clicks)
        events = _events(log)
        times = log[TIMESTAMP].to_numpy(np.float64), asked[TIMESTAMP].to_numpy(np.float64)
        for kind, codes in self._kinds(log, asked):
            counts = _within(codes, times, events, days * DAY)
            shown, clicked, converted = counts.T
            if self.dataset.is_sampled:  # equal counts are told apart by what is above: brand, category
                pctr = (clicked + pctr) / (clicked.max(initial=0.0) + 1.0)
            else:
                pctr = (clicked + self.click_prior * pctr) / (shown + self.click_prior)
            pcvr = (converted + self.conversion_prior * pcvr) / (clicked + self.conversion_prior)
            yield kind, pctr, pcvr, clicked

    def best_window(self) -> float:
        """The days of `WINDOWS` whose pctr has the best AUC on validation."""
        labels = self.dataset.valid[CLICK].to_numpy()
        found = {days: AUC()(labels, self.scores("valid", days)[PCTR]).value for days in WINDOWS}
        return max(found, key=lambda days: -1.0 if np.isnan(found[days]) else found[days])

    def _kinds(self, log: pd.DataFrame, asked: pd.DataFrame) -> list[tuple[str, Codes]]:
        """Name and codes of the rows' category, brand and item, as far as there are any; -1 = not known."""
        items = self.dataset.items.set_index(ITEM_ID)
        found = []
        for column in (CATEGORY, BRAND, ITEM_ID):
            if column != ITEM_ID and (column not in items or is_list_column(items[column])):
                continue
            of_log, of_asked = (
                rows[ITEM_ID] if column == ITEM_ID else rows[ITEM_ID].map(items[column])
                for rows in (log, asked)
            )
            known = pd.Index(of_log.dropna().unique())
            codes = known.get_indexer(pd.Index(of_log)), known.get_indexer(pd.Index(of_asked))
            found.append(("item" if column == ITEM_ID else column, codes))
        return found


def _events(rows: pd.DataFrame) -> np.ndarray:
    """(N, 3) shown, clicked, converted; a row without a label was never shown."""
    converted = rows[CONVERSION].fillna(0.0) if CONVERSION in rows else np.zeros(len(rows))
    events = np.column_stack([rows[CLICK].notna(), rows[CLICK].fillna(0.0), converted])
    return events.astype(np.float64)


def _within(
    codes: tuple[np.ndarray, np.ndarray],
    times: tuple[np.ndarray, np.ndarray],
    events: np.ndarray,
    seconds: float,
) -> np.ndarray:
    """Sum the events of each row's code in [time - seconds, time).

    Args:
        codes: of the N rows of the log and of the M rows that ask; -1 has no events.
        times: of both.
        events: (N, K).
        seconds: looked back.

    Returns:
        (M, K).
    """
    moments = np.unique(times[0])
    order = np.lexsort((times[0], codes[0]))
    place = codes[0][order] * (len(moments) + 1) + np.searchsorted(moments, times[0][order])
    running = np.concatenate([np.zeros((1, events.shape[1])), np.cumsum(events[order], axis=0)])

    def before(limit: np.ndarray) -> np.ndarray:
        wanted = codes[1] * (len(moments) + 1) + np.searchsorted(moments, limit)
        return running[np.searchsorted(place, wanted)]

    return np.where((codes[1] >= 0)[:, None], before(times[1]) - before(times[1] - seconds), 0.0)


def with_recent(dataset: RankingDataset, known: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The host's statistics of every part and, where rows have time, its recent popularity behind them."""
    if not has_time(dataset):
        return known
    recent = RecentPopularity(dataset)
    return {part: pd.concat([rows, recent.host_features(part)], axis=1) for part, rows in known.items()}


def has_time(dataset: RankingDataset) -> bool:
    """Whether every part has timestamps."""
    return all(TIMESTAMP in part for part in dataset.parts.values())


__all__ = ["HOST_DAYS", "RECENT_ITEM", "WINDOWS", "RecentPopularity", "has_time", "with_recent"]
