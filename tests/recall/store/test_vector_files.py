"""Vectors in the formats of others: what is written is read back by us and by their own libraries."""

import os
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from learn_recall.cli import app
from learn_recall.convert.official_lmdb import unpickled_array
from learn_recall.convert.vector_files import read_vectors, write_vectors_file
from learn_recall.store import EmbeddingStore, StoreError, write_store

FIELDS = {"kind": "item", "encoder": "x", "encoder_sha256": "0", "prompt": "p", "pooling": "mean"}
IDS = {"integer": [5, -3, 2**60, 8], "text": ["a", "007", "東京", "b"]}
VECTORS = np.array([[1.5, -2], [0.25, 3], [7, 8], [9, 10]])


@pytest.fixture(params=["integer", "text"])
def store(request, tmp_path) -> EmbeddingStore:
    return write_store(
        tmp_path / "store",
        ids=IDS[request.param],
        vectors=VECTORS,
        present=[True, True, False, True],
        max_tokens=9,
        dtype="float16",
        **FIELDS,
    )


def whole(source) -> np.ndarray:
    return np.concatenate(list(source.chunks()))


@pytest.mark.parametrize("dtype", [None, "float32"])
@pytest.mark.parametrize("ending", ["parquet", "npy", "safetensors"])
def test_what_a_store_writes_reads_back_as_its_present_rows(store, tmp_path, ending, dtype):
    path = tmp_path / f"out.{ending}"
    assert write_vectors_file(store, path, dtype=dtype) == 3
    found = read_vectors(path)
    assert found.ids.tolist() == store.ids[[0, 1, 3]].tolist()
    assert whole(found).dtype == ("float16" if dtype is None else dtype)
    np.testing.assert_array_equal(whole(found), VECTORS[[0, 1, 3]])
    from_store = read_vectors(store.path)
    assert from_store.ids.tolist() == found.ids.tolist()
    np.testing.assert_array_equal(whole(from_store), VECTORS[[0, 1, 3]])


def test_their_own_libraries_read_what_is_written(store, tmp_path):
    for ending in ("parquet", "npy", "safetensors"):
        write_vectors_file(store, tmp_path / f"out.{ending}")
    table = pq.read_table(tmp_path / "out.parquet")
    assert pa.types.is_fixed_size_list(table.schema.field("vector").type)
    assert table["vector"].to_pylist() == VECTORS[[0, 1, 3]].tolist()
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), VECTORS[[0, 1, 3]])
    arrays = load_file(tmp_path / "out.safetensors")
    np.testing.assert_array_equal(arrays["vectors"], VECTORS[[0, 1, 3]])
    if "ids" in arrays:
        assert arrays["ids"].tolist() == store.ids[[0, 1, 3]].tolist()
    else:
        assert bytes(arrays["id_bytes"]).decode() == "a007b"
        assert arrays["id_ends"].tolist() == [1, 4, 5]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array(["a", "007"]).dictionary_encode(), ["a", "007"]),
        (pa.array([2**53 + 1, 2]).dictionary_encode(), [2**53 + 1, 2]),
        (pa.array([2**53 + 1, 2], pa.uint64()), [2**53 + 1, 2]),
        (pa.array([2**53 + 1, 2], pa.decimal128(20, 0)), [2**53 + 1, 2]),
        (pa.array([b"a", b"b"]), ["a", "b"]),
        (pa.array(["a", "b"], pa.string_view()), ["a", "b"]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_ids_beside_vectors_are_read_in_every_wrapping(tmp_path, ids, expected):
    vectors = pa.array([[1.0, 2.0], [3.0, 4.0]])
    pq.write_table(pa.table({"id": ids, "vector": vectors}), tmp_path / "a.parquet")
    assert read_vectors(tmp_path / "a.parquet").ids.tolist() == expected
    np.save(tmp_path / "b.npy", VECTORS[:2])
    pq.write_table(pa.table({"id": ids}), tmp_path / "b.ids.parquet")
    assert read_vectors(tmp_path / "b.npy").ids.tolist() == expected


def test_parquet_of_others_is_read_by_its_only_columns_or_by_their_names(tmp_path):
    ids, other = pa.array(["x", "y"]), pa.array([1, 2])
    lists = pa.array([[1.0, 2.0], [3.0, 4.0]])
    pq.write_table(pa.table({"asin": ids, "emb": lists}), tmp_path / "a.parquet")
    found = read_vectors(tmp_path / "a.parquet")
    assert (found.ids.tolist(), whole(found).tolist()) == (["x", "y"], [[1, 2], [3, 4]])
    pq.write_table(pa.table({"asin": ids, "number": other, "emb": lists}), tmp_path / "b.parquet")
    with pytest.raises(StoreError, match=r"a column of ids.*\['asin', 'number'\].*name the column"):
        read_vectors(tmp_path / "b.parquet")
    assert read_vectors(tmp_path / "b.parquet", id_column="number").ids.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("lists", "says"),
    [
        ([[1.0, 2.0], [3.0]], "same length"),
        ([[1.0], None], "same length"),
        ([[1.0, 2.0], [3.0, 4.0, 5.0, 6.0]], "one length"),
    ],
)
def test_parquet_rows_that_are_no_rectangle_are_refused(tmp_path, lists, says):
    pq.write_table(pa.table({"id": [1, 2], "vector": lists}), tmp_path / "a.parquet")
    with pytest.raises(StoreError, match=says):
        whole(read_vectors(tmp_path / "a.parquet"))


