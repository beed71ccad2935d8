"""Training of the towers: sequences, sampling, batches, objective, loop."""

from learn_recall.train.loop import (
    train_towers,
)

__all__ = [
    "train_towers",
]
