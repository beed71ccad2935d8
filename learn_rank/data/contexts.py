"""The user as known at a request: histories that hold nothing of the row itself and nothing later."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd

from learn_recall.columns import (
    CLICK,
    CONTEXT_ID,
    CONVERSION,
    HISTORY,
    HISTORY_CONVERTED,
    IS_LEARNED,
    ITEM_ID,
    REQUEST_ID,
    TIMESTAMP,
    USER_ID,
)


def clicked_events(*parts: pd.DataFrame) -> pd.DataFrame:
    """The clicks of impression frames, and interaction frames as they are: ``user, item, timestamp``.

    Where a frame records conversions, ``conversion`` too: 1 if the event converted in any frame, else 0.
    """
    frames = [part.loc[part[CLICK] == 1] if CLICK in part else part for part in parts]
    columns = [USER_ID, ITEM_ID, TIMESTAMP]
    if not any(CONVERSION in frame for frame in frames):
        return pd.concat([frame[columns] for frame in frames]).drop_duplicates(ignore_index=True)
    events = pd.concat([frame.reindex(columns=[*columns, CONVERSION]) for frame in frames])
    events[CONVERSION] = events[CONVERSION].fillna(0.0)
    return events.groupby(columns, sort=False, dropna=False)[[CONVERSION]].max().reset_index()


def point_in_time_contexts(
    events: pd.DataFrame,
    parts: dict[str, pd.DataFrame],
    *,
    learned_until: float | None = None,
    max_history: int = 80,
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Give every row the context of its user strictly before the row's time.

    Args:
        events: ``user_id, item_id, timestamp``: what a feature store would know, as it happens; with
            ``conversion`` the contexts say which of the items converted, known with the click as the host's
            own conversion rates are.
        parts: impression frames with ``user_id`` and ``timestamp``.
        learned_until: time of the newest event that the towers were trained on; contexts of rows up to then
            are marked ``is_learned``, clicked or not. None = the towers saw none of the rows.
        max_history: newest events that a context keeps.

    Returns:
        The contexts ``context_id, user_id, history, timestamp, is_learned``, with conversions also
        ``history_converted`` (timestamp of the newest event inside; the rows' users without events have an
        empty history and no timestamp), and the parts with ``context_id``. Rows between two events of a user
        share one context, ``<user>@<events so far>``, with a ``*`` behind it where the towers learned from
        them.
    """
    events = events.sort_values([USER_ID, TIMESTAMP], kind="stable").reset_index(drop=True)
    users = pd.Index(pd.concat([events[USER_ID], *(part[USER_ID] for part in parts.values())]).unique())
    event_user = users.get_indexer(pd.Index(events[USER_ID]))
    order = np.argsort(event_user, kind="stable")
    event_user, times = event_user[order], events[TIMESTAMP].to_numpy()[order]
    items = events[ITEM_ID].to_numpy()[order]
    first = np.searchsorted(event_user, np.arange(len(users) + 1))

    linked: dict[str, pd.DataFrame] = {}
    met: list[pd.DataFrame] = []
    for name, part in parts.items():
        row_user = users.get_indexer(pd.Index(part[USER_ID]))
        n_known = _n_earlier(event_user, times, row_user, part[TIMESTAMP].to_numpy(), first)
        is_learned = np.zeros(len(part), bool)
        if learned_until is not None:
            is_learned = (part[TIMESTAMP] <= learned_until).to_numpy()
        linked[name] = part.assign(**{CONTEXT_ID: _context_ids(part[USER_ID], n_known, is_learned)})
        met.append(pd.DataFrame({"user": row_user, "known": n_known, IS_LEARNED: is_learned}))
    unique = pd.concat(met).drop_duplicates().sort_values(["user", "known", IS_LEARNED], kind="stable")

    user, known = unique["user"].to_numpy(), unique["known"].to_numpy()
    stop = first[user] + known
    start = np.maximum(first[user], stop - max_history)
    user_ids = users[user]
    newest = np.where(known > 0, times[np.maximum(stop - 1, 0)] if len(times) else np.nan, np.nan)
    contexts = pd.DataFrame(
        {
            CONTEXT_ID: _context_ids(pd.Series(user_ids), known, unique[IS_LEARNED].to_numpy()).to_numpy(),
            USER_ID: user_ids,
            HISTORY: [items[a:b].tolist() for a, b in zip(start, stop, strict=True)],
            TIMESTAMP: newest,
            IS_LEARNED: unique[IS_LEARNED].to_numpy(),
        }
    )
    if CONVERSION in events:
        converted = events[CONVERSION].to_numpy()[order] > 0
        contexts[HISTORY_CONVERTED] = [converted[a:b].tolist() for a, b in zip(start, stop, strict=True)]
    return contexts, linked


