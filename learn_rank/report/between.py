"""The page's part on what an AUC inside a bucket cannot see: calibration, and buckets against each other."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from learn_rank.report.alarms import auc_changes
from learn_rank.report.plots import reliability_plot
from learn_rank.report_kit import words
from learn_rank.report_kit.rules import find

Row = Mapping[str, Any]


def calibration_table(calibration: Sequence[Row], task: str) -> dict[str, Any]:
    """Predicted over observed, a line a bucket with rows, but not all of them, and a column a model.

    Args:
        calibration: rows of predicted over observed.
        task: of the table.
    """
    own = [row for row in calibration if row["task"] == task]
    models = words.ordered((row["model"] for row in own), words.MODEL_WORDS)
    models = [model for model in models if model not in words.FLOORS]
    n_all = max((row["n_rows"] for row in own), default=0)
    lines = []
    for kind, bucket in words.ordered_buckets(own):
        cells = [find(own, model=model, bucket_kind=kind, bucket=bucket) for model in models]
        known = [cell for cell in cells if cell is not None and cell["value"] is not None]
        is_all_again = kind != "all" and all(cell["n_rows"] == n_all for cell in known)
        if known and not is_all_again:
            lines.append({"name": words.bucket_words(kind, bucket), "kind": kind, "cells": cells})
    return {"task": task, "models": models, "lines": lines}


def parts_table(parts: Sequence[Row], task: str) -> dict[str, Any]:
    """Each model's change of the pooled AUC: inside buckets, across them, and where most of it lies.

    Args:
        parts: rows of the change of the pooled AUC by the buckets of a pair's two rows.
        task: of the table.
    """
    own = [row for row in parts if row["task"] == task]
    lines = []
    for model in words.ordered((row["model"] for row in own), words.MODEL_WORDS):
        for kind in dict.fromkeys(row["bucket_kind"] for row in own):
            cells = [row for row in own if (row["model"], row["bucket_kind"]) == (model, kind)]
            if model in words.FLOORS or len(cells) < 2:  # one bucket holds all rows: nothing lies between
                continue
            within, between = auc_changes(parts, model, task, kind)
            largest = max(cells, key=lambda row: abs(row["delta"]))
            lines.append(
                {
                    "model": words.model_words(model),
                    "kind": f"{kind}s",
                    "total": within + between,
                    "within": within,
                    "between": between,
                    "largest": largest,
                }
            )
    return {"task": task, "lines": lines}


def reliability_plots(reliability: Sequence[Row], task: str) -> dict[str, Any]:
    """Predicted against observed of a task: LEARN beside the baseline, and the other models in a second plot.

    Args:
        reliability: rows of bins of the predictions.
        task: of the plots.
    """
    own = [row for row in reliability if row["task"] == task and row["model"] not in words.NOT_BY_BUCKET]
    models = words.ordered((row["model"] for row in own), words.MODEL_WORDS)
    pair = [model for model in models if model in (words.BASELINE, words.LEARN)]
    groups = [pair, [model for model in models if model not in pair]]
    prefix = "".join(letter for letter in task if letter.isalnum() and letter.isascii())
    drawn = [
        {
            "svg": Markup(reliability_plot([row for row in own if row["model"] in group], models, name)),
            "models": words.joined(words.short_model_words(model) for model in group),
            "sentences": [off_words(own, model) for model in group],
        }
        for group, name in zip(groups, (f"bins-{prefix}-0", f"bins-{prefix}-1"), strict=True)
        if group
    ]
    return {"task": task, "first": drawn[:1], "others": drawn[1:]}


def off_words(bins: Sequence[Row], model: str) -> str:
    """How many bins of a model lie off the line, and the farthest: `Baseline: 1 of 10 bins off the line, ..`.

    A bin is off where its whole interval is; the farthest is the one with the most rows to be moved.
    """
    own = [row for row in bins if row["model"] == model]
    off = [row for row in own if row["low"] is not None and not row["low"] <= row["predicted"] <= row["high"]]
    name = words.short_model_words(model)
    said = f"{name}: {len(off)} of {len(own)} bin{'' if len(own) == 1 else 's'} off the line"
    if not off:
        return f"{said}."
    worst = max(off, key=lambda row: row["n_rows"] * abs(row["predicted"] - row["observed"]))
    predicted, observed = (words.share_words(worst[key], 2) for key in ("predicted", "observed"))
    return f"{said}, most of all where it predicts {predicted} and {observed} happen."


__all__ = ["calibration_table", "off_words", "parts_table", "reliability_plots"]
