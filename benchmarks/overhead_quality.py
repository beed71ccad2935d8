"""What small tables cost in quality: one trained ranker, its fp32 vectors swapped for fp16 and int8.

python benchmarks/overhead_quality.py runs/demo --seeds 3

The folder is that of a finished `learn-rank run`; its "learn" arm is trained again with the run's settings
and fp32 tables, kept in FOLDER/overhead, and its test rows are scored with each table. A store holds fp16, so
the fp32 vectors are the stored ones brought to length 1 per block in fp32: rounding them again is not free.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.box import SIMPLE
from rich.console import Console
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional

from learn_recall.terminal import WholeTable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from learn_rank import FrozenEmbedding, MultiTaskRanker
from learn_rank.data.dataset import RankingDataset
from learn_rank.data.dataset_files import read_dataset
from learn_rank.data.encoded_rows import EncodedDataset, encode_dataset
from learn_rank.rankers.train import predict, train_ranker
from learn_rank.run.arms import LEARN, make_fusion
from learn_rank.run.config import fitted_to, read_config
from learn_rank.run.folder import RunFolder
from learn_recall.columns import CLICK, CONVERSION, PCTCVR, PCTR, PCVR
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.files.whole_files import read_json, write_json
from learn_recall.store import EmbeddingStore

LIMITS = {"float16": 1e-4, "int8": 5e-4}
TABLES = ("user_vectors", "item_vectors")


def main(
    run: Annotated[Path, typer.Argument(help="Folder of a finished `learn-rank run`.")],
    seeds: Annotated[int, typer.Option(min=1, help="Trainings.")] = 3,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the rows there.")] = None,
) -> None:
    """Score test rows with fp32, fp16 and int8 tables behind one trained ranker."""
    with plain_errors():
        dataset = read_dataset(RunFolder(run).tables)
        history_length = read_config(run)[0].fusion.history_length
        data = encode_dataset(dataset, history_length=history_length)
        rows = []
        for seed in range(seeds):
            ranker = trained(run, dataset, data, seed)
            exact = _vectors_of(ranker)
            scores = {}
            for dtype in ("float32", *LIMITS):
                swap(ranker, exact, dtype)
                scores[dtype] = aucs(dataset, predict(ranker, data.test))
            rows += [
                {
                    "seed": seed,
                    "tables": dtype,
                    "task": task,
                    "auc": value,
                    "change": value - scores["float32"][task],
                }
                for dtype, found in scores.items()
                for task, value in found.items()
            ]
        show(rows, Console())
        if json_out is not None:
            write_json(json_out, {"rows": rows, "limits": LIMITS})


def trained(run: Path, dataset: RankingDataset, data: EncodedDataset, seed: int) -> MultiTaskRanker:
    """The run's learn arm, trained with fp32 tables."""
    config, place = fitted_to(read_config(run)[0], dataset), RunFolder(run)
    stores = EmbeddingStore.open(place.users), EmbeddingStore.open(place.items)
    tuned = read_json(place.tuning)

    def build() -> MultiTaskRanker:
        fusion = make_fusion(LEARN, *stores, config.fusion, seed=seed, kind=config.fusion_kind)
        ranker = MultiTaskRanker(data.n_codes, data.n_dense, config.ranker, fusion)
        swap(ranker, _vectors_of(ranker), "float32")
        return ranker

    training = replace(config.training, seed=seed, embedding_weight_decay=tuned["embedding_weight_decay"])
    return train_ranker(build, data, training, run / "overhead" / f"seed-{seed}")[0]


def swap(ranker: MultiTaskRanker, exact: dict[str, Tensor], dtype: str) -> None:
    """Put tables of another dtype behind a ranker.

    Args:
        ranker: with a fusion; changed.
        exact: name of the table -> (N, D) fp32 vectors in the order of its keys.
        dtype: of the new tables.
    """
    for name, vectors in exact.items():
        table = getattr(ranker.fusion, name)
        has_vector = table.has_vector[:-1]
        new = FrozenEmbedding(table.keys, vectors, has_vector, blocks=table.blocks, dtype=dtype)
        setattr(ranker.fusion, name, new)


def _vectors_of(ranker: MultiTaskRanker) -> dict[str, Tensor]:
    """Name of each table -> its vectors, every block at length 1 in fp32."""
    found = {}
    for name in TABLES:
        table = getattr(ranker.fusion, name)
        vectors = table.vectors[:-1].float()
        parts = [functional.normalize(vectors[:, start:stop], dim=1) for start, stop in table.blocks]
        found[name] = torch.cat(parts, dim=1)
    return found


def aucs(dataset: RankingDataset, scores: Any) -> dict[str, float]:
    """AUC of the click, of the conversion on clicked rows, and of both on all rows."""
    click = dataset.test[CLICK].to_numpy(np.float64)
    found = {"CTR": roc_auc_score(click, scores[PCTR].to_numpy())}
    if dataset.has_conversions:
        conversion = np.where(click > 0, dataset.test[CONVERSION].to_numpy(np.float64), 0.0)
        is_clicked = click > 0
        found["CVR"] = roc_auc_score(conversion[is_clicked], scores[PCVR].to_numpy()[is_clicked])
        found["CTCVR"] = roc_auc_score(conversion, scores[PCTCVR].to_numpy())
    return found


def show(rows: list[dict[str, Any]], console: Console) -> None:
    """Print the largest change of each dtype and task beside its limit."""
    table = WholeTable(title="AUC with smaller tables behind the same ranker", box=SIMPLE)
    for column in ("tables", "task", "AUC by seed", "largest |change|", "limit"):
        table.add_column(column, justify="right")
    for dtype in ("float32", *LIMITS):
        for task in dict.fromkeys(row["task"] for row in rows):
            own = [row for row in rows if (row["tables"], row["task"]) == (dtype, task)]
            table.add_row(
                dtype,
                task,
                " ".join(f"{row['auc']:.5f}" for row in own),
                f"{max(abs(row['change']) for row in own):.6f}",
                f"{LIMITS[dtype]:g}" if dtype in LIMITS else "",
            )
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
