"""A store as FuxiCTR's pretrained_emb: its file format and, where it is installed, its own code."""

import importlib
import json
import sys
import types
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from adapter_world import BLANK_ITEM, CARD, N_ITEMS, stores
from typer.testing import CliRunner

from learn_rank.adapters.fuxictr import pretrained_config, write_pretrained
from learn_rank.cli import app
from learn_recall.store import StoreError, write_store

# FuxiCTR leaves the files that it pickles to open
pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{kind}")
    for kind in ("ResourceWarning", "pytest.PytestUnraisableExceptionWarning")
]

SEEN, UNSEEN = (0, 1, BLANK_ITEM, 77), (4, 5, 6, 7, 8)  # items of training, and of the store alone
ROOT_OF_7 = np.float32(7**0.5)


def test_the_file_holds_every_id_with_a_vector_once_without_pickle(tmp_path):
    users, items = stores(tmp_path)
    assert write_pretrained(items, tmp_path / "items.npz", scales_vectors=False) == N_ITEMS - 1
    found = np.load(tmp_path / "items.npz", allow_pickle=False)
    assert sorted(found.files) == ["key", "value"]
    assert found["key"].tolist() == [item for item in range(N_ITEMS) if item != BLANK_ITEM]
    np.testing.assert_array_equal(found["value"], items.lookup(found["key"])[0])
    write_pretrained(tmp_path / "users", tmp_path / "users.npz")
    found = np.load(tmp_path / "users.npz", allow_pickle=False)
    assert found["key"].dtype.kind == "U"
    assert found["key"].tolist() == ["u0", "u1", "u2", "u3", "u4"]
    np.testing.assert_array_equal(found["value"], users.lookup(found["key"].tolist())[0] * ROOT_OF_7)
    assert found["value"].dtype == np.float32


def test_the_config_is_yaml_with_the_stores_dimension_and_a_history_that_shares_the_table(tmp_path):
    _, items = stores(tmp_path)
    text = pretrained_config(items, "a b.npz", feature="item_id", usage="concat", history="past")
    item, past = yaml.safe_load(text)
    assert (item["pretrained_emb"], item["pretrain_dim"], item["pretrain_usage"]) == ("a b.npz", 7, "concat")
    assert (item["freeze_emb"], item["active"], item["dtype"]) == (True, True, "str")
    assert (past["share_embedding"], past["type"]) == ("item_id", "sequence")


def test_what_cannot_work_is_refused(tmp_path):
    _, items = stores(tmp_path)
    with pytest.raises(ValueError, match=r"expected a name that ends in .npz"):
        write_pretrained(items, tmp_path / "items.parquet")
    with pytest.raises(ValueError, match="usage: expected one of init, sum, concat"):
        pretrained_config(items, "items.npz", feature="item_id", usage="add")
    pad = write_store(tmp_path / "pad", ids=["__PAD__", "a"], vectors=np.ones((2, 7)), kind="item", **CARD)
    with pytest.raises(StoreError, match=r"own tokens, got \['__PAD__'\]"):
        write_pretrained(pad, tmp_path / "pad.npz")
    none = write_store(
        tmp_path / "none", ids=["a"], vectors=np.ones((1, 7)), present=[False], kind="item", **CARD
    )
    with pytest.raises(StoreError, match="expected an id with a vector"):
        write_pretrained(none, tmp_path / "none.npz")
    assert not list(tmp_path.glob("*.npz"))


def test_the_command_writes_the_file_and_prints_the_config(tmp_path):
    _, items = stores(tmp_path)
    out = tmp_path / "items.npz"
    command = ["fuxictr", str(tmp_path / "items"), "--out", str(out), "--feature", "item_id"]
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 0, found.output
    assert yaml.safe_load(found.output) == yaml.safe_load(pretrained_config(items, out, feature="item_id"))
    assert out.is_file()
    assert CliRunner().invoke(app, [*command, "--usage", "add"]).exit_code == 2


