"""A text as the words that the words' block counts, in any script.

Where words stand between blanks, a word is one. Where they do not, overlapping runs of characters stand for
them: they need no dictionary, and two texts that share a word share its runs.
"""

from __future__ import annotations

import hashlib
import re
from unicodedata import normalize

import regex

READING = 2
FIRST_READING = 1  # of files that name none

# runs of letters and digits; a single letter too (sizes), but not that of an apostrophe (men's, l'eau)
WORD = r"(?u)\b\w\w+\b|\b\d\b|(?<!\w['’])\b[^\W\d_]\b(?!['’]\w)"

_PAIRS = r"[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{Hangul}&&\w]"
_TRIPLES = r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}&&[\w--\d]]"
_RUN = r"[\w\p{N}\u3300-\u33ff]+"  # with combining marks, and the square units of Japanese and Korean
_PIECE = rf"(?P<pairs>{_PAIRS}+)|(?P<triples>{_TRIPLES}+)|(?P<word>[^{_PAIRS}{_TRIPLES}]+)"
_LENGTH = {"pairs": 2, "triples": 3, "word": 0}

_first = re.compile(WORD)
_run = regex.compile(_RUN)
_piece = regex.compile(_PIECE, regex.V1)
_characters = regex.compile(r"\X")
_ignorable = regex.compile(r"[\p{Default_Ignorable_Code_Point}\p{Me}]+")  # and what encloses a keycap


def reading_rule() -> str:
    """Eight digits that change when another run of characters counts as a word."""
    return hashlib.sha256("\n".join((str(READING), WORD, _RUN, _PIECE)).encode()).hexdigest()[:8]


def words_of(text: str, reading: int = READING) -> list[str]:
    r"""The words of a text, in their order.

    Definition: runs of letters, digits and combining marks, in the form that Unicode compares without case
    and width (NFKC_Casefold: half and full width, composed and decomposed, ``ß`` and ``ss`` are one). Of
    Han, kana and Hangul a run is its overlapping pairs of characters; of Thai, Lao, Khmer and Burmese, whose
    letters are many to a syllable, its overlapping triples of characters as people see them, marks and all;
    a shorter run is itself. A single letter is a word (sizes), but not that of an apostrophe (men's, l'eau).

    Args:
        text: any.
        reading: 2; 1 is how words were read before, which takes a Chinese title for one word.

    Raises:
        ValueError: a reading that is none.

    Example:
        >>> words_of("Men's shirt, size S")
        ['men', 'shirt', 'size', 's']
        >>> words_of("iPhone手机壳 红")
        ['iphone', '手机', '机壳', '红']

    Source: overlapping pairs as words: Lucene's CJKAnalyzer; NFKC_Casefold: the Unicode Standard, 3.13.
    """
    if reading == FIRST_READING:
        return _first.findall(text.lower())
    if reading != READING:
        raise ValueError(
            f"reading: expected {FIRST_READING} or {READING}; got {reading!r}. Remedy: a newer version of "
            "this package, or words that are learned anew"
        )
    if text.isascii() and "_" not in text:
        return _first.findall(text.lower())  # the same words, ten times as fast
    words = []
    for run in _run.finditer(text):
        for piece in _piece.finditer(_folded(run[0])):
            is_whole = len(piece[0]) > 1 or len(run[0]) > 1 or not _is_of_apostrophe(text, *run.span())
            if is_whole and any(map(str.isalnum, piece[0])):
                words += _grams(piece[0], _LENGTH[piece.lastgroup])
    return words


def _folded(run: str) -> str:
    """NFKC_Casefold."""
    return normalize("NFKC", _ignorable.sub("", normalize("NFKC", run).casefold()))


def _is_of_apostrophe(text: str, start: int, stop: int) -> bool:
    """Whether the single character there is a letter that an apostrophe ties to a word."""
    is_behind = start > 1 and text[start - 1] in "'’" and _run.match(text[start - 2]) is not None
    is_before = text[stop : stop + 1] in ("'", "’") and _run.match(text, stop + 1) is not None
    return text[start].isalpha() and (is_behind or is_before)


def _grams(piece: str, length: int) -> list[str]:
    if length == 0:
        return [piece]
    characters = _characters.findall(piece)
    if len(characters) <= length:
        return [piece]
    return ["".join(characters[at : at + length]) for at in range(len(characters) - length + 1)]


__all__ = ["FIRST_READING", "READING", "WORD", "reading_rule", "words_of"]
