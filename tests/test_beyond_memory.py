"""Judging parquet files a partition at a time gives the digits of judging them in memory."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from learn_rank.beyond_memory import Bucketing, Layout, ParquetRows, Room, ScoreColumn, partitioned
from learn_rank.judge import Partition, judge, judge_cells
from learn_rank.metrics import AUC, ECE, PCOC, UAUC, WUAUC, LogLoss, NormalizedEntropy
from learn_rank.rows import Rows
from learn_rank.uncertainty import Bootstrap, ClosedForm

METRICS = (AUC(), UAUC(), WUAUC(), WUAUC("clicks", min_rows=3))
CALIBRATION = (PCOC(), NormalizedEntropy(), LogLoss(), ECE(bins=7))
SMALL = {"chunk_rows": 700, "partition_rows": 500}


def table(n_rows=3000, n_users=150, seed=0, ids="integer"):
    """Predictions of two models with ties, one-class users, a heavy user and ids that are not dense."""
    rng = np.random.default_rng(seed)
    user = np.where(rng.random(n_rows) < 0.2, 3, rng.integers(0, n_users, n_rows))
    click = (rng.random(n_rows) < 0.2 + 0.3 * (user % 3 == 0)).astype(np.int8)
    name = np.array([f"user-{(7 * u) % n_users}-ä" for u in user], dtype=object)
    return pd.DataFrame(
        {
            "user": user * 10**12 - 5 if ids == "integer" else name,
            "click": click,
            "p": np.round(rng.random(n_rows) * 0.8 + 0.2 * click, 2),
            "old": rng.random(n_rows).astype(np.float32),
            "clicks": rng.integers(0, 4, n_rows),
            "weight": rng.integers(0, 4, n_rows),
            "age": np.array(["new", "cold-start", "other"])[(user + click * (user > 100)) % 3],
            "shelf": rng.integers(1, 4, n_rows),
        }
    )


def write(frame, path, row_group_size=400):
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=row_group_size)
    return ParquetRows.at(path)


def layout(weight=None):
    return Layout("user", "click", weight, ("clicks",), (Bucketing("age", "age"), Bucketing("s", "shelf")))


def in_memory(frame, metrics, how, weight=None, old="old"):
    rows = Rows.of(frame.click, frame.user, frame[weight] if weight else None, {"clicks": frame.clicks})
    partitions = [Partition("age", frame.age), Partition("s", frame["shelf"])]
    scores = {"new": [frame.p], "old": [frame[old]]}
    return judge(rows, scores, partitions, task="t", metrics=metrics, baseline="old", uncertainty=how)


def on_disk(files, metrics, how, weight=None, room=None, old=None):  # noqa: PLR0917
    models = {"new": ScoreColumn(files, "p"), "old": ScoreColumn(files if old is None else old, "old")}
    with partitioned(layout(weight), models, room=Room(**SMALL) if room is None else room) as parts:
        return judge_cells(parts.cells(), task="t", metrics=metrics, baseline="old", uncertainty=how)


@pytest.mark.parametrize("ids", ["integer", "string"])
@pytest.mark.parametrize("how", [ClosedForm(), Bootstrap(n_resamples=30, max_groups=40)], ids=repr)
def test_every_digit_is_that_of_memory(tmp_path, ids, how):
    frame = table(ids=ids)
    metrics = METRICS + CALIBRATION
    assert on_disk(write(frame, tmp_path / "f.parquet"), metrics, how) == in_memory(frame, metrics, how)
