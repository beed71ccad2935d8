"""Training of the double tower: deterministic, resumable at every epoch, selected on validation only."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from learn_recall.files.tensor_files import read_tensors, write_tensors
from learn_recall.files.whole_files import atomic_path, write_json
from learn_recall.store import EmbeddingStore
from learn_recall.terminal.progress import StageProgress
from learn_recall.towers import checkpoint as files
from learn_recall.towers.config import RecallConfig
from learn_recall.towers.content_table import ContentTable
from learn_recall.towers.double_tower import DoubleTower
from learn_recall.towers.inference import item_vectors, user_vectors
from learn_recall.towers.ranking import rank_targets
from learn_recall.train.batches import epoch_batches, n_batches
from learn_recall.train.objective import Objective
from learn_recall.train.optimizer import (
    learning_rate,
    make_optimizer,
    optimizer_tensors,
    restore_optimizer,
    seeded,
)
from learn_recall.train.training_data import prepare
from learn_recall.train.warm_start import start_from, started_fingerprint
from learn_recall.train.weight_average import WeightAverage


def train_towers(
    interactions: pd.DataFrame,
    content: EmbeddingStore,
    out: str | os.PathLike[str],
    config: RecallConfig | None = None,
    *,
    start: str | os.PathLike[str] | None = None,
    resume: bool = True,
    progress: bool = True,
    device: str | torch.device | None = None,
) -> Path:
    """Train user and item tower on interactions; the epoch with the best validation score is kept.

    Everything random comes from (seed, epoch, step), and every epoch ends with a checkpoint. A run that was
    killed and started again ends with the same bits as one that was not, on the same machine with as many
    threads.

    Args:
        interactions: user_id, item_id, timestamp or position (`build_sequences`). Must hold nothing that is
            later to be tested on; validation events are split off inside.
        content: store of kind "content" with a vector per item.
        out: checkpoint folder.
        config: settings; None = the preset ``default``.
        start: checkpoint folder of towers trained before, perhaps on another domain, whose weights and
            whitening this training begins with (`start_from`). None = from scratch.
        resume: go on where an interrupted run in ``out`` stopped; a finished one returns at once. False =
            start anew.
        progress: show epoch, loss, score and time left on standard error.
        device: "cpu", "cuda", ..; None = cuda where there is one.

    Returns:
        The folder, with model.safetensors, last.safetensors, config.json and history.jsonl.

    Raises:
        ValueError: tables or settings that do not fit, or when ``out`` holds a training of other data or
            settings.
        StoreError: a store of no content vectors, or of other ones than ``start`` was trained on.
    """
    content.card.check_expected({"kind": "content"})
    started = None if start is None else files.load_checkpoint(start)
    if started is not None:
        started.check_content(content)
    config = RecallConfig() if config is None else config
    run = _Run(
        interactions=interactions,
        content=content,
        out=Path(out),
        config=config,
        device=_device(device),
        started=started,
    )
    if not resume:
        for name in (files.MODEL, files.LAST, files.CONFIG, files.HISTORY):
            (run.out / name).unlink(missing_ok=True)
    run.restore()
    total = run.n_steps * (run.config.train.n_epochs - run.epoch)
    with StageProgress(is_shown=progress) as bar:
        task = bar.add_task("towers, steps", total=total)
        while not run.is_finished:
            run.train_epoch(lambda text: bar.update(task, advance=1, description=text))
    return run.out


@dataclass
class _Progress:
    epoch: int = 0
    best_epoch: int = 0
    best_score: float = -1.0
    is_finished: bool = False


class _Run:
    """One training: data, towers and optimizer, and how far it is."""

    def __init__(
        self,
        *,
        interactions: pd.DataFrame,
        content: EmbeddingStore,
        out: Path,
        config: RecallConfig,
        device: torch.device,
        started: files.TowerCheckpoint | None,
    ):
        self.data = data = prepare(interactions, content, config)
        self.out, self.config, self.device, self.content = out, config, device, content
        with seeded(config.train.seed, 0, device):
            self.towers = DoubleTower(
                content.card.dimension,
                config.tower,
                data.train_counts,
                config.loss.temperature,
                config.loss.learn_temperature,
            )
        self.fingerprint = started_fingerprint(data.fingerprint, started)
        if started is None:
            self.towers.whitening.fit(content.vectors, np.sort(data.train_rows))
        else:
            start_from(self.towers, data.item_keys, started)
        self.towers.to(device)
        self.table = ContentTable(content, self.towers.whitening, device)
        self.objective = Objective(self.towers, self.table, data.train_rows, data.train_counts, config.loss)
        self.catalogue = np.flatnonzero(content.present)
        self.catalogue_known = self.objective.known_of_row[self.catalogue]
        place = np.cumsum(content.present) - 1  # store row -> row of the catalogue
        self.valid_target = place[data.valid_target]
        self.valid_history = np.where(data.valid_history >= 0, place[data.valid_history], -1)
        self.optimizer = make_optimizer(self.towers, config.train)
        self.average = WeightAverage(self.towers, config.train.average_decay)
        self.n_steps = n_batches(len(data.users), config)
        self.progress = _Progress()
        self.log: list[dict[str, Any]] = []

    @property
    def epoch(self) -> int:
        return self.progress.epoch

    @property
    def is_finished(self) -> bool:
        return self.progress.is_finished

    def restore(self) -> None:
        """Read `last.safetensors`, if there is one; refuse what belongs to another training."""
        if (self.out / files.LAST).is_file():
            header, tensors = read_tensors(self.out / files.LAST)
            self._check_ours(header)
            weights = {name: value for name, value in tensors.items() if name.startswith("towers.")}
            self.towers.load_state_dict(
                {name.removeprefix("towers."): value for name, value in weights.items()}
            )
            restore_optimizer(self.optimizer, tensors)
            self.average.restore(tensors)
            self.progress, self.log = _Progress(**header["progress"]), header["log"]
            self._write_log()
        elif (self.out / files.MODEL).is_file():  # killed between the two files, or the other one removed
            self._check_ours(read_tensors(self.out / files.MODEL)[0])
        write_json(self.out / files.CONFIG, self.config.to_dict())

    def _check_ours(self, header: dict[str, Any]) -> None:
        if header.get("fingerprint") != self.fingerprint:
            raise ValueError(
                f"out: expected a folder of this very training; got {self.out}, a training with other "
                "interactions, content vectors, settings or start. Remedy: choose another folder, or start "
                "anew with resume=False (--no-resume)"
            )

    def train_epoch(self, tell: Callable[[str], None]) -> None:
        """One epoch, its validation, and the checkpoint."""
        started, losses, config = time.perf_counter(), [], self.config.train
        self.towers.train()
        with seeded(config.seed, 1 + self.epoch, self.device):
            batches = epoch_batches(self.data.sequences, self.data.users, self.config, self.epoch)
            for step, (batch, rng) in enumerate(batches):
                rate = learning_rate(self.epoch * self.n_steps + step, self.n_steps, config)
                for group in self.optimizer.param_groups:
                    group["lr"] = rate
                self.optimizer.zero_grad(set_to_none=True)
                loss = self.objective(batch, rng)
                loss.backward()
                if config.gradient_clip > 0:
                    torch.nn.utils.clip_grad_norm_(self.towers.parameters(), config.gradient_clip)
                self.optimizer.step()
                self.average.update()
                losses.append(float(loss.detach()))
                tell(
                    f"epoch {self.epoch + 1}/{config.n_epochs}  loss "
                    f"{np.mean(losses[-50:]):.3f}{self._best_text()}"
                )
        if not np.isfinite(losses).all():
            raise ValueError(
                f"learning_rate: expected a finite loss; got {losses[-1]} in epoch {self.epoch + 1}. Remedy: "
                "lower the learning rate or raise the temperature, then train anew"
            )
        with self.average.in_place():
            scores = self.validate()
            is_best = self._judge(scores)
            if is_best:
                self._write_model(scores)
        self._record(float(np.mean(losses)), scores, time.perf_counter() - started)

    def validate(self) -> dict[str, float]:
        """Strict Recall@10 and NDCG@10 over the full catalogue; {} without targets."""
        if len(self.valid_target) == 0:
            return {}
        self.towers.eval()
        item_ND, embedded_NH = item_vectors(self.towers, self.table, self.catalogue, self.catalogue_known)
        user_VD = user_vectors(self.towers, embedded_NH, self.valid_history)
        exclude = self.valid_history.__getitem__ if self.config.train.filters_history else None
        ranks = rank_targets(user_VD, item_ND, self.valid_target, exclude=exclude)
        return {"recall@10": float(ranks.recall(10).mean()), "ndcg@10": float(ranks.ndcg(10).mean())}

    def _judge(self, scores: dict[str, float]) -> bool:
        """Count the epoch, and say whether it is the best so far."""
        progress = self.progress
        progress.epoch += 1
        # without validation the newest epoch is the best
        score = scores.get(self.config.train.selection, math.inf)
        is_best = score > progress.best_score or not scores
        if is_best:
            progress.best_score, progress.best_epoch = (score if scores else -1.0), progress.epoch
        return is_best

    def _record(self, loss: float, scores: dict[str, float], seconds: float) -> None:
        progress, config = self.progress, self.config.train
        waited = progress.epoch - progress.best_epoch
        progress.is_finished = progress.epoch >= config.n_epochs or waited >= config.patience
        self.log.append({"epoch": progress.epoch, "loss": loss, **scores, "seconds": round(seconds, 3)})
        tensors = {f"towers.{name}": value for name, value in self.towers.state_dict().items()}
        tensors |= optimizer_tensors(self.optimizer) | self.average.tensors()
        header = {"fingerprint": self.fingerprint, "progress": vars(progress), "log": self.log}
        write_tensors(self.out / files.LAST, tensors, header)
        self._write_log()

    def _write_log(self) -> None:
        with atomic_path(self.out / files.HISTORY) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in self.log), encoding="utf-8")

    def _write_model(self, scores: dict[str, float]) -> None:
        data = self.data
        tensors = {
            **self.towers.state_dict(),
            "item_keys": torch.from_numpy(data.item_keys),
            "train_counts": torch.from_numpy(data.train_counts),
            "item_mean": self._item_mean(),
        }
        n_validation = len(data.valid_target)
        header = {
            "fingerprint": self.fingerprint,
            "config": self.config.to_dict(),
            "content": files.content_identity(self.content),
            "as_of": data.as_of,
            "extra": {"epoch": self.epoch, "n_validation": n_validation, **scores, **data.n_left_out},
        }
        write_tensors(self.out / files.MODEL, tensors, header)

    def _item_mean(self) -> torch.Tensor:
        """Mean tower vector (D,) of the training items, each once, as the towers stand."""
        self.towers.eval()
        known = np.arange(len(self.data.train_rows))
        return item_vectors(self.towers, self.table, self.data.train_rows, known)[0].mean(dim=0)

    def _best_text(self) -> str:
        progress = self.progress
        if progress.best_score < 0:
            return ""
        return f"  best {self.config.train.selection} {progress.best_score:.4f} (epoch {progress.best_epoch})"


def _device(device: str | torch.device | None) -> torch.device:
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device is None else device)
