"""EB-NeRD, the news of Ekstra Bladet: every article that a slate showed, who clicked, and who then read on.

Source: Kruse et al., "EB-NeRD: A Large-Scale Dataset for News Recommendation", RecSys Challenge 2024,
arXiv 2410.03432.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from learn_rank.data.dataset import RankingDataset
from learn_rank.datasets.own import read_own_tables
from learn_rank.datasets.splits import check_chronology

DENSE = ("id_gap", "shown_before", "clicked_before", "user_events_before")
CATEGORICAL = ("device", "page", "subscriber", "hour", "section")


def read_ebnerd(folder: str | Path) -> RankingDataset:
    """Slates as they were shown, three consecutive periods; the towers learn from what was read before them.

    Args:
        folder: canonical tables ``items, interactions, train, valid, test, contexts``, each ``.parquet``.

    Returns:
        Click = clicked, conversion = read for 30 seconds or longer, value = seconds read. A request is a
        slate, and its context the user's reading history before it, as the folder gives it. All interactions
        lie before the first slate: towers learned from no row, so no context is marked as learned.

    Raises:
        TableError: every problem of every file at once; a file that is missing is one.
        SplitLeak: a part that reaches into the next, interactions in the judged periods, or contexts that are
            not older than their rows.
    """
    folder = Path(folder)
    dataset = read_own_tables(
        items=folder / "items.parquet",
        interactions=folder / "interactions.parquet",
        train=folder / "train.parquet",
        valid=folder / "valid.parquet",
        test=folder / "test.parquet",
        contexts=folder / "contexts.parquet",
        dense=DENSE,
        categorical=CATEGORICAL,
        name="ebnerd",
    )
    checked = check_chronology(**dataset.parts, interactions=dataset.interactions, contexts=dataset.contexts)
    protocol = {
        "click": "the article of a slate that was clicked, among those that it showed; every slate has one",
        "conversion": "read for 30 seconds or longer, among the clicked; value: seconds read",
        "negatives": "shown in the same slate and not clicked; none is sampled",
        "split": "three consecutive periods",
        "towers": f"all {len(dataset.interactions):,} reads of the weeks before the first slate",
        "host features": "counts and age as known at the row; the hour, the device, the page, the section",
        "licence": "EB-NeRD: research, not commercial",
        **dataset.protocol,
        "user contexts": "as given: the user's newest reads before the slate",
        **checked,
    }
    return replace(dataset, protocol=protocol)


__all__ = ["read_ebnerd"]
