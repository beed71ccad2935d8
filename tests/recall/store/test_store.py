"""The embedding store: what goes in comes out, and whatever is not whole or does not fit is refused."""

import dataclasses
import hashlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learn_recall.files import whole_files as files
from learn_recall.store import EmbeddingStore, StoreError, id_keys, write_store
from learn_recall.store import layout as store_files
from learn_recall.store import read as store_read
from learn_recall.store.as_of import check_as_of
from learn_recall.store.card import Block, IdentityCard

CARD = {
    "kind": "item",
    "encoder": "tiny",
    "encoder_sha256": "e" * 64,
    "prompt": "short",
    "pooling": "mean",
    "max_tokens": 256,
}
DATA_FILES = ("ids.parquet", "vectors.npy", "present.npy")


def make(path, ids=(30, 10, 20), vectors=None, **changes):
    if vectors is None:
        vectors = np.arange(1.0, 1.0 + 4 * len(ids), dtype=np.float32).reshape(len(ids), 4)
    return write_store(path, ids=ids, vectors=vectors, **{**CARD, **changes})


def names_beside(path):
    return sorted(each.name for each in path.parent.iterdir())


# ------------------------------------------------------------------------------------------- what goes in


def test_a_lookup_gives_the_row_of_the_id_and_says_where_there_is_none(tmp_path):
    store = make(tmp_path / "s", present=[True, False, True])
    vectors, has_vector = store.lookup([20, 10, 99, 30])
    assert has_vector.tolist() == [True, False, False, True]
    assert vectors.tolist() == [[9, 10, 11, 12], [0] * 4, [0] * 4, [1, 2, 3, 4]]
    assert vectors.dtype == np.float32
    assert store.positions([20, 99]).tolist() == [2, -1]
    assert len(store) == 3


@pytest.mark.parametrize("ids", [[3, -1, 2**63 - 1, -(2**63)], ["007", "7", "é", "a b"]], ids=["int", "text"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_store_opened_again_holds_the_same_ids_vectors_and_card(tmp_path, ids, dtype):
    written = make(tmp_path / "s", ids=ids, dtype=dtype, as_of=5.0, tower="t", extra={"a": [1, None]})
    opened = EmbeddingStore.open(tmp_path / "s")
    assert opened.ids.tolist() == ids
    assert opened.vectors.dtype == dtype
    assert isinstance(opened.vectors, np.memmap)
    np.testing.assert_array_equal(opened.vectors, np.arange(1.0, 17.0).reshape(4, 4))
    assert opened.card == written.card
    assert opened.card.blocks == (Block("tower", 0, 4),)
    assert opened.card.extra == {"a": [1, None]}


IDS = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=12, unique=True),
    st.lists(st.text(st.characters(codec="utf-8"), max_size=6), min_size=1, max_size=12, unique=True),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=IDS, data=st.data())
def test_a_lookup_equals_a_dictionary_for_any_ids(tmp_path, ids, data):
    present = data.draw(st.lists(st.booleans(), min_size=len(ids), max_size=len(ids)))
    asked = data.draw(st.lists(st.sampled_from(ids), max_size=20))
    asked += [7] if isinstance(ids[0], int) else ["never"]
    vectors = 1.0 + np.arange(3.0 * len(ids)).reshape(-1, 3)
    store = make(tmp_path / "s", ids=ids, vectors=vectors, present=present, overwrite=True)
    oracle = {id_: row for id_, row, is_there in zip(ids, vectors, present, strict=True) if is_there}
    got, has_vector = store.lookup(asked)
    assert has_vector.tolist() == [id_ in oracle for id_ in asked]
    for row, id_ in zip(got, asked, strict=True):
        np.testing.assert_array_equal(row, oracle.get(id_, np.zeros(3)))


def test_chunks_give_byte_for_byte_the_store_of_the_whole_array(tmp_path):
    ids = np.arange(1000)
    vectors = np.random.default_rng(0).standard_normal((1000, 8))
    present = ids % 7 != 0
    whole = make(tmp_path / "whole", ids, vectors, present=present, dtype="float16")
    chunks = (vectors[start : start + 130] for start in range(0, 1000, 130))
    parts = make(tmp_path / "parts", ids, chunks, present=present, dtype="float16")
    assert parts.card.files == whole.card.files


