"""The encode job: items in, content store out, and nothing finished is ever lost.

    items -> texts by hash -> plan -> shards of token-budget batches -> content store

The items are streamed, so memory does not depend on their number. Any number of processes may run the same
job on one folder. A shard is a function of its texts and the batch settings alone: a job that was killed,
that found the disk full, or that was done by many ends with the bytes of an undisturbed run of one process
(same machine, same number of threads).
"""

import time
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from learn_recall.encode.config import EncodeConfig
from learn_recall.encode.disk_space import check_room
from learn_recall.encode.finish import remove_damaged, write_content_store
from learn_recall.encode.identity import EncodeError
from learn_recall.encode.item_source import Items
from learn_recall.encode.plan import EncodePlan
from learn_recall.encode.shards import WAIT_SECONDS, encode_shards
from learn_recall.encode.start import EncodeRequest, StartedJob, start_job
from learn_recall.encode.work_folder import WorkFolder
from learn_recall.files.claims import Claims
from learn_recall.files.whole_files import remove
from learn_recall.model_files.gguf_convert import card_of
from learn_recall.store import EmbeddingStore
from learn_recall.text.coverage import outside_warning
from learn_recall.text.prompt import Template

_FINISH = "finish"


def encode_items(
    items: Items,
    out: str | Path,
    *,
    config: EncodeConfig | None = None,
    console: Console | None = None,
    progress: bool = True,
    **settings: Any,
) -> EmbeddingStore:
    """Encode the text of each item into a content store; a second call goes on where the first one stopped.

    Definition: items are rendered by the template; each distinct text is encoded once; texts whose hash is
    known under the same identity (from the store at `out`, or from shards in `OUT.work/`) are not encoded
    again; `OUT.work/` is removed when the store is in place. Where nothing has changed nothing is written.
    Any number of processes that call this with the same arguments share the work
    (`learn_recall.files.claims`); each returns when the store is whole.

    Args:
        items: rows with `item_id` and the template's fields: a frame, an iterator of frames (one process
            only), or files: a path, a folder of parquet parts, a pattern with `*`, or a list of these.
        out: the store's folder.
        config: the settings; None is those of `EncodeConfig()`.
        console: where progress goes; None is standard error.
        progress: whether to show it.
        settings: fields of `EncodeConfig`, instead of `config` or in place of what it says.

    Returns:
        The store, kind "content", block "content", raw vectors. An item without text is not present.

    Raises:
        EncodeError: items, options or what lies at `out` do not fit; no room on the disk.
        TableError, PromptError, EncoderError, StoreError: from the parts.

    Source: LEARN (arXiv 2405.03988), content-extraction module: "each item alone", average pooling.
    """
    asked = EncodeConfig(**settings) if config is None else replace(config, **settings)
    return run_job(EncodeRequest.of(items, out, asked), console=console, progress=progress)


def run_job(
    request: EncodeRequest, *, console: Console | None = None, progress: bool = True
) -> EmbeddingStore:
    """Do what `encode_items` says for a request that is made already."""
    work = WorkFolder(request.target)
    try:
        with work.claims(request.config.claim_seconds) as claims:
            while True:
                job = start_job(request, work, claims)
                if progress:
                    say_of_encoder(job, console)
                if job.plan is None and job.store is not None:
                    work.remove()
                    return job.store
                store = _work_and_finish(job, request, work, claims, console=console, progress=progress)
                if store is not None:
                    return store
    finally:
        work.clean_up()


def say_of_encoder(job: StartedJob, console: Console | None = None) -> None:
    """Say what was chosen of pooling and layer where nobody named it, and that texts are foreign to it."""
    shown = Console(stderr=True) if console is None else console
    for text in (job.encoder.chosen, outside_warning(job.encoder.name, job.share_outside)):
        if text:
            shown.print(text, markup=False, highlight=False, soft_wrap=True)


def _work_and_finish(
    job: StartedJob,
    request: EncodeRequest,
    work: WorkFolder,
    claims: Claims,
    *,
    console: Console | None,
    progress: bool,
) -> EmbeddingStore | None:
    """Encode until all is there and one process has written the store; None: the plan must be made anew."""
    plan = job.plan
    if plan is None:
        raise EncodeError(f"{work.path}: expected a plan, got none. Remedy: run the same command again")
    check_room(plan, work, job.identity)
    while True:
        encode_shards(plan, work, job.identity, job.encoder, claims, console=console, progress=progress)
        is_ours = claims.take(_FINISH)
        if not plan.folder.is_dir():
            return _finished_by_another(plan, request.target)
        if not is_ours:
            time.sleep(WAIT_SECONDS)
            continue
        damaged, is_sound = remove_damaged(plan, work)
        if damaged or not is_sound:
            claims.release(_FINISH)
            if is_sound:
                continue
            remove(plan.folder)
            return None
        store = write_content_store(
            plan,
            work,
            request.target,
            store=job.store,
            identity=job.identity,
            encoder=job.encoder,
            prompt=Template.of(request.config.template).label,
            card=_card_extra(job),
        )
        work.remove()
        return store


def _finished_by_another(plan: EncodePlan, target: Path) -> EmbeddingStore:
    store = EmbeddingStore.open(target, verify=False)
    store.card.check_expected({"extra.items_sha256": plan.items_sha256})
    return store


def _card_extra(job: StartedJob) -> dict[str, Any]:
    """What the card says beyond its own fields; nothing in it depends on how often a job was stopped."""
    gguf = card_of(job.encoder.folder.path)
    return {
        "identity": asdict(job.identity),
        "dtype_check": job.check,
        "norm": "none",
        "stages_not_applied": list(job.encoder.folder.not_applied),
        **({"chosen": job.encoder.chosen} if job.encoder.chosen else {}),
        **({} if gguf is None else {"converted_from": gguf}),
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers", "numpy")},
    }


__all__ = ["EncodeConfig", "EncodeError", "encode_items", "run_job"]
