"""Sharded checkpoints, whole or not there, that another number of processes can go on from.

The folder: what `torch.distributed.checkpoint` writes, every process its own shards, and `progress.json`. The
frozen vectors are not in it; their identity is, and a model with other vectors refuses it.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch.distributed as dist
import torch.distributed.checkpoint as dcp

from learn_rank.engine.position import StreamPosition
from learn_rank.engine.ranker_engine import RankerEngine
from learn_recall.files.whole_files import atomic_path, read_json, write_json

PROGRESS = "progress.json"


def save_checkpoint(folder: str | os.PathLike[str], engine: RankerEngine, position: StreamPosition) -> None:
    """Write model, optimizers and the position in the data; all processes call it.

    Args:
        folder: made or replaced in one step, on a file system that all processes see.
        engine: of this process.
        position: the next batch to train on (`StreamPosition.after` the number of steps done).
    """
    rank = dist.get_rank()
    with ExitStack() as stack:
        named: list[str | None] = [None]
        if rank == 0:
            named[0] = os.fspath(stack.enter_context(atomic_path(folder, folder=True)))
        dist.broadcast_object_list(named)
        temporary = Path(str(named[0]))
        dcp.save(_state(engine), checkpoint_id=temporary)
        if rank == 0:
            write_json(temporary / PROGRESS, {"position": position, "n_ranks": dist.get_world_size()})
    dist.barrier()


def load_checkpoint(folder: str | os.PathLike[str], engine: RankerEngine) -> StreamPosition:
    """Put weights and optimizer states back, whatever number of processes saved them; all processes call it.

    Returns:
        The position to go on from.

    Raises:
        FileNotFoundError: there is no checkpoint.
        ValueError: the frozen vectors are others than those that it was trained with.
    """
    progress = read_json(Path(folder) / PROGRESS)
    for name, optimizer in engine.optimizer.optimizers:
        if name == "dense":  # AdamW has no state before its first step, and so nothing to load into
            optimizer.init_state()
            optimizer.zero_grad(set_to_none=True)
    state = _state(engine)
    dcp.load(state, checkpoint_id=Path(folder))
    engine.model.load_state_dict(state["model"])
    engine.optimizer.load_state_dict(state["optimizer"])
    return StreamPosition(**progress["position"])


def _state(engine: RankerEngine) -> dict[str, Any]:
    return {"model": engine.model.state_dict(), "optimizer": engine.optimizer.state_dict()}


__all__ = ["PROGRESS", "load_checkpoint", "save_checkpoint"]
