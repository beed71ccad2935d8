"""The text of an item, from the fields of the items table: the paper's sentence, the short form, or your own.

A template is text with fields in braces and clauses in square brackets:

* `{title}` is replaced by the field, "" where the item has none.
* `[ by {brand}]` is a clause: it stays only where every field in it is present.
* `[A|B|C]` are alternatives: the first whose fields are all present stays; the last may name no field at all.
* `{{`, `}}`, `[[`, `]]` are the characters themselves, and so is `||` inside a clause.

Any column of the items table is a field. An item that has none of the template's fields has the empty text,
and later no vector. How a field is cleaned: `learn_recall.text.field_text`.
"""

import re
from dataclasses import dataclass, field

import pandas as pd

from learn_recall.columns import ATTRIBUTES, BRAND, CATEGORY, KEYWORDS, PRICE, TITLE
from learn_recall.text.field_text import column_texts

CANONICAL_FIELDS = (TITLE, CATEGORY, BRAND, PRICE, KEYWORDS, ATTRIBUTES)

ONE_WORD = "one_word"  # after PromptEOL (arXiv 2307.16645): the last token's state is the text's
TEMPLATES = {
    "paper": (
        '[Item title is "{title}".]'
        '[ This item belongs to "{category}" and brand is "{brand}".'
        '| This item belongs to "{category}".'
        '| The brand of this item is "{brand}".]'
        '[ The price is "{price}".]'
        '[ The key words of item are "{keywords}".]'
        '[ This item supports "{attributes}"]'
    ),
    "short": "[Title: {title}][ Brand: {brand}][ Category: {category}]",
    ONE_WORD: 'This product: "[{title}][, {brand}][, {category}]" means in one word: "',
}

_TOKEN = re.compile(r"\{\{|\}\}|\[\[|\]\]|\|\||\{[^{}\[\]]*\}|[{}\[\]|]|[^{}\[\]|]+")


class PromptError(ValueError):
    """A template cannot be read, or names a field that the items do not have."""


@dataclass(frozen=True)
class _Piece:
    text: str  # literal text, or the name of a field
    is_field: bool


@dataclass(frozen=True)
class _Segment:
    alternatives: tuple[tuple[_Piece, ...], ...]
    is_clause: bool  # False: text outside of brackets, always kept


