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
_VECTORS_FILE = "vectors.npy"


class WorkFolder:
    """OUT.work/: a manifest with identity and plan, and one file per finished shard.

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

    def begin(self, identity: ContentIdentity, dtype_check: dict[str, Any], plan: str) -> list[ContentShard]:
        """Record what this run is to do, and give the shards that count as known before it.

        Definition: for a plan that was begun before, those that were known then, so that the same shards come
        out; for another one (items or batch settings have changed) every whole shard in the folder.

        Args:
            identity: Of all shards in the folder.
            dtype_check: Evidence for the compute dtype.
            plan: Hash of the texts that the run needs and of its settings.
        """
        previous = read_json(self.path / _MANIFEST) if (self.path / _MANIFEST).is_file() else {}
        is_same = previous.get("plan") == plan
        names = (
            previous["known"] if is_same else [path.stem for path in sorted(self.path.glob("*.safetensors"))]
        )
        shards = {name: self.shard(name) for name in names if name != Path(TEXTS_FILE).stem}
        known = [name for name, shard in shards.items() if shard is not None]
        manifest = {"identity": asdict(identity), "dtype_check": dtype_check, "plan": plan, "known": known}
        if manifest != previous:
            write_json(self.path / _MANIFEST, manifest)
        return [shard for shard in shards.values() if shard is not None]

    def shard_path(self, name: str) -> Path:
        """Give the file of a shard."""
        return self.path / f"{name}.safetensors"

    def shard(self, name: str) -> ContentShard | None:
        """Open a finished shard; None where there is none. A damaged one is removed and counts as none."""
        path = self.shard_path(name)
        if not path.is_file():
            return None
        try:
            return open_shard(path)
        except ShardError:
            remove(path)
            return None

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        remove(self.path)


def shard_name(digests: np.ndarray, *, batch_tokens: int) -> str:
    """Name a shard by what its bytes depend on: its texts in their order, and the token budget."""
    return hashlib.blake2b(batch_tokens.to_bytes(8, "little") + digests.tobytes(), digest_size=12).hexdigest()


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
    "shard_name",
    "write_texts",
]
