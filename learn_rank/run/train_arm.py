"""One arm and seed of a comparison: trained, selected on validation, its test rows scored once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

from learn_rank.data.dataset import RankingDataset
from learn_rank.data.encoded_rows import EncodedDataset
from learn_rank.rankers.base import Ranker
from learn_rank.rankers.train import RankTrainConfig, predict, train_ranker
from learn_rank.run.folder import RunFolder
from learn_rank.run.predictions import labelled_rows, write_predictions
from learn_recall.files.whole_files import read_json, write_json


def tuned(run: RunFolder, training: RankTrainConfig) -> RankTrainConfig | None:
    """The settings with the weight decay that a run has found; None where it has not yet."""
    if not run.tuning.is_file():
        return None
    return replace(training, embedding_weight_decay=read_json(run.tuning)["embedding_weight_decay"])


def train_and_score(
    make_ranker: Callable[[], Ranker],
    dataset: RankingDataset,
    data: EncodedDataset,
    training: RankTrainConfig,
    run: RunFolder,
    *,
    arm: str,
    on_step: Callable[[int, int], None] | None = None,
) -> Ranker:
    """Train a ranker and leave its weights, its history and its predictions below a folder.

    Args:
        make_ranker: as in `train_ranker`.
        dataset: labels and buckets; data: the same rows, encoded.
        training: its seed is that of the arm.
        run: folder of the run.
        arm: name of the arm.
        on_step: called with (steps done, steps in all).
    """
    place, seed = run.model_of(arm, training.seed), training.seed
    ranker, history = train_ranker(make_ranker, data, training, place, on_step=on_step)
    write_json(run.history_of(arm, seed), [asdict(result) for result in history])
    write_predictions(
        run.validation_of(arm, seed), labelled_rows(dataset, "valid"), predict(ranker, data.valid)
    )
    write_predictions(run.predictions_of(arm, seed), labelled_rows(dataset), predict(ranker, data.test))
    return ranker