def test_an_npy_needs_its_ids_and_as_many_as_vectors(tmp_path):
    np.save(tmp_path / "v.npy", VECTORS)
    with pytest.raises(StoreError, match=r"ids in v.ids.parquet or v.ids.npy beside it"):
        read_vectors(tmp_path / "v.npy")
    np.save(tmp_path / "v.ids.npy", np.arange(3))
    with pytest.raises(StoreError, match="expected 4 ids, one for each vector, got 3"):
        read_vectors(tmp_path / "v.npy")
    np.save(tmp_path / "v.ids.npy", np.arange(4))
    np.testing.assert_array_equal(whole(read_vectors(tmp_path / "v.npy")), VECTORS)
    np.save(tmp_path / "v.npy", np.array(["a"] * 4, dtype=object), allow_pickle=True)
    with pytest.raises(StoreError, match="vectors with their ids"):
        read_vectors(tmp_path / "v.npy")


@pytest.mark.parametrize("ending", ["parquet", "npy", "safetensors"])
def test_a_blank_id_is_refused_by_its_row(tmp_path, ending):
    write_store(tmp_path / "store", ids=["a", "", "b"], vectors=np.eye(3), max_tokens=9, **FIELDS)
    path = tmp_path / f"v.{ending}"
    write_vectors_file(EmbeddingStore.open(tmp_path / "store"), path)
    with pytest.raises(StoreError, match=rf"{ending}: expected an id for each vector, got 1 blank, .*row 1"):
        read_vectors(path)


def test_ids_that_repeat_are_told_as_plain_numbers(tmp_path):
    np.save(tmp_path / "v.npy", VECTORS)
    np.save(tmp_path / "v.ids.npy", [1, 2, 1, 3])
    found = CliRunner().invoke(app, ["convert", str(tmp_path / "v.npy"), str(tmp_path / "out")])
    assert found.exit_code == 2
    assert "expected distinct, got 1 repeated: rows 0 and 2: 1 and 1. Remedy: keep one row" in found.stderr


@pytest.mark.parametrize("name", ["none.parquet", "notes.txt", "bad.parquet", "bad.npy", "bad.safetensors"])
def test_other_files_are_refused_by_name(tmp_path, name):
    if not name.startswith("none"):
        (tmp_path / name).write_bytes(b"\x93NUMPY and then something else")
    with pytest.raises(StoreError, match=name):
        read_vectors(tmp_path / name)
    save_file({"other": np.ones((2, 2))}, tmp_path / "o.safetensors")
    with pytest.raises(StoreError, match="vectors with their ids"):
        read_vectors(tmp_path / "o.safetensors")


