"""How many different things the texts of items say, once what only numbers them is left out."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_WORD = re.compile(r"\w+")
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class TextLikeness:
    """What `text_likeness` counts.

    Attributes:
        n_texts: texts.
        n_different: different ones, numbers left out.
        n_alike: texts that another one equals so.
        n_effective: texts of equal share that would be as hard to guess; ``n_different`` where all are as
            frequent, close to 1 where nearly all are one.
        commonest: the first text of the largest group.
    """

    n_texts: int
    n_different: int
    n_alike: int
    n_effective: float
    commonest: str

    @property
    def share_alike(self) -> float:
        """Share of the texts that another one equals but for numbers; 0 without texts."""
        return self.n_alike / self.n_texts if self.n_texts else 0.0


def text_likeness(texts: Iterable[str]) -> TextLikeness:
    """Count the texts that differ from another in nothing but case, punctuation and words with a digit.

    Definition: texts are equal where their words in lower case without those that hold a digit are; with
    p_g the share of each group of equal ones, ``n_effective = exp(- sum_g p_g ln p_g)``.

    Args:
        texts: one for each item; read once, and only one of each group is kept.

    Example:
        >>> found = text_likeness(["Article 100", "Article 107", "article", "Bread, 500 g", "Milk"])
        >>> found.n_different, found.n_alike, found.share_alike, found.commonest
        (3, 3, 0.6, 'Article 100')
    """
    n_of: Counter[str] = Counter()
    first: dict[str, str] = {}
    for text in texts:
        said = " ".join(word for word in _WORD.findall(text.lower()) if not _DIGIT.search(word))
        first.setdefault(said, text)
        n_of[said] += 1
    n_texts = n_of.total()
    entropy = -sum(n / n_texts * math.log(n / n_texts) for n in n_of.values())
    commonest = first[n_of.most_common(1)[0][0]] if n_of else ""
    n_alike = sum(n for n in n_of.values() if n > 1)
    return TextLikeness(n_texts, len(n_of), n_alike, math.exp(entropy) if n_of else 0.0, commonest)


__all__ = ["TextLikeness", "text_likeness"]
