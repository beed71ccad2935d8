"""What an encode job would take: counts, lengths, disk and time, before a single vector is kept."""

import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from learn_recall.encode.disk_space import shard_bytes, store_bytes
from learn_recall.encode.identity import can_continue, settle_dtype
from learn_recall.encode.plan import EncodePlan, make_plan
from learn_recall.encode.start import EncodeRequest, existing_store, recorded_in
from learn_recall.encode.work_folder import STORE, WorkFolder
from learn_recall.encoder.text_encoder import TextEncoder
from learn_recall.files.whole_files import remove
from learn_recall.store.content_shards import ContentShard, ShardError, known_texts, open_shard
from learn_recall.text.coverage import share_outside

_N_SAMPLE = 32
_MOST_TOKENIZED = 100_000
_FIRST_TRIAL = 64
_CALIBRATION_SECONDS = 5.0


@dataclass(frozen=True)
class EncodeEstimate:
    """What `estimate_job` found.

    Args:
        n_items: rows of the items.
        n_without_text: those that will have no vector.
        n_texts: distinct texts.
        n_todo: texts without a vector yet.
        n_tokens: of these; counted, or estimated by their characters.
        n_tokenized: texts whose tokens were counted; fewer than `n_todo`: the rest is estimated.
        truncation_rate: share of the tokenized texts that are cut.
        lengths: (fewest tokens, most tokens, texts), of all `n_todo`, in powers of two.
        n_shards: files to come.
        shard_bytes, store_bytes, plan_bytes: what they, the store and the plan take on the disk, all at once.
        free_bytes: what the disk has.
        compute_dtype: the dtype that the job would compute in.
        tokens_per_second: of one process like this one, measured now; 0 where nothing is left to do.
        seconds: for the tokens, by one such process.
        share_outside: of the letters of a sample, what `learn_recall.text.coverage` counts.
    """

    n_items: int
    n_without_text: int
    n_texts: int
    n_todo: int
    n_tokens: int
    n_tokenized: int
    truncation_rate: float
    lengths: list[tuple[int, int, int]]
    n_shards: int
    shard_bytes: int
    store_bytes: int
    plan_bytes: int
    free_bytes: int
    compute_dtype: str
    tokens_per_second: float
    seconds: float
    share_outside: float | None = None

    @property
    def needed_bytes(self) -> int:
        """What the job needs on the disk at its fullest: shards, store and plan."""
        return self.shard_bytes + self.store_bytes + self.plan_bytes


def estimate_job(
    request: EncodeRequest, *, calibration_seconds: float = _CALIBRATION_SECONDS
) -> EncodeEstimate:
    """Plan a job in a folder that is removed afterwards, count its tokens and encode a little.

    Definition: items, texts and what is known are exact. Tokens are counted in at most 100,000 texts, evenly
    spread, and estimated from the characters beyond that. The speed is that of the last of some runs of which
    each has twice the texts of the one before, until one takes half of `calibration_seconds`.

    Raises:
        EncodeError: as the job itself; that the disk is too small is for the caller to say.
    """
    work = WorkFolder(request.target)
    store, begun = existing_store(request.target, request.config.overwrite), work.recorded()
    folder = request.target.with_name(f".{request.target.name}.dry-run-{secrets.token_hex(4)}")
    folder.mkdir(parents=True)
    try:
        spool = request.spool(folder)
        encoder = request.config.load()
        made = None if store is None else recorded_in(store)
        found = [each for each in (begun, made) if each is not None]
        sample = spool.sample(_N_SAMPLE)
        identity, _ = settle_dtype(request.config.identity(encoder), encoder, sample, found)
        known: list[tuple[str, ContentShard]] = []
        is_ours = made is not None and can_continue(identity, made, overwrite=request.config.overwrite)
        texts = known_texts(store) if store is not None and is_ours else None
        if texts is not None:
            known.append((STORE, texts))
        if begun is not None and can_continue(identity, begun, overwrite=request.config.overwrite):
            known += _shards_there(work)
        plan = make_plan(
            spool,
            known,
            fingerprint=None,
            store_sha256=None,
            shard_size=request.config.shard_size,
            batch_tokens=request.config.batch_tokens,
        )
        tokens = _Tokens(plan, encoder)
        rate = _tokens_per_second(
            encoder.with_dtype(identity.compute_dtype),
            tokens.sample,
            request.config.batch_tokens,
            calibration_seconds,
        )
        n_tokens = tokens.total()
        return EncodeEstimate(
            n_items=plan.n_items,
            n_without_text=plan.n_without_text,
            n_texts=plan.n_texts,
            n_todo=plan.n_todo,
            n_tokens=n_tokens,
            n_tokenized=len(tokens.n_tokens),
            truncation_rate=float(tokens.is_truncated.mean()) if len(tokens.n_tokens) else 0.0,
            lengths=tokens.lengths(),
            n_shards=len(plan.shards),
            shard_bytes=shard_bytes(identity, plan.n_todo),
            store_bytes=store_bytes(identity, plan.n_items),
            plan_bytes=sum(file.stat().st_size for file in folder.iterdir()),
            free_bytes=shutil.disk_usage(folder).free,
            compute_dtype=identity.compute_dtype,
            tokens_per_second=rate,
            seconds=n_tokens / rate if rate else 0.0,
            share_outside=share_outside(
                encoder.tokenizer, sample, is_lower_case=encoder.folder.is_lower_case
            ),
        )
    finally:
        remove(folder)