def official(folder, vectors: dict[str, bytes], count: int | None = None):
    """An LMDB as the published code writes it: text keys, pickles, and the count under `num_samples`."""
    lmdb = pytest.importorskip("lmdb", reason="the package lmdb is not installed")
    with lmdb.open(str(folder), map_size=1 << 24) as file, file.begin(write=True) as transaction:
        for key, value in vectors.items():
            transaction.put(key.encode(), value)
        transaction.put(b"num_samples", str(len(vectors) if count is None else count).encode())
    return folder


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("keys", [["10", "9", "-4"], ["B00X", "007", "9"]])
def test_the_official_lmdb_is_read_by_its_keys(tmp_path, keys, protocol):
    vectors = dict(zip(keys, np.random.default_rng(0).normal(size=(3, 5)), strict=True))
    pickles = {key: pickle.dumps(vector, protocol=protocol) for key, vector in vectors.items()}
    found = read_vectors(official(tmp_path / "lmdb", pickles))
    assert found.ids.dtype == (np.int64 if "10" in keys else object)
    assert len(found.ids) == 3
    for each, row in zip(found.ids, whole(found), strict=True):
        np.testing.assert_array_equal(row, vectors[str(each)])


class Trap:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_in_an_lmdb_is_never_run(tmp_path):
    path = official(tmp_path / "lmdb", {"a": pickle.dumps(Trap(tmp_path / "sprung"))})
    with pytest.raises(StoreError, match=r"key b'a'.*a pickled numpy array and nothing else.*mkdir"):
        whole(read_vectors(path))
    inside = np.array([Trap(tmp_path / "sprung")], dtype=object)
    with pytest.raises(pickle.UnpicklingError, match="mkdir"):
        unpickled_array(pickle.dumps(inside))
    assert not (tmp_path / "sprung").exists()
    assert isinstance(pickle.loads(pickle.dumps(Trap(tmp_path / "sprung"))), type(None))
    assert (tmp_path / "sprung").exists()  # the trap is one


@pytest.mark.parametrize(
    "value",
    [
        pickle.dumps([1.0, 2.0]),
        pickle.dumps(np.ones((2, 2))),
        pickle.dumps(np.array([object()], dtype=object)),
        pickle.dumps(np.array(["a"])),
        pickle.dumps(np.float64(1.0)),
        pickle.dumps(np.ones(4))[:-9],
        b"",
        b"not a pickle",
    ],
)
def test_what_is_no_vector_is_refused(tmp_path, value):
    with pytest.raises(StoreError, match="key b'a'"):
        whole(read_vectors(official(tmp_path / "lmdb", {"a": value})))


def test_an_lmdb_whose_writing_was_broken_off_or_whose_lengths_differ_is_refused(tmp_path):
    one = pickle.dumps(np.ones(3))
    with pytest.raises(StoreError, match="expected 9 vectors as its num_samples says, got 1"):
        read_vectors(official(tmp_path / "a", {"a": one}, count=9))
    with pytest.raises(StoreError, match=r"one vector of numbers \(3,\)"):
        whole(read_vectors(official(tmp_path / "b", {"a": one, "b": pickle.dumps(np.ones(4))})))


def test_the_command_converts_both_ways(store, tmp_path):
    def call(*arguments):
        return CliRunner().invoke(app, ["convert", *map(str, arguments)], env={"COLUMNS": "160"})

    assert "3 vectors" in call(store.path, tmp_path / "v.safetensors").output
    made = call(tmp_path / "v.safetensors", tmp_path / "again", "--kind", "item", "--encoder", "elsewhere")
    assert made.exit_code == 0, made.output
    again = EmbeddingStore.open(tmp_path / "again", expect={"kind": "item", "encoder": "elsewhere"})
    asked = store.ids[store.present]
    np.testing.assert_array_equal(again.lookup(asked)[0], store.lookup(asked)[0])
    refused = call(tmp_path / "v.safetensors", tmp_path / "v.npy")
    assert refused.exit_code == 2
    assert "a store first" in refused.output


def test_a_pickle_that_claims_a_huge_array_allocates_nothing():
    whole_pickle = pickle.dumps(np.ones(2), protocol=4)
    assert whole_pickle.count(b"K\x00\x85") == 1  # the shape (0,) from which it is built
    with pytest.raises(pickle.UnpicklingError, match="a plain array"):
        unpickled_array(whole_pickle.replace(b"K\x00\x85", b"K\xff\x85"))
