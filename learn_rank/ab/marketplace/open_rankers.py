"""What the trained rankers of a run say of candidates that nobody has shown yet."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from learn_rank.ab.marketplace.new_ids import widened, with_new_ids
from learn_rank.ab.marketplace.traffic import DAY, Traffic
from learn_rank.data.dataset import RankingDataset
from learn_rank.data.encoded_rows import EncodedDataset, EncodedRows, encode_dataset
from learn_rank.data.newness import UNKNOWN
from learn_rank.fusion.kinds import fusion_of_kind
from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion
from learn_rank.rankers.lost_vectors import lose_vectors
from learn_rank.rankers.multi_task import MultiTaskRanker
from learn_rank.rankers.train import RankTrainConfig, load_ranker, parameter_groups, predict
from learn_rank.report_kit.words import AUTO
from learn_rank.run.arms import ARMS, Arm, config_of, frozen_table
from learn_rank.run.auto_arm import BASE, FUSED, ServedHeads, served_heads
from learn_rank.run.config import RunConfig, fitted_to
from learn_rank.run.folder import RunFolder
from learn_rank.run.judged_head import is_fused
from learn_recall.columns import CONTEXT_ID, ITEM_ID, PCTR, PCVR
from learn_recall.export.vectors import export_embeddings
from learn_recall.files.whole_files import read_json
from learn_recall.store import EmbeddingStore

__all__ = ["OpenHeads", "OpenRanker", "open_rankers"]

RETRAIN_RATE = 0.1
"""Learning rate of a night over that of the training, which had fallen to 0 when it ended."""


class OpenRanker:
    """A trained ranker in front of candidates that nobody has shown yet.

    Args:
        ranker: with its weights.
        rows: encoded; the candidates stand in ``test``, the feed behind the recorded rows in ``valid``.
        day_of_log: (V,) day of the rows of ``valid`` that are feed, -1 of the recorded ones.
        training: how it goes on learning; None where it does not.
    """

    def __init__(
        self,
        ranker: MultiTaskRanker,
        rows: EncodedDataset,
        day_of_log: np.ndarray,
        training: RankTrainConfig | None = None,
    ) -> None:
        self._ranker, self._rows, self._day_of_log, self._training = ranker, rows, day_of_log, training
        self._optimizer = None if training is None else _optimizer(ranker, training)

    def scores(self, is_wanted: np.ndarray) -> np.ndarray:
        """(2, M) float64: pCTR and pCVR of the wanted candidates; ``is_wanted`` is (N,) bool."""
        found = predict(self._ranker, self._rows.test.of(is_wanted))
        return found[[PCTR, PCVR]].to_numpy(np.float64).T

    def learn(self, day: int, shown: np.ndarray, click: np.ndarray, conversion: np.ndarray) -> None:
        """One pass over the feed of a day and what was shown on it.

        Args:
            day: whose night it is.
            shown: (M,) positions of candidates.
            click: (M,) bool.
            conversion: (M,) bool.
        """
        if self._training is None or self._optimizer is None:
            raise ValueError("learn: expected a ranker opened with retrains=True, got one that only serves.")
        served = replace(
            self._rows.test.of(shown),
            click=click.astype(np.float32),
            conversion=np.where(click, conversion, np.nan).astype(np.float32),
        )
        night = self._rows.valid.of(self._day_of_log == day).with_rows_of(served)
        _one_pass(self._ranker, self._optimizer, night, self._training, day)


class OpenHeads:
    """What `auto` chose where it takes of two rankers: both serve, and both go on learning.

    Args:
        base: the ranker without the plugin.
        fused: the ranker with it.
        heads: which items' pCTR and pCVR are those of `fused`.
        is_new: (N,) bool, candidates whose item training never had.
    """

    def __init__(self, base: OpenRanker, fused: OpenRanker, heads: ServedHeads, is_new: np.ndarray) -> None:
        self._base, self._fused = base, fused
        self._is_fused = np.stack([is_fused(items, is_new) for items in (heads.click, heads.conversion)])

    def scores(self, is_wanted: np.ndarray) -> np.ndarray:
        """(2, M) float64, as of `OpenRanker`."""
        of_base, of_fused = self._base.scores(is_wanted), self._fused.scores(is_wanted)
        return np.where(self._is_fused[:, is_wanted], of_fused, of_base)

    def learn(self, day: int, shown: np.ndarray, click: np.ndarray, conversion: np.ndarray) -> None:
        """One pass of both rankers over the same rows, those of `OpenRanker`."""
        for ranker in (self._base, self._fused):
            ranker.learn(day, shown, click, conversion)


def open_rankers(
    run: Path,
    dataset: RankingDataset,
    config: RunConfig,
    traffic: Traffic,
    *,
    arms: Sequence[str],
    work: Path,
    seeds: Sequence[int] = (0,),
    retrains: bool = False,
) -> Iterator[tuple[int, str, OpenRanker | OpenHeads]]:
    """The rankers of a run, one after another, in front of the candidates of ``traffic.asked``.

    Features are made as for the test rows: counts and rates strictly before the request, codes and scales of
    training, the user's vector exported from the history at the request. A candidate itself counts for
    nothing, since nobody has seen it.

    Args:
        run: folder of a finished run.
        dataset: its tables.
        config: its settings.
        traffic: of `draw_traffic`.
        arms: names of trained arms, or "auto" for what validation chose between two of them.
        work: a folder for the vectors of the new contexts.
        seeds: the training seeds whose rankers are taken, one after another.
        retrains: they will go on learning; users and items that training never had then get embeddings of
            their own, which begin as that of the unknown.

    Yields:
        Seed, arm and its ranker.

    Raises:
        ValueError: an arm that the run did not train with a seed.
    """
    place = RunFolder(run)
    known = {arm.name: arm for arm in ARMS}
    _check_trained(place, arms, seeds)
    config = fitted_to(config, dataset)
    log = pd.concat([dataset.valid, dataset.test, traffic.feed], ignore_index=True)
    rows = _encoded(dataset, traffic, log, config)
    served = with_new_ids(rows, {"valid": log, "test": traffic.asked}) if retrains else rows
    day_of_log = np.r_[np.full(len(log) - len(traffic.feed), -1), traffic.feed[DAY].to_numpy(np.int64)]
    vectors = _vectors_of_contexts(place, config, traffic.contexts, work)

    def open_arm(name: str, seed: int) -> OpenRanker:
        fusion = _fusion(place, known[name], vectors, config, rows=rows, seed=seed)
        shape = known[name].shape_of(config.ranker)
        ranker = MultiTaskRanker(rows.n_codes, rows.n_dense, shape, fusion)
        load_ranker(ranker, place.model_of(name, seed))
        if retrains:
            ranker = widened(ranker, MultiTaskRanker(served.n_codes, rows.n_dense, shape, fusion))
        return OpenRanker(ranker, served, day_of_log, _training(place, config, seed) if retrains else None)

    for seed, name in itertools.product(seeds, arms):
        heads = served_heads(place, seed) if name == AUTO else None
        if heads is None or heads.arm is not None:
            yield seed, name, open_arm(name if heads is None or heads.arm is None else heads.arm, seed)
        else:
            is_new = rows.test.codes[ITEM_ID] == UNKNOWN
            yield seed, name, OpenHeads(open_arm(BASE, seed), open_arm(FUSED, seed), heads, is_new)


def _check_trained(run: RunFolder, arms: Sequence[str], seeds: Sequence[int]) -> None:
    for seed in seeds:
        known = [arm.name for arm in ARMS if run.model_of(arm.name, seed).is_dir()]
        unknown = [name for name in arms if name not in known and name != AUTO]
        if unknown:
            raise ValueError(
                f"arms: expected some of {[*sorted(known), AUTO]}, trained in {run.path} with seed {seed}, "
                f"got {unknown}. Remedy: learn-rank train {run.path} --arms {','.join(unknown)}"
            )


def _encoded(
    dataset: RankingDataset, traffic: Traffic, log: pd.DataFrame, config: RunConfig
) -> EncodedDataset:
    """Candidates stand where the test rows stood; all that is recorded or happens in the feed is valid."""
    contexts = pd.concat([dataset.contexts, traffic.contexts], ignore_index=True)
    contexts = contexts.drop_duplicates(CONTEXT_ID, ignore_index=True)
    asked = replace(dataset, valid=log, test=traffic.asked, contexts=contexts)
    return encode_dataset(
        asked,
        history_length=config.fusion.history_length,
        has_item_history=config.ranker.has_history,
        recent_popularity=config.recent_popularity,
        user_snapshot_days=config.user_snapshot_days,
    )


def _vectors_of_contexts(
    run: RunFolder, config: RunConfig, contexts: pd.DataFrame, work: Path
) -> EmbeddingStore:
    _, users = export_embeddings(
        run.towers,
        EmbeddingStore.open(run.content),
        items_out=work / "items",
        users_out=work / "users",
        contexts=contexts,
        content_dimension=config.content_dimension,
    )
    return users


def _fusion(
    run: RunFolder, arm: Arm, contexts: EmbeddingStore, config: RunConfig, *, rows: EncodedDataset, seed: int
) -> LearnFeatureFusion | None:
    """The plugin as trained, over the new contexts; a shuffled arm keeps the items' vectors as permuted."""
    if arm.blocks is None:
        return None
    generator = np.random.default_rng(seed)
    frozen_table(EmbeddingStore.open(run.users), arm, generator)  # draws what the training drew
    store = EmbeddingStore.open(run.items)
    items = frozen_table(store, arm, generator)
    return fusion_of_kind(
        config.fusion_kind,
        frozen_table(contexts, arm, generator),
        items,
        config_of(arm, config.fusion, store),
        host_dim=MultiTaskRanker.host_dim(rows.n_codes, config.ranker),
    )


