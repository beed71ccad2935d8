"""Published figures, beside ours only where the split has the same counts of users, items and events."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE

from learn_recall.terminal import WholeTable

#: users, items, events of the 5-core sets of Amazon 2014, leave-one-out, full ranking; R@10 (HR@10), N@10
PUBLISHED: dict[tuple[int, int, int], dict[str, tuple[float, float | None]]] = {
    (22_363, 12_101, 198_502): {
        "SASRec, as first published": (0.0605, 0.0318),
        "S3-Rec": (0.0647, 0.0327),
        "TIGER": (0.0648, 0.0384),
        "SASRec, tuned (2025)": (0.0688, 0.0375),
        "HSTU (2025)": (0.0708, 0.0412),
        "LC-Rec": (0.0791, 0.0438),
        "eSASRec": (0.0921, None),
    },
    (19_412, 11_924, 167_597): {
        "SASRec, as first published": (0.0675, 0.0374),
        "S3-Rec": (0.0700, 0.0376),
        "TIGER": (0.0712, 0.0432),
        "SASRec, tuned (2025)": (0.0700, 0.0374),
        "HSTU (2025)": (0.0685, 0.0427),
        "LC-Rec": (0.0683, 0.0371),
        "eSASRec": (0.0970, None),
    },
}


def published(report: dict[str, Any]) -> dict[str, tuple[float, float | None]]:
    """Figures of others on a split with the same counts; {} where there are none, or the task is another."""
    split = report["fingerprint"]
    if "window" in split or "validation" in split:
        return {}
    n_events = split["n_train"] + split["n_valid"] + split["n_test"]
    return PUBLISHED.get((split["n_users"], split["n_items"], n_events), {})


def published_table(report: dict[str, Any]) -> WholeTable | None:
    """The figures of others, None where no split fits."""
    rows = published(report)
    if not rows:
        return None
    table = WholeTable(
        "published", "R@10", "N@10", box=SIMPLE, title="same counts; their code was not run here"
    )
    for name, (recall, ndcg) in rows.items():
        table.add_row(name, f"{recall:.4f}", "-" if ndcg is None else f"{ndcg:.4f}")
    return table
