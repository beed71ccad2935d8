"""What each canonical table must hold: one function per table, each finding every problem at once.

Plain pandas. A schema library (pandera 0.35) was tried and left: with half a million bad cells of a million
rows it built 2.5 million failure cases in 4.8 s and a message of that length, where the masks here take
tenths of a second; a check over two columns (a conversion without a click) names no column and lists every
cell of the row; and neither the first rows nor a remedy have a place in its messages.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from learn_recall import columns as c
from learn_recall.tables.column_checks import TableCheck, column_kind
from learn_recall.tables.problems import Problem, ValidationReport

_LABELS = (c.CLICK, c.CONVERSION, c.VALUE)


def inspect_items(frame: pd.DataFrame, *, table: str = "items") -> ValidationReport:
    """Find what is wrong with items: item_id, title; any of category, brand, price, keywords, attributes."""
    check = TableCheck(frame, table)
    ids = check.ids(c.ITEM_ID)
    if ids is not None:
        check.distinct(c.ITEM_ID, ids, "keep one row per item")
    check.texts(c.TITLE, is_required=True)
    for name in (c.CATEGORY, c.BRAND):
        check.texts(name)
    for name in (c.KEYWORDS, c.ATTRIBUTES):
        check.texts(name, is_list_allowed=True)
    check.amounts(c.PRICE, is_text_allowed=True)
    return check.report()


def inspect_interactions(frame: pd.DataFrame, *, table: str = "interactions") -> ValidationReport:
    """Find what is wrong with interactions: user_id, item_id, and timestamp or position."""
    check = TableCheck(frame, table)
    check.ids(c.USER_ID)
    check.ids(c.ITEM_ID)
    has_position = check.times(c.TIMESTAMP, c.POSITION)
    who = [name for name in (c.USER_ID, c.ITEM_ID, c.TIMESTAMP, c.POSITION) if name in frame]
    check.repeated(who, "the same event twice", "remove it if it is an artefact of logging; it is kept")
    if has_position and c.USER_ID in frame:
        check.repeated(
            [c.USER_ID, c.POSITION], "two events of a user at one position", "number the events 0, 1, 2, ..."
        )
    return check.report()


def inspect_impressions(
    frame: pd.DataFrame,
    *,
    dense: Collection[str] = (),
    categorical: Collection[str] = (),
    table: str = "impressions",
) -> ValidationReport:
    """Find what is wrong with impressions: user_id, item_id, click, conversion and the host's features."""
    check = TableCheck(frame, table)
    for name in (c.USER_ID, c.ITEM_ID):
        check.ids(name)
    for name in (c.CONTEXT_ID, c.REQUEST_ID):
        if name in frame:
            check.ids(name)
    _check_labels(check)
    if c.TIMESTAMP in frame:
        check.times(c.TIMESTAMP, None)
    check.amounts(c.VALUE)
    _check_features(check, dense, categorical)
    who = [name for name in (c.USER_ID, c.ITEM_ID, c.TIMESTAMP, c.REQUEST_ID) if name in frame]
    check.repeated(who, "the same impression twice", "remove it if it is an artefact of logging; it is kept")
    return check.report()


def inspect_contexts(frame: pd.DataFrame, *, table: str = "contexts") -> ValidationReport:
    """Find what is wrong with contexts: context_id (once each), user_id, history; else optional.

    A timestamp is that of the newest event of the history, so an empty history has none.
    """
    check = TableCheck(frame, table)
    ids = check.ids(c.CONTEXT_ID)
    if ids is not None:
        check.distinct(c.CONTEXT_ID, ids, "keep one row per context")
    check.ids(c.USER_ID)
    _check_histories(check)
    if c.TIMESTAMP in frame:
        is_empty = np.zeros(len(frame), bool)
        if c.HISTORY in frame:
            is_list = frame[c.HISTORY].map(lambda history: isinstance(history, list | tuple | np.ndarray))
            is_empty[is_list] = frame.loc[is_list, c.HISTORY].map(len) == 0
        check.times(c.TIMESTAMP, None, may_lack=is_empty)
    return check.report()


