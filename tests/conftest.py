"""Shared fixtures: where the real data lies, and how many threads torch may take."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("learn", deadline=None)  # a slow machine is no failure
settings.load_profile("learn")
_ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets: environment variable LEARN_DATA, else ../shared/data; skips without."""
    named = os.environ.get("LEARN_DATA")
    folder = Path(named) if named is not None else _ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data: expected a folder at {folder}, got none; set LEARN_DATA to where it lies")
    return folder


@pytest.fixture(autouse=True)
def _few_threads() -> None:
    """Keep torch on two threads where a test has loaded it; this fixture never loads it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > 2:
        torch.set_num_threads(2)
