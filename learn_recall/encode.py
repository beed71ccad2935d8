"""The encode job: items in, content store out, and nothing finished is ever lost.

    items -> texts -> distinct texts by hash -> shards of token-budget batches -> content store

A shard is a function of its texts alone. A job that was killed, or that found the disk full, goes on from its
finished shards and ends with the bytes of an undisturbed run (same machine, same number of threads).
"""

from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from learn_recall.card import DTYPES
from learn_recall.columns import ITEM_ID
from learn_recall.encode_identity import (
    ContentIdentity,
    EncodeError,
    Recorded,
    can_continue,
    settle_dtype,
)
from learn_recall.encode_job import EncodeJob, keeping
from learn_recall.encode_work import WorkFolder, known_texts, move_texts, write_texts
from learn_recall.encoder import COMPUTE_DTYPES, TextEncoder
from learn_recall.errors import StoreError
from learn_recall.ids import as_id_array
from learn_recall.prompt import Template, render_items
from learn_recall.store import EmbeddingStore, write_store
from learn_recall.store_files import CARD
from learn_recall.text_digests import unique_texts


def encode_items(
    items: pd.DataFrame,
    out: str | Path,
    *,
    encoder: str | Path | None = None,
    template: str | Template = "paper",
    pooling: str | None = None,
    max_tokens: int | None = None,
    dtype: str = "auto",
    batch_tokens: int = 2048,
    shard_size: int = 4096,
    store_dtype: str = "float16",
    trust_remote_code: bool = False,
    overwrite: bool = False,
    console: Console | None = None,
    progress: bool = True,
) -> EmbeddingStore:
    """Encode the text of each item into a content store; a second call goes on where the first one stopped.

    Definition: items are rendered by the template; each distinct text is encoded once; texts whose hash is
    known under the same identity (from the store at `out`, or from shards in `OUT.work/`) are not encoded
    again; `OUT.work/` is removed when the store is in place. Where nothing has changed nothing is written.

    Args:
        items: (N,) rows with `item_id` and the template's fields.
        out: The store's folder.
        encoder: Folder, hub name, or None for the offline MiniLM.
        template: "paper", "short", or an own text (`learn_recall.prompt`).
        pooling: "mean", "last", "cls"; None as in `TextEncoder.load`.
        max_tokens: Length at which texts are cut; None as in `TextEncoder.load`.
        dtype: "float32", "bfloat16", or "auto": bfloat16 where the machine has it and a sample of the texts
            keeps cosine >= .999. What "auto" chose is kept by later runs of the same store.
        batch_tokens: Padded tokens in a batch.
        shard_size: Texts in a shard: what a kill can cost.
        store_dtype: "float16" or "float32" of the stored vectors.
        trust_remote_code: Run code that lies in the model's folder.
        overwrite: Replace a store, and drop a work folder, of another identity. One of the same identity is
            always continued or brought up to date.
        console: Where progress goes; None is standard error.
        progress: Whether to show it.

    Returns:
        The store, kind "content", block "content", raw vectors. An item without text is not present.

    Raises:
        EncodeError: Items, options or what lies at `out` do not fit; no room on the disk.
        PromptError, EncoderError, StoreError: From the parts.

    Source: LEARN (arXiv 2405.03988), content-extraction module: "each item alone", average pooling.
    """
    _check_options(dtype, store_dtype, batch_tokens, shard_size)
    target, template = Path(out).absolute(), Template.of(template)
    ids = _item_ids(items)
    unique = unique_texts(render_items(items, template))
    if not unique.texts:
        raise EncodeError(
            f"items: expected text in the fields {template.fields}, got none in {len(items)} rows. "
            "Remedy: check the columns' names, or choose a template of fields that are filled"
        )
    work = WorkFolder(target)
    move_texts(work, target)
    store, begun = _existing_store(target, overwrite), work.recorded()
    text_encoder = TextEncoder.load(
        encoder, pooling=pooling, max_tokens=max_tokens, trust_remote_code=trust_remote_code
    )
    wanted = ContentIdentity(
        encoder_sha256=text_encoder.sha256,
        template=template.text,
        pooling=text_encoder.pooling,
        max_tokens=text_encoder.max_tokens,
        compute_dtype=dtype,
        store_dtype=store_dtype,
        dimension=text_encoder.dimension,
    )
    made = None if store is None else _recorded_in(store)
    found = [each for each in (begun, made) if each is not None]
    identity, check = settle_dtype(wanted, text_encoder, unique.texts, found)
    if begun is not None and not can_continue(identity, begun, overwrite=overwrite):
        work.remove()
    if made is not None and not can_continue(identity, made, overwrite=overwrite):
        store = None

    job = EncodeJob(unique, identity, work, batch_tokens=batch_tokens, shard_size=shard_size)
    known = None if store is None else known_texts(store)
    if store is not None and known is not None:
        job.add_known(known)
        if np.array_equal(store.ids, ids) and np.array_equal(known.digests, job.item_digests()):
            work.remove()
            return store
    with keeping(work, "every shard"):
        for shard in work.begin(identity, check):
            job.add_known(shard)
    job.check_room(len(ids))
    job.encode(text_encoder.with_dtype(identity.compute_dtype), console=console, progress=progress)
    card = _card_extra(identity, check, text_encoder)
    return _finish(job, text_encoder, card=card, prompt=template.label, ids=ids, target=target)


