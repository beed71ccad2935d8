"""The end of an encode job: every shard is looked at once more, then all vectors go into the store."""

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from learn_recall.encode.identity import ContentIdentity, EncodeError
from learn_recall.encode.plan import EncodePlan
from learn_recall.encode.text_places import is_first, row_of, source_of
from learn_recall.encode.work_folder import STORE, WorkFolder, keeping
from learn_recall.encoder.text_encoder import TextEncoder
from learn_recall.errors import StoreError
from learn_recall.files.row_file import RowFile
from learn_recall.files.safetensors_stream import StreamedArray, write_safetensors
from learn_recall.files.whole_files import remove, write_array
from learn_recall.store import EmbeddingStore
from learn_recall.store.content_shards import TEXTS_FILE, ContentShard, ShardError, known_texts, open_shard
from learn_recall.store.stream import write_store_stream

_CHUNK_BYTES = 1 << 26
_MOST_ROWS = 1 << 13
_OPEN_SOURCES = 64


def remove_damaged(plan: EncodePlan, work: WorkFolder) -> tuple[list[str], bool]:
    """Remove the files whose bytes are not those that were written.

    Returns:
        The names of the plan's own shards among them, which must be encoded again; and whether one was a
        source of the plan, which then must be made anew.
    """
    is_sound = True
    for name in plan.sources:
        if name != STORE and not _is_whole(work.path / name):
            is_sound = False
    return [each.name for each in plan.shards if not _is_whole(work.path / each.name)], is_sound


def write_content_store(
    plan: EncodePlan,
    work: WorkFolder,
    target: Path,
    *,
    store: EmbeddingStore | None,
    identity: ContentIdentity,
    encoder: TextEncoder,
    prompt: str,
    card: dict[str, Any],
) -> EmbeddingStore:
    """Write the store of a plan whose shards are all there.

    Args:
        plan, work, identity, encoder: of the job.
        target: where the store goes.
        store: the one that is there, where the plan takes vectors from it.
        prompt: what the card calls the template.
        card: what the card's `extra` says beyond the counts.
    """
    rows = _ItemRows(plan, work, store, identity)

    def lay_texts(folder: Path) -> dict[str, Any]:
        sha256 = write_safetensors(folder / TEXTS_FILE, rows.texts())
        return {**card, **rows.counts(), "items_sha256": plan.items_sha256, "texts_sha256": sha256}

    with keeping(work, "every shard"):
        try:
            return write_store_stream(
                target,
                ids=plan.ids_path,
                n_ids=plan.n_items,
                dimension=identity.dimension,
                rows=rows,
                kind="content",
                encoder=encoder.name,
                encoder_sha256=encoder.sha256,
                prompt=prompt,
                pooling=encoder.pooling,
                max_tokens=encoder.max_tokens,
                dtype=identity.store_dtype,
                extra=lay_texts,
                overwrite=target.exists(),
            )
        except StoreError as error:
            raise EncodeError(f"{error}. Kept in {work.path}: every shard") from error


class _ItemRows:
    """Vectors and `present` in item order, piece by piece; what was met on the way is counted."""

    def __init__(
        self, plan: EncodePlan, work: WorkFolder, store: EmbeddingStore | None, identity: ContentIdentity
    ) -> None:
        self._plan, self._work, self._store, self._identity = plan, work, store, identity
        self._open: OrderedDict[int, ContentShard] = OrderedDict()
        self._n_tokens = self._n_truncated = 0

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        identity = self._identity
        row_bytes = identity.dimension * np.dtype(identity.store_dtype).itemsize
        self._n_tokens = self._n_truncated = 0
        with open(self._path("n_tokens"), "wb") as tokens, open(self._path("is_truncated"), "wb") as cut:
            for places in self._plan.places.chunks(min(max(_CHUNK_BYTES // row_bytes, 1), _MOST_ROWS)):
                vectors = np.zeros((len(places), identity.dimension), dtype=identity.store_dtype)
                n_tokens = np.zeros(len(places), dtype=np.int32)
                is_truncated = np.zeros(len(places), dtype=bool)
                source, row = source_of(places), row_of(places)
                for number in np.unique(source[source >= 0]).tolist():
                    here = source == number
                    shard = self._source(number)
                    vectors[here] = shard.vectors.take(row[here])
                    n_tokens[here] = shard.n_tokens.take(row[here])
                    is_truncated[here] = shard.is_truncated.take(row[here])
                first = is_first(places)
                self._n_tokens += int(n_tokens[first].sum())
                self._n_truncated += int(is_truncated[first].sum())
                write_array(tokens, n_tokens)
                write_array(cut, is_truncated)
                yield vectors, n_tokens > 0

    def counts(self) -> dict[str, float]:
        """The numbers for the card; none depends on what was known before."""
        plan = self._plan
        return {
            "n_texts": plan.n_texts,
            "n_duplicates": plan.n_items - plan.n_without_text - plan.n_texts,
            "n_without_text": plan.n_without_text,
            "n_tokens": self._n_tokens,
            "n_truncated": self._n_truncated,
            "truncation_rate": self._n_truncated / plan.n_texts,
        }

    def texts(self) -> dict[str, StreamedArray]:
        """What the texts file of the store holds, in item order."""
        n_items = self._plan.n_items
        files = {
            "digests": self._plan.digests,
            "n_tokens": RowFile(self._path("n_tokens"), 0, np.dtype(np.int32), (), n_items),
            "is_truncated": RowFile(self._path("is_truncated"), 0, np.dtype(np.bool_), (), n_items),
        }
        return {
            name: StreamedArray(file.dtype, (n_items, *file.row_shape), file.chunks(_MOST_ROWS))
            for name, file in files.items()
        }

    def _path(self, name: str) -> Path:
        return self._plan.folder / name

    def _source(self, number: int) -> ContentShard:
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        n_known = len(self._plan.sources)
        is_known = number < n_known
        name = self._plan.sources[number] if is_known else self._plan.shards[number - n_known].name
        self._open[number] = _open(self._work, self._store, name)
        if len(self._open) > _OPEN_SOURCES:
            self._open.popitem(last=False)
        return self._open[number]


def _open(work: WorkFolder, store: EmbeddingStore | None, name: str) -> ContentShard:
    if name != STORE:
        return open_shard(work.path / name, verify=False)
    texts = None if store is None else known_texts(store)
    if texts is None:
        raise EncodeError(
            f"{work.path}: expected the store that its plan was made with, got none. Remedy: run it again"
        )
    return texts


def _is_whole(path: Path) -> bool:
    try:
        open_shard(path)
    except ShardError:
        remove(path)
        return False
    return True


__all__ = ["remove_damaged", "write_content_store"]
