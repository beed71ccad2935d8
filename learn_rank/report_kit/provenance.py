"""Where a figure comes from: machine, versions, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("torch", "torchrec", "transformers", "numpy", "pandas", "pyarrow")


def provenance(packages: Sequence[str] = _PACKAGES) -> dict[str, Any]:
    """Machine, versions and commit: what a figure needs to be believed; the GPU where torch is at work."""
    gpu = (_gpu(),) if "torch" in packages else ()
    return {
        "machine": ", ".join((f"{os.cpu_count()} cores", _processor(), *gpu)),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in packages}},
        "commit": _commit(),
        "started": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


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
