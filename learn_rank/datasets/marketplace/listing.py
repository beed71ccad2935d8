"""The listing of a product in words: title, keywords and attributes, from what the product is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from learn_rank.datasets.marketplace.vocabulary.needs import (
    QUALITY_CLASS,
    QUALITY_FLAGS,
    VARIANTS,
    VERDICTS,
    met_needs,
    need_lines,
    specification_templates,
)
from learn_rank.datasets.marketplace.vocabulary.notation import Noun, Theme, vocabulary
from learn_rank.datasets.marketplace.vocabulary.styles import Style

_Choice = TypeVar("_Choice")

_SMALL_WORDS = {
    "a",
    "an",
    "and",
    "at",
    "beside",
    "by",
    "for",
    "from",
    "in",
    "of",
    "on",
    "over",
    "that",
    "the",
}
_SMALL_WORDS |= {"to", "under", "up", "with"}
_FLAG_IN_TITLE = 0.35
_USE_LINES = ("made for {use}", "suits {use}", "designed for {use}", "popular for {use}", "meant for {use}")
_NAMED_MATERIAL = re.compile(
    r"\b(wool|silk|mohair|linen|muslin|towelling|waffle|straw|leather|velvet|tweed|denim|enamel|brass|cast-iron|steel"
    r"|oak|walnut|hickory|cedar|wicker|canvas|crystal|cotton|lace|neoprene|tin|paper|cloth|merino|beeswax|jute|clay"
    r"|softbox|tie|nickel-wound|blade|couche|glass|glasses|knitted|stone|foam)\b"
)


@dataclass(frozen=True)
class Listing:
    """The words of one product page; keywords are joined by ", " and attributes by "; "."""

    title: str
    keywords: str
    attributes: str


@dataclass(frozen=True)
class Product:
    """What a page is written about; `debut_share` and `is_debut` choose the wording (see `vocabulary`)."""

    noun: Noun
    theme: Theme
    style: Style
    needs: tuple[str, ...]
    quality: int
    brand: str
    debut_share: float
    is_debut: bool

    def words(self, options: Sequence[_Choice]) -> Sequence[_Choice]:
        """The options that this product may use."""
        return vocabulary(options, self.debut_share, is_debut=self.is_debut)


def compose_listing(product: Product, generator: np.random.Generator) -> Listing:
    """Write the page of a product.

    The theme speaks through the noun, the use and a line of praise; the style through adjective, material,
    colour and lines; needs through lines, quality through what buyers say. None of them is named.

    Args:
        product: its needs must be among `met_needs(product.noun)`.
        generator: the only source of randomness.

    Raises:
        ValueError: a need that such a product cannot meet.
    """
    noun, theme, style = product.noun, product.theme, product.style
    unmet = set(product.needs) - set(met_needs(noun))
    if unmet:
        raise ValueError(
            f"needs: expected names of {met_needs(noun)} for {noun.words!r}, "
            f"got {sorted(unmet)}; draw them with `met_needs`"
        )
    use_line = pick(_USE_LINES, generator).format(use=pick(product.words(theme.uses), generator))
    lines = [pick(product.words(theme.praises), generator), use_line]
    lines += sample(product.words(style.lines), int(generator.integers(1, 3)), generator)
    lines += [pick(product.words(need_lines(need, noun)), generator) for need in product.needs]
    lines += _verdicts(product, generator)
    if generator.random() < 0.3:
        lines.append(_specification(noun, generator))
    keywords = sample(product.words(theme.keywords), 2, generator)
    keywords += [pick(product.words(style.keywords), generator), noun.words]
    if QUALITY_FLAGS[product.quality]:
        keywords.append(pick(product.words(QUALITY_FLAGS[product.quality]), generator))
    return Listing(
        title=_title(product, generator),
        keywords=", ".join(keywords[i] for i in generator.permutation(len(keywords))),
        attributes="; ".join(lines[i] for i in generator.permutation(len(lines))),
    )


def title_case(text: str) -> str:
    """Capitalise as listings do: every word but the small ones, hyphenated parts too; capitals stay."""
    words = text.split()
    return " ".join(_capitalised(word, is_first=position == 0) for position, word in enumerate(words))


def pick(options: Sequence[_Choice], generator: np.random.Generator) -> _Choice:
    """One of the options, each as likely as the others."""
    return options[int(generator.integers(len(options)))]


def sample(options: Sequence[_Choice], n: int, generator: np.random.Generator) -> list[_Choice]:
    """`n` different options in random order, each as likely as the others."""
    return [options[int(i)] for i in generator.choice(len(options), size=n, replace=False)]


def _verdicts(product: Product, generator: np.random.Generator) -> list[str]:
    """One line on an ordinary product, two on a good or a bad one, without a judgement said twice."""
    verdict = VERDICTS[QUALITY_CLASS[product.noun.kind]][product.quality]
    n_lines = 1 if product.quality == 1 else 2
    judgements = sample(product.words(verdict.judgements), n_lines, generator)
    aspects = sample(product.words(verdict.aspects), n_lines, generator)
    sentences = sample(product.words(verdict.sentences), n_lines, generator)
    return [
        sentence.format(judgement=judgement, aspect=aspect)
        for sentence, judgement, aspect in zip(sentences, judgements, aspects, strict=True)
    ]


def _title(product: Product, generator: np.random.Generator) -> str:
    noun, style = product.noun, product.style
    adjective = pick(product.words(style.adjectives.get(noun.kind, style.adjectives[""])), generator)
    if QUALITY_FLAGS[product.quality] and generator.random() < _FLAG_IN_TITLE:
        adjective = pick(product.words(QUALITY_FLAGS[product.quality]), generator)
    use = pick(product.words(product.theme.uses), generator)
    variant = _variant(noun, style, generator)
    material = ""
    if noun.kind in style.materials and _NAMED_MATERIAL.search(noun.words) is None:
        material = pick(product.words(style.materials[noun.kind]), generator)
    has_preposition = re.search(r"\b(for|with|of|to|by|under|on)\b", noun.words) is not None
    patterns = [
        "{brand} {adjective} {noun}",
        "{brand} {adjective} {noun}, {variant}",
        "{adjective} {material} {noun} by {brand}",
        "{brand} {material} {noun}, {variant}",
        "{adjective} {noun} – {brand}",
    ]
    if not has_preposition:
        patterns += [
            "{adjective} {material} {noun} for {use}",
            "{brand} {material} {noun} for {use}",
            "{adjective} {noun} for {use}, {variant}",
            "{brand} {noun} for {use}",
            "{brand} {adjective} {noun} for {use}",
        ]
    words = {"adjective": adjective, "material": material, "noun": noun.words, "use": use}
    title = pick(patterns, generator).format(brand="{brand}", variant="{variant}", **words)
    return title_case(title).replace("{brand}", product.brand).replace("{variant}", variant)


def _variant(noun: Noun, style: Style, generator: np.random.Generator) -> str:
    if noun.number == "one" and noun.price < 40 and noun.department == "H" and noun.kind in "egm":
        return pick(("Single", "Set of Two", "Set of Four", pick(style.colours, generator)), generator)
    if noun.kind in VARIANTS:
        variant = pick(VARIANTS[noun.kind], generator)
        return variant if variant[0].isdigit() else title_case(variant)
    return pick(style.colours, generator)


def _specification(noun: Noun, generator: np.random.Generator) -> str:
    template = pick(specification_templates(noun.kind), generator)
    return template.format(
        n=10 * int(generator.integers(9, 91)),
        c=int(generator.integers(12, 91)),
        l=int(generator.integers(3, 41)),
        m=int(generator.integers(1, 4)),
    )


def _capitalised(word: str, *, is_first: bool) -> str:
    if word in _SMALL_WORDS and not is_first:
        return word
    first, *rest = word.split("-")
    parts = [first[:1].upper() + first[1:]]
    parts += [part if part in _SMALL_WORDS else part[:1].upper() + part[1:] for part in rest]
    return "-".join(parts)
