"""Recall of trained towers, and text encoders compared."""

from learn_recall.evaluate.towers import (
    RecallReport,
    evaluate_towers,
)

__all__ = [
    "RecallReport",
    "evaluate_towers",
]
