"""Files and folders that are either whole or absent: temporary name beside the target, fsync, rename.

A process that is killed at any moment leaves the old version or the new one under the target's name. What
it may leave beside it, a hidden `.NAME.HOST-PID-RANDOM.tmp`, is removed by the next write to the same target
once the process that made it is gone.
"""

import ctypes
import dataclasses
import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
HOST = re.sub(r"[^A-Za-z0-9_]", "_", socket.gethostname())


@contextmanager
def atomic_path(path: str | os.PathLike[str], *, folder: bool = False) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename it to `path` when the block ends without an error.

    Definition: everything under the temporary path is fsynced, then one rename puts it in place. A target
    that exists is replaced; a reader that has the old version open keeps reading the old version.

    Args:
        path: the file or folder to make. Its parent folder is created.
        folder: True makes the temporary path an empty folder; False leaves the file to be created.

    Yields:
        The temporary path, in the same folder as `path`. On an error it is removed and `path` is untouched.

    Raises:
        FileNotFoundError: the block ended without having written the temporary file.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "greeting.txt"
        >>> with atomic_path(target) as temporary:
        ...     _ = temporary.write_text("hello")
        >>> target.read_text()
        'hello'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(target)
    temporary = target.parent / f".{target.name}.{HOST}-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        if folder:
            temporary.mkdir()
        yield temporary
        fsync_tree(temporary)
        _put_in_place(temporary, target)
    except BaseException:
        remove(temporary)
        raise
    remove(temporary)  # after an exchange this name holds the old version
    _fsync_folder(target.parent)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as readable JSON, atomically.

    Args:
        path: the file to make or replace.
        value: anything JSON; also dataclasses, numpy scalars and arrays, paths, tuples and sets (sorted).

    Raises:
        ValueError: A number is NaN or infinite, which JSON cannot say. Use None.
        TypeError: A value has no JSON form.
    """
    text = to_json(value)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def to_json(value: Any) -> str:
    """The JSON text that `write_json` writes: indented, keys in the caller's order, UTF-8, newline."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not JSON; the message names the file.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no UTF-8
        raise ValueError(f"{path}: expected JSON, got {error}. Remedy: write the file anew") from error


def write_array(file: IO[bytes], array: np.ndarray) -> None:
    """Write the bytes of an array to an open file.

    `ndarray.tofile` and `numpy.save` would do, but the last bytes that a full disk refuses are lost there
    without an error.
    """
    if array.size:
        file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def sha256_of_file(path: str | os.PathLike[str]) -> str:
    """The sha256 of a file's bytes in hexadecimal, reading it in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file or a whole folder; nothing happens where there is none."""
    target = Path(path)
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target, ignore_errors=True)
    else:
        target.unlink(missing_ok=True)


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one return per kind of value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(_plain(inner) for inner in value)
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"JSON: expected finite numbers, got {value}. Remedy: write None where undefined")
    return value


def _put_in_place(temporary: Path, target: Path) -> None:
    """Rename; over an existing folder exchange the two names in one step where the system can."""
    if not (temporary.is_dir() and target.is_dir()):
        os.replace(temporary, target)
        return
    if _exchange(temporary, target):
        return
    aside = temporary.with_suffix(".old.tmp")
    os.replace(target, aside)
    try:
        os.replace(temporary, target)
    except OSError:
        os.replace(aside, target)
        raise
    remove(aside)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one atomic step (Linux renameat2); False where the system cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    done = renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    if done == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        return False
    raise OSError(code, os.strerror(code), str(other))


def fsync_tree(path: Path) -> None:
    """Make sure that a file, or a folder with all in it, is on the disk."""
    if path.is_dir():
        for inner in path.iterdir():
            fsync_tree(inner)
        _fsync_folder(path)
    else:
        with open(path, "rb") as file:
            os.fsync(file.fileno())


def _fsync_folder(path: Path) -> None:
    with suppress(OSError):  # some file systems have no fsync of folders
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_leftovers(target: Path) -> None:
    pattern = re.compile(rf"\.{re.escape(target.name)}\.{HOST}-(\d+)-[0-9a-f]{{8}}(\.old)?\.tmp")
    for beside in target.parent.iterdir():
        match = pattern.fullmatch(beside.name)
        if match is None or is_alive(int(match[1])):
            continue
        if match[2] is not None and not target.exists():
            os.replace(beside, target)  # killed between the two renames: the old version is still whole
        else:
            remove(beside)


def is_alive(process: int) -> bool:
    """Tell whether a process of this machine runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


__all__ = [
    "HOST",
    "atomic_path",
    "fsync_tree",
    "is_alive",
    "read_json",
    "remove",
    "sha256_of_file",
    "to_json",
    "write_array",
    "write_json",
]
