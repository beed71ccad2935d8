"""Text files, packed or not: what they are is read from their first bytes, not from their names."""

import bz2
import gzip
import lzma
import zlib
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Any

import pyarrow as pa

from learn_recall.errors import said_by

_AT_ONCE = 1 << 20
DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, UnicodeDecodeError, pa.ArrowException)


def _open_zstd(path: Path, _: str) -> BufferedReader:
    return BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))


_OPENERS: dict[bytes, Any] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"\x28\xb5\x2f\xfd": _open_zstd,
}
_OTHERS = {
    b"PK\x03\x04": "a zip archive; unpack it",
    b"PAR1": "a parquet file; call it .parquet",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


def open_bytes(path: Path) -> Any:
    """Open a file for reading its bytes, unpacked.

    Raises:
        OSError: it is of a kind that is no text for us, such as UTF-16 or a zip archive.
    """
    with open(path, "rb") as file:
        head = file.read(8)
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            raise OSError(f"this is {what}")
    for magic, opener in _OPENERS.items():
        if head.startswith(magic):
            return opener(path, "rb")
    return open(path, "rb")


def refuse_nul(path: Path) -> None:
    """Refuse a text file that holds the byte 0: it is damaged, or UTF-16 without the mark that says so.

    Raises:
        OSError: it holds one; the message names the line.
    """
    n_lines = 1
    with open_bytes(path) as file:
        while chunk := file.read(_AT_ONCE):
            at = chunk.find(b"\0")
            if at >= 0:
                line = n_lines + chunk.count(b"\n", 0, at)
                raise OSError(f"line {line:,} holds the byte 0: the file is damaged, or UTF-16 text")
            n_lines += chunk.count(b"\n")


def open_text(path: Path) -> TextIOWrapper:
    """Open a text file, packed or not, without a byte order mark."""
    return TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline="")


def why_damaged(path: Path, error: BaseException) -> str:
    """What to say of a file that cannot be read: the first line that is not UTF-8, else the error itself."""
    is_text = isinstance(error, UnicodeDecodeError) or "utf8" in str(error).lower()
    if is_text and path.is_file():
        try:
            with open_bytes(path) as file:
                for number, line in enumerate(file, start=1):
                    try:
                        line.decode("utf-8")
                    except UnicodeDecodeError as wrong:
                        return f"{path}: line {number:,} is not UTF-8 ({wrong.reason}): {line[:60]!r}"
        except DAMAGED:
            pass
    return f"{path}: {said_by(error)}"


__all__ = ["DAMAGED", "open_bytes", "open_text", "refuse_nul", "why_damaged"]
