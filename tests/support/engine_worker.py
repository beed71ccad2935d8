"""A small world for the engine, and what each of its processes does."""

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import nn
from torch.nn import functional

from learn_rank.data.batch import HISTORY_ITEM, Batch
from learn_rank.engine import (
    BatchColumns,
    EngineConfig,
    Processes,
    RankerEngine,
    RowStream,
    StreamPosition,
    load_checkpoint,
    processes,
    save_checkpoint,
)
from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.fusion.config import FusionConfig
from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion
from learn_rank.metrics.auc import UAUC
from learn_rank.metrics.streaming.torchmetrics_auc import StreamedAUC
from learn_rank.rankers.multi_task import MultiTaskRanker, RankerConfig
from learn_rank.testing import assert_frozen
from learn_recall.store import EmbeddingStore, write_store

N_ROWS, N_USERS, N_ITEMS = 1003, 60, 50
N_CODES = {"user_code": N_USERS + 1, "item_code": N_ITEMS + 1, "tags": 9, "item_id": N_ITEMS + 1}
COLUMNS = BatchColumns((*N_CODES, HISTORY_ITEM), ("price",), item="item_key")
HALF = 5


def make_world(folder: Path) -> None:
    """Rows whose clicks and histories follow the vectors, and the stores; a tenth of the ids has none."""
    generator = np.random.default_rng(0)
    stores = {}
    for name, kind, n in (("users", "user", N_USERS), ("items", "item", N_ITEMS)):
        vectors = functional.normalize(torch.from_numpy(generator.normal(size=(n, 16))), dim=1).numpy()
        stores[name] = vectors
        write_store(
            folder / name,
            ids=np.arange(n),
            vectors=vectors,
            present=np.arange(n) % 10 != 3,
            kind=kind,
            encoder="any",
            encoder_sha256="0",
            prompt="short",
            pooling="mean",
            max_tokens=8,
        )
    user, item = generator.integers(0, N_USERS, N_ROWS), generator.integers(0, N_ITEMS, N_ROWS)
    affinity = (stores["users"][user] * stores["items"][item]).sum(1)
    click = (affinity + generator.normal(0, 0.2, N_ROWS) > 0).astype(np.int64)
    conversion = pa.array((affinity > 0.2).astype(np.int64), mask=click == 0)
    liked = [np.flatnonzero(near > 0.1) for near in stores["users"] @ stores["items"].T]
    lists = [generator.choice(liked[one], generator.integers(0, 5)).tolist() for one in user]
    rows = pa.table(
        {
            "row": np.arange(N_ROWS),
            "user_code": user + 1,
            "item_code": item + 1,
            "item_id": item + 1,
            HISTORY_ITEM: [[one + 1 for one in items] for items in lists],
            "tags": [generator.integers(0, 9, generator.integers(0, 3)).tolist() for _ in range(N_ROWS)],
            "price": generator.normal(size=N_ROWS),
            "context_id": user,
            "item_key": item,
            "history": lists,
            "click": click,
            "conversion": conversion,
        }
    )
    pq.write_table(rows[:600], folder / "rows-0.parquet", row_group_size=130)
    pq.write_table(rows[600:], folder / "rows-1.parquet", row_group_size=77)


def stream_of(folder: Path, **settings) -> RowStream:
    """The training rows, or, with `keeps_all`, the same rows for scoring with their number as the click."""
    files = sorted(folder.glob("rows-*.parquet"))
    names, make = COLUMNS.names, COLUMNS.batch
    if settings.get("keeps_all"):
        names, make = (*names, "row"), numbered_batch
    return RowStream(files, names, make, batch_size=96, n_lanes=4, **settings)


def numbered_batch(rows: pa.Table) -> Batch:
    """A batch whose click is the number of the row."""
    numbers = torch.from_numpy(rows["row"].to_numpy().astype(np.float32))
    return replace(COLUMNS.batch(rows), click=numbers)


def ranker_of(
    folder: Path, *, placement: str = "replicated", dtype: str | None = None, fusion_entry: str = "concat"
) -> MultiTaskRanker:
    """The same weights in every process."""
    tables = [
        FrozenEmbedding.from_store(EmbeddingStore.open(folder / name), placement=placement, dtype=dtype)
        for name in ("users", "items")
    ]
    torch.manual_seed(0)
    shape = RankerConfig(
        embedding_dim=8,
        bottom_dims=(16,),
        tower_dim=8,
        dropout=0.0,
        fusion_entry=fusion_entry,
        history="din",
        history_scores="slots",
    )
    fusion = LearnFeatureFusion(
        *tables, FusionConfig(projection_dim=8, hidden_dim=16, fusion_dim=8, history_length=3, dropout=0.0)
    )
    return MultiTaskRanker(N_CODES, 1, shape, fusion)


def train_halves(folder: Path, here: Processes) -> dict:
    """One epoch, with a checkpoint in the middle, then every row scored."""
    stream = stream_of(folder)
    engine = RankerEngine(ranker_of(folder), here, EngineConfig(table_learning_rate=0.1, learning_rate=0.03))
    share = {"rank": here.rank, "n_ranks": here.n_ranks}
    losses = []
    with assert_frozen(engine.model, engine.optimizer):
        steps = engine.train(stream.batches(**share))
        losses += [next(steps) for _ in range(HALF)]
        save_checkpoint(
            folder / f"half-{here.n_ranks}", engine, StreamPosition().after(HALF, per_epoch=stream.n_batches)
        )
        losses += list(steps)
    return {"losses": losses, **score(folder, here, engine)}


