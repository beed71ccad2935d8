"""The shards of a plan encoded by one process, alone or beside others in the same folder."""

import time

import numpy as np
from rich.console import Console

from learn_recall.encode.identity import ContentIdentity, EncodeError
from learn_recall.encode.plan import EncodePlan
from learn_recall.encode.progress import EncodeProgress
from learn_recall.encode.tokens_ahead import ShardTokens, TokensAhead
from learn_recall.encode.work_folder import WorkFolder, keeping
from learn_recall.encoder.text_encoder import TextEncoder
from learn_recall.files.claims import Claims
from learn_recall.store.content_shards import write_shard
from learn_recall.text.digests import text_digests

WAIT_SECONDS = 0.5


def encode_shards(
    plan: EncodePlan,
    work: WorkFolder,
    identity: ContentIdentity,
    encoder: TextEncoder,
    claims: Claims,
    *,
    console: Console | None,
    progress: bool,
) -> None:
    """Encode what no process has encoded, until every shard of the plan is there.

    Definition: go through the shards in their order; take each that is neither there nor claimed by another
    living process; where only claimed ones are left, wait for them, and take those whose owner dies. Each is
    written as it is done. While one is encoded the next free one is claimed and tokenised.

    Raises:
        EncodeError: the disk is full, or a vector is too large for float16; finished shards are kept.
    """
    left = [number for number, shard in enumerate(plan.shards) if not (work.path / shard.name).is_file()]
    n_characters = sum(plan.shards[number].n_characters for number in left)
    n_texts = sum(plan.shards[number].n_texts for number in left)
    with (
        TokensAhead(plan.texts, encoder.tokenize) as ahead,
        EncodeProgress(n_characters, n_texts, console=console, is_shown=progress) as bar,
    ):
        while left:
            waiting = []
            for place, number in enumerate(left):
                name = plan.shards[number].name
                path = work.path / name
                if path.is_file():
                    bar.skip(plan.shards[number].n_texts, plan.shards[number].n_characters)
                elif not claims.take(name):
                    waiting.append(number)
                elif not plan.folder.is_dir():
                    for each in left:
                        claims.release(plan.shards[each].name)
                    return  # another process has finished the whole job
                elif not path.is_file():  # else another finished it just before
                    with keeping(work, f"{_n_there(plan, work)} of {len(plan.shards)} shards"):
                        tokens = ahead.take(number)
                        following = _claim_next(plan, work, claims, left[place + 1 :])
                        if following is not None:
                            ahead.begin(following)
                        encode_shard(plan, work, identity, encoder, tokens, number=number, bar=bar)
                claims.release(name)
            if len(waiting) == len(left):
                if not plan.folder.is_dir():
                    return  # another process has finished the whole job
                time.sleep(WAIT_SECONDS)
            left = waiting


def encode_shard(
    plan: EncodePlan,
    work: WorkFolder,
    identity: ContentIdentity,
    encoder: TextEncoder,
    tokens: ShardTokens,
    *,
    number: int,
    bar: EncodeProgress,
) -> None:
    """Encode one shard and write it; its bytes depend on its texts and the plan's batches alone."""
    texts, rows = tokens.texts, tokens.rows
    n_tokens, n_cut = int(rows.n_tokens.sum()), int(rows.is_truncated.sum())
    bar.start_shard(len(texts), sum(map(len, texts)), n_tokens, n_cut)
    vectors = encoder.encode_rows(rows, batch_tokens=plan.batch_tokens, progress=bar.advance)
    with np.errstate(over="ignore"):
        stored = vectors.astype(identity.store_dtype)
    if not np.isfinite(stored).all():
        raise EncodeError(
            f"{encoder.name}: expected components that {stored.dtype} can hold, got up to "
            f"{np.abs(vectors).max():g}. Remedy: store_dtype='float32' (and another out)"
        )
    write_shard(
        work.path / plan.shards[number].name,
        digests=text_digests(texts),
        n_tokens=rows.n_tokens,
        is_truncated=rows.is_truncated,
        vectors=stored,
    )


def _claim_next(plan: EncodePlan, work: WorkFolder, claims: Claims, later: list[int]) -> int | None:
    """Claim the first free shard of `later`; None towards the end, where other processes would lack it.

    Each piece that others work on counts as one that will soon ask for a shard: so many are left to them.
    """
    n_kept = len(claims.others()) if later else 0
    for number in later[: len(later) - n_kept]:
        name = plan.shards[number].name
        if not (work.path / name).is_file() and claims.take(name):
            return number
    return None


def _n_there(plan: EncodePlan, work: WorkFolder) -> int:
    return sum((work.path / shard.name).is_file() for shard in plan.shards)


__all__ = ["WAIT_SECONDS", "encode_shard", "encode_shards"]
