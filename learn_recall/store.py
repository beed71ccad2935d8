"""EmbeddingStore: frozen vectors by id, in a folder with an identity card, memory-mapped and read only.

The folder: `card.json`, `ids.parquet` (column `id`), `vectors.npy` (N, D; float16 or float32), `present.npy`
(N, bool). It is written under a temporary name beside the target, fsynced and renamed, so a store is whole or
not there. Needs numpy, pyarrow and the standard library only: vectors from anywhere can be put in one.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from learn_recall import store_files
from learn_recall.card import DTYPES, Block, IdentityCard, check_unix_seconds
from learn_recall.errors import StoreError
from learn_recall.files import atomic_path, read_json, sha256_of_file, to_json
from learn_recall.ids import as_id_array, id_keys, id_kind

_ROWS_AT_ONCE = 1 << 16
_DATA_FILES = (store_files.IDS, store_files.VECTORS, store_files.PRESENT)
_TRIES = 3  # how often a store that is replaced while being opened is opened anew


class EmbeddingStore:
    """Frozen vectors by id. Made by `EmbeddingStore.open` or `write_store`.

    Attributes:
        path: The folder.
        card: The `IdentityCard`.
        ids: (N,) int64, or object holding `str`.
        vectors: (N, D) memory-mapped float16 or float32; a row that is not present holds zeros.
        present: (N,) bool, True where there is a vector.

    Example:
        >>> import tempfile
        >>> store = write_store(
        ...     Path(tempfile.mkdtemp()) / "items", ids=["a", "b"], vectors=np.eye(2), present=[True, False],
        ...     kind="item", encoder="any", encoder_sha256="0", prompt="short",
        ...     pooling="mean", max_tokens=256, dtype="float32")
        >>> vectors, has_vector = store.lookup(["b", "a", "unknown"])
        >>> vectors.tolist(), has_vector.tolist()
        ([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]], [False, True, False])
    """

    def __init__(
        self, path: Path, card: IdentityCard, ids: np.ndarray, vectors: np.ndarray, present: np.ndarray
    ) -> None:
        self.path = path
        self.card = card
        self.ids = ids
        self.vectors = vectors
        self.present = present
        self._index: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], *, expect: dict[str, Any] | None = None, verify: bool = True
    ) -> "EmbeddingStore":
        """Open a store for reading.

        Args:
            path: The folder.
            expect: Card fields that must have these values, e.g. `{"kind": "item", "encoder_sha256": "..."}`.
            verify: Compare the sha256 of each file with the card (reads every byte once). Shapes, dtypes
                and sizes are always checked.

        Raises:
            StoreError: Not a store, not whole, damaged, of another version, or not what `expect` says.
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
        if store is None:
            raise failure or StoreError(f"{folder}: replaced again and again while it was being opened")
        store.card.check_expected(expect if expect is not None else {})
        return store

    @classmethod
    def _open_once(cls, folder: Path, verify: bool) -> "EmbeddingStore":
        card = _read_card(folder)
        missing = [name for name in _DATA_FILES if not (folder / name).is_file()]
        if missing or set(card.files) != set(_DATA_FILES):
            raise store_files.broken(
                folder, f"the files {list(_DATA_FILES)}, each with a sha256 in the card", f"missing {missing}"
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
        ids = store_files.read_ids(folder / store_files.IDS)
        if len(ids) != card.n_ids or int(present.sum()) != card.n_present:
            raise store_files.broken(
                folder,
                f"{card.n_ids} ids and {card.n_present} vectors as the card says",
                f"{len(ids)} ids and {int(present.sum())} vectors",
            )
        return cls(folder, card, ids, vectors, present)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        card = self.card
        shape = f"{card.n_present} of {card.n_ids} ids, {card.dimension} components"
        return f"EmbeddingStore({str(self.path)!r}, kind {card.kind}, {shape})"

    def positions(self, ids: Any) -> np.ndarray:
        """Give the row of each id.

        Args:
            ids: (n,) of the store's kind of id.

        Returns:
            (n,) int64, -1 where the id is unknown.

        Raises:
            StoreError: Strings were asked of a store with integer ids or the other way round.
        """
        asked = as_id_array(ids)
        if len(asked) == 0:
            return np.empty(0, dtype=np.int64)
        if id_kind(asked) != id_kind(self.ids):
            raise StoreError.of(
                f"ids asked of {self.path}",
                expected=f"{id_kind(self.ids)} ids such as {self.ids[0]!r}",
                got=f"{id_kind(asked)} ids such as {asked[0]!r}",
                remedy="cast the id column of the table to the kind that the store was written with",
            )
        if self._index is None:
            self._index = _sorted_keys(self.ids)
        keys, order = self._index
        place = np.searchsorted(keys, id_keys(asked))
        place[place == len(keys)] = 0
        position = order[place]
        is_known = np.asarray(self.ids[position] == asked, dtype=bool)
        return np.where(is_known, position, -1)

    def lookup(self, ids: Any) -> tuple[np.ndarray, np.ndarray]:
        """Give the vectors of ids, and which of them exist.

        Args:
            ids: (n,) of the store's kind of id.

        Returns:
            (n, D) float32 vectors, and (n,) bool `has_vector`. Where `has_vector` is False (id unknown, or
            known without a vector) the row is zeros and means nothing.

        Raises:
            StoreError: As `positions`.
        """
        position = self.positions(ids)
        has_vector = (position >= 0) & self.present[position]
        vectors = np.zeros((len(position), self.card.dimension), dtype=np.float32)
        for start in range(0, len(position), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            vectors[part][has_vector[part]] = self.vectors[position[part][has_vector[part]]]
        return vectors, has_vector


def write_store(
    path: str | os.PathLike[str],
    *,
    ids: Any,
    vectors: np.ndarray | Iterable[np.ndarray],
    kind: str,
    encoder: str,
    encoder_sha256: str,
    prompt: str,
    pooling: str,
    max_tokens: int,
    dtype: str = "float32",
    blocks: tuple[Block, ...] | None = None,
    tower: str | None = None,
    as_of: float | None = None,
    extra: dict[str, Any] | None = None,
    present: Any | None = None,
    overwrite: bool = False,
) -> EmbeddingStore:
    """Write a store and open it.

    Args:
        path: The folder to make; whole or untouched when this returns or raises.
        ids: (N,) distinct integers or strings.
        vectors: (N, D) numbers in the order of `ids`, or an iterator of such chunks (bounded memory).
        kind, encoder, encoder_sha256, prompt, pooling, max_tokens, tower, as_of, extra: See `IdentityCard`.
        dtype: "float16" or "float32" of the stored vectors; float16 halves the folder and moves a cosine
            by about 1e-4.
        blocks: Named slices of the vector; None is one block, "content" or "tower" after the kind.
        present: (N,) bool, False where there is no vector (that row of `vectors` is ignored); None: all.
        overwrite: Replace a store that is there. A reader which has it open keeps the old version.

    Raises:
        StoreError: Ids repeated, null or of mixed kinds; NaN, infinity or only zeros in a present row; too
            large for float16; counts or dimensions that differ; no room on the disk; the path is taken.
    """
    target = Path(path)
    _check_target(target, overwrite)
    id_array = as_id_array(ids)
    _sorted_keys(id_array)
    flags = _presence(present, len(id_array))
    if dtype not in DTYPES:
        raise StoreError.of("dtype", expected=f"one of {DTYPES}", got=repr(dtype), remedy="choose one")
    with atomic_path(target, folder=True) as folder:
        dimension = store_files.write_vectors(
            folder / store_files.VECTORS, vectors, present=flags, dtype=dtype
        )
        store_files.write_ids(folder / store_files.IDS, id_array)
        np.save(folder / store_files.PRESENT, flags, allow_pickle=False)
        card = IdentityCard(
            kind=kind,
            encoder=encoder,
            encoder_sha256=encoder_sha256,
            prompt=prompt,
            pooling=pooling,
            max_tokens=max_tokens,
            dtype=dtype,
            dimension=dimension,
            blocks=_one_block(kind, dimension) if blocks is None else tuple(blocks),
            n_ids=len(id_array),
            n_present=int(flags.sum()),
            tower=tower,
            as_of=None if as_of is None else float(as_of),
            files={name: sha256_of_file(folder / name) for name in _DATA_FILES},
            extra={} if extra is None else extra,
        )
        (folder / store_files.CARD).write_text(to_json(card), encoding="utf-8")
        _check_target(target, overwrite)
    return EmbeddingStore.open(target, verify=False)


def check_as_of(
    store: EmbeddingStore, first_label_time: float | None, *, allow_unknown: bool = False
) -> None:
    """Refuse vectors that have seen events later than the first label they are to predict.

    Args:
        store: Its card says `as_of`, unix seconds of the newest event that went in.
        first_label_time: Unix seconds of the earliest label; None where labels have no time, and then there
            is nothing to compare.
        allow_unknown: Accept item or user vectors whose `as_of` is unknown although the labels have a time.
            Content vectors come from text alone and need no time.

    Raises:
        StoreError: `as_of` is later than `first_label_time`, or unknown, or a time is not unix seconds.
    """
    if first_label_time is None:
        return
    check_unix_seconds("first_label_time", first_label_time)
    as_of = store.card.as_of
    if as_of is None:
        if store.card.kind == "content" or allow_unknown:
            return
        raise StoreError.of(
            f"as_of of {store.path}",
            expected=f"a time up to the first label, {first_label_time}",
            got="unknown",
            remedy="train the towers on events with timestamps, or pass allow_unknown=True and check by hand",
        )
    if as_of > first_label_time:
        raise StoreError.of(
            f"as_of of {store.path}",
            expected=f"not later than the first label, {first_label_time}",
            got=f"{as_of}, {as_of - first_label_time:g} seconds later: the vectors have seen the future",
            remedy="train and export the towers on events before the first label only",
        )


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


def _sorted_keys(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the keys in ascending order and the row of each; equal keys are an error."""
    keys = id_keys(ids)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    again = np.flatnonzero(keys[1:] == keys[:-1])
    if len(again):
        rows = [(int(order[place]), int(order[place + 1])) for place in again[:5]]
        pairs = ", ".join(f"rows {one} and {two}: {ids[one]!r} and {ids[two]!r}" for one, two in rows)
        same = all(ids[one] == ids[two] for one, two in rows)
        remedy = "keep one row per id" if same else "rename one of the two; their 63-bit keys are equal"
        raise StoreError.of("ids", expected="distinct", got=f"{len(again)} repeated: {pairs}", remedy=remedy)
    return keys, order


def _presence(present: Any | None, n_ids: int) -> np.ndarray:
    flags = np.ones(n_ids, dtype=bool) if present is None else np.asarray(present)
    if flags.dtype != np.bool_ or flags.shape != (n_ids,):
        raise StoreError.of(
            "present",
            expected=f"bool of shape ({n_ids},)",
            got=f"{flags.dtype} of shape {flags.shape}",
            remedy="pass True where the row has a vector",
        )
    if n_ids == 0:
        raise StoreError.of("ids", expected="at least one", got="none", remedy="check the filter before")
    return flags


def _one_block(kind: str, dimension: int) -> tuple[Block, ...]:
    return (Block("content" if kind == "content" else "tower", 0, dimension),)


def _check_target(target: Path, overwrite: bool) -> None:
    if not target.exists():
        return
    if not overwrite:
        raise StoreError.of(
            str(target), expected="a free path", got="one that is taken", remedy="pass overwrite=True"
        )
    if not (target / store_files.CARD).is_file():
        raise StoreError.of(
            str(target),
            expected="a store to replace",
            got="something else, which is left alone",
            remedy="choose another path, or remove it by hand",
        )


__all__ = [
    "Block",
    "EmbeddingStore",
    "IdentityCard",
    "StoreError",
    "check_as_of",
    "id_keys",
    "write_store",
]
