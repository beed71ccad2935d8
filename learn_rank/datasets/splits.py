"""What the dataset readers share: sampled requests and the checks that a split leaks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from learn_recall.columns import CLICK, CONTEXT_ID, HISTORY, ITEM_ID, REQUEST_ID, TIMESTAMP, USER_ID
from learn_recall.tables.problems import SHOWN_ROWS, Problem, TableError, counted

_PAGE = 'docs/tables.md, "What a split must keep"'


class SplitLeak(TableError):
    """A split in which something that is judged was seen before it was judged; `problems` holds all of it."""


def sample_negatives(
    positives: pd.DataFrame,
    acquired: pd.DataFrame,
    *,
    catalogue: np.ndarray,
    popularity: np.ndarray,
    n_popular: int,
    n_uniform: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """One request per positive: it and ``n_popular + n_uniform`` items that the user never acquired.

    Args:
        positives: rows ``user_id, item_id`` in request order, one request each.
        acquired: every ``user_id, item_id`` of the data, so that no acquired item is called a negative.
        catalogue: item ids that may be drawn, shape (N,).
        popularity: draw weights of the popular share, shape (N,), not negative.
        n_popular: negatives per request drawn in proportion to ``popularity``.
        n_uniform: negatives per request drawn uniformly.
        generator: the only source of randomness.

    Returns:
        Rows ``request, user_id, item_id, click``; ``request`` is the positive's row number. A request may
        hold fewer negatives where a user owns nearly everything that can be drawn.
    """
    n_requests, n_negatives = len(positives), n_popular + n_uniform
    n_ids = int(max(acquired[ITEM_ID].max(), catalogue.max())) + 1
    users = positives[USER_ID].to_numpy()
    owned = np.unique(acquired[USER_ID].to_numpy().astype(np.int64) * n_ids + acquired[ITEM_ID].to_numpy())
    cumulative = np.cumsum(popularity, dtype=np.float64)
    is_popular = np.arange(n_negatives) < n_popular

    drawn = np.full((n_requests, n_negatives), -1, dtype=np.int64)
    for _ in range(50):  # redraw what is owned or already in the request; a handful of rounds is enough
        row, slot = np.nonzero(drawn < 0)
        if len(row) == 0:
            break
        popular = np.searchsorted(cumulative, generator.random(len(row)) * cumulative[-1], side="right")
        uniform = generator.integers(0, len(catalogue), len(row))
        item = catalogue[np.where(is_popular[slot], np.minimum(popular, len(catalogue) - 1), uniform)]
        key = users[row].astype(np.int64) * n_ids + item
        at = np.minimum(np.searchsorted(owned, key), len(owned) - 1)
        drawn[row, slot] = np.where(owned[at] == key, -1, item)
        ordered = np.sort(drawn, axis=1)
        has_repeat = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(axis=1)
        for index in np.flatnonzero(has_repeat):
            values, first = np.unique(drawn[index], return_index=True)
            kept = np.full(n_negatives, -1, dtype=np.int64)
            kept[first] = values
            drawn[index] = kept

    request = np.arange(n_requests)
    keep = drawn >= 0
    rows = pd.DataFrame(
        {
            "request": np.concatenate([request, np.repeat(request, n_negatives)[keep.ravel()]]),
            USER_ID: np.concatenate([users, np.repeat(users, n_negatives)[keep.ravel()]]),
            ITEM_ID: np.concatenate([positives[ITEM_ID].to_numpy(), drawn[keep]]),
            CLICK: np.concatenate([np.ones(n_requests, np.int8), np.zeros(int(keep.sum()), np.int8)]),
        }
    )
    return rows.sort_values("request", kind="stable").reset_index(drop=True)


def check_no_leak(
    *,
    train: pd.DataFrame,
    valid: pd.DataFrame,
    test: pd.DataFrame,
    interactions: pd.DataFrame,
    contexts: pd.DataFrame,
    new_items: Sequence[Any] = (),
) -> dict[str, int]:
    """Prove that a split leaks nothing, or say where it does.

    The four statements: the base ranker sees every event that the towers saw; no clicked pair of a later
    part stands in an earlier part or among the interactions; a row's user context never holds an item that is
    clicked in the row's own request; held-out new items occur nowhere before validation.

    Returns:
        What was checked, as counts for the report's protocol block.

    Raises:
        SplitLeak: every statement that does not hold, with its first rows and the remedy.
    """
    parts = {"train": train, "valid": valid, "test": test}
    clicks = {name: part.loc[part[CLICK] == 1, [USER_ID, ITEM_ID]] for name, part in parts.items()}
    clicked = {name: pd.MultiIndex.from_frame(pairs) for name, pairs in clicks.items()}
    learned = pd.MultiIndex.from_frame(interactions[[USER_ID, ITEM_ID]])
    leaks = _Leaks()

    leaks.see(
        ~learned.isin(clicked["train"]),
        interactions[[USER_ID, ITEM_ID]],
        "interactions",
        expected="the base ranker must see every event that the towers saw: "
        "each interaction a click of train",
        got="not clicked in train",
        remedy="add them to train as clicks, or leave them out of the interactions",
    )
    seen = {"train": clicked["train"], "valid": clicked["valid"], "interactions": learned}
    for later, earlier in (
        ("valid", "train"),
        ("test", "train"),
        ("test", "valid"),
        ("valid", "interactions"),
        ("test", "interactions"),
    ):
        before = "learned by the towers" if earlier == "interactions" else f"already in {earlier}"
        leaks.see(
            clicked[later].isin(seen[earlier]),
            clicks[later],
            later,
            expected=f"no user's click on an item that he clicked before (in {earlier})",
            got=f"clicked in {later} and {before}",
            remedy=f"leave the repeated clicks out of {later}; with timestamps in every table they may stay",
        )

    exploded = contexts[[CONTEXT_ID, HISTORY]].explode(HISTORY).dropna(subset=[HISTORY])
    held = pd.MultiIndex.from_arrays([exploded[CONTEXT_ID], exploded[HISTORY].astype(train[ITEM_ID].dtype)])
    n_rows = 0
    for name, part in parts.items():
        own = part.loc[part[CLICK] == 1, [CONTEXT_ID, ITEM_ID]]
        leaks.see(
            pd.MultiIndex.from_frame(own).isin(held),
            own,
            name,
            expected="a user context without the row's own item",
            got=f"a {name} row's user context holds the row's own item",
            remedy="take the row's own click out of its context's history",
        )
        n_rows += len(part)

    early = pd.Index(np.concatenate([train[ITEM_ID].to_numpy(), interactions[ITEM_ID].to_numpy()]))
    early = early.union(pd.Index(exploded[HISTORY].to_numpy()), sort=False)
    leaks.see(
        np.asarray(pd.Index(new_items).isin(early)),
        pd.DataFrame({ITEM_ID: list(new_items)}),
        "new items",
        expected="items that occur nowhere before validation",
        got="held out as new and seen before validation",
        remedy="leave them out of train, interactions and histories, or do not call them new",
    )
    leaks.raise_if_any()
    return {
        "rows checked": n_rows,
        "interactions checked": len(interactions),
        "contexts checked": len(contexts),
        "new items checked": len(new_items),
    }


class _Leaks:
    """Gather the statements that do not hold."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def see(
        self, is_leak: np.ndarray, rows: pd.DataFrame, table: str, *, expected: str, got: str, remedy: str
    ) -> None:
        """Note the rows that leak; their numbers are those of the table, as its other errors count them."""
        at = np.flatnonzero(is_leak)
        if at.size == 0:
            return
        values = rows.iloc[at[0]]
        first = ", ".join(f"{column} {value}" for column, value in values.items())
        self._found.append(
            Problem(
                table,
                "",
                expected,
                f"{counted(at.size, 'row')} {got}, first {first}",
                tuple(int(row) for row in rows.index[at[:SHOWN_ROWS]]),
                f"{remedy} ({_PAGE})",
            )
        )

    def raise_if_any(self) -> None:
        """Refuse the split with everything that was found."""
        if self._found:
            raise SplitLeak(self._found)