def test_chunks_are_written_in_bounded_memory(tmp_path):
    chunk = np.ones((1000, 64), dtype=np.float32)  # 256 kB; the store has 25.6 MB
    tracemalloc.start()
    make(tmp_path / "s", np.arange(100_000), (chunk for _ in range(100)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8e6


def test_an_absent_row_is_stored_as_zeros_whatever_was_given_for_it(tmp_path):
    vectors = np.array([[np.nan, np.inf], [1, 2]])
    store = make(tmp_path / "s", [1, 2], vectors, present=[False, True])
    assert store.vectors.tolist() == [[0, 0], [1, 2]]
    assert store.card.n_present == 1


# --------------------------------------------------------------------------------------------- keys of ids


def test_integers_are_their_own_keys_and_a_string_has_the_key_that_its_definition_says():
    assert id_keys([5, -2]).tolist() == [5, -2]
    by_hand = int.from_bytes(hashlib.blake2b(b"B0\xc3\xa9", digest_size=8).digest(), "little") % 2**63
    assert id_keys(np.array(["x", "B0é"])).tolist()[1] == by_hand
    assert id_keys(["a"]).dtype == np.int64


def test_keys_are_the_same_in_another_process_with_another_hash_seed():
    code = "from learn_recall.store import id_keys; print(id_keys(['a', 'ß', '']).tolist())"
    environment = {**os.environ, "PYTHONHASHSEED": "123"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=True)
    assert json.loads(done.stdout) == id_keys(["a", "ß", ""]).tolist()


def test_two_strings_with_one_key_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(store_read, "id_keys", lambda ids: np.zeros(len(ids), dtype=np.int64))
    with pytest.raises(StoreError, match=r"'a' and 'b'.*63-bit keys are equal"):
        make(tmp_path / "s", ["a", "b"])


def test_an_unknown_string_whose_key_collides_with_a_known_one_stays_unknown(tmp_path, monkeypatch):
    store = make(tmp_path / "s", ["a"])
    key = id_keys(["a"])
    monkeypatch.setattr(store_read, "id_keys", lambda ids: np.repeat(key, len(ids)))
    assert store.positions(["other", "a"]).tolist() == [-1, 0]


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ([1, "1"], "only integers or only strings"),
        ([1.0, 2.0], "float"),
        (np.array([1.0, 2.0]), "float64"),
        (["a", None], "NoneType"),
        ([True, 1], "bool"),
        (np.array([True, False]), "dtype bool"),
        ([2**64, 1], "64 bits"),
        (np.array([2**63], dtype=np.uint64), "64 bits"),
        ([[1, 2]], "one dimension"),
        ([4, 5, 4], "rows 0 and 2: .*4"),
        (["a", "a"], "rows 0 and 1: 'a' and 'a'"),
        ([], "at least one"),
        (["\ud800"], "UTF-8"),
    ],
    ids=repr,
)
def test_ids_that_cannot_be_keys_are_refused(tmp_path, ids, said):
    with pytest.raises(StoreError, match=said):
        make(tmp_path / "s", ids, np.ones((len(ids), 2)))
    assert names_beside(tmp_path / "s") == []


def test_asking_with_the_other_kind_of_id_is_an_error_and_not_unknown(tmp_path):
    store = make(tmp_path / "s")
    with pytest.raises(StoreError, match=r"integer ids such as.*30.*string ids such as '30'.*cast"):
        store.lookup(["30"])
    assert store.lookup([])[0].shape == (0, 4)


# -------------------------------------------------------------------------------------------- bad vectors