class _Tokens:
    """The tokens of the texts to do, counted in some shards, evenly spread over the plan."""

    def __init__(self, plan: EncodePlan, encoder: TextEncoder) -> None:
        self._plan = plan
        largest = max((shard.n_texts for shard in plan.shards), default=1)
        n_shards = min(len(plan.shards), max(_MOST_TOKENIZED // largest, 1))
        chosen = np.unique(np.linspace(0, len(plan.shards) - 1, num=n_shards, dtype=int)).tolist()
        lengths, cut, self.sample, self._n_characters = [], [], [], 0
        for number in chosen:
            texts = plan.texts(number)[:_MOST_TOKENIZED]
            rows = encoder.tokenize(texts)
            lengths.append(rows.n_tokens)
            cut.append(rows.is_truncated)
            self._n_characters += sum(map(len, texts))
            self.sample += texts
        self.n_tokens = np.concatenate([np.empty(0, dtype=np.int64), *lengths])  # (t,)
        self.is_truncated = np.concatenate([np.empty(0, dtype=bool), *cut])  # (t,)

    def total(self) -> int:
        """The tokens of all texts to do."""
        if len(self.n_tokens) == self._plan.n_todo:
            return int(self.n_tokens.sum())
        n_characters = sum(shard.n_characters for shard in self._plan.shards)
        return round(int(self.n_tokens.sum()) * n_characters / max(self._n_characters, 1))

    def lengths(self) -> list[tuple[int, int, int]]:
        """How many of the texts to do have how many tokens, in powers of two."""
        found, low = [], 0
        while low <= (self.n_tokens.max() if len(self.n_tokens) else -1):
            high = max(2 * low - 1, 7)
            inside = int(((self.n_tokens >= low) & (self.n_tokens <= high)).sum())
            found.append((low, high, round(inside * self._plan.n_todo / len(self.n_tokens))))
            low = high + 1
        return found


def _shards_there(work: WorkFolder) -> list[tuple[str, ContentShard]]:
    """The shards of a work folder and leave all as it is."""
    found = []
    for path in sorted(Path(work.path).glob("shard-*")):
        try:
            found.append((path.name, open_shard(path, verify=False)))
        except ShardError:
            continue  # the job will do it again
    return found


def _tokens_per_second(
    encoder: TextEncoder, texts: list[str], batch_tokens: int, calibration_seconds: float
) -> float:
    if not texts:
        return 0.0
    generator = np.random.default_rng(0)
    shuffled = [texts[place] for place in generator.permutation(len(texts)).tolist()]
    n_texts, rate = _FIRST_TRIAL, 0.0
    while True:
        here = shuffled[:n_texts]
        start = time.perf_counter()
        rows = encoder.tokenize(here)
        encoder.encode_rows(rows, batch_tokens=batch_tokens)
        seconds = time.perf_counter() - start
        rate = max(int(rows.n_tokens.sum()), 1) / seconds
        if seconds >= calibration_seconds / 2 or n_texts >= len(shuffled):
            return rate
        n_texts *= 2


__all__ = ["EncodeEstimate", "estimate_job"]
