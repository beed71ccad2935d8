"""The part of a run that lets `auto` choose for new items where validation has too few of them."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from learn_rank.data.dataset_files import read_dataset
from learn_rank.rankers.multi_task import MultiTaskRanker
from learn_rank.run.arms import ARMS, arm_ranker
from learn_rank.run.config import RunConfig, fitted_to
from learn_rank.run.folder import RunFolder
from learn_rank.run.forward_copies import left_copies, prepare_copies, train_copy
from learn_rank.run.rows import rows_of_run
from learn_rank.run.train_arm import tuned
from learn_recall.store import EmbeddingStore
from learn_recall.terminal.progress import StageProgress


def train_forward(run: RunFolder, config: RunConfig, console: Console) -> None:
    """Train copies of the baseline and of LEARN on the earlier rows of training, where they decide something.

    That is where validation has too few clicks on items that training never had, such items are served, and
    the last part of training has enough of them. Copies that are there are kept, and one that was stopped
    goes on. Their settings are those of the arms, the tuned weight decay among them.

    Args:
        run: folder with the predictions of the arms.
        config: its settings.
        console: where it is told what is trained and why, or why nothing is.
    """
    left = left_copies(run, config.arms, config.seeds)
    if not left:
        return
    part = prepare_copies(
        run, read_dataset(run.tables), lambda line: console.print(f"    {line}", markup=False)
    )
    if part is None:
        return
    stores = EmbeddingStore.open(run.users), EmbeddingStore.open(run.items)
    data = rows_of_run(part, stores[1], config)
    fitted = fitted_to(config, part)
    training = tuned(run, config.training) or config.training
    arms = {arm.name: arm for arm in ARMS}
    per_training = -(-len(data.train) // training.batch_size) * training.n_epochs
    with StageProgress(console=console) as progress:
        bar = progress.add_task("", total=len(left) * per_training)
        for number, (name, seed) in enumerate(left):
            progress.update(bar, description=f"    copy of {name}, seed {seed}")

            def advance(step: int, n_steps: int, done: int = number) -> None:
                progress.update(bar, completed=done * n_steps + step)

            def build(name: str = name, seed: int = seed) -> MultiTaskRanker:
                shapes = fitted.ranker, fitted.fusion
                return arm_ranker(arms[name], stores, data, *shapes, seed=seed, kind=config.fusion_kind)

            train_copy(build, part, data, replace(training, seed=seed), run, arm=name, on_step=advance)


__all__ = ["train_forward"]