def request_ids(prefix: str, request: pd.Series) -> pd.Series:
    """Readable request ids such as ``train-17``; request ids of the parts never coincide."""
    return (prefix + "-" + request.astype(str)).rename(REQUEST_ID)


def check_chronology(
    *,
    train: pd.DataFrame,
    valid: pd.DataFrame,
    test: pd.DataFrame,
    interactions: pd.DataFrame,
    contexts: pd.DataFrame,
) -> dict[str, int]:
    """Prove that time runs one way: train, then valid, then test; contexts older than their rows.

    Returns:
        What was checked, and how many interactions the base ranker never saw, for the report.

    Raises:
        SplitLeak: every statement that does not hold, with its first rows and the remedy.
    """
    parts = {"train": train, "valid": valid, "test": test}
    row = [USER_ID, ITEM_ID, TIMESTAMP]
    leaks = _Leaks()
    for earlier, later in (("train", "valid"), ("valid", "test")):
        end = parts[earlier][TIMESTAMP].max()
        leaks.see(
            (parts[later][TIMESTAMP] < end).to_numpy(),
            parts[later][row],
            later,
            expected=f"timestamps from {end} on, the last of {earlier}",
            got=f"{later} rows lie before the last {earlier} row",
            remedy="split by time: every row of a part after those of the part before",
        )
    leaks.see(
        (interactions[TIMESTAMP] >= valid[TIMESTAMP].min()).to_numpy(),
        interactions[row],
        "interactions",
        expected=f"timestamps before {valid[TIMESTAMP].min()}, the first of valid",
        got="interactions that the towers learn from lie inside the judged period",
        remedy="leave out what happened from the first row of valid on",
    )
    newest = contexts.set_index(CONTEXT_ID)[TIMESTAMP]
    n_rows = 0
    for name, part in parts.items():
        known_at = newest.reindex(part[CONTEXT_ID]).to_numpy()
        leaks.see(
            known_at >= part[TIMESTAMP].to_numpy(),
            part[row],
            name,
            expected="user contexts whose newest event is older than the row",
            got=f"user contexts of {name} are not older than their rows",
            remedy="give each row the context of its user as it was before the row",
        )
        n_rows += len(part)
    leaks.raise_if_any()
    learned = pd.MultiIndex.from_frame(interactions[[USER_ID, ITEM_ID]])
    shown = pd.MultiIndex.from_frame(train.loc[train[CLICK] == 1, [USER_ID, ITEM_ID]])
    return {
        "rows checked": n_rows,
        "contexts checked": len(contexts),
        "interactions that the base ranker never saw": int((~learned.isin(shown)).sum()),
    }
