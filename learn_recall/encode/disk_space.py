"""What an encode job needs on the disk, and whether there is room for it."""

import shutil
from pathlib import Path

import numpy as np

from learn_recall.encode.identity import ContentIdentity, EncodeError
from learn_recall.encode.plan import EncodePlan
from learn_recall.encode.work_folder import WorkFolder
from learn_recall.text.digests import DIGEST_BYTES

_BYTES_PER_TEXT = DIGEST_BYTES + 4 + 1  # hash, tokens, whether it was cut
_BYTES_PER_ID = 9  # and whether it is present; longer where ids are text


def shard_bytes(identity: ContentIdentity, n_texts: int) -> int:
    """The bytes of the shards that hold so many texts."""
    return n_texts * (identity.dimension * np.dtype(identity.store_dtype).itemsize + _BYTES_PER_TEXT)


def store_bytes(identity: ContentIdentity, n_items: int) -> int:
    """The bytes of a store of so many items."""
    return shard_bytes(identity, n_items) + n_items * _BYTES_PER_ID


def check_room(plan: EncodePlan, work: WorkFolder, identity: ContentIdentity) -> None:
    """Refuse before the first batch what the disk cannot hold: the shards left to do, and the store.

    Raises:
        EncodeError: there is less room.
    """
    left = sum(shard.n_texts for shard in plan.shards if not (work.path / shard.name).is_file())
    refuse_without_room(work.path.parent, shard_bytes(identity, left) + store_bytes(identity, plan.n_items))


def refuse_without_room(folder: Path, n_bytes: int) -> None:
    """Raise `EncodeError` if the disk of a folder has less room than that."""
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise EncodeError(
            f"disk of {folder}: expected {n_bytes:,} bytes of room, got {free:,}. Remedy: free some, write "
            "elsewhere, or store float16"
        )


__all__ = ["check_room", "refuse_without_room", "shard_bytes", "store_bytes"]
