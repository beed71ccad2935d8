"""How much of texts lies outside the pieces that an encoder learned: other scripts, other languages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import regex

MANY = 0.3
_word = regex.compile(r"[\w\p{N}]+")
# one character of these may be a word, and many tokenizers cut numbers into digits on purpose
_whole = regex.compile(
    r"[\d\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
)
_byte = regex.compile(r"<0x[0-9A-Fa-f]{2}>")


def share_outside(tokenizer: Any, texts: Sequence[str], *, is_lower_case: bool = False) -> float | None:
    """The share of the letters of texts that an encoder reads as unknown, as bytes or one by one.

    Definition: of all letters, digits and marks, those (a) in a piece that is unknown or a byte, (b) cut into
    several pieces, or (c) alone in a piece though they stand in a word of three letters or more; single
    digits and characters of Han, kana, Hangul, Thai, Lao, Khmer and Burmese may stand alone.

    Args:
        tokenizer: of transformers.
        texts: some of those to be encoded; a hundred will do.
        is_lower_case: whether the encoder lower-cases them before.

    Returns:
        Between 0 and 1; None where the tokenizer does not tell where its pieces lie, or no text has a letter.
    """
    texts = [text.lower() if is_lower_case else text for text in texts if text]
    if not texts or not getattr(tokenizer, "is_fast", False):
        return None
    found = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    unknown = np.array(sorted(_unknown_ids(tokenizer)), dtype=np.int64)
    n_letters = n_outside = 0
    for text, ids, offsets in zip(texts, found["input_ids"], found["offset_mapping"], strict=True):
        is_letter, is_outside = _read(text, np.asarray(ids), offsets, unknown)
        n_letters += int(is_letter.sum())
        n_outside += int((is_letter & is_outside).sum())
    return n_outside / n_letters if n_letters else None


def outside_warning(name: str, share: float | None) -> str:
    """What to say of an encoder that reads so much of the texts as no words; "" where it is not much.

    Args:
        name: of the encoder.
        share: of `share_outside`.

    Example:
        >>> outside_warning("minilm", 0.8)[:54]
        'minilm: 80 % of the letters of a sample are unknown to'
        >>> outside_warning("minilm", 0.02)
        ''
    """
    if share is None or share < MANY:
        return ""
    return (
        f"{name}: {100 * share:.0f} % of the letters of a sample are unknown to it, or read one by one: "
        "texts in another script or language than it learned, or codes. Remedy: a multilingual encoder "
        "(--encoder), and the words beside it"
    )


def _unknown_ids(tokenizer: Any) -> set[int]:
    ids = {number for token, number in tokenizer.get_vocab().items() if _byte.fullmatch(token)}
    return ids if tokenizer.unk_token_id is None else ids | {int(tokenizer.unk_token_id)}


def _read(
    text: str, ids: np.ndarray, offsets: Sequence[tuple[int, int]], unknown: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which characters of a text are letters, (n,) bool, and which lie outside, (n,) bool."""
    is_letter, is_long = np.zeros(len(text), dtype=bool), np.zeros(len(text), dtype=bool)
    for match in _word.finditer(text):
        is_letter[slice(*match.span())] = True
        is_long[slice(*match.span())] = len(match[0]) >= 3
    for match in _whole.finditer(text):
        is_long[match.start()] = False
    n_pieces, is_outside = np.zeros(len(text), dtype=int), np.zeros(len(text), dtype=bool)
    for (start, stop), is_unknown in zip(offsets, np.isin(ids, unknown), strict=True):
        own = np.flatnonzero(is_letter[start:stop]) + start
        n_pieces[own] += 1
        is_alone = len(own) == 1 and is_long[own[0]]
        is_outside[own] |= is_unknown or is_alone
    return is_letter, is_outside | (n_pieces > 1)


__all__ = ["MANY", "outside_warning", "share_outside"]
