"""Training of the double tower: deterministic, resumable at every epoch, selected on validation only."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from learn_recall import checkpoint as files
from learn_recall.batches import epoch_batches, n_batches, trainable_users
from learn_recall.config import RecallConfig, TrainConfig
from learn_recall.files import atomic_path, write_json
from learn_recall.ids import id_keys
from learn_recall.inference import item_vectors, user_vectors
from learn_recall.item_towers import DoubleTower
from learn_recall.objective import ContentTable, Objective
from learn_recall.ranking import rank_targets
from learn_recall.sequences import Sequences, build_sequences, last_events, split_validation
from learn_recall.store import EmbeddingStore


def train_towers(
    interactions: pd.DataFrame,
    content: EmbeddingStore,
    out: str | os.PathLike[str],
    config: RecallConfig | None = None,
    *,
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
        resume: go on where an interrupted run in ``out`` stopped; a finished one returns at once. False =
            start anew.
        progress: show epoch, loss, score and time left on the terminal.
        device: "cpu", "cuda", ..; None = cuda where there is one.

    Returns: the folder, with model.safetensors, last.safetensors, config.json and history.jsonl.

    Raises: ValueError for tables or settings that do not fit, or when ``out`` holds a training of other
    data or settings; StoreError for a store that is not one of content vectors.
    """
    content.card.check_expected({"kind": "content"})
    run = _Run(
        interactions, content, Path(out), RecallConfig() if config is None else config, _device(device)
    )
    if not resume:
        for name in (files.MODEL, files.LAST, files.CONFIG, files.HISTORY):
            (run.out / name).unlink(missing_ok=True)
    run.restore()
    total = run.n_steps * (run.config.train.n_epochs - run.epoch)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps, left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr), disable=not progress) as bar:
        task = bar.add_task("towers", total=total)
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
        interactions: pd.DataFrame,
        content: EmbeddingStore,
        out: Path,
        config: RecallConfig,
        device: torch.device,
    ):
        everything = build_sequences(interactions, content)
        self.sequences, self.valid_user, valid_row = split_validation(everything, config.train)
        self.as_of = None if everything.times is None else float(everything.times.max())
        self.users = trainable_users(self.sequences, config)
        if len(self.users) == 0:
            raise ValueError(
                f"interactions: expected users with a history and something after it ({config.loss.kind}); "
                "got "
                f"{self.sequences.n_users} users, none of them usable. Bring longer sequences or another "
                "split."
            )
        self.n_left_out = {
            "unknown_item": everything.n_unknown,
            "item_without_vector": everything.n_without_vector,
        }
        self.out, self.config, self.device, self.content = out, config, device, content
        self.fingerprint = _fingerprint(everything, content, config)

        rows, counts = np.unique(self.sequences.rows, return_counts=True)
        order = np.argsort(id_keys(content.ids[rows]), kind="stable")
        self.train_rows, self.train_counts = rows[order], counts[order].astype(np.int64)
        self.item_keys = id_keys(content.ids[self.train_rows])

        with _seeded(config.train.seed, 0, device):
            self.towers = DoubleTower(
                content.card.dimension,
                config.tower,
                self.train_counts,
                config.loss.temperature,
                config.loss.learn_temperature,
            )
        self.towers.whitening.fit(np.asarray(content.vectors[np.sort(self.train_rows)]))
        self.towers.to(device)
        self.table = ContentTable(content, self.towers.whitening, device)
        self.objective = Objective(self.towers, self.table, self.train_rows, self.train_counts, config.loss)
        self.catalogue = np.flatnonzero(content.present)
        self.catalogue_known = self.objective.known_of_row[self.catalogue]
        self.place = np.cumsum(content.present) - 1  # store row -> row of the catalogue
        self.valid_target = self.place[valid_row]
        history = last_events(self.sequences, self.valid_user, _history_length(config))
        self.valid_history = np.where(history >= 0, self.place[history], -1)
        self.optimizer = _optimizer(self.towers, config.train)
        self.n_steps = n_batches(len(self.users), config)
        self.progress = _Progress()
        self.log: list[dict[str, Any]] = []

    @property
    def epoch(self) -> int:
        return self.progress.epoch

    @property
    def is_finished(self) -> bool:
        return self.progress.is_finished

    def restore(self) -> None:
        """Read `last.safetensors`, if there is one and it belongs to this run."""
        file = self.out / files.LAST
        if not file.is_file():
            if (self.out / files.MODEL).is_file() and not (self.out / files.CONFIG).is_file():
                raise ValueError(
                    f"out: expected an empty folder or a training of ours; got {self.out} with a model only"
                )
            write_json(self.out / files.CONFIG, self.config.to_dict())
            return
        header, tensors = files.read_tensors(file)
        if header["fingerprint"] != self.fingerprint:
            raise ValueError(
                f"out: expected a folder of this very training; got {self.out}, a training with other "
                "interactions, "
                "content vectors or settings. Choose another folder, or start anew with resume=False "
                "(--no-resume)."
            )
        self.towers.load_state_dict(
            {
                name.removeprefix("towers."): value
                for name, value in tensors.items()
                if name.startswith("towers.")
            }
        )
        files.restore_optimizer(self.optimizer, tensors)
        self.progress, self.log = _Progress(**header["progress"]), header["log"]

    def train_epoch(self, tell: Callable[[str], None]) -> None:
        """One epoch, its validation, and the checkpoint."""
        started, losses, config = time.perf_counter(), [], self.config.train
        self.towers.train()
        with _seeded(config.seed, 1 + self.epoch, self.device):
            batches = epoch_batches(self.sequences, self.users, self.config, self.epoch)
            for step, (batch, rng) in enumerate(batches):
                rate = _learning_rate(self.epoch * self.n_steps + step, self.n_steps, config)
                for group in self.optimizer.param_groups:
                    group["lr"] = rate
                self.optimizer.zero_grad(set_to_none=True)
                loss = self.objective(batch, rng)
                loss.backward()
                if config.gradient_clip > 0:
                    torch.nn.utils.clip_grad_norm_(self.towers.parameters(), config.gradient_clip)
                self.optimizer.step()
                losses.append(float(loss.detach()))
                tell(
                    f"epoch {self.epoch + 1}/{config.n_epochs}  loss "
                    f"{np.mean(losses[-50:]):.3f}{self._best_text()}"
                )
        if not np.isfinite(losses).all():
            raise ValueError(
                f"learning_rate: expected a finite loss; got {losses[-1]} in epoch {self.epoch + 1}. Lower "
                "the learning "
                "rate or raise the temperature, then train anew."
            )
        scores = self.validate()
        self._record(float(np.mean(losses)), scores, time.perf_counter() - started)

    def validate(self) -> dict[str, float]:
        """Strict Recall@10 and NDCG@10 over the full catalogue, history not filtered; empty without
        targets."""
        if len(self.valid_target) == 0:
            return {}
        self.towers.eval()
        item_ND, embedded_NH = item_vectors(self.towers, self.table, self.catalogue, self.catalogue_known)
        user_VD = user_vectors(self.towers, embedded_NH, self.valid_history)
        ranks = rank_targets(user_VD, item_ND, self.valid_target)
        return {"recall@10": float(ranks.recall(10).mean()), "ndcg@10": float(ranks.ndcg(10).mean())}

    def _record(self, loss: float, scores: dict[str, float], seconds: float) -> None:
        progress, config = self.progress, self.config.train
        progress.epoch += 1
        score = scores.get(config.selection, math.inf)  # without validation the newest epoch is the best
        if score > progress.best_score or not scores:
            progress.best_score, progress.best_epoch = (score if scores else -1.0), progress.epoch
            self._write_model(scores)
        waited = progress.epoch - progress.best_epoch
        progress.is_finished = progress.epoch >= config.n_epochs or waited >= config.patience
        self.log.append({"epoch": progress.epoch, "loss": loss, **scores, "seconds": round(seconds, 3)})
        tensors = {f"towers.{name}": value for name, value in self.towers.state_dict().items()}
        tensors |= files.optimizer_tensors(self.optimizer)
        header = {"fingerprint": self.fingerprint, "progress": vars(progress), "log": self.log}
        files.write_tensors(self.out / files.LAST, tensors, header)
        with atomic_path(self.out / files.HISTORY) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in self.log), encoding="utf-8")

    def _write_model(self, scores: dict[str, float]) -> None:
        tensors = {
            **self.towers.state_dict(),
            "item_keys": torch.from_numpy(self.item_keys),
            "train_counts": torch.from_numpy(self.train_counts),
        }
        extra = {
            "epoch": self.progress.epoch,
            "n_validation": len(self.valid_target),
            **scores,
            **self.n_left_out,
        }
        header = {
            "config": self.config.to_dict(),
            "content": files.content_identity(self.content),
            "as_of": self.as_of,
            "extra": extra,
        }
        files.write_tensors(self.out / files.MODEL, tensors, header)

    def _best_text(self) -> str:
        score = self.progress.best_score
        return (
            ""
            if score < 0
            else f"  best {self.config.train.selection} {score:.4f} (epoch {self.progress.best_epoch})"
        )


