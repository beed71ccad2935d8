"""`learn-rank run`: from item texts to a bucketed report, stage by stage; calls every other folder in
turn."""

from learn_rank.pipeline.order import (
    run_pipeline,
)

__all__ = [
    "run_pipeline",
]