def _training(run: RunFolder, config: RunConfig, seed: int) -> RankTrainConfig:
    """As the arms were trained, with the weight decay that was tuned for the baseline."""
    decay = read_json(run.tuning)["embedding_weight_decay"]
    return replace(config.training, seed=seed, embedding_weight_decay=decay)


def _optimizer(ranker: MultiTaskRanker, training: RankTrainConfig) -> torch.optim.Optimizer:
    optimizer = torch.optim.AdamW(parameter_groups(ranker, training))
    for group in optimizer.param_groups:
        group["lr"] *= RETRAIN_RATE
    return optimizer


def _one_pass(
    ranker: MultiTaskRanker,
    optimizer: torch.optim.Optimizer,
    rows: EncodedRows,
    training: RankTrainConfig,
    day: int,
) -> None:
    ranker.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed + day)
        shuffler = np.random.default_rng([training.seed, day])
        losing = np.random.default_rng([training.seed, day, 1])
        for batch in rows.batches(
            training.batch_size, generator=shuffler, newness_rate=training.newness_rate
        ):
            if ranker.fusion is not None and training.missing_rate > 0:
                batch = lose_vectors(batch, ranker.fusion.config, training.missing_rate, losing)  # noqa: PLW2901
            loss = ranker.loss(ranker(batch.sparse, batch.dense), batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    ranker.eval()