def _finish(
    job: EncodeJob,
    encoder: TextEncoder,
    *,
    card: dict[str, Any],
    prompt: str,
    ids: np.ndarray,
    target: Path,
) -> EmbeddingStore:
    """Write the store, then lay its texts file inside; a kill between the two is mended by the next call."""
    texts = job.texts_of_items()
    with keeping(job.work, "every shard"):
        texts_sha256 = write_texts(job.work, **texts)
        try:
            write_store(
                target,
                ids=ids,
                vectors=job.item_vectors(),
                present=job.is_present(),
                kind="content",
                encoder=encoder.name,
                encoder_sha256=encoder.sha256,
                prompt=prompt,
                pooling=encoder.pooling,
                max_tokens=encoder.max_tokens,
                dtype=job.identity.store_dtype,
                extra={**card, **job.counts(), "texts_sha256": texts_sha256},
                overwrite=target.exists(),
            )
        except StoreError as error:
            raise EncodeError(f"{error}. Kept in {job.work.path}: every shard") from error
        move_texts(job.work, target)
    job.work.remove()
    return EmbeddingStore.open(target, verify=False)


def _card_extra(identity: ContentIdentity, check: dict[str, Any], encoder: TextEncoder) -> dict[str, Any]:
    """Give what the card says beyond its own fields; nothing in it depends on how often a job was stopped."""
    return {
        "identity": asdict(identity),
        "dtype_check": check,
        "norm": "none",
        "stages_not_applied": list(encoder.folder.not_applied),
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers", "numpy")},
    }


def _check_options(dtype: str, store_dtype: str, batch_tokens: int, shard_size: int) -> None:
    for name, got, allowed in (
        ("dtype", dtype, ("auto", *COMPUTE_DTYPES)),
        ("store_dtype", store_dtype, DTYPES),
    ):
        if got not in allowed:
            raise EncodeError(f"{name}: expected one of {allowed}, got {got!r}. Remedy: choose one")
    for name, number in (("batch_tokens", batch_tokens), ("shard_size", shard_size)):
        if number < 1:
            raise EncodeError(f"{name}: expected at least 1, got {number}. Remedy: leave it out")


def _item_ids(items: pd.DataFrame) -> np.ndarray:
    if ITEM_ID not in items.columns:
        raise EncodeError(
            f"items: expected a column {ITEM_ID!r}, got {list(items.columns)}. Remedy: rename the id's column"
        )
    ids = as_id_array(items[ITEM_ID], name=f"items column {ITEM_ID}")
    twice = items[ITEM_ID][pd.Index(ids).duplicated()]
    if len(twice):
        raise EncodeError(
            f"items column {ITEM_ID}: expected each id once, got {len(twice)} repeated, first "
            f"{twice.head(3).tolist()}. Remedy: keep one row per item"
        )
    return ids


def _existing_store(target: Path, overwrite: bool) -> EmbeddingStore | None:
    if not target.exists():
        return None
    if not (target / CARD).is_file():
        raise EncodeError(
            f"{target}: expected a free path or a store, got neither. Remedy: choose another out"
        )
    try:
        return EmbeddingStore.open(target)
    except StoreError:
        if overwrite:
            return None  # damaged; its texts are encoded again
        raise


def _recorded_in(store: EmbeddingStore) -> Recorded:
    extra = store.card.extra
    return Recorded(store.path, extra.get("identity", {}), extra.get("dtype_check", {}))


__all__ = ["EncodeError", "encode_items"]