@pytest.fixture
def fuxi(monkeypatch):
    """FuxiCTR's own modules; ray, which it imports to transform in many processes, may be missing."""
    for package in ("fuxictr", "polars", "h5py"):
        pytest.importorskip(package, reason=f"{package}: not installed; pip install fuxictr polars h5py")
    try:
        importlib.import_module("ray.data")
    except ImportError:
        names = ("ray", "ray.data", "ray.data.datasource", "ray.data.datasource.filename_provider")
        for name in names:
            empty = types.ModuleType(name)
            empty.__path__ = []
            empty.SaveMode = empty.TaskPoolStrategy = empty.FilenameProvider = object
            monkeypatch.setitem(sys.modules, name, empty)
    return types.SimpleNamespace(
        processor=importlib.import_module("fuxictr.preprocess").FeatureProcessor,
        load=importlib.import_module("fuxictr.preprocess.tokenizer").load_pretrain_emb,
        feature_map=importlib.import_module("fuxictr.features").FeatureMap,
        embedding=importlib.import_module("fuxictr.pytorch.layers").FeatureEmbedding,
    )


def fitted(fuxi, folder: Path, columns: list[dict], **data):
    """Their processor fitted on a few training rows, the vocabulary it saved, and the model's embedding."""
    rows = {"user_id": ["u0", "u1", "new"] * 4, "item_id": list(map(str, SEEN)) * 3, "clk": [0.0, 1.0] * 6}
    pq.write_table(pa.table(rows | {"history": ["0^1", "77^3^2", ""] * 4} | data), folder / "train.parquet")
    label = {"name": "clk", "dtype": "float"}
    processor = fuxi.processor(columns, label, dataset_id="d", data_root=str(folder / "fuxi"))
    frame = processor.preprocess(processor.read_data(str(folder / "train.parquet"), data_format="parquet"))
    processor.fit(frame)
    features = fuxi.feature_map("d", processor.data_dir)
    features.load(processor.json_file, {"embedding_dim": 16})
    vocabulary = json.loads(Path(processor.vocab_file).read_text())
    return processor, vocabulary, fuxi.embedding(features, 16)


def both_columns(folder: Path, **settings) -> tuple[list[dict], tuple]:
    users, items = sides = stores(folder)
    text = ""
    for store, feature in ((users, "user_id"), (items, "item_id")):
        write_pretrained(store, folder / f"{feature}.npz")
        history = "history" if feature == "item_id" else None
        npz = folder / f"{feature}.npz"
        text += pretrained_config(store, npz, feature=feature, history=history, **settings)
    return yaml.safe_load(text), sides


@pytest.mark.parametrize("usage", ["init", "sum", "concat"])
def test_its_frozen_table_holds_the_stores_vectors_for_seen_and_unseen_ids(fuxi, tmp_path, usage):
    import torch

    columns, (users, items) = both_columns(tmp_path, usage=usage)
    processor, vocabulary, embedding = fitted(fuxi, tmp_path, columns)
    layers = embedding.embedding_layer.embedding_layers
    for store, feature in ((users, "user_id"), (items, "item_id")):
        table = layers[feature].pretrain_embedding.weight
        expected = torch.zeros_like(table)
        for key, vector in zip(store.ids.tolist(), store.vectors, strict=True):
            if str(key) in vocabulary[feature]:
                expected[vocabulary[feature][str(key)]] = torch.from_numpy(vector * ROOT_OF_7)
        torch.testing.assert_close(table, expected, rtol=0, atol=0)  # PAD, OOV and blank ids: zeros
        assert not table.requires_grad
        assert int((table != 0).any(1).sum()) == store.card.n_present
    assert layers["history"] is layers["item_id"]
    unseen = [vocabulary["item_id"][str(item)] for item in UNSEEN]
    assert min(unseen) > vocabulary["item_id"]["__OOV__"]

    batch = processor.transform({"item_id": ["0", "8", "never"], "user_id": ["u0", "u3", "never"]})
    batch = {name: torch.tensor(values) for name, values in batch.items()}
    output = embedding(batch)
    assert output[1].abs().sum() > 0  # an id beyond training that the store knows
    assert not output[2].any()  # one that nobody knows: zeros, and nothing that says so
    before = layers["item_id"].pretrain_embedding.weight.clone()
    optimizer = torch.optim.Adam(embedding.parameters(), lr=0.1)
    output.sum().backward()
    optimizer.step()
    assert torch.equal(layers["item_id"].pretrain_embedding.weight, before)
    if usage != "init":  # an id beyond training has its vector and no embedding of its own
        seen, unseen = batch["item_id"][:2]
        moved = layers["item_id"].id_embedding.weight.grad.abs().sum(1)
        assert (moved[seen] > 0, moved[unseen] == 0) == (True, True)


