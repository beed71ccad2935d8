"""`compare_rankers`: a team's own ranker with and without the plugin, from tables to report in one call."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from torch import nn

from learn_rank.data.dataset import RankingDataset
from learn_rank.data.encoded_rows import EncodedDataset, encode_dataset
from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion
from learn_rank.pipeline.first_checks import label_problems
from learn_rank.pipeline.judge_run import make_report
from learn_rank.pipeline.more_seeds import add_seeds
from learn_rank.rankers.base import Ranker
from learn_rank.rankers.train import RankTrainConfig, load_ranker
from learn_rank.report.files import Report
from learn_rank.report_kit.words import AUTO, FLOORS
from learn_rank.run.auto_arm import BASE, served_heads, write_auto
from learn_rank.run.folder import RunFolder
from learn_rank.run.forward_copies import left_copies, prepare_copies, train_copy
from learn_rank.run.predictions import write_floors
from learn_rank.run.train_arm import train_and_score
from learn_recall.files.whole_files import remove
from learn_recall.store import id_keys
from learn_recall.tables.problems import TableError
from learn_recall.terminal.progress import StageProgress


def compare_rankers(
    dataset: RankingDataset,
    rankers: Mapping[str, Callable[[EncodedDataset], Ranker]],
    out: str | os.PathLike[str],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    max_seeds: int = 5,
    training: RankTrainConfig = RankTrainConfig(),  # noqa: B008 - frozen
    encode: Callable[[RankingDataset], EncodedDataset] = encode_dataset,
    console: Console | None = None,
) -> Report:
    """Train every ranker alike, select its epoch on validation, score the test rows once, and report.

    Args:
        dataset: of `read_own_tables`, or any `RankingDataset`.
        rankers: name -> builds the ranker from the encoded rows (`n_codes`, `n_dense`), with the random state
            of the seed. "baseline" is what the others are compared with; "learn" is the one that the report's
            verdict is about, and "auto" falls back to the baseline where validation shows no gain.
        out: folder for ``predictions/<name>/seed-<n>.parquet``, ``report.json`` and ``report.html``. Rankers
            of these names that lie there are trained anew, since their code may have changed.
        seeds: of the training, at least one.
        max_seeds: further seeds are trained, up to so many in all, while an interval of "learn" - "baseline"
            that decides is wider than 5 points and seeds would narrow it (`learn_rank.pipeline.more_seeds`);
            not above the number of `seeds`, none are. From one seed nobody knows whether they would.
        training: epochs, rates and sizes, alike for all; its seed is not used.
        encode: what gives the rankers their rows, such as ``functools.partial(encode_dataset,
            has_item_history=True, recent_popularity=True)`` for hosts that read their users' histories.
        console: where progress and the report's tables are told; None says nothing.

    Returns:
        The report: `rows` and `deltas` by task, metric and bucket.

    Raises:
        ValueError: no "baseline", a name that is the report's own, or no seed.
        TableError: a part whose labels are of one kind, where learning, selection or judgement needs both.
    """
    _check(rankers, seeds)
    if problems := label_problems(dataset):
        raise TableError(problems)
    began, run = time.perf_counter(), RunFolder(Path(out))
    quiet = Console(quiet=True) if console is None else console
    data = encode(dataset)
    write_floors(run, dataset)
    per_ranker = -(-len(data.train) // training.batch_size) * training.n_epochs
    fusion: LearnFeatureFusion | None = None
    for place in (*(run.predictions_of(name, 0).parent for name in rankers), run.forward.path):
        remove(place)
    with StageProgress(console=quiet, transient=True) as progress:
        bar = progress.add_task("", total=per_ranker * len(rankers) * len(seeds))

        def train(wanted: tuple[int, ...]) -> None:
            nonlocal fusion
            left = [
                (name, seed)
                for name in rankers
                for seed in wanted
                if not run.predictions_of(name, seed).is_file()
            ]
            progress.update(bar, total=per_ranker * len(rankers) * len(wanted))
            for name, seed in left:
                progress.update(bar, description=f"{name}, seed {seed}")
                ranker = train_and_score(
                    lambda make=rankers[name]: make(data),  # type: ignore[misc]
                    dataset,
                    data,
                    replace(training, seed=seed),
                    run,
                    arm=name,
                    on_step=lambda *_: progress.advance(bar),
                )
                fusion = ranker.fusion if fusion is None else fusion

        said: list[str] = []
        seeds = add_seeds(
            run, list(rankers), seeds, max_seeds, train=train, tell=said.append, option="max_seeds"
        )
        said += _copy_forward(
            run, dataset, rankers, seeds, training=training, encode=encode, progress=progress
        )
    for line in said:
        quiet.print(line, markup=False)
    write_auto(run, list(rankers), seeds)
    return make_report(
        run,
        list(rankers),
        seeds,
        dataset=dataset,
        has_vector=None if fusion is None else _presence(fusion),
        command=shlex.join(["python", *sys.argv]),
        seconds=time.perf_counter() - began,
        console=quiet,
    )


def chosen_ranker(
    rankers: Mapping[str, Callable[[EncodedDataset], Ranker]],
    data: EncodedDataset,
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
) -> nn.Module:
    """What "auto" of a finished comparison serves, with its weights, ready for `export_ranker`.

    Args:
        rankers: as in `compare_rankers`.
        data: the rows of the comparison, encoded.
        out: its folder.
        seed: of the training.

    Returns:
        The baseline, "learn", or a `RankerByHead` of the two, in evaluation mode.

    Raises:
        ValueError: nothing was chosen, since the comparison had no "learn" of that seed.
    """
    run = RunFolder(Path(out))
    return served_heads(run, seed).ranker(
        lambda name: load_ranker(rankers[name](data), run.model_of(name, seed)), data.n_known_items
    )


def _copy_forward(
    run: RunFolder,
    dataset: RankingDataset,
    rankers: Mapping[str, Callable[[EncodedDataset], Ranker]],
    seeds: Sequence[int],
    *,
    training: RankTrainConfig,
    encode: Callable[[RankingDataset], EncodedDataset],
    progress: StageProgress,
) -> list[str]:
    """Where validation has too few new items: copies of both rankers that can choose for them, if any can.

    Returns what there is to tell of it.
    """
    said: list[str] = []
    left = left_copies(run, list(rankers), seeds)
    part = prepare_copies(run, dataset, said.append) if left else None
    if part is None:
        return said
    data = encode(part)
    per_copy = -(-len(data.train) // training.batch_size) * training.n_epochs
    bar = progress.add_task("", total=per_copy * len(left))
    for name, seed in left:
        progress.update(bar, description=f"copy of {name}, seed {seed}")
        train_copy(
            lambda make=rankers[name]: make(data),  # type: ignore[misc]
            part,
            data,
            replace(training, seed=seed),
            run,
            arm=name,
            on_step=lambda *_: progress.advance(bar),
        )
    return said


def _presence(fusion: LearnFeatureFusion) -> Callable[[str, pd.Series], np.ndarray]:
    tables = {"user": fusion.user_vectors, "item": fusion.item_vectors}

    def has_vector(side: str, ids: pd.Series) -> np.ndarray:
        return tables[side](torch.from_numpy(np.array(id_keys(ids.to_numpy()))))[1].numpy()

    return has_vector


def _check(rankers: Mapping[str, object], seeds: Sequence[int]) -> None:
    own = (AUTO, *FLOORS)
    taken = sorted({*own} & set(rankers))
    if BASE not in rankers or taken:
        raise ValueError(
            f"rankers: expected {BASE!r} among the names, and none of the report's own {own}, got "
            f"{sorted(rankers)}. Remedy: name the ranker without the plugin {BASE!r}."
        )
    if not seeds:
        raise ValueError("seeds: expected at least one, got none.")
