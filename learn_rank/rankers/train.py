"""Training of one ranker: selected on validation, resumable at every epoch, the same bits after a kill."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from learn_rank.data.encoded_rows import EncodedDataset, EncodedRows
from learn_rank.metrics.auc import AUC
from learn_rank.rankers.base import Ranker
from learn_rank.rankers.checkpoints import (
    load_weights,
    read_tensors,
    resumable_state,
    save_tensors,
    trainable_weights,
)
from learn_rank.rankers.id_tables import table_parameters
from learn_rank.rankers.lost_vectors import lose_vectors
from learn_rank.rankers.scores import Scores
from learn_rank.rankers.zero_start import zero_start_parameters
from learn_recall.columns import PCTCVR, PCTR, PCVR
from learn_recall.files.whole_files import read_json, write_json

_START = "start.json"  # validation of what a training began at


@dataclass(frozen=True)
class RankTrainConfig:
    """How every arm is trained alike.

    Attributes:
        n_epochs: passes over the training rows; the learning rate falls linearly to 0 over them, and the
            epoch with the best validation score is kept, or what the ranker began at (`Ranker.start_from`)
            where no epoch is better.
        batch_size: rows a step.
        learning_rate: of the dense layers.
        zero_start_learning_rate: of the plugin's weights that start at zero (`RankerConfig.fusion_entry`).
        embedding_learning_rate: of the embedding tables; ids are seen rarely and want larger steps.
        weight_decay: of the dense layers (AdamW).
        embedding_weight_decay: of the embedding tables; every step shrinks every row, so the ids that are
            seldom seen stay near zero and do not overfit to their own labels.
        newness_rate: share of training rows whose item is made new (`EncodedRows.batches`), in every arm.
        missing_rate: share of training rows that may lose vectors of the plugin (`lose_vectors`), where it
            has any: one that never lost the vectors of a user has not learned what it says without.
        seed: of initialisation, order, dropout, newness and lost vectors.
    """

    n_epochs: int = 3
    batch_size: int = 1024
    learning_rate: float = 2e-3
    zero_start_learning_rate: float = 6e-3
    embedding_learning_rate: float = 6e-3
    weight_decay: float = 1e-5
    embedding_weight_decay: float = 1.0
    newness_rate: float = 0.1
    missing_rate: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_epochs < 1 or self.batch_size < 1:
            raise ValueError(
                f"n_epochs and batch_size: expected at least 1, got {self.n_epochs} and {self.batch_size}."
            )
        if not 0 <= self.newness_rate < 1:
            raise ValueError(f"newness_rate: expected a share inside [0, 1), got {self.newness_rate}.")
        if not 0 <= self.missing_rate <= 1:
            raise ValueError(f"missing_rate: expected a share inside [0, 1], got {self.missing_rate}.")
        if not 0 <= self.embedding_weight_decay * self.embedding_learning_rate <= 1:
            raise ValueError(
                "embedding_weight_decay: expected a step to keep a share of an embedding, this decay "
                f"x embedding_learning_rate inside [0, 1], got {self.embedding_weight_decay:g} x "
                f"{self.embedding_learning_rate:g}. Remedy: a smaller decay."
            )


@dataclass(frozen=True)
class EpochResult:
    """Validation after one epoch: AUC of CTR and, where conversions are recorded, of CVR on clicked rows."""

    epoch: int
    ctr_auc: float
    cvr_auc: float | None
    seconds: float

    @property
    def score(self) -> float:
        """What selects the epoch: the mean AUC of the tasks."""
        return self.ctr_auc if self.cvr_auc is None else (self.ctr_auc + self.cvr_auc) / 2


def train_ranker(
    make_ranker: Callable[[], Ranker],
    data: EncodedDataset,
    config: RankTrainConfig,
    out: Path,
    *,
    on_step: Callable[[int, int], None] | None = None,
) -> tuple[Ranker, list[EpochResult]]:
    """Train, keep the best epoch, and leave a checkpoint after each.

    Args:
        make_ranker: builds the ranker, ours or a team's own; called with the random state of the seed.
        data: encoded rows.
        config: of the training.
        out: folder for ``last.safetensors`` (to resume), ``model.safetensors`` (the best epoch) and
            ``start.json`` (validation of what the ranker began at, where that is a candidate).
        on_step: called with (steps done, steps in all) for a progress bar.

    Returns:
        The ranker with its best epoch's weights, in evaluation mode, and the history.

    Raises:
        ValueError: validation rows that are all clicked or all not, which no epoch can be selected by.
        FloatingPointError: a loss that is not finite.
    """
    kinds = np.unique(data.valid.click)
    if len(kinds) < 2:
        raise ValueError(
            "valid: expected rows with and rows without a click, which select the epoch, got only "
            f"{', '.join(f'{kind:g}' for kind in kinds) or 'none'} in {len(data.valid)} rows. Remedy: take "
            "more rows."
        )
    out.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        ranker = make_ranker()
    if not (out / "last.safetensors").exists():
        if ranker.fusion is not None:
            ranker.fusion.fit_codes(torch.from_numpy(np.unique(data.train.item_key)))
        _judge_start(ranker, data, config, out)
    optimizer = torch.optim.AdamW(parameter_groups(ranker, config))
    per_epoch = -(-len(data.train) // config.batch_size)
    n_steps = per_epoch * config.n_epochs
    base_rates = [group["lr"] for group in optimizer.param_groups]

    history = _resume(out, ranker, optimizer, config)
    step = per_epoch * len(history)
    for epoch in range(len(history), config.n_epochs):
        began = time.perf_counter()
        ranker.train()
        with torch.random.fork_rng(devices=[]):  # dropout's state is the epoch's own, the caller's is kept
            torch.manual_seed(_epoch_seed(config.seed, epoch))
            shuffler = np.random.default_rng([config.seed, epoch])
            losing = np.random.default_rng([config.seed, epoch, 1])  # apart: the baseline's draws are as ever
            for batch in data.train.batches(
                config.batch_size, generator=shuffler, newness_rate=config.newness_rate
            ):
                if ranker.fusion is not None and config.missing_rate > 0:
                    batch = lose_vectors(batch, ranker.fusion.config, config.missing_rate, losing)  # noqa: PLW2901
                for group, rate in zip(optimizer.param_groups, base_rates, strict=True):
                    group["lr"] = rate * (1 - step / n_steps)
                loss = ranker.loss(ranker(batch.sparse, batch.dense), batch)
                if not bool(torch.isfinite(loss)):
                    raise FloatingPointError(
                        f"loss is {loss.item()} in epoch {epoch}, step {step}: look for huge dense features, "
                        "or lower learning_rate."
                    )
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                step += 1
                if on_step is not None:
                    on_step(step, n_steps)
        ranker.settle(data.valid, lambda: predict(ranker, data.valid))
        history.append(_validate(ranker, data.valid, epoch, time.perf_counter() - began))
        is_best = history[-1].score == max(result.score for result in history)
        if is_best and history[-1].score > _start_score(out):
            save_tensors(out / "model.safetensors", trainable_weights(ranker), {"epoch": epoch})
        save_tensors(out / "last.safetensors", resumable_state(ranker, optimizer), _header(config, history))
    return load_ranker(ranker, out), history


def _judge_start(ranker: Ranker, data: EncodedDataset, config: RankTrainConfig, out: Path) -> None:
    """Keep what the ranker begins at, where that is a candidate, as if it were an epoch before the first."""
    began = time.perf_counter()
    if ranker.start_from(data.train, data.valid, newness_rate=config.newness_rate, seed=config.seed):
        start = _validate(ranker, data.valid, -1, time.perf_counter() - began)
        save_tensors(out / "model.safetensors", trainable_weights(ranker), {"epoch": -1})
        write_json(out / _START, asdict(start))


def _start_score(out: Path) -> float:
    path = out / _START
    return EpochResult(**read_json(path)).score if path.is_file() else -math.inf


def load_ranker(ranker: Ranker, folder: Path) -> Ranker:
    """Give a ranker the weights of the best epoch that `train_ranker` left in a folder."""
    load_weights(ranker, read_tensors(folder / "model.safetensors")[0])
    return ranker.eval()


def predict(ranker: Ranker, rows: EncodedRows, *, batch_size: int = 8192) -> pd.DataFrame:
    """Score every row, in order.

    Returns:
        Columns ``pctr`` and, of a ranker with a conversion logit, ``pcvr`` (given a click) and ``pctcvr``
        (entire space), float32.
    """
    was_training = ranker.training
    ranker.eval()
    scores = []
    with torch.inference_mode():
        for batch in rows.batches(batch_size):
            out = ranker(batch.sparse, batch.dense)
            scores.append(torch.stack(probabilities(out), dim=1))
    ranker.train(was_training)
    of_rows = torch.cat(scores).numpy()
    return pd.DataFrame(of_rows, columns=[PCTR, PCVR, PCTCVR][: of_rows.shape[1]])


def probabilities(scores: Scores) -> list[Tensor]:
    """(B,) each: of click, and of conversion given a click and of both where the ranker says them."""
    click = torch.sigmoid(scores.ctr_logit)
    if scores.cvr_logit is None:
        return [click]
    return [click, torch.sigmoid(scores.cvr_logit), scores.ctcvr]


def _validate(ranker: Ranker, valid: EncodedRows, epoch: int, seconds: float) -> EpochResult:
    scores = predict(ranker, valid)
    is_clicked = valid.click > 0
    labels = valid.conversion[is_clicked]
    cvr_auc = None
    if PCVR in scores and np.isfinite(labels).all() and len(np.unique(labels)) == 2:
        cvr_auc = AUC()(labels, scores[PCVR].to_numpy()[is_clicked]).value
    return EpochResult(epoch, AUC()(valid.click, scores[PCTR].to_numpy()).value, cvr_auc, round(seconds, 1))


def _epoch_seed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])


def parameter_groups(ranker: Ranker, config: RankTrainConfig) -> list[dict[str, object]]:
    """What an optimizer of this training is given: tables, dense layers, weights that start at zero."""
    tables = table_parameters(ranker)
    from_zero = dict(zero_start_parameters(ranker))
    apart = {id(parameter) for parameter in (*tables, *from_zero.values())}
    dense = [parameter for parameter in ranker.parameters() if id(parameter) not in apart]
    zero_start = {
        "params": list(from_zero.values()),
        "lr": config.zero_start_learning_rate,
        "weight_decay": config.weight_decay,
    }
    return [
        {
            "params": tables,
            "lr": config.embedding_learning_rate,
            "weight_decay": config.embedding_weight_decay,
        },
        {"params": dense, "lr": config.learning_rate, "weight_decay": config.weight_decay},
        *([zero_start] if from_zero else []),
    ]


def _header(config: RankTrainConfig, history: list[EpochResult]) -> dict[str, object]:
    return {"config": asdict(config), "history": [asdict(result) for result in history]}


def _resume(
    out: Path, ranker: Ranker, optimizer: torch.optim.Optimizer, config: RankTrainConfig
) -> list[EpochResult]:
    path = out / "last.safetensors"
    if not path.exists():
        return []
    tensors, header = read_tensors(path)
    if header["config"] != asdict(config):
        raise ValueError(
            f"{path}: expected a training with {asdict(config)}, got {header['config']}; use another folder."
        )
    load_weights(ranker, {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, field = name.split(".", 2)
            state.setdefault(int(index), {})[field] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return [EpochResult(**result) for result in header["history"]]  # type: ignore[attr-defined]