def leave_one_out_contexts(
    events: pd.DataFrame,
    parts: dict[str, pd.DataFrame],
    *,
    learned: pd.DataFrame | None = None,
    max_history: int = 80,
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Stand in for time where there is none: a training request knows its user without its own clicks.

    Every row of a training request shares one context, clicked or not, so that the length of a history says
    nothing about the label. Later rows know all the events of their user.

    Args:
        events: ``user_id, item_id`` of training, in the user's order if there is one, and ``conversion``
            where it is recorded.
        parts: impression frames; "train" needs ``request_id``.
        learned: ``user_id, item_id`` that the towers were trained on; requests that hold such a click are
            marked ``is_learned`` with all their rows. None = the towers saw none of the rows.
        max_history: newest events that a context keeps.

    Returns:
        The contexts ``context_id, user_id, history, is_learned``, with conversions also
        ``history_converted``, and the parts with ``context_id``.
    """
    histories = _items_by(USER_ID, events)
    train = parts["train"]
    clicked = _items_by(REQUEST_ID, train.loc[train[CLICK] == 1])
    requests = train[[REQUEST_ID, USER_ID]].drop_duplicates(REQUEST_ID)
    known: dict[str, Any] = {
        IS_LEARNED: requests[REQUEST_ID].isin(_learned_requests(train, learned)),
        HISTORY: [
            _newest_without(histories.get(user, []), set(clicked.get(request, ())), max_history)
            for request, user in zip(requests[REQUEST_ID], requests[USER_ID], strict=True)
        ],
    }
    of_requests = requests.rename(columns={REQUEST_ID: CONTEXT_ID}).assign(**known)
    linked = {
        name: part.assign(
            **{CONTEXT_ID: part[REQUEST_ID] if name == "train" else "user-" + part[USER_ID].astype(str)}
        )
        for name, part in parts.items()
    }
    later = pd.concat([part for name, part in linked.items() if name != "train"])
    users = later[[CONTEXT_ID, USER_ID]].drop_duplicates()
    whole: dict[str, Any] = {
        HISTORY: [histories.get(user, [])[-max_history:] for user in users[USER_ID]],
        IS_LEARNED: False,
    }
    contexts = pd.concat([of_requests, users.assign(**whole)], ignore_index=True)
    if CONVERSION in events:
        converted = _items_by(USER_ID, events.loc[events[CONVERSION] == 1])
        items_of = {user: frozenset(items) for user, items in converted.items()}
        contexts[HISTORY_CONVERTED] = [
            list(map(items_of.get(user, frozenset()).__contains__, history))
            for user, history in zip(contexts[USER_ID], contexts[HISTORY], strict=True)
        ]
    return contexts, linked


def pseudo_requests(train: pd.DataFrame) -> pd.Series:
    """Request ids for training rows without them: a click and the user's rows back to the click before.

    So that leave-one-out takes a click out of the context of the rows beside it, too.
    """
    clicks_before = train.groupby(USER_ID)[CLICK].cumsum() - train[CLICK]
    clicks = train.groupby(USER_ID)[CLICK].transform("sum")
    number = np.minimum(clicks_before, np.maximum(clicks - 1, 0)).astype(np.int64)
    return train[USER_ID].astype(str) + "/" + number.astype(str)


def _learned_requests(train: pd.DataFrame, learned: pd.DataFrame | None) -> np.ndarray:
    if learned is None:
        return np.array([], dtype=object)
    clicks = train.loc[train[CLICK] == 1]
    is_seen = pd.MultiIndex.from_frame(clicks[[USER_ID, ITEM_ID]]).isin(
        pd.MultiIndex.from_frame(learned[[USER_ID, ITEM_ID]])
    )
    return clicks.loc[is_seen, REQUEST_ID].unique()


def _items_by(key: str, rows: pd.DataFrame) -> dict[Any, list[Any]]:
    """Items of each value of a column, in the rows' order; pandas is slow where most groups are small."""
    items_by: dict[Any, list[Any]] = defaultdict(list)
    for value, item in zip(rows[key].tolist(), rows[ITEM_ID].tolist(), strict=True):
        items_by[value].append(item)
    return dict(items_by)


def _newest_without(history: list[Any], held: set[Any], length: int) -> list[Any]:
    return [item for item in history if item not in held][-length:]


def _context_ids(user_ids: pd.Series, n_known: np.ndarray, is_learned: np.ndarray) -> pd.Series:
    mark: pd.Series = pd.Series(np.where(is_learned, "*", ""), index=user_ids.index)
    return user_ids.astype(str) + "@" + pd.Series(n_known, index=user_ids.index).astype(str) + mark


def _n_earlier(
    event_user: np.ndarray, times: np.ndarray, row_user: np.ndarray, row_time: np.ndarray, first: np.ndarray
) -> np.ndarray:
    """Events of each row's user strictly before the row's time; one merge sort over both."""
    n_events, n_rows = len(event_user), len(row_user)
    user = np.concatenate([event_user, row_user])
    time = np.concatenate([times, row_time])
    is_event = np.r_[np.ones(n_events, bool), np.zeros(n_rows, bool)]
    order = np.lexsort((is_event, time, user))  # at equal times the row comes before the event
    so_far = np.cumsum(is_event[order])
    before = np.empty(n_events + n_rows, np.int64)
    before[order] = so_far
    return before[n_events:] - first[row_user]
