"""Opening and reading a store: whole files only, rows by id."""

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from learn_recall.errors import StoreError
from learn_recall.files.whole_files import read_json, sha256_of_file
from learn_recall.store import layout as store_files
from learn_recall.store.card import IdentityCard
from learn_recall.store.ids import as_id_array, id_keys, id_kind

_ROWS_AT_ONCE = 1 << 16
_TRIES = 3  # how often a store that is replaced while being opened is opened anew


class EmbeddingStore:
    """Frozen vectors by id. Made by `EmbeddingStore.open` and by `write_store`.

    Attributes:
        path: The folder.
        card: The `IdentityCard`.
        ids: (N,) int64, or object holding `str`; read when first asked for (`id_chunks` reads a part).
        vectors: (N, D) memory-mapped float16 or float32; a row that is not present holds zeros.
        present: (N,) bool, True where there is a vector.

    Example:
        >>> import tempfile
        >>> from learn_recall.store import write_store
        >>> store = write_store(
        ...     Path(tempfile.mkdtemp()) / "items", ids=["a", "b"], vectors=np.eye(2), present=[True, False],
        ...     kind="item", encoder="any", encoder_sha256="0", prompt="short",
        ...     pooling="mean", max_tokens=256, dtype="float32")
        >>> vectors, has_vector = store.lookup(["b", "a", "unknown"])
        >>> vectors.tolist(), has_vector.tolist()
        ([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]], [False, True, False])
    """

    def __init__(
        self,
        path: Path,
        card: IdentityCard,
        ids_file: pq.ParquetFile,
        vectors: np.ndarray,
        present: np.ndarray,
    ) -> None:
        self.path = path
        self.card = card
        self._ids_file = ids_file
        self.vectors = vectors
        self.present = present
        self._index: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], *, expect: dict[str, Any] | None = None, verify: bool = True
    ) -> "EmbeddingStore":
        """Open a store for reading.

        Args:
            path: the folder.
            expect: card fields that must have these values, e.g. `{"kind": "item", "encoder_sha256": "..."}`.
            verify: compare the sha256 of each file with the card (reads every byte once). Shapes, dtypes and
                sizes are always checked.

        Raises:
            StoreError: not a store, not whole, damaged, of another version, or not what `expect` says.
        """
        folder = Path(path)
        before = _card_bytes(folder)
        for _ in range(_TRIES):
            store, failure = None, None
            try:
                store = cls._open_once(folder, verify)
            except StoreError as error:
                failure = error
            after = _card_bytes(folder)
            if after == before:  # else the folder was replaced meanwhile and the files may be of two versions
                break
            before = after
        else:
            raise StoreError.of(
                str(folder),
                expected="a store at rest",
                got=f"one that was replaced {_TRIES} times while it was being opened",
                remedy="wait for the job that writes it, then open it again",
            )
        if store is None:
            raise failure or StoreError(str(folder))
        try:
            store.card.check_expected({} if expect is None else expect)
        except StoreError as error:
            raise StoreError(f"{folder}: {error}") from None
        return store

    @classmethod
    def _open_once(cls, folder: Path, verify: bool) -> "EmbeddingStore":
        card = _read_card(folder)
        missing = [name for name in store_files.DATA if not (folder / name).is_file()]
        if missing or set(card.files) != set(store_files.DATA):
            raise store_files.broken(
                folder,
                f"the files {list(store_files.DATA)}, each with a sha256 in the card",
                f"missing {missing}",
            )
        shape = (card.n_ids, card.dimension)
        vectors = store_files.read_array(folder / store_files.VECTORS, shape=shape, dtype=card.dtype)
        present = np.array(
            store_files.read_array(folder / store_files.PRESENT, shape=shape[:1], dtype="bool")
        )
        if verify:
            for name, expected in card.files.items():
                got = sha256_of_file(folder / name)
                if got != expected:
                    raise store_files.broken(folder / name, f"sha256 {expected} as in the card", got)
        ids_file = store_files.open_ids(folder / store_files.IDS)
        n_ids = ids_file.metadata.num_rows
        if n_ids != card.n_ids or int(present.sum()) != card.n_present:
            raise store_files.broken(
                folder,
                f"{card.n_ids} ids and {card.n_present} vectors as the card says",
                f"{n_ids} ids and {int(present.sum())} vectors",
            )
        return cls(folder, card, ids_file, vectors, present)

    def __len__(self) -> int:
        return self.card.n_ids

    @cached_property
    def ids(self) -> np.ndarray:  # noqa: D102 - described with the other attributes
        return np.concatenate(list(self.id_chunks()))

    def id_chunks(self, n_rows: int = _ROWS_AT_ONCE) -> Iterator[np.ndarray]:
        """The ids in their order, at most `n_rows` at a time, without keeping them."""
        return store_files.id_chunks(self._ids_file, self.path / store_files.IDS, n_rows)

    def __repr__(self) -> str:
        card = self.card
        shape = f"{card.n_present} of {card.n_ids} ids, {card.dimension} components"
        return f"EmbeddingStore({str(self.path)!r}, kind {card.kind}, {shape})"

    def positions(self, ids: Any) -> np.ndarray:
        """The row of each id.

        Args:
            ids: (n,) of the store's kind of id.

        Returns:
            (n,) int64, -1 where the id is unknown.

        Raises:
            StoreError: strings were asked of a store with integer ids or the other way round.
        """
        asked = as_id_array(ids)
        if len(asked) == 0:
            return np.empty(0, dtype=np.int64)
        if id_kind(asked) != id_kind(self.ids):
            raise StoreError.of(
                f"ids asked of {self.path}",
                expected=f"{id_kind(self.ids)} ids such as {self.ids.item(0)!r}",
                got=f"{id_kind(asked)} ids such as {asked.item(0)!r}",
                remedy="cast the id column of the table to the kind that the store was written with",
            )
        if self._index is None:
            self._index = sorted_keys(self.ids)
        keys, order = self._index
        place = np.searchsorted(keys, id_keys(asked))
        place[place == len(keys)] = 0
        position = order[place]
        is_known = np.asarray(self.ids[position] == asked, dtype=bool)
        return np.where(is_known, position, -1)

    def lookup(self, ids: Any) -> tuple[np.ndarray, np.ndarray]:
        """The vectors of ids, and which of them exist.

        Args:
            ids: (n,) of the store's kind of id.

        Returns:
            (n, D) float32 vectors, and (n,) bool `has_vector`. Where `has_vector` is False (id unknown, or
            known without a vector) the row is zeros and means nothing.

        Raises:
            StoreError: as `positions`.
        """
        position = self.positions(ids)
        has_vector = (position >= 0) & self.present[position]
        vectors = np.zeros((len(position), self.card.dimension), dtype=np.float32)
        for start in range(0, len(position), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            vectors[part][has_vector[part]] = self.vectors[position[part][has_vector[part]]]
        return vectors, has_vector


def _card_bytes(folder: Path) -> bytes | None:
    try:
        return (folder / store_files.CARD).read_bytes()
    except OSError:
        return None


def _read_card(folder: Path) -> IdentityCard:
    if not (folder / store_files.CARD).is_file():
        got = "no such folder" if not folder.is_dir() else "no card.json: not a store, or half-written"
        raise StoreError.of(
            str(folder), expected="a store's folder", got=got, remedy="write it, or correct the path"
        )
    try:
        fields = read_json(folder / store_files.CARD)
    except ValueError as error:
        raise store_files.broken(folder / store_files.CARD, "JSON", error) from error
    return IdentityCard.from_json(fields)


def sorted_keys(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The keys in ascending order and the row of each; equal keys are an error."""
    keys = id_keys(ids)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    again = np.flatnonzero(keys[1:] == keys[:-1])
    if len(again):
        rows = [order[place : place + 2].tolist() for place in again[:5]]
        values = [ids[pair].tolist() for pair in rows]  # plain: numpy writes np.int64(1)
        pairs = ", ".join(
            f"rows {one} and {two}: {first!r} and {second!r}"
            for (one, two), (first, second) in zip(rows, values, strict=True)
        )
        same = all(first == second for first, second in values)
        remedy = "keep one row per id" if same else "rename one of the two; their 63-bit keys are equal"
        raise StoreError.of("ids", expected="distinct", got=f"{len(again)} repeated: {pairs}", remedy=remedy)
    return keys, order


__all__ = ["EmbeddingStore", "sorted_keys"]