@dataclass(frozen=True)
class Template:
    """A parsed prompt template.

    Args:
        text: template text in the language at the head of this file.
        name: "paper", "short", "one_word", or None for an own one.

    Raises:
        PromptError: the text does not parse; the message shows the place.

    Example:
        >>> Template("{title}[ by {brand}|, unbranded]").fields
        ('title', 'brand')
    """

    text: str
    name: str | None = None
    _segments: tuple[_Segment, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_segments", _parse(self.text))
        if not self.fields:
            raise PromptError(f"template: expected at least one field such as {{title}}, got {self.text!r}")

    @classmethod
    def of(cls, template: "str | Template") -> "Template":
        """The template of that name, or an own text (which has a brace) parsed; a Template is itself."""
        if isinstance(template, Template):
            return template
        if template in TEMPLATES:
            return cls(TEMPLATES[template], name=template)
        if "{" not in template:
            raise PromptError(
                f"template: expected a name among {sorted(TEMPLATES)} or a text with fields such as "
                f"'{{title}}[ by {{brand}}]', got {template!r}. Remedy: choose one of the two"
            )
        return cls(template)

    @property
    def label(self) -> str:
        """The name where there is one, else the text: what an identity card shows."""
        return self.text if self.name is None else self.name

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields, each once, in their order in the text."""
        pieces = (piece for segment in self._segments for option in segment.alternatives for piece in option)
        return tuple(dict.fromkeys(piece.text for piece in pieces if piece.is_field))

    def pattern(self, present: tuple[bool, ...]) -> str:
        """The `str.format` text for items with one set of present fields; `{0}` stands for `fields[0]`.

        Args:
            present: whether the item has the field, for each of `fields`.

        Returns:
            The format text without blanks at its ends; "" where no field is present.
        """
        if not any(present):
            return ""
        numbers = {name: number for number, name in enumerate(self.fields)}
        chosen = (
            _choose(segment, {name for name in numbers if present[numbers[name]]})
            for segment in self._segments
        )
        texts = (
            (f"{{{numbers[piece.text]}}}" if present[numbers[piece.text]] else "")
            if piece.is_field
            else piece.text.replace("{", "{{").replace("}", "}}")
            for option in chosen
            for piece in option
        )
        return "".join(texts).strip()


def render_items(items: pd.DataFrame, template: str | Template = "paper") -> list[str]:
    """Write the text of each item.

    Definition: items with the same set of present fields share one format text, made once from the template;
    an item with none of the template's fields has the empty text.

    Args:
        items: (n,) rows; any columns, the template's fields among them. The six canonical ones (title,
            category, brand, price, keywords, attributes) may lack altogether: absent for every item.
        template: "paper" (six fields, 44 % more tokens), "short" (title, brand, category), "one_word" (the
        same
            three, for a decoder's last token), an own text, or a `Template`.

    Returns:
        N texts in the order of the rows.

    Raises:
        PromptError: the template does not parse, or names a field that is no column of `items`.

    Example:
        >>> render_items(pd.DataFrame({"title": ["Ring"], "brand": ["Envy"]}))
        ['Item title is "Ring". The brand of this item is "Envy".']
        >>> two = pd.DataFrame({"title": ["Ring", "Pin"], "brand": ["Envy", None]})
        >>> render_items(two, "{title}[ by {brand}]")
        ['Ring by Envy', 'Pin']

    Source: LEARN (arXiv 2405.03988), the item prompt of the industry data; "short": its Amazon experiments.
    """
    template = Template.of(template)
    check_fields(template, [str(name) for name in items.columns])
    absent = [""] * len(items)
    columns = [column_texts(items[name]) if name in items.columns else absent for name in template.fields]
    patterns: dict[tuple[bool, ...], str] = {}
    texts = []
    for row in zip(*columns, strict=True):
        present = tuple(map(bool, row))
        pattern = patterns.get(present)
        if pattern is None:
            pattern = patterns[present] = template.pattern(present)
        texts.append(pattern.format(*row))
    return texts


def check_fields(template: Template, columns: list[str]) -> None:
    """Raise `PromptError` unless the columns of the items offer the template's fields, each once."""
    twice = sorted({name for name in template.fields if columns.count(name) > 1})
    if twice:
        raise PromptError(f"items: expected one column per field, got {twice} more than once. Remedy: rename")
    unknown = [name for name in template.fields if name not in columns and name not in CANONICAL_FIELDS]
    if unknown or not set(template.fields) & set(columns):
        raise PromptError(
            f"template: expected fields among the columns of the items {columns}, "
            f"got {unknown if unknown else list(template.fields)}. Remedy: correct the name or add the column"
        )


def _choose(segment: _Segment, present: set[str]) -> tuple[_Piece, ...]:
    if not segment.is_clause:
        return segment.alternatives[0]
    for option in segment.alternatives:
        if all(piece.text in present for piece in option if piece.is_field):
            return option
    return ()


def _parse(text: str) -> tuple[_Segment, ...]:
    """Read the template language; one pass over its tokens, `options` is the clause that is open."""
    segments: list[_Segment] = []
    outside: list[_Piece] = []
    options: list[list[_Piece]] | None = None
    for match in _TOKEN.finditer(text):
        token, place = match[0], match.start()
        pieces = outside if options is None else options[-1]
        if token == "[" and options is None:
            segments.append(_Segment((tuple(outside),), is_clause=False))
            outside, options = [], [[]]
        elif token == "]" and options is not None:
            segments.append(_clause(options, text, place))
            options = None
        elif token == "|" and options is not None:
            options.append([])
        elif len(token) == 1 and token in "{}[]":
            raise _syntax_error(text, place, f"{token!r} without its partner; a literal one is written twice")
        elif len(token) > 1 and token[0] == "{" and token != "{{":
            pieces.append(_Piece(_field_name(token, text, place), is_field=True))
        else:
            is_doubled = token in ("{{", "}}", "[[", "]]") or (token == "||" and options is not None)
            pieces.append(_Piece(token[0] if is_doubled else token, is_field=False))
    if options is not None:
        raise _syntax_error(text, len(text), "a clause that is not closed with ']'")
    return (*segments, _Segment((tuple(outside),), is_clause=False))


def _clause(options: list[list[_Piece]], text: str, place: int) -> _Segment:
    for number, option in enumerate(options):
        may_be_plain = number > 0 and number == len(options) - 1
        if not may_be_plain and not any(piece.is_field for piece in option):
            raise _syntax_error(
                text, place, "a clause without a field; literal brackets are written [[ and ]]"
            )
    return _Segment(tuple(map(tuple, options)), is_clause=True)


def _field_name(token: str, text: str, place: int) -> str:
    name = token[1:-1].strip()
    if not name or name.isdigit() or ":" in name or "!" in name:
        raise _syntax_error(text, place, f"{token!r}; a field is a column's name alone, without a format")
    return name


def _syntax_error(text: str, place: int, got: str) -> PromptError:
    return PromptError(
        f"template: expected text, {{fields}} and [clauses], got at character {place} {got}. "
        f"Template: {text!r}"
    )


__all__ = [
    "CANONICAL_FIELDS",
    "ONE_WORD",
    "TEMPLATES",
    "PromptError",
    "Template",
    "check_fields",
    "render_items",
]
