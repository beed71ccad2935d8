"""Every value of a task, with the counts behind it."""

from collections.abc import Mapping, Sequence
from typing import Any

from learn_rank.report_kit import words
from learn_rank.report_kit.rules import find


def value_table(rows: Sequence[Mapping[str, Any]], task: str) -> dict[str, Any]:
    """One line per bucket and metric, one cell per model, with the counts.

    Args:
        rows: with task, model, metric, bucket_kind, bucket, value, low, high and the counts.
        task: those of other tasks are left out.

    Returns:
        task; models, and heads, their names; metrics, without their settings; lines with bucket, metric,
        cells (a row, or None where it was not measured) and counts.
    """
    own = [row for row in rows if row["task"] == task]
    models = words.ordered((row["model"] for row in own), words.MODEL_WORDS)
    metrics = words.ordered((row["metric"] for row in own), words.METRIC_ORDER)
    lines = []
    for kind, bucket in words.ordered_buckets(own):
        for metric in metrics:
            names = {"metric": metric, "bucket_kind": kind, "bucket": bucket}
            cells = [find(own, model=model, **names) for model in models]
            counted = next((cell for cell in cells if cell is not None), None)
            if counted is not None:
                lines.append(
                    {
                        "bucket": words.bucket_words(kind, bucket),
                        "metric": metric,
                        "cells": cells,
                        "counts": [counted["n_rows"], counted["n_users"], counted["n_skipped_users"]],
                    }
                )
    return {
        "task": task,
        "models": models,
        "heads": [words.short_model_words(model) for model in models],
        "metrics": list(dict.fromkeys(map(words.bare_metric, metrics))),
        "lines": lines,
    }
