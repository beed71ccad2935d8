"""Where a figure comes from: machine, versions, commit, and the lines that say so on a page."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from learn_rank.report_kit.words import duration_words

_PACKAGES = ("torch", "torchrec", "transformers", "numpy", "pandas", "pyarrow")


def provenance(packages: Sequence[str] = _PACKAGES) -> dict[str, Any]:
    """Machine, versions and commit: what a figure needs to be believed; the GPU where torch is at work."""
    gpu = (_gpu(),) if "torch" in packages else ()
    return {
        "machine": ", ".join((f"{os.cpu_count()} cores", _processor(), *gpu)),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in packages}},
        "commit": _commit(),
        "started": time_words(),
    }


def time_words() -> str:
    """This moment, to the minute, as every page spells it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def provenance_lines(about: Mapping[str, Any], own: Iterable[tuple[str, Any]] = ()) -> list[tuple[str, str]]:
    """Names and texts for the end of a page; what is not known is left out.

    Args:
        about: `provenance` and, where they are known, command and seconds.
        own: what only this report tells; it follows the command.
    """
    seconds = about.get("seconds")
    found = [
        ("command", about.get("command")),
        *own,
        ("commit", about.get("commit")),
        ("machine", about.get("machine")),
        ("started", about.get("started")),
        ("took", None if seconds is None else duration_words(seconds)),
        *(about.get("versions") or {}).items(),
    ]
    return [(name, str(text)) for name, text in found if text not in (None, "")]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _gpu() -> str:
    import torch  # noqa: PLC0415 - the only line that needs it

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"


def _commit() -> str:
    try:
        found = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()
