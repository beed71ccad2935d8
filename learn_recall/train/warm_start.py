"""A training that starts from towers trained elsewhere: they read text and not ids, so they carry over."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from learn_recall.towers.checkpoint import TowerCheckpoint
from learn_recall.towers.double_tower import DoubleTower


@torch.no_grad()
def start_from(towers: DoubleTower, item_keys: np.ndarray, started: TowerCheckpoint) -> int:
    """Copy the weights of trained towers into new ones, before they are trained.

    The whitening is copied as well and not fitted anew, since the adaptor learned to read what came out of
    it. An id embedding is copied where the item is known to both; others stay as they were made.

    Args:
        towers: new ones.
        item_keys: (n,) sorted `id_keys` of the items that own an id embedding in them.
        started: the trained ones, over content vectors of the same making (`TowerCheckpoint.check_content`).

    Returns:
        How many id embeddings were copied.

    Raises:
        ValueError: towers of another shape.
    """
    theirs, ours = started.towers.state_dict(), towers.state_dict()
    own = ("id_embedding.weight", "id_share")
    for name, value in ours.items():
        if name in own:
            continue
        if name not in theirs or theirs[name].shape != value.shape:
            got = "none" if name not in theirs else str(tuple(theirs[name].shape))
            raise ValueError(
                f"start: expected towers of the same shape, {name} of {tuple(value.shape)}; got {got}. "
                "Remedy: use the settings under 'tower' in that folder's config.json"
            )
        value.copy_(theirs[name])
    towers.whitening.load_state_dict(towers.whitening.state_dict())  # forgets what it had worked out
    if towers.id_embedding is None or started.towers.id_embedding is None:
        return 0
    _, here, there = np.intersect1d(item_keys, started.item_keys, assume_unique=True, return_indices=True)
    towers.id_embedding.weight[here] = started.towers.id_embedding.weight[there].to(ours[own[0]].device)
    return len(here)


def started_fingerprint(fingerprint: str, started: TowerCheckpoint | None) -> str:
    """The fingerprint of a training, which depends on where it started."""
    if started is None:
        return fingerprint
    return hashlib.sha256(f"{fingerprint} from {started.sha256}".encode()).hexdigest()
