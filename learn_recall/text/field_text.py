"""One cell of the items table as clean text: what a prompt puts between its quotes.

Absent (None, NaN, NaT, an empty list, a text of blanks) is the empty string. Kept as they are: quotes
(`15"` is a length), case, accents, emoji, and any `<` that opens no HTML tag ("I <3 NY"). Cleaned: HTML tags
go, HTML entities with a semicolon are decoded once, line breaks and runs of blanks become one blank, control
characters and invisible marks go (the joiners of emoji and of Persian or Indic script stay).
"""

import html
import math
import re
from collections.abc import Iterable
from datetime import datetime, time
from typing import Any

import numpy as np
import pandas as pd

SEPARATOR = ", "

_INLINE = "a|abbr|b|big|code|del|em|font|i|ins|mark|small|span|strike|strong|sub|sup|tt|u"
_BLOCK = (
    "blockquote|body|br|center|dd|div|dl|dt|h[1-6]|head|hr|html|img|li|ol|p|pre|script|style|"
    "table|tbody|td|tfoot|th|thead|tr|ul"
)
_INLINE_TAG = re.compile(rf"</?(?:{_INLINE})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_BLOCK_TAG = re.compile(rf"</?(?:{_BLOCK})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Clean one string as the head of this file says.

    Args:
        text: any string; lone surrogates, which no encoding can write, become U+FFFD.

    Returns:
        The text on one line without blanks at its ends; "" if nothing is left.

    Example:
        >>> clean_text('Tom &amp; Jerry <b>15"</b>\\n TV')
        'Tom & Jerry 15" TV'
        >>> clean_text("I <3 NY")
        'I <3 NY'
    """
    text = " ".join(text.split())
    if "<" not in text and "&" not in text and text.isprintable():
        return text  # the usual case, three scans in C
    if "<" in text:
        text = _BLOCK_TAG.sub(" ", _INLINE_TAG.sub("", text))
    if "&" in text:
        text = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
    text = _LONE_SURROGATE.sub("\ufffd", _INVISIBLE.sub("", _CONTROL.sub(" ", text)))
    return " ".join(text.split())


def cell_text(value: Any) -> str:
    """One cell as clean text.

    Definition: strings are cleaned; whole floats lose their ".0" and other floats take their shortest
    spelling; a date at midnight loses its time; members of a list are joined by ", " in their order (sets
    sorted), lists in lists alike; a mapping gives "key: value" pairs; absent members are left out.

    Args:
        value: A cell of the items table.

    Returns:
        The text, "" where the cell is absent.

    Example:
        >>> cell_text(["red", None, "  size  9 "]), cell_text(10.0), cell_text(float("nan"))
        ('red, size 9', '10', '')
    """
    if isinstance(value, str):
        return clean_text(value)
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return SEPARATOR.join(_member_texts(value))
    return _scalar_text(value)


def column_texts(column: pd.Series) -> list[str]:
    """`cell_text` of every cell; of a numeric or categorical column each distinct value is spelt once.

    Args:
        column: (n,) any dtype.

    Returns:
        N strings in the column's order.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _take(list(map(cell_text, column.cat.categories)), column.cat.codes.to_numpy())
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufb":
        values, codes = np.unique(column.to_numpy(), return_inverse=True)
        return _take(list(map(cell_text, values)), codes)
    return list(map(cell_text, column.tolist()))


def _member_texts(values: Any) -> list[str]:
    if isinstance(values, dict):
        pairs = ((clean_text(str(key)), cell_text(value)) for key, value in values.items())
        return [f"{key}: {text}" for key, text in pairs if text]
    texts = [text for text in map(cell_text, values) if text]
    return sorted(texts) if isinstance(values, set | frozenset) else texts


def _scalar_text(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return np.format_float_positional(value, trim="-") if math.isfinite(value) else ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, datetime) and value.time() == time():
        value = value.date()
    return clean_text(str(value))


def _take(texts: list[str], codes: np.ndarray) -> list[str]:
    texts = [*texts, ""]  # code -1 of a categorical is the absent value: the last one here
    return [texts[code] for code in codes.tolist()]


__all__ = ["SEPARATOR", "cell_text", "clean_text", "column_texts"]
