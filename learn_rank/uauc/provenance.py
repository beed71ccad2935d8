"""Where the numbers come from: files with their hashes and the options, besides what every report tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from learn_rank.report_kit import provenance as machine
from learn_recall.files.whole_files import sha256_of_file

MAX_HASHED_BYTES = 1_000_000_000
LIBRARIES = ("numpy", "pandas", "pyarrow")


def provenance(files: Sequence[Path], options: Mapping[str, Any]) -> dict[str, Any]:
    """`report_kit.provenance` of a run with its files and options.

    Args:
        files: what was judged, in order.
        options: the command's options as they were understood; those that say nothing (None, False, none
            given) are left out.
    """
    return {
        **machine.provenance(LIBRARIES),
        "files": [_file(path) for path in dict.fromkeys(files)],
        "options": {
            name.removesuffix("_out"): _plain(value)
            for name, value in options.items()
            if not (value is None or value is False or value == [])
        },
    }


def _file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {"name": str(path), "n_bytes": None, "sha256": None, "note": "not a single file: not hashed"}
    n_bytes = path.stat().st_size
    if n_bytes > MAX_HASHED_BYTES:
        return {"name": str(path), "n_bytes": n_bytes, "sha256": None, "note": "above 1 GB: not hashed"}
    return {"name": str(path), "n_bytes": n_bytes, "sha256": sha256_of_file(path), "note": None}


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, bool | int | float | str) else str(value)
