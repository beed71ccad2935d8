"""The arm "auto" of a run: no training of its own, each seed's choice between its baseline and its LEARN."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
from torch import nn

from learn_rank.evaluation.compare import defined
from learn_rank.rankers.by_head import ALL, NONE, RankerByHead
from learn_rank.report_kit.words import AUTO, BASELINE, LEARN
from learn_rank.run.auto_choice import choose, combine
from learn_rank.run.folder import RunFolder
from learn_rank.run.forward_copies import forward_of
from learn_rank.run.judged_head import new_items
from learn_rank.run.predictions import SCORES, write_predictions
from learn_recall.files.whole_files import read_json, write_json

BASE, FUSED = BASELINE, LEARN
_CHOICE = "choice.json"


@dataclass(frozen=True)
class ServedHeads:
    """What `auto` serves of one seed.

    Attributes:
        click: items whose pCTR comes from LEARN (`learn_rank.run.auto_choice.Choice`).
        conversion: items whose pCVR comes from LEARN.
        why: the choice in words and its evidence on validation, ready for JSON.
    """

    click: str
    conversion: str
    why: dict[str, Any]

    @property
    def arm(self) -> str | None:
        """The one arm that serves everything; None where it takes both."""
        if self.click == self.conversion and self.click in (NONE, ALL):
            return BASE if self.click == NONE else FUSED
        return None

    def ranker(self, open_arm: Callable[[str], nn.Module], n_known: int) -> nn.Module:
        """The chosen ranker, made of those that `open_arm` gives by name; `n_known` as in `RankerByHead`."""
        if self.arm is not None:
            return open_arm(self.arm)
        base, fused = open_arm(BASE), open_arm(FUSED)
        by_head = RankerByHead(base, fused, click=self.click, conversion=self.conversion, n_known=n_known)
        return by_head.eval()


def write_auto(run: RunFolder, arms: Sequence[str], seeds: Sequence[int]) -> None:
    """Choose on the validation rows of each seed and write the predictions of "auto", where both arms ran.

    Args:
        run: folder of a run.
        arms: that were trained; without "learn" there is nothing to choose.
        seeds: of the training.
    """
    if FUSED not in arms:
        return
    for seed in seeds:
        base, fused = (pd.read_parquet(run.validation_of(arm, seed)) for arm in (BASE, FUSED))
        old, new = (pd.read_parquet(run.predictions_of(arm, seed)) for arm in (BASE, FUSED))
        is_new = new_items(old)
        meets_new = is_new is not None and bool(is_new.any())
        choice = choose(base, base, fused, meets_new=meets_new, forward=forward_of(run, seed))
        folder = run.model_of(AUTO, seed)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / _CHOICE, {"words": choice.words, **_plain(asdict(choice))})
        scores = combine(choice, old, new, is_new)
        write_predictions(run.predictions_of(AUTO, seed), old.drop(columns=SCORES, errors="ignore"), scores)


def served_heads(run: RunFolder, seed: int) -> ServedHeads:
    """What was chosen for a seed.

    Raises:
        ValueError: nothing was chosen, since the run has no arm "learn" of that seed.
    """
    path = run.model_of(AUTO, seed) / _CHOICE
    if not path.is_file():
        raise ValueError(
            f"arm: expected a choice between {BASE!r} and {FUSED!r} of seed {seed} in {path.parent}, found "
            f"none. Remedy: train both with that seed (learn-rank train RUN --arms {BASE},{FUSED})."
        )
    why = read_json(path)
    heads = ("click", "fuses_ctr"), ("conversion", "fuses_cvr")  # of older runs, yes or no
    click, conversion = (why.get(new, ALL if why.get(old) else NONE) for new, old in heads)
    return ServedHeads(click, conversion, why)


def choices(run: RunFolder, seeds: Sequence[int]) -> str:
    """What was chosen, in words: `both heads from the fused ranker (3 of 3 seeds)`."""
    words = Counter(read_json(run.model_of(AUTO, seed) / _CHOICE)["words"] for seed in seeds)
    return "; ".join(f"{choice} ({n} of {len(seeds)} seeds)" for choice, n in words.most_common())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return defined(value) if isinstance(value, float) else value
