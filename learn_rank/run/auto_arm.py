"""The arm "auto" of a run: no training of its own, each seed's choice between its baseline and its LEARN."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from learn_rank.evaluation.judge import defined
from learn_rank.run.auto_choice import PCTCVR, PCTR, PCVR, choose, combine
from learn_rank.run.folder import model_folder, prediction_path, validation_path
from learn_rank.run.predictions import write_predictions
from learn_recall.files.whole_files import read_json, write_json

AUTO, BASE, FUSED = "auto", "baseline", "learn"
_SCORES = [PCTR, PCVR, PCTCVR]


def write_auto(out: Path, arms: Sequence[str], seeds: Sequence[int]) -> None:
    """Chooses on the validation rows of each seed and writes the predictions of "auto", where both arms ran.

    Args:
        out: folder of a run.
        arms: that were trained; without "learn" there is nothing to choose.
        seeds: of the training.
    """
    if FUSED not in arms:
        return
    for seed in seeds:
        base, fused = (pd.read_parquet(validation_path(out, arm, seed)) for arm in (BASE, FUSED))
        choice = choose(base, base, fused)
        folder = model_folder(out, AUTO, seed)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "choice.json", {"words": choice.words, **_plain(asdict(choice))})
        old, new = (pd.read_parquet(prediction_path(out, arm, seed)) for arm in (BASE, FUSED))
        scores = combine(choice, old, new)
        write_predictions(
            prediction_path(out, AUTO, seed), old.drop(columns=_SCORES, errors="ignore"), scores
        )


def choices(out: Path, seeds: Sequence[int]) -> str:
    """What was chosen, in words: `both heads from the fused ranker (3 of 3 seeds)`."""
    words = Counter(read_json(model_folder(out, AUTO, seed) / "choice.json")["words"] for seed in seeds)
    return "; ".join(f"{choice} ({n} of {len(seeds)} seeds)" for choice, n in words.most_common())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return defined(value) if isinstance(value, float) else value
