"""The engine: one process and two train to the same losses, resume each other, and end without an abort."""

import json
import re
import socket
import weakref
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import torch.distributed as dist
from children import exit_codes_of
from engine_worker import HALF, make_world, ranker_of, resume, stream_of, train_halves, work
from launcher import torchrun
from torch.fx import symbolic_trace

from learn_rank.engine import EngineConfig, RankerEngine, StreamPosition, load_checkpoint, processes
from learn_rank.engine.global_loss import gathered
from learn_rank.metrics.auc import UAUC
from learn_rank.rankers.zero_start import zero_start_parameters

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("engine")
    make_world(path)
    return path


@pytest.fixture(scope="module")
def one(folder):
    """What one process finds; it leaves the checkpoint half-1."""
    with processes(device="cpu") as here:
        return train_halves(folder, here)


@pytest.fixture(scope="module")
def two(folder, one):
    """What each of two processes finds; they leave the checkpoint half-2."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert exit_codes_of(work, *((folder, rank, port) for rank in range(2))) == [0, 0]
    return [json.loads((folder / f"found-{rank}.json").read_text()) for rank in range(2)]


def test_an_epoch_learns_the_order_of_the_clicks(one):
    assert one["uauc"] > 0.75


def test_the_same_global_batches_give_the_same_losses_on_one_process_and_on_two(one, two):
    np.testing.assert_allclose(two[0]["trained"]["losses"], one["losses"], rtol=1e-5)
    assert two[0]["trained"]["losses"] == two[1]["trained"]["losses"]


def test_every_row_is_scored_once_by_two_processes_and_as_by_one(one, two):
    of_two = {}
    for found in two:
        of_two |= dict(zip(found["trained"]["rows"], found["trained"]["scores"], strict=True))
    of_one = dict(zip(one["rows"], one["scores"], strict=True))
    assert sum(len(found["trained"]["rows"]) for found in two) == len(of_two) == 1003
    np.testing.assert_allclose(
        [of_two[row] for row in sorted(of_one)], [of_one[r] for r in sorted(of_one)], atol=1e-4
    )


def test_a_metric_over_two_processes_is_that_of_all_their_rows(folder, two):
    table = pq.read_table(sorted(folder.glob("rows-*.parquet")), columns=["click", "context_id"])
    rows = np.concatenate([found["trained"]["rows"] for found in two])
    scores = np.concatenate([found["trained"]["scores"] for found in two])
    whole = UAUC()(table["click"].to_numpy()[rows], scores, table["context_id"].to_numpy()[rows]).value
    assert two[0]["trained"]["uauc"] == two[1]["trained"]["uauc"] == pytest.approx(whole, abs=1e-12)


def test_two_processes_go_on_from_the_checkpoint_of_one(one, two):
    assert two[0]["resumed"]["position"] == {"epoch": 0, "batch": HALF}
    np.testing.assert_allclose(two[0]["resumed"]["losses"], one["losses"][HALF:], rtol=1e-5)


def test_one_process_goes_on_from_the_checkpoint_of_two(folder, one, two):
    with processes(device="cpu") as here:
        found = resume(folder, here, saved_by=2)
    assert found["position"] == {"epoch": 0, "batch": HALF}
    np.testing.assert_allclose(found["losses"], one["losses"][HALF:], rtol=1e-5)


def test_a_checkpoint_holds_no_frozen_vector_and_is_refused_by_a_model_with_other_vectors(folder, one):
    from torch.distributed.checkpoint import FileSystemReader

    names = FileSystemReader(folder / "half-1").read_metadata().state_dict_metadata
    assert {name.rsplit(".", 1)[-1] for name in names if "_vectors." in name} == {"identity"}
    with processes(device="cpu") as here:
        ranker = ranker_of(folder)
        ranker.fusion.item_vectors.identity = "00" * 32
        engine = RankerEngine(ranker, here)
        with pytest.raises(ValueError, match="trained with"):
            load_checkpoint(folder / "half-1", engine)


def test_weights_that_start_at_zero_have_a_rate_of_their_own(folder):
    with processes(device="cpu") as here:
        ranker = ranker_of(folder, fusion_entry="widened")
        engine = RankerEngine(ranker, here, EngineConfig(learning_rate=0.03, zero_start_learning_rate=0.2))
        groups = [group for group in engine.optimizer.param_groups if group["lr"] in (0.03, 0.2)]
        shapes = {group["lr"]: [tuple(each.shape) for each in group["params"]] for group in groups}
        added = [tuple(each.shape) for _, each in zero_start_parameters(engine.model)]
        assert added
        assert shapes[0.2] == added
        assert len(shapes[0.03]) > 5
        losses = list(engine.train(stream_of(folder).batches()))
        assert losses[-1] < losses[0]
    with pytest.raises(ValueError, match="zero_start_learning_rate: expected above 0"):
        EngineConfig(zero_start_learning_rate=0.0)


def test_a_host_with_the_plugin_beside_it_is_traced_and_learns_by_its_own_loss_and_by_that_of_both(folder):
    rows = next(iter(stream_of(folder).batches()))
    with processes(device="cpu") as here:
        ranker = ranker_of(folder, fusion_entry="beside")
        expected = ranker.loss(ranker(rows.sparse, rows.dense), rows).item()
        losses = list(RankerEngine(ranker, here).train(stream_of(folder).batches()))
        gathered_scores, labels = gathered(ranker(rows.sparse, rows.dense), rows, here.group)
        assert torch.equal(
            ranker.loss(gathered_scores, labels), ranker.loss(ranker(rows.sparse, rows.dense), rows)
        )
    assert losses[0] == pytest.approx(expected, rel=1e-5)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_a_row_wise_table_answers_as_the_whole_one_and_no_process_holds_it(two, dtype):
    assert all(found["row_wise"]["equal"][dtype] for found in two)
    shares = [found["row_wise"]["n_rows"][dtype] for found in two]
    assert sum(shares) == 50
    assert max(shares) < 40


def test_row_wise_tables_train_the_ranker_to_the_losses_of_replicated_ones(one, two):
    np.testing.assert_allclose(two[0]["row_wise"]["losses"], one["losses"], rtol=1e-5)


def test_every_process_hears_of_a_byte_that_moved_in_one(two):
    assert all("expected the bytes of before" in found["row_wise"]["seen"] for found in two)


def test_data_parallel_overwrites_buffers_by_those_of_rank_0_and_not_frozen_tables(two):
    assert [found["data_parallel"]["buffer"] for found in two] == [[0, 0], [0, 0]]
    assert [found["data_parallel"]["table"] for found in two] == [[0, 0], [1, 1]]


def test_a_sharded_collection_reorders_its_features_and_the_ranker_takes_them_by_name(two):
    assert two[0]["order"] != ["user_code", "item_code", "tags"]
    assert sorted(two[0]["order"]) == ["item_code", "tags", "user_code"]


def test_the_ranker_with_the_fusion_is_traced_by_torch_fx(folder):
    from torchrec.distributed.train_pipeline.tracing import Tracer

    ranker = ranker_of(folder)
    graph = Tracer(leaf_modules=["embeddings"]).trace(ranker)
    batch = next(stream_of(folder).batches())
    traced = torch.fx.GraphModule(ranker, graph)
    assert torch.equal(
        traced(batch.sparse, batch.dense).ctr_logit, ranker(batch.sparse, batch.dense).ctr_logit
    )
    assert symbolic_trace(ranker.fusion) is not None


def test_a_loss_that_is_not_finite_stops_training_in_words(folder):
    with processes(device="cpu") as here:
        ranker = ranker_of(folder)
        torch.nn.init.constant_(ranker.ctr_tower[2].bias, torch.nan)
        with pytest.raises(FloatingPointError, match="expected a finite number"):
            next(RankerEngine(ranker, here).train(stream_of(folder).batches()))


def test_nothing_that_uses_the_group_is_alive_when_it_is_destroyed(folder, monkeypatch):
    alive = []
    destroy = dist.destroy_process_group
    with processes(device="cpu") as here:
        engine = RankerEngine(ranker_of(folder), here)
        steps = engine.train(stream_of(folder).batches())
        next(steps)  # left half-way, with batches in flight
        users = [weakref.ref(engine.model), weakref.ref(engine.optimizer), weakref.ref(engine._pipeline)]
        monkeypatch.setattr(
            dist, "destroy_process_group", lambda: (alive.extend(ref() for ref in users), destroy())
        )
    assert alive == [None, None, None]
    assert not dist.is_initialized()
    with pytest.raises(RuntimeError, match="has ended"):
        engine.model  # noqa: B018


def test_a_block_that_raises_leaves_no_group_behind():
    with pytest.raises(KeyError), processes(device="cpu"):
        raise KeyError
    assert not dist.is_initialized()
    with pytest.raises(ValueError, match="device: expected"), processes(device="tpu"):
        pass


@pytest.mark.parametrize(
    "settings", [{"table_optimizer": "sgd"}, {"learning_rate": 0.0}, {"weight_decay": -1.0}]
)
def test_a_setting_outside_its_range_is_refused_by_name(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        EngineConfig(**settings)


def test_the_torchrun_example_trains_two_processes_and_ends_well(tmp_path):
    script = str(ROOT / "examples" / "torchrun_learn.py")
    printed = torchrun(["--standalone", "--nproc_per_node", "2", script, str(tmp_path)], tmp_path / "log")
    losses = [float(found) for found in re.findall(r"loss ([0-9.]+)", printed)]
    assert losses[-1] < losses[0] - 0.1
    assert "frozen" in printed


def test_positions_count_on_over_epochs():
    assert StreamPosition(2, 9).after(1, per_epoch=10) == StreamPosition(3, 0)
    with pytest.raises(ValueError, match="at least 0"):
        StreamPosition(-1, 0)


def test_a_checkpoint_of_a_ranker_of_another_shape_is_refused(folder, one):
    from torch.distributed.checkpoint import CheckpointException

    with processes(device="cpu") as here:
        ranker = ranker_of(folder)
        ranker.ctr_tower = torch.nn.Sequential(torch.nn.Linear(16, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
        engine = RankerEngine(ranker, here)
        with pytest.raises((ValueError, CheckpointException), match="ctr_tower"):
            load_checkpoint(folder / "half-1", engine)


def test_the_code_of_the_page_runs(tmp_path, monkeypatch, capsys):
    from pages import blocks_of

    monkeypatch.chdir(tmp_path)
    for block in blocks_of("docs/engine.md"):
        exec(compile(block, "docs/engine.md", "exec"), {})
    losses = json.loads(capsys.readouterr().out)
    assert len(losses) == 4
