"""What a theme of the generated marketplace is, and the short notation in which the vocabulary is written."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

_Word = TypeVar("_Word")

DEPARTMENTS = {
    "H": "Home & Kitchen",
    "C": "Clothing & Accessories",
    "E": "Electronics",
    "T": "Tools & Equipment",
    "B": "Books & Stationery",
    "S": "Health & Beauty",
    "F": "Food & Drink",
    "G": "Toys & Gifts",
    "L": "Bags & Storage",
}
"""Department letter -> the `category` column. A department cuts across the themes on purpose."""

KINDS = "mwcklegpbfvsnx"
"""What a product is made of: metal, wood, cloth, canvas (k), leather, earthenware, glass, polymer,
book or paper, food, electric (v), skincare, natural or living, anything else (x)."""

_ENTRY = re.compile(
    rf"^(?P<words>[^|]+)\|(?P<price>\d+)\|(?P<dept>[A-Z])(?P<kind>[{KINDS}])(?P<flags>[+~!]*)$"
)


@dataclass(frozen=True)
class Noun:
    """A type of product, such as "trekking poles": its words, usual price (USD), department and material.

    `number` is "one", "many" (plural words) or "mass" (flour, soap). `adults_only` keeps a hedge trimmer
    from being offered in a version for children.
    """

    words: str
    price: float
    department: str
    kind: str
    number: str
    adults_only: bool


@dataclass(frozen=True)
class Theme:
    """A latent interest, such as hiking, that buyers have and that no column names.

    `uses` complete "for ..." in a title, `praises` are lines of the product page, `keywords` its search
    words; `needs` are what buyers of this theme tend to ask for (names in `marketplace_words.NEEDS`).
    """

    name: str
    nouns: tuple[Noun, ...]
    uses: tuple[str, ...]
    praises: tuple[str, ...]
    keywords: tuple[str, ...]
    needs: tuple[str, ...]


def phrases(text: str) -> tuple[str, ...]:
    """The phrases of a text in which they are separated by semicolons; line breaks count as spaces."""
    return tuple(" ".join(part.split()) for part in text.split(";") if part.strip())


def noun(entry: str) -> Noun:
    """Read one entry `words|price|department and kind letters, then flags`.

    Flags: `+` plural, `~` mass noun, `!` adults only.

    Raises:
        ValueError: the entry does not follow the notation.
    """
    found = _ENTRY.match(entry)
    if found is None or found["dept"] not in DEPARTMENTS:
        raise ValueError(
            f"noun entry: expected `words|price|<department><kind>[+~!]` with a department of "
            f"{''.join(DEPARTMENTS)} and a kind of {KINDS}, got {entry!r}; correct the entry"
        )
    flags = found["flags"]
    number = "many" if "+" in flags else "mass" if "~" in flags else "one"
    return Noun(
        words=found["words"],
        price=float(found["price"]),
        department=found["dept"],
        kind=found["kind"],
        number=number,
        adults_only="!" in flags,
    )


def theme(name: str, *, needs: str, nouns: str, uses: str, praises: str, keywords: str) -> Theme:
    """Build a theme from semicolon-separated texts; the nouns follow the notation of `noun`."""
    return Theme(
        name=name,
        nouns=tuple(noun(entry) for entry in phrases(nouns)),
        uses=phrases(uses),
        praises=phrases(praises),
        keywords=phrases(keywords),
        needs=tuple(needs.split()),
    )


def vocabulary(options: Sequence[_Word], debut_share: float, *, is_debut: bool) -> Sequence[_Word]:
    """The options that products of the first period use, or those that make their debut after it.

    Every (1 / `debut_share`)-th option, in the written order, is kept for the debut; the two parts share
    nothing. A list too short to be divided, or a share of 0, gives all options to both.

    Args:
        options: phrases or nouns.
        debut_share: share that is kept for later, in [0, 1).
        is_debut: which of the two parts.
    """
    turns = [math.floor((i + 1) * debut_share) > math.floor(i * debut_share) for i in range(len(options))]
    if not any(turns) or all(turns):
        return options
    return [option for option, is_kept in zip(options, turns, strict=True) if is_kept == is_debut]
