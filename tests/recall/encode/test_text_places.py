"""Where each item's vector lies: the join on disk against a dictionary, whatever the sizes of its buckets."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learn_recall.encode import text_places
from learn_recall.encode.text_places import find_places, is_first, row_of, source_of
from learn_recall.files.row_file import RowFile
from learn_recall.text.digests import text_digests


def rows_on_disk(path: Path, array: np.ndarray) -> RowFile:
    path.write_bytes(array.tobytes())
    return RowFile(path, 0, array.dtype, array.shape[1:], len(array))


def places_by_dictionary(texts: list[str], known: list[list[str]], shard_size: int):
    """(source, row, is first) of each item, by the definition and in memory."""
    where = {}
    for source, there in reversed(list(enumerate(known))):
        where |= {text: (source, row) for row, text in reversed(list(enumerate(there)))}
    seen: set[str] = set()
    n_todo, found = 0, []
    for text in texts:
        if text and text not in where:
            where[text] = (len(known) + n_todo // shard_size, n_todo % shard_size)
            n_todo += 1
        found.append((*where[text], text not in seen) if text else (-1, None, False))
        seen.add(text)
    return found, len(seen - {""}), n_todo


words = st.sampled_from(["", "a", "b", "c", "d", "e", "f", "g", "h", "i"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(words, min_size=1, max_size=40),
    known=st.lists(st.lists(words.filter(bool), max_size=5, unique=True), max_size=3),
    shard_size=st.integers(1, 4),
    at_once=st.integers(1, 9),
)
def test_places_are_those_of_a_dictionary_in_memory(tmp_path, texts, known, shard_size, at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_places, "_ROWS_AT_ONCE", at_once)
        patch.setattr(text_places, "_RECORDS_AT_ONCE", at_once)  # many buckets, many ranges
        digests = rows_on_disk(tmp_path / "digests", text_digests(texts))
        sources = [
            rows_on_disk(tmp_path / f"known{number}", text_digests(there))
            for number, there in enumerate(known)
        ]
        counts = find_places(
            tmp_path / "places", digests, sources, sum(map(len, known)), shard_size=shard_size
        )
    places = np.fromfile(tmp_path / "places", dtype="<i8")
    expected, *expected_counts = places_by_dictionary(texts, known, shard_size)
    assert list(counts) == expected_counts
    got = [
        (source, None if source < 0 else row, first)
        for source, row, first in zip(
            source_of(places).tolist(), row_of(places).tolist(), is_first(places).tolist(), strict=True
        )
    ]
    assert got == expected
    assert not list(tmp_path.glob("texts-*")) and not list(tmp_path.glob("found-*"))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), gap=st.sampled_from([1, 64, 1 << 14]), block=st.sampled_from([40, 1 << 22]))
def test_rows_taken_in_any_order_are_the_rows_of_the_array(tmp_path, data, gap, block):
    array = np.arange(600, dtype=np.float32).reshape(100, 3, 2)
    path = tmp_path / "rows.npy"
    np.save(path, array)
    asked = np.array(data.draw(st.lists(st.integers(0, 99), max_size=50)), dtype=np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("learn_recall.files.row_file._GAP_BYTES", gap)
        patch.setattr("learn_recall.files.row_file._READ_BYTES", block)
        np.testing.assert_array_equal(RowFile.of_npy(path).take(asked), array[asked])


def test_a_file_that_is_cut_is_refused(tmp_path):
    np.save(tmp_path / "rows.npy", np.ones((10, 4)))
    whole = (tmp_path / "rows.npy").read_bytes()
    (tmp_path / "rows.npy").write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="it is cut"):
        RowFile.of_npy(tmp_path / "rows.npy")