def test_a_history_shares_the_table_row_for_row(fuxi, tmp_path):
    columns, (_, items) = both_columns(tmp_path, usage="init", embedding_dim=7)
    processor, _, embedding = fitted(fuxi, tmp_path, columns)
    import torch

    codes = torch.from_numpy(processor.transform({"history": ["0^8"]})["history"]).long()
    found = embedding.embedding_layer.embedding_layers["history"](codes)
    np.testing.assert_array_equal(found[0, -2:].numpy(), items.vectors[[0, 8]] * ROOT_OF_7)
    assert found[0, :-2].abs().sum() == 0


def test_its_fault_unfrozen_vectors_of_unseen_ids_are_masked_away(fuxi, tmp_path):
    import torch

    columns, _ = both_columns(tmp_path, usage="init", embedding_dim=7)
    for column in columns:
        column["freeze_emb"] = False
    _, vocabulary, embedding = fitted(fuxi, tmp_path, columns)
    layer = embedding.embedding_layer.embedding_layers["item_id"]
    codes = torch.tensor([vocabulary["item_id"]["0"], vocabulary["item_id"]["8"]])
    assert layer(codes).abs().sum(1).gt(0).tolist() == [True, False]


def test_its_fault_integer_ids_fail_where_the_store_knows_more_than_training(fuxi, tmp_path):
    columns, _ = both_columns(tmp_path)
    integers = [{**column, "dtype": "int"} for column in columns if column["name"] == "item_id"]
    with pytest.raises(TypeError, match="int64"):
        fitted(fuxi, tmp_path, integers, item_id=list(SEEN) * 3)


def test_its_fault_a_single_categorical_feature_cannot_be_loaded(fuxi, tmp_path):
    columns, _ = both_columns(tmp_path)
    with pytest.raises(IndexError):
        fitted(fuxi, tmp_path, [column for column in columns if column["name"] == "user_id"])


def test_its_fault_h5_reads_ascii_ids_only_and_parquet_lists_of_fixed_size_only(fuxi, tmp_path):
    import h5py

    keys, vectors = ["u0", "ü1"], np.eye(2, 7, dtype=np.float32)
    with h5py.File(tmp_path / "users.h5", "w") as file:
        file["key"], file["value"] = keys, vectors
    with pytest.raises(UnicodeDecodeError):
        fuxi.load(str(tmp_path / "users.h5"))[0].astype(str)
    lists = pa.array(vectors.tolist(), pa.list_(pa.float32()))
    pq.write_table(pa.table({"key": keys, "value": lists}), tmp_path / "users.parquet")
    assert fuxi.load(str(tmp_path / "users.parquet"))[1].shape == (2,)
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), 7)
    pq.write_table(pa.table({"key": keys, "value": fixed}), tmp_path / "users.parquet")
    assert fuxi.load(str(tmp_path / "users.parquet"))[1].shape == (2, 7)
    store = write_store(tmp_path / "store", ids=keys, vectors=vectors, kind="user", **CARD)
    write_pretrained(store, tmp_path / "users.npz", scales_vectors=False)
    found = fuxi.load(str(tmp_path / "users.npz"))
    assert found[0].astype(str).tolist() == keys
    np.testing.assert_array_equal(found[1], vectors)
