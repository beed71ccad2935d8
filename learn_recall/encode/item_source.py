"""Where the items of a job come from: a frame, or files that are read a few thousand rows at a time."""

import glob
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from learn_recall.encode.identity import EncodeError
from learn_recall.tables.files import FORMATS
from learn_recall.tables.parquet_files import TABLE_ENDINGS, values_of_folders, visible_files
from learn_recall.tables.stream import item_frames

_PathLike = str | os.PathLike[str]
Items: TypeAlias = pd.DataFrame | _PathLike | Sequence[_PathLike] | Iterable[pd.DataFrame]


@dataclass(frozen=True)
class ItemSource:
    """The items of a job.

    Args:
        frames: gives them in pieces; the order is part of the job.
        fingerprint: changes whenever a file does (path, size, time); None for items from memory.
        is_ragged: A piece may lack a column that another has.
    """

    frames: Callable[[], Iterable[pd.DataFrame]]
    fingerprint: str | None
    is_ragged: bool

    @classmethod
    def of(cls, items: Any) -> "ItemSource":
        """Take a frame, an iterator of frames, a path, a pattern, a folder, or a list of paths.

        Raises:
            EncodeError: no such file, or not a format that we read.
        """
        if isinstance(items, pd.DataFrame):
            return cls(lambda: [items], None, is_ragged=False)
        if isinstance(items, str | os.PathLike):
            items = [items]
        if isinstance(items, Sequence) and all(isinstance(each, str | os.PathLike) for each in items):
            files = item_files(items)
            folders = _folders(items, files)
            return cls(lambda: item_frames(files, folders), _fingerprint(files), is_ragged=_is_ragged(files))
        return cls(lambda: _frames_only(items), None, is_ragged=True)


def item_files(paths: Sequence[_PathLike]) -> list[Path]:
    """The files that paths, patterns and folders name: in the order given, names sorted within each.

    Raises:
        EncodeError: nothing there, or not a format that we read.
    """
    files: list[Path] = []
    for path in [os.fspath(each) for each in paths]:
        found = sorted(glob.glob(path)) if glob.has_magic(path) and not os.path.exists(path) else [path]
        parts = [part for each in found for part in _parts(Path(each))]
        if not parts:
            raise EncodeError(
                f"items: expected files that end in {', '.join(FORMATS)}, or a folder of them, got none at "
                f"{path!r}. Remedy: correct the path, or convert the file"
            )
        files += parts
    twice = sorted({str(file) for file in files if files.count(file) > 1})
    if twice:
        raise EncodeError(f"items: expected each file once, got {twice[:3]} again. Remedy: name it once")
    return files


def _parts(path: Path) -> list[Path]:
    if path.is_dir():
        files = visible_files(path)
        unread = [
            file for file in files if file.name.endswith(TABLE_ENDINGS) and not file.name.endswith(FORMATS)
        ]
        if unread:
            raise EncodeError(
                f"items: expected files that end in {', '.join(FORMATS)} in the folder {path}, got "
                f"{unread[0].relative_to(path)} as well. Remedy: convert it, or move it out of the folder"
            )
        return [file for file in files if file.name.endswith(FORMATS)]
    return [path] if path.is_file() and path.name.endswith(FORMATS) else []


def _folders(paths: Sequence[_PathLike], files: list[Path]) -> dict[Path, dict[str, str | None]]:
    """What folders called `name=value` below the given ones say of the parquet files in them."""
    roots = [Path(path) for path in paths if Path(path).is_dir()]
    found = {}
    for file in files:
        root = next((root for root in roots if root in file.parents), None)
        pairs = {} if root is None else dict(values_of_folders(file.relative_to(root)))
        if pairs and file.suffix == ".parquet":
            found[file] = pairs
    return found


def _fingerprint(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        state = file.stat()
        digest.update(f"{file.absolute()} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _is_ragged(files: list[Path]) -> bool:
    return len(files) > 1 or ".jsonl" in files[0].name


def _frames_only(items: Any) -> Iterator[pd.DataFrame]:
    for frame in items:
        if not isinstance(frame, pd.DataFrame):
            raise EncodeError(
                f"items: expected a frame, frames, or paths of files, got {type(frame).__name__}. Remedy: "
                "read_items gives a frame of a file"
            )
        yield frame


__all__ = ["ItemSource", "Items", "item_files"]