@pytest.mark.parametrize(
    ("vectors", "changes", "said"),
    [
        ([[1, 1], [np.nan, 1], [1, 1]], {}, r"NaN or infinity in 1 rows.*\[1\]"),
        ([[1, 1], [1, 1], [np.inf, 1]], {}, r"NaN or infinity.*\[2\]"),
        ([[1, 1], [70000, 1], [1, 1]], {"dtype": "float16"}, r"largest float16.*70000.*\[1\].*float32"),
        ([[1, 1], [1, 1], [0, 0]], {}, r"only zeros.*\[2\].*present=False"),
        ([[1, 1], [1, 1], [1e-9, 0]], {"dtype": "float16"}, "only zeros"),
        ([[1, 1], [1, 1]], {}, "expected 3 rows, one per id, got 2"),
        ([[1, 1]] * 4, {}, "expected 3 rows, one per id, got at least 4"),
        ([1, 2, 3], {}, r"\(n, D\)"),
        ([[1, 1]] * 3, {"present": [1, 1, 0]}, "bool of shape"),
        ([[1, 1]] * 3, {"present": [True]}, "bool of shape"),
        ([[1, 1]] * 3, {"dtype": "float64"}, "dtype"),
        ([[1, 1]] * 3, {"blocks": (Block("a", 0, 1),)}, "expected dimension 1 as in the blocks.*got 2"),
        ([[1, 1]] * 3, {"blocks": (Block("a", 0, 1), Block("a", 1, 2))}, "distinct names"),
        ([[1, 1]] * 3, {"blocks": (Block("a", 0, 2), Block("b", 1, 2))}, "cover 0..2"),
        ([[1, 1]] * 3, {"kind": "query"}, "kind"),
        ([[1, 1]] * 3, {"as_of": 1.7e12}, "unix seconds.*milliseconds"),
        ([[1, 1]] * 3, {"as_of": "today"}, "unix seconds"),
        ([[1, 1]] * 3, {"extra": {"loss": float("nan")}}, "finite"),
        ([[1, 1]] * 3, {"encoder": None}, "encoder"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_leaves_nothing_behind(tmp_path, vectors, changes, said):
    with pytest.raises(ValueError, match=said):
        make(tmp_path / "s", vectors=np.array(vectors, dtype=np.float64), **changes)
    assert names_beside(tmp_path / "s") == []


def test_a_wrong_card_is_refused_before_the_first_vector_is_asked_for(tmp_path):
    def chunks():
        raise AssertionError("asked for a vector")
        yield

    for change in ({"pooling": "max"}, {"as_of": "today"}, {"extra": {"x": object()}}):
        with pytest.raises((ValueError, TypeError)):
            make(tmp_path / "s", vectors=chunks(), **change)


def test_chunks_of_two_dimensions_are_refused(tmp_path):
    with pytest.raises(StoreError, match=r"from row 2: expected dimension 4.*got 5"):
        make(tmp_path / "s", vectors=iter([np.ones((2, 4)), np.ones((1, 5))]))


def test_a_disk_without_room_is_an_error_before_anything_is_written(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(store_files.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(StoreError, match=r"51 bytes of room.*10 bytes free"):  # 3 x 4 x 4 + 3
        make(tmp_path / "s")
    assert names_beside(tmp_path / "s") == []


# ------------------------------------------------------------------------------------- what is not whole


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("name", DATA_FILES)
def test_a_file_short_of_one_byte_is_refused_even_without_verification(tmp_path, name, verify):
    make(tmp_path / "s")
    file = tmp_path / "s" / name
    os.truncate(file, file.stat().st_size - 1)
    with pytest.raises(StoreError, match=f"{name}.*not whole"):
        EmbeddingStore.open(tmp_path / "s", verify=verify)


@pytest.mark.parametrize("name", DATA_FILES)
def test_a_file_with_one_changed_bit_is_refused(tmp_path, name):
    make(tmp_path / "s", ids=np.arange(500))
    file = tmp_path / "s" / name
    content = bytearray(file.read_bytes())
    content[-1 if name != "ids.parquet" else len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(StoreError, match=name):
        EmbeddingStore.open(tmp_path / "s")


def test_a_file_with_a_byte_too_many_is_refused_even_without_verification(tmp_path):
    make(tmp_path / "s")
    with open(tmp_path / "s" / "vectors.npy", "ab") as file:
        file.write(b"\0")
    with pytest.raises(StoreError, match=r"vectors.npy"):
        EmbeddingStore.open(tmp_path / "s", verify=False)


@pytest.mark.parametrize("name", [*DATA_FILES, "card.json"])
def test_a_missing_file_is_refused_by_name(tmp_path, name):
    make(tmp_path / "s")
    (tmp_path / "s" / name).unlink()
    with pytest.raises(StoreError, match=name):
        EmbeddingStore.open(tmp_path / "s")


def test_a_path_without_a_store_is_refused(tmp_path):
    with pytest.raises(StoreError, match="no such folder"):
        EmbeddingStore.open(tmp_path / "none")


class Trap:
    def __reduce__(self):
        return (exec, ("raise SystemExit('a pickle was run')",))


def test_an_array_that_would_need_pickle_is_refused(tmp_path):
    make(tmp_path / "s")
    (tmp_path / "s" / "vectors.npy").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(StoreError, match=r"vectors\.npy"):
        EmbeddingStore.open(tmp_path / "s", verify=False)
    np.save(tmp_path / "s" / "vectors.npy", np.array([{}] * 3, dtype=object), allow_pickle=True)
    with pytest.raises(StoreError, match=r"vectors.npy"):
        EmbeddingStore.open(tmp_path / "s", verify=False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format_version": 2, "a_new_field": 1}, "format_version: expected 1, got 2"),
        ({"n_ids": 4}, r"shape \(4, 4\)"),
        ({"n_present": 2}, "2 vectors as the card says"),
        ({"dimension": 5, "blocks": [{"name": "a", "start": 0, "stop": 5}]}, r"shape \(3, 5\)"),
        ({"dtype": "float16"}, "float16"),
        ({"surprise": 1}, "unknown.*surprise"),
        ({"blocks": [{"name": "a"}]}, "blocks"),
        ({"blocks": [{"name": "a", "start": "0", "stop": 4}]}, "blocks"),
        ({"files": {}}, "sha256"),
        ({"files": []}, "files"),
        ({"n_ids": "3"}, "n_ids"),
    ],
)
def test_a_card_that_does_not_fit_its_files_is_refused(tmp_path, change, said):
    make(tmp_path / "s")
    card = tmp_path / "s" / "card.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), **change}))
    with pytest.raises(StoreError, match=said):
        EmbeddingStore.open(tmp_path / "s")


def test_a_card_that_is_not_json_is_refused(tmp_path):
    make(tmp_path / "s")
    (tmp_path / "s" / "card.json").write_text('{"kind": ')
    with pytest.raises(StoreError, match=r"card\.json"):
        EmbeddingStore.open(tmp_path / "s")


def test_a_card_of_another_encoder_is_refused_naming_every_field_that_differs(tmp_path):
    make(tmp_path / "s", extra={"seed": 1})
    fits = {"kind": "item", "encoder_sha256": "e" * 64, "extra.seed": 1, "tower": None}
    assert len(EmbeddingStore.open(tmp_path / "s", expect=fits)) == 3
    expect = {"kind": "user", "encoder": "big", "pooling": "mean", "extra.seed": 2}
    with pytest.raises(StoreError) as caught:
        EmbeddingStore.open(tmp_path / "s", expect=expect)
    for part in (
        "kind: expected 'user', got 'item'",
        "encoder: expected 'big', got 'tiny'",
        "extra.seed",
        "Remedy",
    ):
        assert part in str(caught.value)
    assert "pooling" not in str(caught.value)
    with pytest.raises(StoreError, match="encodr"):
        EmbeddingStore.open(tmp_path / "s", expect={"encodr": "tiny"})


# -------------------------------------------------------------------------------------------- overwriting


def test_a_taken_path_is_left_alone_unless_overwriting_is_asked_for(tmp_path):
    make(tmp_path / "s")
    with pytest.raises(StoreError, match="overwrite=True"):
        make(tmp_path / "s", ids=[1])
    assert len(make(tmp_path / "s", ids=[1], overwrite=True)) == 1
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(StoreError, match="left alone"):
        make(tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_reader_of_the_old_version_is_undisturbed_by_an_overwrite(tmp_path, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    old = make(tmp_path / "s")
    make(tmp_path / "s", ids=[30], vectors=np.full((1, 4), 7.0), overwrite=True)
    assert old.lookup([30])[0].tolist() == [[1, 2, 3, 4]]
    assert EmbeddingStore.open(tmp_path / "s").lookup([30])[0].tolist() == [[7, 7, 7, 7]]
    assert names_beside(tmp_path / "s") == ["s"]


def test_a_write_that_fails_half_way_leaves_the_old_version_and_no_remains(tmp_path):
    make(tmp_path / "s")

    def chunks():
        yield np.ones((2, 4))
        raise RuntimeError("the encoder died")

    with pytest.raises(RuntimeError, match="the encoder died"):
        make(tmp_path / "s", vectors=chunks(), overwrite=True)
    assert EmbeddingStore.open(tmp_path / "s").lookup([30])[0].tolist() == [[1, 2, 3, 4]]
    assert names_beside(tmp_path / "s") == ["s"]


def test_a_killed_write_leaves_no_store_and_the_next_write_clears_its_remains(tmp_path):
    code = f"""
import os, signal
import numpy as np
from learn_recall.store import write_store
def chunks():
    yield np.ones((2, 4))
    os.kill(os.getpid(), signal.SIGKILL)
write_store({str(tmp_path / "s")!r}, ids=[1, 2, 3], vectors=chunks(), **{CARD!r})
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    (remains,) = names_beside(tmp_path / "s")
    assert remains.endswith(".tmp")
    with pytest.raises(StoreError, match=r"no card\.json: not a store, or half-written"):
        EmbeddingStore.open(tmp_path / remains)
    with pytest.raises(StoreError, match="no such folder"):
        EmbeddingStore.open(tmp_path / "s")
    make(tmp_path / "s")
    assert names_beside(tmp_path / "s") == ["s"]


def test_opening_while_another_overwrites_never_mixes_two_versions(tmp_path):
    make(tmp_path / "s", vectors=np.full((3, 4), 1.0), extra={"fill": 1})
    is_done = threading.Event()

    def overwrite():
        try:
            for fill in range(2, 40):
                vectors = np.full((3, 4), float(fill))
                make(tmp_path / "s", vectors=vectors, extra={"fill": fill}, overwrite=True)
        finally:
            is_done.set()

    writer = threading.Thread(target=overwrite)
    writer.start()
    seen = set()
    while not is_done.is_set():
        try:
            store = EmbeddingStore.open(tmp_path / "s", verify=False)
        except StoreError as error:
            assert "replaced" in str(error)
            continue
        seen.add(store.card.extra["fill"])
        assert set(store.vectors.ravel().tolist()) == {float(store.card.extra["fill"])}
    writer.join()
    assert len(seen) > 1


def test_a_store_that_never_comes_to_rest_is_an_error(tmp_path, monkeypatch):
    make(tmp_path / "s")
    versions = iter(range(100))
    monkeypatch.setattr(store_read, "_card_bytes", lambda folder: str(next(versions)).encode())
    with pytest.raises(StoreError, match="replaced 3 times"):
        EmbeddingStore.open(tmp_path / "s")


# -------------------------------------------------------------------------------------------- as-of time


def test_vectors_that_have_seen_the_first_label_are_refused(tmp_path):
    store = make(tmp_path / "s", as_of=1000.0)
    check_as_of(store, 1000.0)
    check_as_of(store, None)
    with pytest.raises(StoreError, match=r"not later than the first label, 999.5.*0.5 seconds later"):
        check_as_of(store, 999.5)
    with pytest.raises(StoreError, match=r"first_label_time: expected unix seconds.*milliseconds"):
        check_as_of(store, 1.7e12)


def test_an_unknown_as_of_is_refused_unless_allowed_or_made_of_text_alone(tmp_path):
    tower = make(tmp_path / "tower")
    with pytest.raises(StoreError, match=r"unknown.*allow_unknown=True"):
        check_as_of(tower, 1000.0)
    check_as_of(tower, 1000.0, allow_unknown=True)
    check_as_of(make(tmp_path / "content", kind="content"), 1000.0)


# ------------------------------------------------------------------------------------------------ the rest


def test_every_public_name_of_the_package_exists():
    import learn_recall

    for name in learn_recall.__all__:
        assert getattr(learn_recall, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = learn_recall.nothing


def test_json_is_written_whole_with_numpy_and_dataclasses_and_never_with_nan(tmp_path):
    value = {"card": Block("a", 0, 1), "n": np.int64(3), "x": np.array([1.5]), "p": Path("a"), "s": {2, 1}}
    files.write_json(tmp_path / "deep" / "v.json", value)
    assert files.read_json(tmp_path / "deep" / "v.json") == {
        "card": {"name": "a", "start": 0, "stop": 1},
        "n": 3,
        "x": [1.5],
        "p": "a",
        "s": [1, 2],
    }
    with pytest.raises(ValueError, match="finite"):
        files.write_json(tmp_path / "v.json", {"x": np.float32("nan")})
    assert names_beside(tmp_path / "v.json") == ["deep"]


def test_a_file_left_by_a_living_process_is_not_cleared(tmp_path):
    mine = tmp_path / f".v.json.{files.HOST}-{os.getpid()}-00000000.tmp"
    other = tmp_path / f".v.json.elsewhere-{2**22 + 1}-00000000.tmp"
    dead = tmp_path / f".v.json.{files.HOST}-{2**22 + 1}-00000000.tmp"
    for path in (mine, other, dead):
        path.write_text("")
    files.write_json(tmp_path / "v.json", 1)
    assert names_beside(tmp_path / "v.json") == sorted([mine.name, other.name, "v.json"])


def test_an_old_version_set_aside_by_a_killed_rename_comes_back(tmp_path):
    aside = tmp_path / f".s.{files.HOST}-{2**22 + 1}-00000000.old.tmp"
    make(tmp_path / "s").path.rename(aside)
    with pytest.raises(StoreError, match="got 0 rows"):
        make(tmp_path / "s", vectors=iter([]))
    assert len(EmbeddingStore.open(tmp_path / "s")) == 3


def test_the_card_read_from_its_own_json_is_the_same_card(tmp_path):
    card = make(tmp_path / "s", blocks=(Block("tower", 0, 3), Block("content", 3, 4))).card
    assert IdentityCard.from_json(json.loads(files.to_json(card))) == card
    with pytest.raises(StoreError, match="format_version"):
        dataclasses.replace(card, format_version=2)
