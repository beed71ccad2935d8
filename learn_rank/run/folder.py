"""Where things lie in the folder of a run."""

from __future__ import annotations

from pathlib import Path

TABLES, CONTENT, TOWERS, RECALL = "tables", "content", "towers", "recall.json"
USERS, ITEMS, PREDICTIONS = "vectors/users", "vectors/items", "predictions"
EASE = "predictions/ease.npz"
LANGUAGE_MODEL, WORDS = "content-lm", "words.safetensors"


def prediction_path(out: Path, arm: str, seed: int) -> Path:
    """Where the predictions of an arm and seed lie below a run's folder."""
    return out / "predictions" / arm / f"seed-{seed}.parquet"


def validation_path(out: Path, arm: str, seed: int) -> Path:
    """Where the scores of the validation rows lie, from which `auto` is chosen."""
    return out / "predictions" / arm / f"seed-{seed}.valid.parquet"


def model_folder(out: Path, arm: str, seed: int) -> Path:
    """Where the ranker of an arm and seed is kept."""
    return out / "predictions" / arm / f"seed-{seed}"
