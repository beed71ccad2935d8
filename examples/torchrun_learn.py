"""The plugin on torchrec's engine: sharded tables, streamed rows, a checkpoint, proof that the vectors froze.

Run: torchrun --nproc_per_node 2 examples/torchrun_learn.py FOLDER (or plain python, as one process)
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import torch.distributed as dist

from learn_rank import FrozenEmbedding, LearnFeatureFusion, MultiTaskRanker, RankerConfig
from learn_rank.engine import (
    BatchColumns,
    EngineConfig,
    RankerEngine,
    RowStream,
    StreamPosition,
    processes,
    save_checkpoint,
)
from learn_rank.testing import assert_frozen
from learn_recall.store import EmbeddingStore, write_store

N_USERS, N_ITEMS, N_ROWS = 200, 150, 8192


def write_data(folder: Path) -> None:
    """Made-up vectors, and impressions whose clicks follow them."""
    generator = np.random.default_rng(0)
    vectors = {}
    for kind, n in (("user", N_USERS), ("item", N_ITEMS)):
        drawn = generator.normal(size=(n, 32)).astype(np.float32)
        vectors[kind] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        write_store(
            folder / kind,
            ids=np.arange(n),
            vectors=vectors[kind],
            kind=kind,
            encoder="made up",
            encoder_sha256="0",
            prompt="none",
            pooling="mean",
            max_tokens=1,
            overwrite=True,
        )
    user, item = generator.integers(0, N_USERS, N_ROWS), generator.integers(0, N_ITEMS, N_ROWS)
    affinity = (vectors["user"][user] * vectors["item"][item]).sum(1)
    click = (affinity > 0).astype(np.int64)
    rows = pa.table(
        {
            "user_code": user + 1,  # 0 is for the unknown
            "item_code": item + 1,
            "context_id": user,
            "item_id": item,
            "history": generator.integers(0, N_ITEMS, (N_ROWS, 3)).tolist(),
            "click": click,
            "conversion": pa.array((affinity > 0.15).astype(np.int64), mask=click == 0),
        }
    )
    pq.write_table(rows, folder / "train.parquet", row_group_size=1024)


def main(folder: Path) -> None:
    """Train an epoch on as many processes as torchrun started."""
    with processes() as here:
        if here.rank == 0:
            write_data(folder)
        dist.barrier()
        users, items = (
            FrozenEmbedding.from_store(EmbeddingStore.open(folder / kind), dtype="int8", placement="row_wise")
            for kind in ("user", "item")
        )
        torch.manual_seed(0)  # the same ranker in every process
        ranker = MultiTaskRanker(
            {"user_code": N_USERS + 1, "item_code": N_ITEMS + 1},
            n_dense=0,
            config=RankerConfig(dropout=0.0),
            fusion=LearnFeatureFusion(users, items),
        )
        engine = RankerEngine(ranker, here, EngineConfig(learning_rate=5e-3))
        columns = BatchColumns(categorical=("user_code", "item_code"))
        stream = RowStream([folder / "train.parquet"], columns.names, columns.batch, batch_size=256)
        position = StreamPosition()
        with assert_frozen(engine.model, engine.optimizer):
            for loss in engine.train(stream.batches(position, rank=here.rank, n_ranks=here.n_ranks)):
                position = position.after(1, per_epoch=stream.n_batches)
                if here.rank == 0 and position.batch % 8 == 1:
                    print(f"batch {position.batch}: loss {loss:.3f}")
        save_checkpoint(folder / "checkpoint", engine, position)
        if here.rank == 0:
            print(f"saved at {position}; the vectors stayed frozen on {here.n_ranks} processes")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "torchrun_learn"))
