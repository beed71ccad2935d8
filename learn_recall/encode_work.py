"""What an encode job leaves on disk between runs: OUT.work/ with its shards, and the texts beside a store.

A vector is a function of the text and of the identity (encoder, template, pooling, length, dtypes), so any
vector of the same identity whose text's hash is known is taken as it is: from the store that is there, from
shards of an earlier run, from shards of this one.
"""

import hashlib
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from learn_recall.content_shards import ContentShard, ShardError, open_shard, write_arrays
from learn_recall.encode_identity import ContentIdentity, EncodeError, Recorded
from learn_recall.errors import StoreError
from learn_recall.files import read_json, remove, sha256_of_file, write_json
from learn_recall.store import EmbeddingStore

TEXTS_FILE = "texts.safetensors"
_MANIFEST = "manifest.json"
_SHARD = "shard-"
_VECTORS_FILE = "vectors.npy"


class WorkFolder:
    """OUT.work/: a manifest with the identity, and one file per finished shard.

    Args:
        out: The store to be. The work folder lies beside it, on the same disk.
    """

    def __init__(self, out: Path) -> None:
        self.path = out.with_name(out.name + ".work")

    def recorded(self) -> Recorded | None:
        """Give the identity that the folder was begun with; None where there is no folder, or an empty one.

        Raises:
            EncodeError: There is something else under that name.
        """
        if not self.path.exists():
            return None
        try:
            manifest = read_json(self.path / _MANIFEST)
            return Recorded(self.path, manifest["identity"], manifest["dtype_check"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            if self.path.is_dir() and all(entry.name.startswith(".") for entry in self.path.iterdir()):
                return None
            raise EncodeError(
                f"{self.path}: expected the work folder of an encode job, got {type(error).__name__}: "
                f"{error}. Remedy: move it away, or choose another out"
            ) from None

    def begin(self, identity: ContentIdentity, dtype_check: dict[str, Any]) -> list[ContentShard]:
        """Record the identity of the shards to come, and give those that earlier runs have finished.

        Definition: every whole shard in the folder, whatever items it was made for; a damaged one is removed.
        Shards are cut from the texts without a vector in the order of the items, so a run that lacks some of
        its shards cuts exactly those again.
        """
        manifest = {"identity": asdict(identity), "dtype_check": dtype_check}
        if not (self.path / _MANIFEST).is_file():
            write_json(self.path / _MANIFEST, manifest)
        shards = []
        for path in sorted(self.path.glob(f"{_SHARD}*")):
            try:
                shards.append(open_shard(path))
            except ShardError:
                remove(path)
        return shards

    def shard_path(self, digests: np.ndarray) -> Path:
        """Give the file of the shard that holds the texts of these digests (n, 16), in their order."""
        name = hashlib.blake2b(digests.tobytes(), digest_size=12).hexdigest()
        return self.path / f"{_SHARD}{name}.safetensors"

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        remove(self.path)


def write_texts(work: WorkFolder, **arrays: np.ndarray) -> str:
    """Write the texts file of a store that is about to be written; give its sha256, which goes in the card.

    Args:
        work: The folder in which it waits until the store is in place.
        arrays: digests (N, 16) uint8, n_tokens (N,) int32, is_truncated (N,) bool, in the order of the ids.
    """
    write_arrays(work.path / TEXTS_FILE, arrays, {})
    return sha256_of_file(work.path / TEXTS_FILE)


def move_texts(work: WorkFolder, out: Path) -> None:
    """Put the texts file into the store whose card names it; nothing happens where none waits for it."""
    waiting = work.path / TEXTS_FILE
    if not waiting.is_file() or not (out / "card.json").is_file():
        return
    if read_json(out / "card.json").get("extra", {}).get("texts_sha256") == sha256_of_file(waiting):
        os.replace(waiting, out / TEXTS_FILE)


def known_texts(store: EmbeddingStore) -> ContentShard | None:
    """Give the texts of a content store by their hashes; None where the texts file is not the card's.

    Args:
        store: A store of kind "content" that `encode_items` wrote.
    """
    path = store.path / TEXTS_FILE
    if not path.is_file() or sha256_of_file(path) != store.card.extra.get("texts_sha256"):
        return None
    try:
        return ContentShard(store.path / _VECTORS_FILE, **load_file(path))
    except (SafetensorError, TypeError) as error:
        raise StoreError(f"{path}: expected the texts of a content store, got {error}") from error


__all__ = [
    "TEXTS_FILE",
    "WorkFolder",
    "known_texts",
    "move_texts",
    "write_texts",
]
