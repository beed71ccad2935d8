"""The start of an encode job: what lies on disk is looked at, then items are planned, or a plan joined."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learn_recall.encode.config import EncodeConfig
from learn_recall.encode.identity import ContentIdentity, EncodeError, Recorded, can_continue, settle_dtype
from learn_recall.encode.item_source import Items, ItemSource
from learn_recall.encode.item_spool import ItemSpool, spool_items
from learn_recall.encode.plan import EncodePlan, make_plan
from learn_recall.encode.shards import WAIT_SECONDS
from learn_recall.encode.work_folder import STORE, WorkFolder, keeping
from learn_recall.encoder.text_encoder import TextEncoder
from learn_recall.errors import StoreError
from learn_recall.files.claims import Claims
from learn_recall.files.whole_files import fsync_tree, remove
from learn_recall.store import EmbeddingStore
from learn_recall.store.content_shards import known_texts
from learn_recall.store.layout import CARD, VECTORS
from learn_recall.text.coverage import share_outside
from learn_recall.text.prompt import Template

_CLAIM = "plan"
_N_SAMPLE = 32


@dataclass(frozen=True)
class EncodeRequest:
    """What a job was asked for.

    Args:
        source: the items.
        target: the store to be.
        config: the settings.
    """

    source: ItemSource
    target: Path
    config: EncodeConfig

    @classmethod
    def of(cls, items: Items, out: str | Path, config: EncodeConfig) -> "EncodeRequest":
        """Find the items before anything is read or loaded.

        Raises:
            EncodeError: no such files.
        """
        return cls(ItemSource.of(items), Path(out).absolute(), config)

    def spool(self, folder: Path) -> ItemSpool:
        """Write the items into a folder as texts (`learn_recall.encode.item_spool`)."""
        template = Template.of(self.config.template)
        return spool_items(self.source.frames(), template, folder, is_ragged=self.source.is_ragged)


@dataclass(frozen=True)
class StartedJob:
    """What there is to do.

    Args:
        plan: the work; None where the store is up to date.
        store: the store that is there and of this identity, or None.
        identity: of the vectors.
        check: the evidence for its compute dtype.
        encoder: the loaded encoder, in that dtype.
        share_outside: of the letters of a sample, what `learn_recall.text.coverage` counts; None where none
            was looked at.
    """

    plan: EncodePlan | None
    store: EmbeddingStore | None
    identity: ContentIdentity
    check: dict[str, Any]
    encoder: TextEncoder
    share_outside: float | None = None


def start_job(request: EncodeRequest, work: WorkFolder, claims: Claims) -> StartedJob:
    """Plan the job, or join the plan that fits; one process at a time.

    Raises:
        EncodeError: what lies on disk is of another identity, or others work there on other items.
    """
    encoder = None
    while not claims.take(_CLAIM):
        if encoder is None:
            encoder = request.config.load()  # while another process plans
        time.sleep(WAIT_SECONDS)
    try:
        return _start(request, work, claims, encoder)
    finally:
        claims.release(_CLAIM)


def _start(
    request: EncodeRequest, work: WorkFolder, claims: Claims, encoder: TextEncoder | None
) -> StartedJob:
    store, begun = existing_store(request.target, request.config.overwrite), work.recorded()
    plan = work.plan()
    if plan is not None and not _is_usable(plan, request, store):
        plan = None
    with _spool_folder(work) as folder:
        spool = None
        if plan is None or plan.fingerprint is None or plan.fingerprint != request.source.fingerprint:
            with keeping(work, "every shard of earlier runs"):
                spool = request.spool(folder)
            if plan is not None and plan.items_sha256 != spool.sha256:
                plan = None
        encoder = request.config.load() if encoder is None else encoder
        made = None if store is None else recorded_in(store)
        sample = [] if spool is None else spool.sample(_N_SAMPLE)
        found = [each for each in (begun, made) if each is not None]
        identity, check = settle_dtype(request.config.identity(encoder), encoder, sample, found)
        encoder = encoder.with_dtype(identity.compute_dtype)
        outside = share_outside(encoder.tokenizer, sample, is_lower_case=encoder.folder.is_lower_case)
        if begun is not None and not can_continue(identity, begun, overwrite=request.config.overwrite):
            _refuse_if_busy(work, claims)
            work.empty()
            plan = None
        if made is not None and not can_continue(identity, made, overwrite=request.config.overwrite):
            store = None
        if plan is not None:
            return StartedJob(plan, store, identity, check, encoder, outside)
        if spool is None:  # the plan fitted the items, and what it was made with is gone
            spool = request.spool(folder)
        _refuse_if_busy(work, claims)
        with keeping(work, "every shard"):
            plan = _planned(request, work, spool, store)
            if plan is not None:
                work.begin(identity, check)
                _put_in_place(folder, work.plan_path)
                plan = work.plan()
        return StartedJob(plan, store, identity, check, encoder, outside)


def _planned(
    request: EncodeRequest, work: WorkFolder, spool: ItemSpool, store: EmbeddingStore | None
) -> EncodePlan | None:
    """Make the plan; None where the store holds these items already."""
    texts = None if store is None else known_texts(store)
    if store is not None and texts is not None and store.card.extra.get("items_sha256") == spool.sha256:
        return None
    known = [] if texts is None else [(STORE, texts)]
    return make_plan(
        spool,
        known + work.finished_shards(),
        fingerprint=request.source.fingerprint,
        store_sha256=None if store is None or texts is None else store.card.files[VECTORS],
        shard_size=request.config.shard_size,
        batch_tokens=request.config.batch_tokens,
    )


def _is_usable(plan: EncodePlan, request: EncodeRequest, store: EmbeddingStore | None) -> bool:
    """Tell whether a plan cuts as asked, and the store that it takes vectors from is still that one."""
    config = request.config
    is_cut_so = (plan.shard_size, plan.batch_tokens) == (config.shard_size, config.batch_tokens)
    there = None if store is None else store.card.files[VECTORS]
    is_done = store is not None and store.card.extra.get("items_sha256") == plan.items_sha256
    return is_cut_so and not is_done and plan.store_sha256 in (None, there)


def _refuse_if_busy(work: WorkFolder, claims: Claims) -> None:
    others = claims.others()
    if others:
        raise EncodeError(
            f"{work.path}: expected no other job there, got {len(others)} pieces that living processes work "
            f"on, for other items or settings (first {others[0]}). Remedy: give every worker the same items, "
            "batch_tokens and shard_size; or wait for them; or choose another out"
        )


@contextmanager
def _spool_folder(work: WorkFolder) -> Iterator[Path]:
    folder = work.path / f".spool-{secrets.token_hex(4)}"
    with keeping(work, "every shard of earlier runs"):
        folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        remove(folder)


def _put_in_place(folder: Path, target: Path) -> None:
    fsync_tree(folder)
    remove(target)
    os.replace(folder, target)


def existing_store(target: Path, overwrite: bool) -> EmbeddingStore | None:
    """Open the store that is there, every byte checked; None where there is none, or a damaged one may go."""
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


def recorded_in(store: EmbeddingStore) -> Recorded:
    """The identity that a store's card records."""
    extra = store.card.extra
    return Recorded(store.path, extra.get("identity", {}), extra.get("dtype_check", {}))


__all__ = ["EncodeRequest", "StartedJob", "existing_store", "recorded_in", "start_job"]