def resume(folder: Path, here: Processes, *, saved_by: int) -> dict:
    """Go on from the middle of the epoch of a training on `saved_by` processes."""
    stream = stream_of(folder)
    engine = RankerEngine(ranker_of(folder), here, EngineConfig(table_learning_rate=0.1, learning_rate=0.03))
    position = load_checkpoint(folder / f"half-{saved_by}", engine)
    batches = stream.batches(position, rank=here.rank, n_ranks=here.n_ranks)
    return {"position": asdict(position), "losses": list(engine.train(batches))}


def score(folder: Path, here: Processes, engine: RankerEngine) -> dict:
    """Scores by row, and the UAUC over all processes."""
    labels = pq.read_table(sorted(folder.glob("rows-*.parquet")), columns=["click", "context_id"])
    click, user = (torch.from_numpy(labels[name].to_numpy()) for name in ("click", "context_id"))
    stream = stream_of(folder, keeps_all=True)
    metric = StreamedAUC(UAUC())
    rows, scores = [], []
    parts = list(stream.batches(rank=here.rank, n_ranks=here.n_ranks))
    for batch, out in zip(parts, engine.predict(parts), strict=True):
        row = batch.click.long()
        metric.update(out.ctr_logit, click[row], user[row])
        rows += row.tolist()
        scores += out.ctr_logit.tolist()
    return {"rows": rows, "scores": scores, "uauc": metric.compute().item()}


def row_wise(folder: Path, here: Processes) -> dict:
    """Row-wise tables: what they hold, what they answer, how they train."""
    asked = torch.tensor([[5, 3, -7], [49, 5, 2**60]])
    none = torch.empty(0, dtype=torch.int64)
    equal, n_rows = {}, {}
    for dtype in ("float32", "float16", "int8"):
        store = EmbeddingStore.open(folder / "items")
        whole = FrozenEmbedding.from_store(store, dtype=dtype)
        shared = FrozenEmbedding.from_store(store, dtype=dtype, placement="row_wise")
        ids = [asked, none, asked[0]] if here.rank == 0 else [asked.flip(1), asked, none]
        equal[dtype] = all(
            torch.equal(one, other) for own in ids for one, other in zip(shared(own), whole(own), strict=True)
        )
        n_rows[dtype] = len(shared.keys)
        assert shared(asked)[1].tolist() == [[True, False, False], [True, True, False]]
    engine = RankerEngine(
        ranker_of(folder, placement="row_wise"),
        here,
        EngineConfig(table_learning_rate=0.1, learning_rate=0.03),
    )
    batches = stream_of(folder).batches(rank=here.rank, n_ranks=here.n_ranks)
    with assert_frozen(engine.model, engine.optimizer):
        losses = list(engine.train(batches))
    return {"equal": equal, "n_rows": n_rows, "losses": losses, "seen": byte_of_another_process(folder, here)}


def byte_of_another_process(folder: Path, here: Processes) -> str:
    """What the guard says in this process when the last one moved a byte of its share."""
    table = FrozenEmbedding.from_store(EmbeddingStore.open(folder / "items"), placement="row_wise")
    try:
        with assert_frozen(table):
            if here.rank == here.n_ranks - 1:
                table.vectors[0, 0] += 1
    except AssertionError as error:
        return str(error)
    return ""


def data_parallel_trap(here: Processes) -> dict:
    """A buffer and a frozen table that differ between processes, before and after DistributedDataParallel."""

    class Shares(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))
            self.register_buffer("share", torch.full((2,), float(here.rank)))
            self.table = FrozenEmbedding(torch.tensor([here.rank]), torch.full((1, 2), float(here.rank)))

    module = Shares()
    nn.parallel.DistributedDataParallel(module)
    return {"buffer": module.share.tolist(), "table": module.table.vectors[0].tolist()}


def feature_order(folder: Path, here: Processes) -> list[str]:
    """The order in which the sharded collection gives its features."""
    apart = EngineConfig(sharding={"table_item_code": ("column_wise",)})
    engine = RankerEngine(ranker_of(folder), here, apart)
    batch = next(stream_of(folder).batches(rank=here.rank, n_ranks=here.n_ranks))
    with torch.no_grad():
        return engine.model.module.ranker.embeddings(batch.sparse).keys()


def work(folder: Path, rank: int, port: int) -> None:
    """Everything that takes two processes, in one start of them; the environment is that of torchrun."""
    torch.set_num_threads(1)
    os.environ |= {"WORLD_SIZE": "2", "RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with processes(device="cpu") as here:
        found = {
            "trained": train_halves(folder, here),
            "resumed": resume(folder, here, saved_by=1),
            "row_wise": row_wise(folder, here),
            "data_parallel": data_parallel_trap(here),
            "order": feature_order(folder, here),
        }
        (folder / f"found-{here.rank}.json").write_text(json.dumps(found))
