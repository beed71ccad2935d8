"""A team's own tables as a `RankingDataset`, with the user contexts that leak nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from learn_rank.data.contexts import (
    clicked_events,
    leave_one_out_contexts,
    point_in_time_contexts,
    pseudo_requests,
)
from learn_rank.data.dataset import RankingDataset
from learn_rank.datasets.learned_part import LATER_SHARE, learned_part
from learn_rank.datasets.splits import check_chronology, check_no_leak
from learn_recall.columns import (
    CLICK,
    CONTEXT_ID,
    CONVERSION,
    IS_LEARNED,
    ITEM_ID,
    REQUEST_ID,
    TIMESTAMP,
    USER_ID,
)
from learn_recall.tables.read import (
    TableError,
    check_contexts,
    check_same_ids,
    drop_unknown_items,
    read_contexts,
    read_impressions,
    read_interactions,
    read_items,
    read_table,
    read_together,
)


def read_own_tables(
    *,
    items: Path,
    interactions: Path,
    train: Path,
    valid: Path,
    test: Path,
    contexts: Path | None = None,
    dense: tuple[str, ...] = (),
    categorical: tuple[str, ...] = (),
    is_sampled: bool = False,
    drops_unknown_items: bool = False,
    name: str = "own tables",
) -> RankingDataset:
    """Read, validate and link a team's tables; docs/tables.md describes them.

    User contexts are, in this order: the ones given; point in time, where every table has timestamps;
    leave-one-out by request. Either way the split is checked before it is returned.

    Args:
        items, interactions, train, valid, test, contexts: files or folders of parquet, csv(.gz) or
            jsonl(.gz).
        dense, categorical: host features, columns of the impressions or of the items.
        is_sampled: the rows not clicked are sampled negatives.
        drops_unknown_items: leave out what refers to items that are not in ``items``, and count it, instead
            of refusing it.
        name: for the report.

    Raises:
        TableError: every problem of every file at once.
        SplitLeak: the split leaks, with the first rows.
    """
    of_items = _columns_of(items)
    dense_of_rows = [column for column in dense if column not in of_items]
    categorical_of_rows = [column for column in categorical if column not in of_items]

    def read_rows(path: Path) -> pd.DataFrame:
        return read_impressions(path, dense=dense_of_rows, categorical=categorical_of_rows)

    readers: dict[str, Callable[[], pd.DataFrame]] = {
        "items": lambda: read_items(items),
        "interactions": lambda: read_interactions(interactions),
        "train": lambda: read_rows(train),
        "valid": lambda: read_rows(valid),
        "test": lambda: read_rows(test),
    }
    if contexts is not None:
        readers["contexts"] = lambda: read_contexts(contexts)
    tables = read_together(readers)
    item_table = tables.pop("items")
    protocol: dict[str, object] = {}
    if drops_unknown_items:
        tables, dropped = drop_unknown_items(item_table, tables)
        counts = [f"{name}: {n:,}" for name, n in dropped.items()]
        protocol["rows dropped for an unknown item"] = ", ".join(counts)
    else:
        check_same_ids(item_table, tables)
    parts = {part: tables[part] for part in ("train", "valid", "test")}
    if contexts is not None:
        _need_context_ids(parts)
        for name_of_part, part in parts.items():
            check_contexts(part, tables["contexts"], table=name_of_part)
    return link_tables(
        name,
        item_table,
        tables["interactions"],
        parts,
        contexts=tables.get("contexts"),
        dense=dense,
        categorical=categorical,
        is_sampled=is_sampled,
        protocol=protocol,
    )


def _columns_of(items: Path) -> frozenset[str]:
    """The columns that the items have; none where they cannot be read, which `read_items` will say better."""
    try:
        return frozenset(read_table(items).columns)
    except (TableError, OSError):
        return frozenset()


def link_tables(
    name: str,
    items: pd.DataFrame,
    interactions: pd.DataFrame,
    parts: dict[str, pd.DataFrame],
    *,
    contexts: pd.DataFrame | None = None,
    dense: tuple[str, ...] = (),
    categorical: tuple[str, ...] = (),
    is_sampled: bool = False,
    protocol: dict[str, object] | None = None,
    later_share: float = LATER_SHARE,
) -> RankingDataset:
    """Give validated tables their user contexts, check the split, and join them into a dataset.

    Where there is time, its interactions are the `learned_part` with that `later_share`; histories hold all.
    Given contexts are marked as not learned where all of those lie before the first row.
    """
    has_time = all(TIMESTAMP in part for part in (interactions, *parts.values()))
    checked: dict[str, object]
    learned = interactions
    said: dict[str, str] = {}
    if has_time:
        learned, said = learned_part(interactions, parts["train"], later_share=later_share)
    if contexts is not None:
        _need_context_ids(parts)
        rule = "as given"
        checked = {}
        if has_time and IS_LEARNED not in contexts:
            first_row = min(part[TIMESTAMP].min() for part in parts.values())
            if learned[TIMESTAMP].max() < first_row:
                contexts = contexts.assign(**{IS_LEARNED: False})
    elif has_time:
        events = clicked_events(interactions, *parts.values())
        newest = float(learned[TIMESTAMP].max())
        contexts, parts = point_in_time_contexts(events, parts, learned_until=newest)
        rule = "point in time: events strictly before the row"
        checked = dict(check_chronology(**parts, interactions=interactions, contexts=contexts))
    else:
        rule = "leave-one-out in training: without the request's own clicks"
        if REQUEST_ID not in parts["train"]:
            parts = {**parts, "train": parts["train"].assign(**{REQUEST_ID: pseudo_requests(parts["train"])})}
            rule += "; requests were made of each click and the user's rows before it"
        train = parts["train"]
        known = _known_events(interactions, train)
        contexts, parts = leave_one_out_contexts(known, parts, learned=interactions)
        found = check_no_leak(
            train=parts["train"],
            valid=parts["valid"],
            test=parts["test"],
            interactions=interactions,
            contexts=contexts,
        )
        checked = dict(found)
    return RankingDataset(
        name=name,
        items=items,
        interactions=learned,
        contexts=contexts,
        dense=dense,
        categorical=categorical,
        is_sampled=is_sampled,
        protocol={**(protocol or {}), **said, "user contexts": rule, **checked},
        **parts,
    )


def _known_events(interactions: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """Each user and item of interactions and training clicks once, with the conversion where recorded."""
    pair = [USER_ID, ITEM_ID]
    known = pd.concat([interactions, train.loc[train[CLICK] == 1]])
    if CONVERSION not in train:
        return known[pair].drop_duplicates(ignore_index=True)
    known[CONVERSION] = known[CONVERSION].fillna(0.0)
    return known.groupby(pair, sort=False)[[CONVERSION]].max().reset_index()


def _need_context_ids(parts: dict[str, pd.DataFrame]) -> None:
    for name, part in parts.items():
        if CONTEXT_ID not in part:
            raise ValueError(
                f"{name}: expected a column {CONTEXT_ID!r}, since a contexts table was given, got "
                f"{list(part.columns)}; add it, or leave the contexts to be made from the timestamps."
            )