def _check_labels(check: TableCheck) -> None:
    """Check click (0/1) and conversion (0/1 where clicked, else empty)."""
    has_click = check.has(c.CLICK, "0 or 1 in each row")
    has_conversion = check.has(c.CONVERSION, "0 or 1 where clicked, else empty")
    rule = "1 if the shown item was clicked, else 0"
    clicks = check.numbers(c.CLICK, "0 or 1") if has_click else None
    conversions = check.numbers(c.CONVERSION, "0, 1 or empty") if has_conversion else None
    if clicks is not None:
        is_null = check.frame[c.CLICK].isna().to_numpy()
        check.wrong_rows(c.CLICK, is_null, "0 or 1 in each row", f"fill it ({rule}) or drop the row")
        check.wrong_rows(c.CLICK, ~np.isnan(clicks) & ~np.isin(clicks, (0, 1)), "0 or 1", f"write {rule}")
    if conversions is not None:
        is_other = ~np.isnan(conversions) & ~np.isin(conversions, (0, 1))
        check.wrong_rows(
            c.CONVERSION, is_other, "0, 1 or empty", "write 1 if the click led to a conversion, else 0"
        )
    if clicks is None or conversions is None:
        return
    check.wrong_rows(
        c.CONVERSION,
        (clicks == 0) & (conversions == 1),
        "a conversion only where click is 1",
        "set click to 1 if it was clicked, else empty the conversion",
    )
    is_missing = (clicks == 1) & check.frame[c.CONVERSION].isna().to_numpy()
    check.wrong_rows(
        c.CONVERSION,
        is_missing,
        "0 or 1 where click is 1",
        "write 0 if it did not convert; leave out days whose conversions are still to come",
    )
    is_zero = (clicks == 0) & (conversions == 0)
    check.wrong_rows(
        c.CONVERSION, is_zero, "empty where not clicked", "none needed: it counts as empty", warn=True
    )
    for column, values in ((c.CLICK, clicks), (c.CONVERSION, conversions[clicks == 1])):
        if len(set(values[~np.isnan(values)]) & {0.0, 1.0}) == 1:
            got = f"only {values[~np.isnan(values)][0]:g}"
            remedy = "metrics of this label are undefined here: take more rows"
            check.warnings.append(Problem(check.table, column, "both 0 and 1", got, (), remedy))


def _check_features(check: TableCheck, dense: Collection[str], categorical: Collection[str]) -> None:
    """Check the further columns that the host's ranker wants."""
    for name in sorted({*dense, *categorical} & set(_LABELS)):
        check.add(name, "a feature known before the click", "a label", "take it out of the features")
    dense, categorical = ([name for name in names if name not in _LABELS] for names in (dense, categorical))
    for name in sorted(set(dense) & set(categorical)):
        check.add(name, "dense or categorical", "both", "declare it once")
    for name in dense:
        if check.has(name, "a dense feature: a finite number in each row"):
            numbers = check.numbers(name, "a number")
            is_null = check.frame[name].isna().to_numpy()
            remedy = "fill it, e.g. with the mean of train, and add a 0/1 column that says where"
            check.wrong_rows(name, is_null, "a number in each row", remedy)
            check.wrong_rows(name, np.isinf(numbers), "a finite number", "clip or drop these cells")
    for name in categorical:
        if check.has(name, "a categorical feature: an integer or text in each row"):
            values = check.frame[name]
            check.wrong_rows(
                name,
                values.isna(),
                "a value in each row",
                'give it a category of its own, e.g. "unknown"',
            )
            kind = column_kind(values)
            if kind not in ("integer", "text", "truth value", "list", "empty"):
                remedy = "cast it to integers or text, or declare it as dense"
                check.add(name, "only integers or only text", f"{kind} (dtype {values.dtype})", remedy)


def _check_histories(check: TableCheck) -> None:
    """Check that each cell is a list of item ids of one kind; an empty list is a user without a past."""
    if not check.has(c.HISTORY, "a list of item ids, oldest first"):
        return
    cells = check.frame[c.HISTORY]
    is_list = np.fromiter((isinstance(cell, list | tuple | np.ndarray) for cell in cells), bool, len(cells))
    remedy = "pass a list, an empty one for a user without a past"
    check.wrong_rows(c.HISTORY, ~is_list, "a list of item ids, oldest first", remedy)
    kinds = cells[is_list].map(_kind_of_list)
    is_wrong = is_list.copy()
    usual = next((kind for kind in kinds if kind in ("integer", "string")), "integer or string")
    is_wrong[is_list] = ~kinds.isin([usual, "empty"]).to_numpy()
    check.wrong_rows(
        c.HISTORY, is_wrong, f"only {usual} ids in every history", "cast them as in the table items"
    )
    if c.HISTORY_CONVERTED not in check.frame:
        return
    fits = np.array(
        [
            isinstance(flags, list | tuple | np.ndarray)
            and hasattr(history, "__len__")
            and len(flags) == len(history)
            and all(flag in (0, 1) for flag in flags)
            for history, flags in zip(cells, check.frame[c.HISTORY_CONVERTED], strict=True)
        ],
        bool,
    )
    expected = "a list with true or false for each item of the history"
    check.wrong_rows(c.HISTORY_CONVERTED, ~fits, expected, "make both lists from the same events")


def _kind_of_list(cell: Any) -> str:
    kinds = {type(each) for each in cell}
    if not kinds:
        return "empty"
    if all(issubclass(kind, str) for kind in kinds):
        return "string"
    if all(issubclass(kind, int | np.integer) and kind is not bool for kind in kinds):
        return "integer"
    return "other"


__all__ = ["inspect_contexts", "inspect_impressions", "inspect_interactions", "inspect_items"]
