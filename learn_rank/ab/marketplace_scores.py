"""What the trained rankers of a run say of candidates that nobody has shown yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from learn_rank.ab.marketplace_traffic import DAY, Traffic
from learn_rank.arms import ARMS, Arm, frozen_table
from learn_rank.batches import EncodedDataset, Rows, encode_dataset
from learn_rank.dataset import RankingDataset
from learn_rank.fusion import LearnFeatureFusion
from learn_rank.fusions import fusion_of_kind
from learn_rank.predictions import model_folder
from learn_rank.ranker import MultiTaskRanker
from learn_rank.run_config import RunConfig, fitted_to
from learn_rank.train import PCTR, PCVR, RankTrainConfig, load_ranker, parameter_groups, predict
from learn_recall.columns import CONTEXT_ID
from learn_recall.export import export_embeddings
from learn_recall.files import read_json
from learn_recall.store import EmbeddingStore

__all__ = ["score_arms"]

RETRAIN_RATE = 0.1
"""Learning rate of a night over that of the training, which had fallen to 0 when it ended."""


def score_arms(
    run: Path,
    dataset: RankingDataset,
    config: RunConfig,
    traffic: Traffic,
    *,
    arms: Sequence[str],
    work: Path,
    seed: int = 0,
    retrains: bool = False,
) -> dict[str, np.ndarray]:
    """pCTR and pCVR of every candidate by the rankers of a run.

    Features are made as for the test rows: counts and rates strictly before the request, codes and scales of
    training, the user's vector exported from the history at the request. A candidate itself counts for
    nothing, since nobody has seen it.

    Args:
        run: folder of a finished run.
        dataset: its tables.
        config: its settings.
        traffic: of `draw_traffic`.
        arms: names of trained arms.
        work: a folder for the vectors of the new contexts.
        seed: the training seed whose rankers are taken.
        retrains: after each day of the feed, every ranker goes on for one pass over that day.

    Returns:
        Arm -> (2, N) float64: pCTR and pCVR of the rows of ``traffic.asked``.

    Raises:
        ValueError: an arm that the run did not train.
    """
    known = {arm.name: arm for arm in ARMS if model_folder(run, arm.name, seed).is_dir()}
    unknown = [name for name in arms if name not in known]
    if unknown:
        raise ValueError(
            f"arms: expected some of {sorted(known)}, trained in {run} with seed {seed}, got {unknown}. "
            f"Remedy: learn-rank train {run} --arms {','.join(unknown)}"
        )
    config = fitted_to(config, dataset)
    rows = _encoded(dataset, traffic, config.fusion.history_length)
    vectors = _vectors_of_contexts(run, config, traffic.contexts, work)
    scores = {}
    for name in arms:
        fusion = _fusion(run, known[name], vectors, config, rows=rows, seed=seed)
        ranker = MultiTaskRanker(rows.n_codes, rows.n_dense, config.ranker, fusion)
        load_ranker(ranker, model_folder(run, name, seed))
        training = _training(run, config, seed) if retrains else None
        found = _day_by_day(ranker, rows, traffic, training)
        scores[name] = found[[PCTR, PCVR]].to_numpy(np.float64).T
    return scores


def _encoded(dataset: RankingDataset, traffic: Traffic, history_length: int) -> EncodedDataset:
    """Candidates stand where the test rows stood; all that is recorded or happens in the feed is valid."""
    log = pd.concat([dataset.valid, dataset.test, traffic.feed], ignore_index=True)
    contexts = pd.concat([dataset.contexts, traffic.contexts], ignore_index=True)
    contexts = contexts.drop_duplicates(CONTEXT_ID, ignore_index=True)
    asked = replace(dataset, valid=log, test=traffic.asked, contexts=contexts)
    return encode_dataset(asked, history_length=history_length)


def _vectors_of_contexts(run: Path, config: RunConfig, contexts: pd.DataFrame, work: Path) -> EmbeddingStore:
    _, users = export_embeddings(
        run / "towers",
        EmbeddingStore.open(run / "content"),
        items_out=work / "items",
        users_out=work / "users",
        contexts=contexts,
        content_dimension=config.content_dimension,
    )
    return users


def _fusion(
    run: Path, arm: Arm, contexts: EmbeddingStore, config: RunConfig, *, rows: EncodedDataset, seed: int
) -> LearnFeatureFusion | None:
    """The plugin as trained, over the new contexts; a shuffled arm keeps the items' vectors as dealt."""
    if arm.blocks is None:
        return None
    generator = np.random.default_rng(seed)
    frozen_table(EmbeddingStore.open(run / "vectors/users"), arm, generator)  # draws what the training drew
    items = frozen_table(EmbeddingStore.open(run / "vectors/items"), arm, generator)
    return fusion_of_kind(
        config.fusion_kind,
        frozen_table(contexts, arm, generator),
        items,
        config.fusion,
        host_dim=MultiTaskRanker.host_dim(rows.n_codes, config.ranker),
    )


def _training(run: Path, config: RunConfig, seed: int) -> RankTrainConfig:
    """As the arms were trained, with the weight decay that was tuned for the baseline."""
    decay = read_json(run / "predictions/tuning.json")["embedding_weight_decay"]
    return replace(config.training, seed=seed, embedding_weight_decay=decay)


def _day_by_day(
    ranker: MultiTaskRanker, rows: EncodedDataset, traffic: Traffic, training: RankTrainConfig | None
) -> pd.DataFrame:
    if training is None:
        return predict(ranker, rows.test)
    day_of_log = np.r_[np.full(len(rows.valid) - len(traffic.feed), -1), traffic.feed[DAY].to_numpy(np.int64)]
    optimizer = torch.optim.AdamW(parameter_groups(ranker, training))
    for group in optimizer.param_groups:
        group["lr"] *= RETRAIN_RATE
    scores = []
    for day in np.unique(traffic.asked[DAY]):
        scores.append(predict(ranker, _rows_at(rows.test, (traffic.asked[DAY] == day).to_numpy())))
        night = _rows_at(rows.valid, day_of_log == day)
        _one_pass(ranker, optimizer, night, training, int(day))
    return pd.concat(scores, ignore_index=True)


def _one_pass(
    ranker: MultiTaskRanker,
    optimizer: torch.optim.Optimizer,
    rows: Rows,
    training: RankTrainConfig,
    day: int,
) -> None:
    ranker.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed + day)
        shuffler = np.random.default_rng([training.seed, day])
        for batch in rows.batches(
            training.batch_size, generator=shuffler, newness_rate=training.newness_rate
        ):
            loss = ranker.loss(ranker(batch.sparse, batch.dense), batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    ranker.eval()


def _rows_at(rows: Rows, is_wanted: np.ndarray) -> Rows:
    return replace(
        rows,
        codes={name: codes[is_wanted] for name, codes in rows.codes.items()},
        lists={name: (row[is_wanted], table) for name, (row, table) in rows.lists.items()},
        **{
            name: getattr(rows, name)[is_wanted]
            for name in ("dense", "click", "conversion", "user_key", "item_key", "history_row")
        },
    )
