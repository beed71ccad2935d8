"""Where the numbers come from: files with their hashes, options, versions, time."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from learn_recall.files.whole_files import sha256_of_file

MAX_HASHED_BYTES = 1_000_000_000
LIBRARIES = ("numpy", "pandas", "pyarrow")


def provenance(files: Sequence[Path], options: Mapping[str, Any]) -> dict[str, Any]:
    """{"started", "files", "options", "versions"} of a run.

    Args:
        files: what was judged, in order.
        options: the command's options as they were understood; those that say nothing (None, False, none
            given) are left out.
    """
    return {
        "started": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "files": [_file(path) for path in dict.fromkeys(files)],
        "options": {
            name.removesuffix("_out"): _plain(value)
            for name, value in options.items()
            if not (value is None or value is False or value == [])
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
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
