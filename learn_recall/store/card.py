"""The identity card of a store: what the vectors are, what made them, and the hash of every file."""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from learn_recall.errors import StoreError

FORMAT_VERSION = 1
KINDS = ("content", "item", "user")
POOLINGS = ("mean", "last", "cls", "echo")
DTYPES = ("float16", "float32")


@dataclass(frozen=True)
class Block:
    """A named slice `[start, stop)` of the vector; cosines are taken per block.

    Args:
        name: what made it: "tower", "content".
        start: first component.
        stop: one past the last component.
    """

    name: str
    start: int
    stop: int


@dataclass(frozen=True)
class IdentityCard:
    """What a store holds and where it comes from; the file `card.json`.

    Args:
        kind: "content" (raw encoder output), "item" or "user".
        encoder: model name or folder name of the text encoder.
        encoder_sha256: hash over weights and tokenizer of the encoder.
        prompt: template text of the item sentence, or the template's name.
        pooling: "mean", "last", "cls" or "echo".
        max_tokens: tokens after which a text was cut.
        dtype: "float16" or "float32", of the stored vectors.
        dimension: D, components of a vector.
        blocks: slices that cover 0..D in order.
        n_ids: N, rows.
        n_present: rows that have a vector.
        tower: sha256 of the tower checkpoint; None where no tower was used.
        as_of: unix seconds of the newest event that went in; None if the time is unknown.
        files: sha256 of each file of the folder but the card.
        extra: anything JSON.
        format_version: layout of the folder.

    Raises:
        StoreError: A field contradicts its definition.
    """

    kind: str
    encoder: str
    encoder_sha256: str
    prompt: str
    pooling: str
    max_tokens: int
    dtype: str
    dimension: int
    blocks: tuple[Block, ...]
    n_ids: int
    n_present: int
    tower: str | None
    as_of: float | None
    files: dict[str, str]
    extra: dict[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if self.format_version != FORMAT_VERSION:
            raise _wrong(
                "format_version", FORMAT_VERSION, self.format_version, "write the store with this version"
            )
        for name, allowed in (("kind", KINDS), ("pooling", POOLINGS), ("dtype", DTYPES)):
            if getattr(self, name) not in allowed:
                raise _wrong(name, f"one of {allowed}", repr(getattr(self, name)), "correct the argument")
        for name in ("encoder", "encoder_sha256", "prompt"):
            if not isinstance(getattr(self, name), str):
                raise _wrong(name, "text", repr(getattr(self, name)), "correct the argument")
        if not isinstance(self.files, dict) or not isinstance(self.extra, dict):
            raise _wrong("files and extra", "objects", f"{self.files!r} and {self.extra!r}", "correct them")
        for name, least in (("dimension", 1), ("n_ids", 1), ("n_present", 0), ("max_tokens", 1)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise _wrong(name, f"an integer >= {least}", repr(value), "correct the argument")
        if self.n_present > self.n_ids:
            raise _wrong("n_present", f"at most n_ids = {self.n_ids}", self.n_present, "write the store anew")
        if self.as_of is not None:
            check_unix_seconds("as_of", self.as_of)
        _check_blocks(self.blocks, self.dimension)

    @property
    def of_text(self) -> dict[str, Any]:
        """The fields that say how texts became these vectors, for `write_store` of vectors made of them."""
        names = "encoder", "encoder_sha256", "prompt", "pooling", "max_tokens"
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_json(cls, fields: Any) -> "IdentityCard":
        """Build a card from what `card.json` holds; a field too few or too many is a `StoreError`."""
        if not isinstance(fields, dict):
            raise _wrong("content", "an object", type(fields).__name__, "write the store anew")
        version = fields.get("format_version")
        if version != FORMAT_VERSION:
            raise _wrong("format_version", FORMAT_VERSION, version, "read it with the version that wrote it")
        names = {each.name for each in dataclasses.fields(cls)}
        if names != set(fields):
            differ = f"missing {sorted(names - set(fields))}, unknown {sorted(set(fields) - names)}"
            raise _wrong("fields", "those of IdentityCard", differ, "write the store anew")
        try:
            blocks = tuple(Block(**block) for block in fields["blocks"])
        except TypeError as error:
            raise _wrong("blocks", "name, start, stop", fields["blocks"], "write the store anew") from error
        return cls(**{**fields, "blocks": blocks})

    def check_expected(self, expect: dict[str, Any]) -> None:
        """Compare the card with what the caller needs.

        Args:
            expect: field name -> value, e.g. `{"kind": "item", "encoder_sha256": "..."}`; "extra.NAME" looks
                into `extra`.

        Raises:
            StoreError: names every field that differs, what was expected and what the card says.
        """
        names = {each.name for each in dataclasses.fields(self)}
        differences = []
        for name, wanted in expect.items():
            if name.startswith("extra."):
                got = self.extra.get(name.removeprefix("extra."))
            elif name in names:
                got = getattr(self, name)
            else:
                raise _wrong(
                    "expect", f"fields among {sorted(names)} or extra.NAME", name, "correct the name"
                )
            if got != wanted:
                differences.append(f"{name}: expected {wanted!r}, got {got!r}")
        if differences:
            raise StoreError(
                "the store's card does not fit. "
                + "; ".join(differences)
                + ". Remedy: point to the store that was made so, or make this one anew with that setting"
            )


def check_unix_seconds(name: str, value: float) -> None:
    """Raise `StoreError` unless `value` is finite and can be unix seconds (milliseconds are too large)."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or abs(value) > 1e11:
        raise StoreError.of(
            name,
            expected="unix seconds",
            got=value,
            remedy="divide milliseconds by 1,000, nanoseconds by 1e9",
        )


def _check_blocks(blocks: tuple[Block, ...], dimension: int) -> None:
    edges = [edge for block in blocks for edge in (block.start, block.stop)]
    is_whole = all(type(edge) is int for edge in edges) and edges[:1] == [0] and edges[-1:] == [dimension]
    is_in_order = is_whole and edges[1:-1:2] == edges[2::2] and all(each.start < each.stop for each in blocks)
    if not is_in_order or len({block.name for block in blocks}) != len(blocks):
        raise _wrong(
            "blocks", f"slices with distinct names that cover 0..{dimension} in order", blocks, "correct them"
        )


def _wrong(name: str, expected: object, got: object, remedy: str) -> StoreError:
    return StoreError.of(f"card field {name}", expected=expected, got=got, remedy=remedy)


__all__ = ["DTYPES", "FORMAT_VERSION", "Block", "IdentityCard", "check_unix_seconds"]