def _history_length(config: RecallConfig) -> int:
    return min(config.sampling.history_length, config.tower.max_length)


def _device(device: str | torch.device | None) -> torch.device:
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device is None else device)


def _optimizer(towers: DoubleTower, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW; biases, norms and the temperature are not decayed."""
    trained = [parameter for parameter in towers.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups, lr=config.learning_rate, betas=(config.beta1, config.beta2), eps=config.epsilon, fused=True
    )


def _learning_rate(step: int, n_steps: int, config: TrainConfig) -> float:
    """Linear warm-up, then a cosine to 0 at the last step of the last epoch."""
    warmup = config.warmup_epochs * n_steps
    if step < warmup:
        return config.learning_rate * (step + 1) / (warmup + 1)
    share = (step - warmup) / max(1.0, config.n_epochs * n_steps - warmup)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


@contextmanager
def _seeded(seed: int, part: int, device: torch.device) -> Iterator[None]:
    """Initialisation and dropout draw from (seed, part); the caller's own random state is left as it was."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(np.random.SeedSequence([seed, part]).generate_state(1, np.uint64)[0] >> 1))
        yield


def _fingerprint(sequences: Sequences, content: EmbeddingStore, config: RecallConfig) -> str:
    digest = hashlib.sha256(json.dumps(config.to_dict(), sort_keys=True).encode())
    digest.update(json.dumps([files.content_identity(content), content.card.files], sort_keys=True).encode())
    digest.update(repr(sequences.user_ids.tolist()).encode())
    for array in (sequences.offsets, sequences.rows, sequences.times):
        digest.update(b"none" if array is None else array.tobytes())
    return digest.hexdigest()
