"""Copies of the rankers of `auto`, trained on the earlier rows of training and judged on its last ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import chain

import pandas as pd

from learn_rank.data.dataset import RankingDataset
from learn_rank.data.encoded_rows import EncodedDataset
from learn_rank.datasets.forward_part import forward_part
from learn_rank.rankers.base import Ranker
from learn_rank.rankers.train import RankTrainConfig, predict, train_ranker
from learn_rank.report_kit.words import BASELINE, LEARN
from learn_rank.run.folder import RunFolder
from learn_rank.run.judged_head import LEAST_CLICKS, Head, new_items
from learn_rank.run.new_item_choice import Forward
from learn_rank.run.predictions import labelled_rows, write_predictions
from learn_recall.columns import CLICK, CONTEXT_ID, HISTORY, ITEM_ID, ITEM_IS_NEW, PCTR
from learn_recall.files.whole_files import read_json, write_json

COPIED = (BASELINE, LEARN)


def lacks_new_items(run: RunFolder, seed: int) -> bool:
    """Whether validation has too few clicks on items that training never had, though such are served."""
    valid = pd.read_parquet(run.validation_of(BASELINE, seed))
    is_new = new_items(pd.read_parquet(run.predictions_of(BASELINE, seed)))
    head = Head.of(valid, CLICK, valid[PCTR], valid[PCTR])
    return head.few_new_clicks(is_new is not None and bool(is_new.any())) is not None


def left_copies(run: RunFolder, arms: Sequence[str], seeds: Sequence[int]) -> list[tuple[str, int]]:
    """The copies (arm, seed) that would decide and are not trained yet, as far as is known before they are.

    Args:
        run: folder with the predictions of the arms.
        arms: that were trained; without both of `COPIED` there is nothing to choose.
        seeds: of the training.
    """
    if not ({*COPIED} <= {*arms} and lacks_new_items(run, seeds[0])):
        return []
    if run.forward_part.is_file() and not _is_enough(read_json(run.forward_part)["n_clicks"]):
        return []
    wanted = [(arm, seed) for seed in seeds for arm in COPIED]
    return [(arm, seed) for arm, seed in wanted if not run.forward.validation_of(arm, seed).is_file()]


def prepare_copies(
    run: RunFolder, dataset: RankingDataset, tell: Callable[[str], None]
) -> RankingDataset | None:
    """The part of training that can decide for new items; None where there is none, or too few clicks in it.

    What was found is kept in the folder and told.

    Args:
        run: folder of the run.
        dataset: of the run.
        tell: where a line is told.
    """
    part, why_not = forward_part(dataset)
    n_clicks = None
    if part is not None:
        labels = forward_labels(part)
        n_clicks = int(labels.loc[labels[ITEM_IS_NEW], CLICK].sum())
    write_json(run.forward_part, {"n_clicks": n_clicks, "why_not": why_not})
    if part is None:
        tell(f"new items stay with the baseline in auto: validation has too few, and {why_not}")
    elif not _is_enough(n_clicks):
        tell(
            f"new items stay with the baseline in auto: validation has too few, and the last "
            f"{len(part.valid):,} training rows {n_clicks} clicks on such items ({LEAST_CLICKS} are needed)"
        )
    else:
        tell(
            f"validation has too few new items to choose for in auto: copies of {' and '.join(COPIED)} learn "
            f"from {len(part.train):,} training rows and are judged on the {len(part.valid):,} behind them, "
            f"which have {n_clicks} clicks on items that nothing before them met"
        )
    return part if _is_enough(n_clicks) else None


def forward_labels(part: RankingDataset) -> pd.DataFrame:
    """Rows of a forward part with their labels; new are items that neither its rankers nor the towers met.

    Not in a training row of the part, nor in the history of one, nor among the interactions.
    """
    rows = labelled_rows(part, "valid")
    of_train = part.contexts[CONTEXT_ID].isin(part.train[CONTEXT_ID])
    in_histories = set(chain.from_iterable(part.contexts.loc[of_train, HISTORY]))
    is_met = rows[ITEM_ID].isin(part.interactions[ITEM_ID].unique()) | rows[ITEM_ID].isin(in_histories)
    return rows.assign(**{ITEM_IS_NEW: rows[ITEM_IS_NEW] & ~is_met})


def train_copy(
    make_ranker: Callable[[], Ranker],
    part: RankingDataset,
    data: EncodedDataset,
    training: RankTrainConfig,
    run: RunFolder,
    *,
    arm: str,
    on_step: Callable[[int, int], None] | None = None,
) -> None:
    """Train one copy, or go on with it, and leave its scores of the rows that it is judged by.

    Args:
        make_ranker: as in `train_ranker`.
        part: of `prepare_copies`; data: the same rows, encoded.
        training: its seed is that of the arm.
        run: folder of the run.
        arm: of `COPIED`.
        on_step: called with (steps done, steps in all).
    """
    place = run.forward
    ranker, history = train_ranker(
        make_ranker, data, training, place.model_of(arm, training.seed), on_step=on_step
    )
    write_json(place.history_of(arm, training.seed), [asdict(result) for result in history])
    scores = predict(ranker, data.valid)
    write_predictions(place.validation_of(arm, training.seed), forward_labels(part), scores)


def forward_of(run: RunFolder, seed: int) -> Forward | None:
    """What is known of the forward part for a seed; None where it was not asked for."""
    if not run.forward_part.is_file():
        return None
    found = Forward(**read_json(run.forward_part))
    paths = [run.forward.validation_of(arm, seed) for arm in COPIED]
    if not all(path.is_file() for path in paths):
        return found
    base, fused = map(pd.read_parquet, paths)
    return replace(found, base=base, fused=fused)


def _is_enough(n_clicks: int | None) -> bool:
    return n_clicks is not None and n_clicks >= LEAST_CLICKS


__all__ = ["COPIED", "forward_labels", "forward_of", "left_copies", "prepare_copies", "train_copy"]
