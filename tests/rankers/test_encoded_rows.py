"""Encoded rows written as parquet come back from the stream as they were cut in memory."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from ranking_worlds import planted_dataset
from torchrec import EmbeddingBagCollection
from torchrec.models.dlrm import DLRM

from learn_rank.data.encoded_rows import encode_dataset
from learn_rank.engine import EngineConfig, RankerEngine, RowStream, columns_of_rows, processes, write_rows
from learn_rank.rankers.host import HostRanker
from learn_rank.rankers.id_tables import embedding_tables


@pytest.fixture(scope="module")
def data():
    return encode_dataset(planted_dataset(n_rows=1500)[0], history_length=5)


def test_the_stream_gives_the_batches_that_memory_gives(data, tmp_path):
    write_rows(data.test, tmp_path / "test.parquet", rows_per_group=64)
    columns = columns_of_rows(tmp_path / "test.parquet")
    stream = RowStream(
        [tmp_path / "test.parquet"],
        columns.names,
        columns.batch,
        batch_size=50,
        n_lanes=1,
        seed=None,
        keeps_all=True,
    )
    for read, cut in zip(stream.batches(), data.test.batches(50), strict=True):
        assert set(read.sparse.keys()) == set(cut.sparse.keys())
        for name in cut.sparse.keys():  # noqa: SIM118 - no mapping
            assert torch.equal(read.sparse[name].values(), cut.sparse[name].values()), name
            assert torch.equal(read.sparse[name].lengths(), cut.sparse[name].lengths()), name
        assert torch.equal(read.dense, cut.dense)
        assert torch.equal(read.click, cut.click)
        assert torch.equal(read.conversion.nan_to_num(-1), cut.conversion.nan_to_num(-1))


def test_conversions_of_another_length_than_their_history_are_refused():
    dataset = planted_dataset(n_rows=1500)[0]
    contexts = dataset.contexts.copy()
    row = int(contexts["history"].map(len).argmax())
    flags = contexts["history_converted"].tolist()
    flags[row] = flags[row][1:]
    short = replace(dataset, contexts=contexts.assign(history_converted=pd.Series(flags, dtype=object)))
    with pytest.raises(ValueError, match=r"history_converted for each item of history, got .* 1 such rows"):
        encode_dataset(short)


@pytest.mark.parametrize("kind", ["esmm", "ctr"])
def test_torchrecs_dlrm_runs_on_the_engine_from_the_loss_that_it_has_without(data, tmp_path, kind):
    write_rows(data.train, tmp_path / "train.parquet")
    columns = columns_of_rows(tmp_path / "train.parquet")
    stream = RowStream([tmp_path / "train.parquet"], columns.names, columns.batch, batch_size=200)
    torch.manual_seed(0)
    tables = EmbeddingBagCollection(embedding_tables(data.n_codes, 8))
    dlrm = DLRM(tables, data.n_dense, dense_arch_layer_sizes=[8], over_arch_layer_sizes=[8, 2])
    ranker, batches = HostRanker(dlrm, kind=kind), list(stream.batches())
    plain = ranker.loss(ranker(batches[0].sparse, batches[0].dense), batches[0]).item()
    with processes(device="cpu") as here:
        engine = RankerEngine(ranker, here, EngineConfig(learning_rate=0.02, table_learning_rate=0.1))
        losses = list(engine.train(batches))
        scores = list(engine.predict(batches))
    assert losses[0] == pytest.approx(plain, rel=1e-5)
    assert losses[-1] < losses[0]
    assert sum(len(out.ctr_logit) for out in scores) == sum(len(batch.click) for batch in batches)
