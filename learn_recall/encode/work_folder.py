"""What an encode job leaves on disk between runs: OUT.work/ with its plan, its claims and its shards.

A vector is a function of the text and of the identity (encoder, template, pooling, length, dtypes), so any
vector of the same identity whose text's hash is known is taken as it is: from the store that is there, from
shards of an earlier run, from shards of this one.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from learn_recall.encode.identity import ContentIdentity, EncodeError, Recorded
from learn_recall.encode.plan import EncodePlan
from learn_recall.files.claims import Claims
from learn_recall.files.whole_files import read_json, remove, write_json
from learn_recall.store.content_shards import ContentShard, ShardError, open_shard

STORE = "the store"
_MANIFEST = "manifest.json"
_PLAN = "plan"
_SHARD = "shard-"


class WorkFolder:
    """OUT.work/: a manifest with the identity, the plan, the claims, and one file per finished shard.

    Args:
        out: the store to be. The work folder lies beside it, on the same disk.
    """

    def __init__(self, out: Path) -> None:
        self.path = out.with_name(out.name + ".work")

    @property
    def plan_path(self) -> Path:
        """Where the plan lies."""
        return self.path / _PLAN

    def plan(self) -> EncodePlan | None:
        """Read the plan; None where there is none."""
        return EncodePlan.read(self.plan_path)

    def claims(self, expiry_seconds: float) -> Claims:
        """The claims of the processes that share this folder."""
        return Claims(self.path / ".claims", expiry_seconds=expiry_seconds)

    def recorded(self) -> Recorded | None:
        """The identity that the folder was begun with; None where there is no folder, or an empty one.

        Raises:
            EncodeError: there is something else under that name.
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

    def begin(self, identity: ContentIdentity, dtype_check: dict[str, Any]) -> None:
        """Record the identity of the shards to come, unless it is recorded."""
        if not (self.path / _MANIFEST).is_file():
            write_json(self.path / _MANIFEST, {"identity": asdict(identity), "dtype_check": dtype_check})

    def finished_shards(self) -> list[tuple[str, ContentShard]]:
        """Every whole shard, whatever items it was made for; a damaged one is removed.

        Shards are cut from the texts without a vector in the order of the items, so a job that lacks some of
        its shards cuts exactly those again.
        """
        shards = []
        for path in sorted(self.path.glob(f"{_SHARD}*")):
            try:
                shards.append((path.name, open_shard(path)))
            except ShardError:
                remove(path)
        return shards

    def empty(self) -> None:
        """Remove all but the claims: what lies there is of another identity."""
        for entry in self.path.iterdir() if self.path.is_dir() else ():
            if not entry.name.startswith("."):
                remove(entry)

    def remove(self) -> None:
        """Remove the folder with all that is in it; to others it vanishes in one step."""
        gone = self.path.with_name(f"{self._gone}{secrets.token_hex(4)}")
        with suppress(FileNotFoundError):
            os.replace(self.path, gone)
            remove(gone)

    def clean_up(self) -> None:
        """Remove the folder where nothing is in it, and what is left where a removal was killed half-way."""
        with suppress(OSError):
            self.path.rmdir()
        with suppress(OSError):
            for beside in self.path.parent.iterdir():
                if beside.name.startswith(self._gone):
                    remove(beside)

    @property
    def _gone(self) -> str:
        """How the name begins under which the folder is removed, file by file."""
        return f".{self.path.name}.gone-"


@contextmanager
def keeping(work: WorkFolder, what: str) -> Iterator[None]:
    """Turn an error of the disk into one that says what is kept and what to do."""
    try:
        yield
    except OSError as error:
        raise EncodeError(
            f"{work.path}: {error.strerror if error.strerror else error}. Finished and kept: {what}. Remedy: "
            "free some room, then run the same command again; it goes on from there"
        ) from error


__all__ = ["STORE", "WorkFolder", "keeping"]
