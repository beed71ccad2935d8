"""A small run, to be made in a process of its own where it is to die in a stage."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from learn_rank.datasets.marketplace.config import MarketplaceConfig
from learn_rank.datasets.marketplace.read import read_marketplace
from learn_rank.fusion.config import FusionConfig
from learn_rank.pipeline import order as pipeline
from learn_rank.rankers.multi_task import RankerConfig
from learn_rank.rankers.train import RankTrainConfig
from learn_rank.run.config import RunConfig
from learn_rank.run.folder import RunFolder

MARKET = MarketplaceConfig(n_users=150, n_items=120, n_impressions=6000)
#: takes most of a report's time, and is patched away where a test asks for the numbers of another report
PLOTS = "learn_rank.report.page.forest_plot"


def config(encoder: str) -> RunConfig:
    """Small in every respect."""
    return RunConfig(
        encoder=encoder,
        encoder_dtype="float32",  # "auto" is timed, and two runs may choose otherwise
        word_dimension=6,
        content_dimension=16,
        seeds=(0, 1),
        embedding_decays=(1.0,),
        arms=("baseline", "learn", "raw_text", "shuffled", "no_history"),
        fusion=FusionConfig(projection_dim=8, hidden_dim=16, fusion_dim=8, history_length=8),
        ranker=RankerConfig(embedding_dim=4, bottom_dims=(16,), tower_dim=8, history="din"),
        training=RankTrainConfig(n_epochs=2, batch_size=512),
    )


def die_in(stage: str) -> None:
    """Kill this process in the middle of a stage, the way the kernel would."""

    def kill(*_args, **_kwargs):
        os.kill(os.getpid(), signal.SIGKILL)

    if stage == "export":
        import learn_recall.export.vectors as module

        original = module.write_store
        calls = []

        def write_then_die(*args, **kwargs):
            calls.append(1)
            if len(calls) == 2:
                kill()
            return original(*args, **kwargs)

        module.write_store = write_then_die
    elif stage == "rankers":
        import learn_rank.rankers.train as module

        original_validate = module._validate
        calls = []

        def validate_then_die(*args, **kwargs):
            calls.append(1)
            if len(calls) == 8:  # after two of tuning, in the second epoch of the third arm
                kill()
            return original_validate(*args, **kwargs)

        module._validate = validate_then_die
    elif stage == "report":
        pipeline.make_report = kill
    else:
        raise ValueError(stage)


def run(out: Path, encoder: Path, killed_in: str | None = None) -> None:
    """The whole run, or as much of it as comes before the stage that it dies in."""
    if killed_in is not None:
        die_in(killed_in)
    pipeline.run_pipeline(
        lambda: read_marketplace(MARKET),
        {"market": "small"},
        out,
        config(str(encoder)),
        console=Console(quiet=True),
    )


@contextmanager
def chosen(run: Path, **choice: object) -> Iterator[None]:
    """As if validation had chosen so for seed 0, whatever the training came to on this processor."""
    path = RunFolder(run).model_of("auto", 0) / "choice.json"
    own = path.read_text(encoding="utf-8")
    path.write_text(json.dumps(choice), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(own, encoding="utf-8")
