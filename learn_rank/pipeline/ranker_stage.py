"""The stage of a run that trains its rankers: every arm and seed without predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from learn_rank.data.dataset_files import read_dataset
from learn_rank.data.encoded_rows import EncodedDataset
from learn_rank.pipeline.forward_stage import train_forward
from learn_rank.rankers.grid import widening_scores
from learn_rank.rankers.multi_task import MultiTaskRanker, RankerConfig
from learn_rank.rankers.train import RankTrainConfig, train_ranker
from learn_rank.report_kit.words import RATES
from learn_rank.run.arms import ARMS, Arm, arm_ranker
from learn_rank.run.auto_arm import write_auto
from learn_rank.run.config import RunConfig, fitted_to
from learn_rank.run.folder import RunFolder
from learn_rank.run.predictions import write_floors
from learn_rank.run.rows import rows_of_run
from learn_rank.run.train_arm import train_and_score, tuned
from learn_recall.files.whole_files import write_json
from learn_recall.store import EmbeddingStore
from learn_recall.terminal.progress import StageProgress

MOST_STEPS_WIDER = 2
"""Steps that a grid of weight decays is widened by where its edge wins."""


def train_rankers(run: RunFolder, config: RunConfig, console: Console) -> None:
    """Every arm and seed without predictions: train, select on validation, score the test rows once.

    Then what `auto` needs to choose for new items, and its choice.
    """
    wanted = [
        (arm, seed, run.predictions_of(arm.name, seed))
        for seed in config.seeds
        for arm in ARMS
        if arm.name in config.arms
    ]
    left = [
        (arm, seed, path)
        for arm, seed, path in wanted
        if not (path.is_file() and run.validation_of(arm.name, seed).is_file())
    ]
    rates = run.predictions_of(RATES, 0)
    if left or not rates.is_file():
        _train(run, config, console, [(arm, seed) for arm, seed, _ in left])
    train_forward(run, config, console)
    write_auto(run, config.arms, config.seeds)


def _train(run: RunFolder, config: RunConfig, console: Console, left: Sequence[tuple[Arm, int]]) -> None:
    """Train arms with their seeds."""
    dataset = read_dataset(run.tables)
    stores = EmbeddingStore.open(run.users), EmbeddingStore.open(run.items)
    data = rows_of_run(dataset, stores[1], config, save=run.ease)
    write_floors(run, dataset, user_snapshot_days=config.user_snapshot_days)
    fitted = fitted_to(config, dataset)
    per_training = -(-len(data.train) // config.training.batch_size) * config.training.n_epochs
    with StageProgress(console=console) as progress:
        training = tune_decay(run, config, data, fitted.ranker, progress)
        bar = progress.add_task("", total=len(left) * per_training)
        for number, (arm, seed) in enumerate(left):
            progress.update(bar, description=f"    {arm.name}, seed {seed}")

            def advance(step: int, n_steps: int, done: int = number) -> None:
                progress.update(bar, completed=done * n_steps + step)

            def build(arm: Arm = arm, seed: int = seed) -> MultiTaskRanker:
                shapes = fitted.ranker, fitted.fusion
                return arm_ranker(arm, stores, data, *shapes, seed=seed, kind=config.fusion_kind)

            train_and_score(
                build, dataset, data, replace(training, seed=seed), run, arm=arm.name, on_step=advance
            )


def tune_decay(
    run: RunFolder,
    config: RunConfig,
    data: EncodedDataset,
    ranker_config: RankerConfig,
    progress: StageProgress | None = None,
) -> RankTrainConfig:
    """The training settings with the id embeddings' weight decay that is best for the baseline on valid.

    Definition: the decays of the config, and while the best lies at an edge of what was tried, one step
    further in the same ratio, at most `MOST_STEPS_WIDER` of them and no further than a step's decay that
    leaves nothing of an embedding; a single decay is taken as it is. What was found once is taken again.
    """
    if known := tuned(run, config.training):  # seeds that are added later are trained as the first ones were
        return known
    per_training = -(-len(data.train) // config.training.batch_size) * config.training.n_epochs
    bar, n_tried = None, 0
    if progress is not None:
        bar = progress.add_task("    weight decay", total=len(config.embedding_decays) * per_training)

    def score(decay: float) -> float:
        nonlocal n_tried
        done, n_tried = n_tried, n_tried + 1

        def advance(step: int, n_steps: int) -> None:
            if progress is not None and bar is not None:
                total = max(n_tried, len(config.embedding_decays)) * n_steps
                progress.update(bar, completed=done * n_steps + step, total=total)

        settings = replace(config.training, seed=config.seeds[0], embedding_weight_decay=decay)
        _, history = train_ranker(
            lambda: MultiTaskRanker(data.n_codes, data.n_dense, ranker_config),
            data,
            settings,
            run.tuning_of(decay),
            on_step=advance,
        )
        return max(result.score for result in history)

    scores = widening_scores(
        config.embedding_decays,
        score,
        most_wider=MOST_STEPS_WIDER,
        is_allowed=lambda decay: decay * config.training.embedding_learning_rate < 1,
    )
    best = max(scores, key=lambda decay: scores[decay])
    write_json(
        run.tuning,
        {
            "embedding_weight_decay": best,
            "validation": {f"{decay:g}": scores[decay] for decay in sorted(scores)},
        },
    )
    return replace(config.training, embedding_weight_decay=best)
