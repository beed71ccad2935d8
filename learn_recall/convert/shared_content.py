"""A finished content store serves another run on the same items: rows are taken over, nothing is encoded."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from learn_recall.columns import ITEM_ID
from learn_recall.encoder.files import find_encoder, sha256_of_encoder
from learn_recall.errors import StoreError
from learn_recall.files.row_file import RowFile
from learn_recall.files.safetensors_stream import StreamedArray, write_safetensors
from learn_recall.model_files.layer_names import LAST
from learn_recall.store import EmbeddingStore, layout
from learn_recall.store.content_shards import TEXTS_FILE, ContentShard, known_texts
from learn_recall.store.ids import as_id_array
from learn_recall.store.layout import IDS, VECTORS
from learn_recall.store.stream import write_store_stream
from learn_recall.text.digests import text_digests
from learn_recall.text.prompt import Template, render_items

_ROWS_AT_ONCE = 1 << 13
_COUNTS = ("n_texts", "n_duplicates", "n_without_text", "n_tokens", "n_truncated", "truncation_rate")
_OF_ALL_ITEMS = (*_COUNTS, "items_sha256", "texts_sha256")


def template_of(store: EmbeddingStore) -> str:
    """The prompt that a content store was written with: a template's name, or its text.

    Raises:
        StoreError: a store that `encode_items` did not write.
    """
    identity = store.card.extra.get("identity")
    names = [block.name for block in store.card.blocks]
    if store.card.kind != "content" or names != ["content"] or not isinstance(identity, dict):
        got = "one with word vectors" if "words" in names else f"one of {' and '.join(names)} from elsewhere"
        raise StoreError(
            f"{store.path}: expected the content store of a language model, as `learn-recall encode` writes "
            f"it, got {got}. Remedy: name what was encoded; of an earlier run that is its folder content-lm, "
            "or content where it was run with --words 0"
        )
    return store.card.prompt


def check_shared(
    store: EmbeddingStore, *, encoder: str | None, template: str, dtype: str
) -> dict[str, str | None]:
    """Compare a store's card with what a run is asked to encode with.

    Args:
        store: the content store.
        encoder: folder or hub name, with or without "@12"; None takes the store's, and without it its layer.
        template: name or text.
        dtype: of the arithmetic; "auto" takes the store's.

    Returns:
        Hashes of all that is taken over: another store gives others, wherever it lies.

    Raises:
        StoreError: names every setting that differs.
    """
    label, identity = template_of(store), store.card.extra["identity"]
    differences = []
    if encoder is not None:
        folder = find_encoder(encoder)
        there = identity.get("layer", LAST)
        layer = there if folder.layer is None else folder.layer
        if layer != there:
            differences.append(("layer", there, layer))
        elif sha256_of_encoder(folder, trust_remote_code=False, layer=there) != store.card.encoder_sha256:
            differences.append(("encoder", store.card.encoder, f"{folder.name}, whose files hash otherwise"))
    if Template.of(template).text != Template.of(identity["template"]).text:
        differences.append(("template", label, Template.of(template).label))
    if dtype not in ("auto", identity["compute_dtype"]):
        differences.append(("encoder dtype", identity["compute_dtype"], dtype))
    if differences:
        words = "; ".join(f"{name}: {there} there, {now} now" for name, there, now in differences)
        raise StoreError(
            f"{store.path}: expected a store of the encoder and settings that are asked for, got others "
            f"({words}). Remedy: leave them out, and those of the store hold; or name another store"
        )
    _texts_in(store)
    return {**store.card.files, TEXTS_FILE: store.card.extra.get("texts_sha256")}


def take_content(store: EmbeddingStore, items: pd.DataFrame, out: Path) -> EmbeddingStore:
    """Write the content store of some items from one that holds them, as if they had been encoded.

    Args:
        store: a content store; may hold more items, in any order.
        items: `item_id` and the fields of the store's template.
        out: folder of the new store; a store that is there is replaced.

    Returns:
        The store, in the order of the items; its vectors are those bytes.

    Raises:
        StoreError: an item that the store lacks, or that has another text there; the first one is named. As
            in `write_store`.
    """
    texts = _texts_in(store)
    ids = as_id_array(items[ITEM_ID].to_numpy())
    rows = store.positions(ids)
    missing = np.flatnonzero(rows < 0)
    written = render_items(items, template_of(store))
    known = np.flatnonzero(rows >= 0)
    is_same = (texts.digests.take(rows[known]) == text_digests([written[row] for row in known])).all(axis=1)
    other = known[~is_same]
    if len(missing) or len(other):
        raise StoreError(_not_these_items(store, ids, written, missing, other))
    return _write(store, texts, ids, rows, out)


def _not_these_items(
    store: EmbeddingStore, ids: np.ndarray, written: list[str], missing: np.ndarray, other: np.ndarray
) -> str:
    got = []
    if len(missing):
        got.append(f"{len(missing):,} of {len(ids):,} not in it, first item_id {ids[missing[0]]}")
    if len(other):
        first = other[0]
        got.append(
            f"{len(other):,} that had another text, first item_id {ids[first]}, now {_short(written[first])}"
        )
    return (
        f"{store.path}: expected a store of these items and their texts, got {'; '.join(got)}. Remedy: bring "
        "it up to date with `learn-recall encode --items .. --out` of that store, which encodes new texts "
        "alone; or leave the store out"
    )


def _write(
    store: EmbeddingStore, texts: ContentShard, ids: np.ndarray, rows: np.ndarray, out: Path
) -> EmbeddingStore:
    card = store.card
    parts = [slice(start, start + _ROWS_AT_ONCE) for start in range(0, len(rows), _ROWS_AT_ONCE)]

    def pieces() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for part in parts:
            yield texts.vectors.take(rows[part]), store.present[rows[part]]

    def lay_texts(folder: Path) -> dict[str, Any]:
        columns = ("digests", "n_tokens", "is_truncated")
        streamed = {name: _taken(getattr(texts, name), rows, parts) for name in columns}
        kept = {name: value for name, value in card.extra.items() if name not in _OF_ALL_ITEMS}
        taken = {"taken_from": {"vectors_sha256": card.files[VECTORS], "n_ids": card.n_ids}}
        return {**kept, **taken, "texts_sha256": write_safetensors(folder / TEXTS_FILE, streamed)}

    with tempfile.TemporaryDirectory() as folder:
        layout.write_ids(Path(folder) / IDS, ids)
        return write_store_stream(
            out,
            ids=Path(folder) / IDS,
            n_ids=len(ids),
            dimension=card.dimension,
            rows=pieces(),
            kind="content",
            **card.of_text,
            dtype=card.dtype,
            extra=lay_texts,
            overwrite=out.exists(),
        )


def _taken(file: RowFile, rows: np.ndarray, parts: list[slice]) -> StreamedArray:
    pieces = (file.take(rows[part]) for part in parts)
    return StreamedArray(file.dtype, (len(rows), *file.row_shape), pieces)


def _texts_in(store: EmbeddingStore) -> ContentShard:
    texts = known_texts(store)
    if texts is None:
        raise StoreError(
            f"{store.path}: expected the texts that were encoded beside the vectors ({TEXTS_FILE}), got none "
            "or others than the card says. Remedy: run `learn-recall encode` into it once more"
        )
    return texts


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


__all__ = ["check_shared", "take_content", "template_of"]
