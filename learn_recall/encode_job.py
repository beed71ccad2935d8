"""One run of the encode job: which texts are known, which shards are left, and the vectors in item order."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from rich.console import Console

from learn_recall.content_shards import ContentShard, open_shard, write_shard
from learn_recall.encode_identity import ContentIdentity, EncodeError
from learn_recall.encode_progress import EncodeProgress
from learn_recall.encode_work import WorkFolder
from learn_recall.encoder import TextEncoder
from learn_recall.text_digests import DIGEST_BYTES, UniqueTexts, digest_keys

_CHUNK_BYTES = 1 << 26


class EncodeJob:
    """The distinct texts of a run and where the vector of each lies.

    Args:
        unique: The distinct texts, U of them.
        identity: Of their vectors.
        work: Where shards are kept.
        batch_tokens: Padded tokens in a batch.
        shard_size: Texts in a shard.
    """

    def __init__(
        self,
        unique: UniqueTexts,
        identity: ContentIdentity,
        work: WorkFolder,
        *,
        batch_tokens: int,
        shard_size: int,
    ) -> None:
        self.identity, self.work, self._unique = identity, work, unique
        self._batch_tokens, self._shard_size = batch_tokens, shard_size
        self._text_of_key = {key: number for number, key in enumerate(digest_keys(unique.digests))}
        self._sources: list[ContentShard] = []
        self._source = np.full(len(unique.texts), -1, dtype=np.int64)
        self._row = np.zeros(len(unique.texts), dtype=np.int64)
        self.n_tokens = np.zeros(len(unique.texts), dtype=np.int32)  # (U,)
        self.is_truncated = np.zeros(len(unique.texts), dtype=bool)  # (U,)

    @property
    def todo(self) -> np.ndarray:
        """Numbers of the texts that have no vector yet, in the order of the items."""
        return np.flatnonzero(self._source < 0)

    def add_known(self, shard: ContentShard) -> None:
        """Take the vectors of a shard for all texts that it knows and nothing else gave before."""
        numbers = (self._text_of_key.get(key, -1) for key in digest_keys(shard.digests))
        text = np.fromiter(numbers, dtype=np.int64, count=len(shard.digests))
        row = np.flatnonzero((text >= 0) & (self._source[text] < 0))
        text = text[row]
        self._source[text], self._row[text] = len(self._sources), row
        self.n_tokens[text], self.is_truncated[text] = shard.n_tokens[row], shard.is_truncated[row]
        self._sources.append(shard)

    def check_room(self, n_items: int) -> None:
        """Refuse before the first batch what the disk cannot hold: the shards left to do, and the store."""
        n_bytes = self._row_bytes() * (len(self.todo) + n_items)
        free = shutil.disk_usage(self.work.path).free
        if n_bytes > free:
            raise EncodeError(
                f"disk of {self.work.path}: expected {n_bytes:,} bytes of room, got {free:,}. Remedy: free "
                "some, write elsewhere, or store float16"
            )

    def encode(self, encoder: TextEncoder, *, console: Console | None, progress: bool) -> None:
        """Encode the shards that are left, each written as it is done.

        Raises:
            EncodeError: The disk is full, or a vector is too large for float16; finished shards are kept.
        """
        todo = self.todo
        shards = [todo[start : start + self._shard_size] for start in range(0, len(todo), self._shard_size)]
        n_characters = sum(len(self._unique.texts[number]) for number in todo)
        with EncodeProgress(n_characters, len(todo), console=console, is_shown=progress) as bar:
            for done, numbers in enumerate(shards):
                with keeping(self.work, f"{done} of {len(shards)} shards of this run"):
                    self._encode_shard(encoder, numbers, bar)

    def counts(self) -> dict[str, float]:
        """Give the numbers for the card; none depends on what was known before."""
        n_texts, n_truncated = len(self._unique.texts), int(self.is_truncated.sum())
        n_with_text = int((self._unique.text_of_item >= 0).sum())
        return {
            "n_texts": n_texts,
            "n_duplicates": n_with_text - n_texts,
            "n_without_text": len(self._unique.text_of_item) - n_with_text,
            "n_tokens": int(self.n_tokens.sum()),
            "n_truncated": n_truncated,
            "truncation_rate": n_truncated / n_texts,
        }

    def item_digests(self) -> np.ndarray:
        """Give the hash of each item's text, (N, 16) uint8, zeros where the text is empty."""
        return self._per_item(self._unique.digests)

    def texts_of_items(self) -> dict[str, np.ndarray]:
        """Give what the texts file of the store holds, in item order."""
        return {
            "digests": self.item_digests(),
            "n_tokens": self._per_item(self.n_tokens),
            "is_truncated": self._per_item(self.is_truncated),
        }

    def is_present(self) -> np.ndarray:
        """Tell which items have a vector, (N,) bool: those whose text has at least one token."""
        return self._per_item(self.n_tokens) > 0

    def item_vectors(self) -> Iterator[np.ndarray]:
        """Give the vectors in item order in chunks of bounded size; zeros where there is none."""
        text_of_item = self._unique.text_of_item
        rows_at_once = max(_CHUNK_BYTES // self._row_bytes(), 1)
        for start in range(0, len(text_of_item), rows_at_once):
            text = text_of_item[start : start + rows_at_once]
            chunk = np.zeros((len(text), self.identity.dimension), dtype=self.identity.store_dtype)
            source = np.where(text >= 0, self._source[text], -1)
            for number in np.unique(source[source >= 0]):
                here = source == number
                chunk[here] = self._sources[number].vectors()[self._row[text[here]]]
            yield chunk

    def _encode_shard(self, encoder: TextEncoder, numbers: np.ndarray, bar: EncodeProgress) -> None:
        texts = [self._unique.texts[number] for number in numbers]
        rows = encoder.tokenize(texts)
        bar.start_shard(
            len(texts), sum(map(len, texts)), int(rows.n_tokens.sum()), int(rows.is_truncated.sum())
        )
        vectors = encoder.encode_rows(rows, batch_tokens=self._batch_tokens, progress=bar.advance)
        with np.errstate(over="ignore"):
            stored = vectors.astype(self.identity.store_dtype)
        if not np.isfinite(stored).all():
            raise EncodeError(
                f"{encoder.name}: expected components that {stored.dtype} can hold, got up to "
                f"{np.abs(vectors).max():g}. Remedy: store_dtype='float32' (and another out)"
            )
        path = self.work.shard_path(self._unique.digests[numbers])
        write_shard(
            path,
            digests=self._unique.digests[numbers],
            n_tokens=rows.n_tokens,
            is_truncated=rows.is_truncated,
            vectors=stored,
        )
        self.add_known(open_shard(path))

    def _per_item(self, per_text: np.ndarray) -> np.ndarray:
        is_empty = self._unique.text_of_item < 0
        per_item = per_text[self._unique.text_of_item]
        per_item[is_empty] = 0
        return per_item

    def _row_bytes(self) -> int:
        return self.identity.dimension * np.dtype(self.identity.store_dtype).itemsize + DIGEST_BYTES + 5


@contextmanager
def keeping(work: WorkFolder, what: str) -> Iterator[None]:
    """Turn an error of the disk into one that says what is kept and what to do."""
    try:
        yield
    except OSError as error:
        raise EncodeError(
            f"{work.path}: {error.strerror}. Finished and kept: {what}. Remedy: free some room, then run the "
            "same command again; it goes on from there"
        ) from error


__all__ = ["EncodeJob", "keeping"]
