"""What a shell completes behind an option: the names it takes, at hand without loading what they name."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from importlib import import_module

Completion = Callable[[str], list[str]]


def among(*names: str) -> Completion:
    """One of these names."""
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


def some_of(*names: str) -> Completion:
    """Several of these names, separated by commas; the last one is completed."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        left = [name for name in names if name not in before.split(",")]
        return [f"{before}{comma}{name}" for name in left if name.startswith(last)]

    return complete


def or_folder(*names: str, holds: str) -> Completion:
    """One of these names, or a folder that holds such a file; other folders lead on to theirs."""

    def complete(incomplete: str) -> list[str]:
        folders = [path for path in sorted(glob.glob(f"{glob.escape(incomplete)}*")) if os.path.isdir(path)]
        found = [path if os.path.isfile(os.path.join(path, holds)) else f"{path}/" for path in folders]
        return [*among(*names)(incomplete), *found]

    return complete


def variants(module: str) -> Completion:
    """Some of the names in a module's VARIANTS, which are many; loaded when a shell asks."""

    def complete(incomplete: str) -> list[str]:
        return some_of(*import_module(module).VARIANTS)(incomplete)

    return complete


ENCODERS = or_folder("all-MiniLM-L6-v2", "smollm2", holds="config.json")
MODELS = or_folder("default", "smollm2", "words", holds="config.json")  # of compare-encoders
TEMPLATES = among("paper", "short", "one_word")
POOLINGS = among("mean", "last", "cls", "echo")
COMPUTE_DTYPES = among("auto", "float32", "bfloat16", "float16", "int8")
STORE_DTYPES = among("float16", "float32")
STORE_KINDS = among("content", "item", "user")
PRESETS = among("default", "thorough", "paper", "official_amazon")
BLOCKS = among("tower", "content", "words")
INDEX_KINDS = among("flat", "hnsw")
FITS = among("all", "train")
TASKS = among("leave-one-out", "window", "validation")
RECALL_MODELS = variants("learn_recall.comparison.variants")
DEVICES = among("cpu", "cuda")

__all__ = [
    "BLOCKS",
    "COMPUTE_DTYPES",
    "DEVICES",
    "ENCODERS",
    "FITS",
    "INDEX_KINDS",
    "MODELS",
    "POOLINGS",
    "PRESETS",
    "RECALL_MODELS",
    "STORE_DTYPES",
    "STORE_KINDS",
    "TASKS",
    "TEMPLATES",
    "Completion",
    "among",
    "or_folder",
    "some_of",
    "variants",
]
