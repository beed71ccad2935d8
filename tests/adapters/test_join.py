"""Vectors joined to rows of parquet: the fusion's own numbers, the guards, and going on after a stop."""

import datetime
import math
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from adapter_world import AS_OF, CARD, N_ITEMS, row_table, stores, write_rows
from torchrec import KeyedJaggedTensor
from typer.testing import CliRunner

from learn_rank import FrozenEmbedding, FusionConfig, LearnFeatureFusion
from learn_rank.adapters.coverage import Coverage
from learn_rank.adapters.join import JoinConfig, added_columns, join_vectors
from learn_rank.adapters.joined_rows import join_rows
from learn_rank.cli import app
from learn_recall.store import Block, StoreError, id_keys, write_store

WITH_HISTORY = JoinConfig(history_column="history", history_length=5, rows_at_once=6)
NOBODY = -99  # an id that no store knows, for the rows whose id is null


def matrix(column) -> np.ndarray:
    return np.stack(column.to_numpy(zero_copy_only=False))


def fused(table: pa.Table, users, items, config: FusionConfig):
    """What `LearnFeatureFusion` hands to its host for the same rows."""
    module = LearnFeatureFusion(FrozenEmbedding.from_store(users), FrozenEmbedding.from_store(items), config)
    histories = [list(history) if history is not None else [] for history in table["history"].to_pylist()]
    user_ids = [NOBODY if name is None else int(id_keys([name])[0]) for name in table["user_id"].to_pylist()]
    item_ids = [NOBODY if item is None else item for item in table["item_id"].to_pylist()]
    flags = [flag for converted in table["history_converted"].to_pylist() for flag in converted or []]
    items_of_all = [item for history in histories for item in history]
    ids = KeyedJaggedTensor(
        keys=["learn_user", "learn_item", "learn_history", "learn_history_converted"],
        values=torch.tensor([*user_ids, *item_ids, *items_of_all, *map(int, flags)]),
        lengths=torch.tensor([*[1] * 2 * len(user_ids), *map(len, histories), *map(len, histories)]),
    )
    return module.eval()(ids).features.detach().numpy(), module


SEEN = {
    "nothing": ({}, {"history_feature": None}),
    "a history": ({"history_column": "history"}, {}),
    "a history and its conversions": (
        {"history_column": "history", "converted_column": "history_converted"},
        {"converted_feature": "learn_history_converted"},
    ),
}


@pytest.mark.parametrize(("columns", "features"), SEEN.values(), ids=SEEN)
def test_the_columns_are_what_the_fusion_hands_to_its_host(tmp_path, columns, features):
    users, items = stores(tmp_path)
    table = row_table()
    config = JoinConfig(**columns, history_length=5, rows_at_once=6)
    join_vectors(write_rows(tmp_path / "rows.parquet", table), users, items, tmp_path / "out.parquet", config)
    joined = pq.read_table(tmp_path / "out.parquet")
    expected, module = fused(
        table, users, items, FusionConfig(**features, history_length=5, passes_vectors=True)
    )
    width = module.config.fusion_dim
    user, item, rest = np.split(expected[:, width:], [7, 14], axis=1)
    # the fallback of a missing vector is zeros as long as it is not trained
    np.testing.assert_allclose(matrix(joined["learn_user_vector"]), user, rtol=1e-6)
    np.testing.assert_allclose(matrix(joined["learn_item_vector"]), item, rtol=1e-6)
    others = [name for name in joined.column_names if name.startswith("learn_") and "_vector" not in name]
    assert len(others) == module.n_similarities == rest.shape[1] - 2
    numbers = np.stack([joined[name].to_numpy() for name in others], axis=1)
    np.testing.assert_allclose(numbers, rest[:, :-2], rtol=1e-6, atol=1e-6)
    for name, column in (("learn_has_user_vector", -2), ("learn_has_item_vector", -1)):
        assert joined[name].to_pylist() == (rest[:, column] > 0).tolist()
    assert 0 < sum(joined["learn_has_user_vector"].to_pylist()) < len(table)


def test_a_row_by_hand(tmp_path):
    card = {**CARD, "blocks": (Block("tower", 0, 2),)}
    users = write_store(tmp_path / "u", ids=[1], vectors=np.array([[3.0, 4.0]]), kind="user", **card)
    corners = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    items = write_store(tmp_path / "i", ids=[10, 11, 12], vectors=corners, kind="item", **card)
    row = pa.table({"user_id": [1], "item_id": [10], "history": [[12, 11, 404, 10]], "timestamp": [AS_OF]})
    config = JoinConfig(history_column="history", history_length=3, scales_vectors=False)
    columns, _ = added_columns(row, user_store=users, item_store=items, config=config)
    found = columns.to_pylist()[0]
    assert found["learn_user_vector"] == [3.0, 4.0]
    assert found["learn_tower_cosine"] == pytest.approx(3 / 5 * 2**0.5 / 3)
    # of the last three, 404 is unknown; 11 is orthogonal (z = 0), 10 is the item itself (sqrt(2))
    nearest = [found[f"learn_tower_nearest_{number}"] for number in range(3)]
    assert nearest == pytest.approx([2**0.5 / 3, 0, 0])
    assert found["learn_tower_mean"] == pytest.approx(2**0.5 / 2 / 2)
    assert found["learn_tower_log_count"] == pytest.approx(math.log(1 + 2) / 3)
    scaled, _ = added_columns(row, user_store=users, item_store=items, config=JoinConfig())
    assert scaled["learn_user_vector"].to_pylist()[0] == pytest.approx([3 * 2**0.5, 4 * 2**0.5])


@pytest.mark.parametrize("kind", [pa.bool_(), pa.int8(), pa.float32()], ids=str)
def test_items_that_the_user_converted_on_are_compared_apart(tmp_path, kind):
    card = {**CARD, "blocks": (Block("tower", 0, 2),)}
    corners = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    users = write_store(tmp_path / "u", ids=[1], vectors=corners[:1], kind="user", **card)
    items = write_store(tmp_path / "i", ids=[10, 11, 12], vectors=corners, kind="item", **card)
    # of the last three 10 and 404 converted, and 404 has no vector; the flag of 12 is older than those
    flags = pa.array([True, False, True, True]).cast(kind).to_pylist()
    row = pa.table(
        {
            "user_id": [1, 1],
            "item_id": [10, 10],
            "history": [[12, 11, 404, 10], None],
            "past": pa.array([flags, None], pa.list_(kind)),
        }
    )
    config = JoinConfig(history_column="history", converted_column="past", history_length=3)
    columns, _ = added_columns(row, user_store=users, item_store=items, config=config)
    found, nothing = columns.to_pylist()
    assert found["learn_tower_nearest_0"] == found["learn_tower_converted_nearest_0"]
    assert found["learn_tower_converted_mean"] == pytest.approx(2**0.5 / 2)
    assert found["learn_tower_converted_log_count"] == pytest.approx(math.log(1 + 1) / 3)
    assert found["learn_tower_converted_excess"] == pytest.approx(2**0.5)  # over 11, whose z is 0
    assert not any(value for name, value in nothing.items() if "converted" in name)


def test_each_column_is_of_the_block_that_it_names(tmp_path):
    users, items = stores(tmp_path)
    row = pa.table({"user_id": ["u1"], "item_id": [2], "history": [[7]]})
    config = JoinConfig(history_column="history")
    found = added_columns(row, user_store=users, item_store=items, config=config)[0].to_pylist()[0]
    user, item, past = users.vectors[1], items.vectors[2], items.vectors[7]
    for name, part, width in (("tower", slice(0, 4), 4), ("content", slice(4, 7), 3)):
        unit = width**0.5 / 3
        assert found[f"learn_{name}_cosine"] == pytest.approx(unit * (user[part] @ item[part]), abs=1e-6)
        assert found[f"learn_{name}_nearest_0"] == pytest.approx(unit * (past[part] @ item[part]), abs=1e-6)


def test_rows_order_columns_and_metadata_stay_and_the_pieces_do_not_show(tmp_path):
    users, items = stores(tmp_path)
    table = row_table().replace_schema_metadata({"team": "ads"})
    rows = write_rows(tmp_path / "rows.parquet", table)
    read = []
    for rows_at_once in (1, 6, 1000):
        out = tmp_path / f"{rows_at_once}.parquet"
        config = JoinConfig(history_column="history", rows_at_once=rows_at_once)
        join_vectors(rows, users, items, out, config)
        metadata = pq.read_metadata(out)
        sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
        assert max(sizes) <= rows_at_once
        assert metadata.metadata[b"team"] == b"ads"
        read.append(pq.read_table(out))
    assert read[0].select(table.column_names).equals(table)
    for other in read[1:]:
        for name in other.column_names:
            here, there = read[0][name], other[name]
            if name.startswith("learn_") and "has_" not in name:
                here, there = matrix(here), matrix(there)
                np.testing.assert_allclose(here, there, rtol=1e-6, atol=1e-6)
            else:
                assert here.equals(there)


def test_every_id_is_counted_once_under_its_reason(tmp_path):
    users, items = stores(tmp_path)
    table = pa.table(
        {
            "user_id": ["u1", "u5", "x", None, "x"],
            "item_id": [1, 3, 77, None, 1],
            "history": [[1, 3, 77], [], None, [1], [2]],
        }
    )
    rows = write_rows(tmp_path / "rows.parquet", table, 2)
    config = JoinConfig(history_column="history", timestamp_column=None, rows_at_once=2)
    report = join_vectors(rows, users, items, tmp_path / "out.parquet", config)
    assert report.n_rows == 5
    assert report.users == Coverage(5, 1, 1, 2, 1, ("x",))
    assert report.items == Coverage(5, 2, 1, 1, 1, ("77",))
    assert report.histories == Coverage(5, 3, 1, 1, 0, ("77",))
    assert report.users.share == 1 / 5
    again = join_vectors(rows, users, items, tmp_path / "out.parquet", config)
    assert (again.n_kept, again.users, again.histories) == (1, report.users, report.histories)


def test_dictionary_columns_and_half_floats_say_the_same(tmp_path):
    users, items = stores(tmp_path)
    table = row_table()
    coded = table.set_column(0, "user_id", table["user_id"].dictionary_encode())
    plain, _ = added_columns(table, user_store=users, item_store=items, config=JoinConfig())
    halves, _ = added_columns(coded, user_store=users, item_store=items, config=JoinConfig(dtype="float16"))
    assert halves["learn_user_vector"].type == pa.list_(pa.float16(), 7)
    np.testing.assert_allclose(
        matrix(halves["learn_user_vector"]), matrix(plain["learn_user_vector"]), atol=2e-3
    )


class Stopped(RuntimeError):
    pass


def test_a_stopped_join_goes_on_with_the_file_it_was_at(tmp_path):
    users, items = stores(tmp_path)
    for number in range(3):
        write_rows(tmp_path / "log" / f"day={number}" / "part.parquet", row_table(seed=number))
    done = []

    def stops(n_rows):
        done.append(n_rows)
        if sum(done) > 50:
            raise Stopped

    with pytest.raises(Stopped):
        join_vectors(tmp_path / "log", users, items, tmp_path / "out", WITH_HISTORY, on_rows=stops)
    assert [path.parent.name for path in (tmp_path / "out").rglob("*.parquet")] == ["day=0"]
    assert not list((tmp_path / "out").rglob("*.tmp"))
    report = join_vectors(tmp_path / "log", users, items, tmp_path / "out", WITH_HISTORY)
    assert (report.n_kept, len(report.files), report.n_rows) == (1, 3, 120)
    assert join_vectors(tmp_path / "log", users, items, tmp_path / "out", WITH_HISTORY).n_kept == 3


def test_other_settings_other_rows_and_other_vectors_are_joined_anew(tmp_path):
    users, items = stores(tmp_path)
    rows, out = write_rows(tmp_path / "rows.parquet", row_table()), tmp_path / "out.parquet"
    assert join_vectors(rows, users, items, out).n_kept == 0
    assert join_vectors(rows, users, items, out, JoinConfig(history_length=9)).n_kept == 0
    write_rows(rows, row_table(seed=5))
    assert join_vectors(rows, users, items, out).n_kept == 0
    (tmp_path / "other").mkdir()
    others = stores(tmp_path / "other", as_of=AS_OF - 1)
    assert join_vectors(rows, *others, out).n_kept == 1  # the same bytes under another time
    moved = write_store(tmp_path / "moved", ids=["u1"], vectors=np.ones((1, 7)), kind="user", **CARD)
    assert join_vectors(rows, moved, items, out).n_kept == 0
    out.write_bytes(b"not parquet")
    assert join_vectors(rows, users, items, out).n_kept == 0


AT = datetime.datetime.fromtimestamp(AS_OF, datetime.UTC)
TIMES = {
    "seconds": pa.array([int(AS_OF), int(AS_OF) + 9]),
    "floats": pa.array([AS_OF + 9, AS_OF]),
    "milliseconds with zone": pa.array([AT, AT], pa.timestamp("ms", "Asia/Tokyo")),
    "nanoseconds": pa.array([AT.replace(tzinfo=None)] * 2, pa.timestamp("ns")),
}


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
def test_a_vector_may_have_seen_all_up_to_the_oldest_row_and_nothing_later(tmp_path, times):
    users, items = stores(tmp_path)
    table = pa.table({"user_id": ["u1", "u2"], "item_id": [1, 2], "timestamp": times})
    rows = write_rows(tmp_path / "rows.parquet", table)
    report = join_vectors(rows, users, items, tmp_path / "out.parquet")
    assert report.first_time == AS_OF
    (tmp_path / "later").mkdir()
    late, _ = stores(tmp_path / "later", as_of=AS_OF + 0.5)
    with pytest.raises(StoreError, match="seen the future"):
        join_vectors(rows, late, items, tmp_path / "out.parquet")
    unchecked = JoinConfig(timestamp_column=None)
    assert join_vectors(rows, late, items, tmp_path / "out.parquet", unchecked).first_time is None


def test_a_store_that_does_not_say_what_it_has_seen_is_refused_unless_allowed(tmp_path):
    users, items = stores(tmp_path, as_of=None)
    rows, out = write_rows(tmp_path / "rows.parquet", row_table()), tmp_path / "out.parquet"
    with pytest.raises(StoreError, match=r"as_of of .*users: expected .* got unknown"):
        join_vectors(rows, users, items, out)
    assert join_vectors(rows, users, items, out, JoinConfig(allows_unknown_time=True)).n_rows == 40


OTHER_CARDS = {
    "tower": "another",
    "encoder_sha256": "f",
    "prompt": "paper",
    "pooling": "last",
    "max_tokens": 16,
    "blocks": (Block("tower", 0, 3), Block("content", 3, 7)),
}


@pytest.mark.parametrize(("field", "value"), OTHER_CARDS.items())
def test_users_and_items_of_different_origin_are_refused_by_name(tmp_path, field, value):
    users, items = stores(tmp_path, **{field: value})
    rows = write_rows(tmp_path / "rows.parquet", row_table())
    with pytest.raises(StoreError, match=f"got {field} ") as error:
        join_vectors(rows, users, items, tmp_path / "out.parquet")
    assert "Remedy" in str(error.value)
    assert not (tmp_path / "out.parquet").exists()


def _table(**columns) -> pa.Table:
    return pa.table({"user_id": ["u1"], "item_id": [1], "timestamp": [AS_OF], "history": [[1]], **columns})


CONVERTED = {"history_column": "history", "converted_column": "history_converted"}
WRONG = {
    "no such column": ({"user_column": "uid"}, _table(), "got no \\['uid'\\]"),
    "no time": ({"timestamp_column": "ts"}, _table(), "got no \\['ts'\\]"),
    "a time that is null": ({}, _table(timestamp=pa.array([None], pa.float64())), "1 rows without one"),
    "milliseconds": (
        {},
        _table(timestamp=[1_700_000_000_000]),
        "column timestamp: .*divide milliseconds by 1,000",
    ),
    "a time as text": ({}, _table(timestamp=["monday"]), "expected unix seconds or a timestamp type"),
    "users as numbers": ({}, _table(user_id=[1]), "expected string ids such as 'u0'"),
    "items as text": ({}, _table(item_id=["1"]), "expected integer ids such as 0"),
    "items as floats": (
        {},
        _table(item_id=[1.0]),
        "rows.parquet, column item_id: expected integers or strings, got dtype float64",
    ),
    "history as text": ({"history_column": "history"}, _table(history=["1,2"]), "expected lists of item ids"),
    "conversions of other events": (
        CONVERTED,
        _table(history_converted=[[True, False]]),
        "converted: expected a value for each item of the row's history, got 2 for 1 items, in 1 rows",
    ),
    "conversions that are not known": (
        CONVERTED,
        _table(history_converted=[[None]]),
        r"converted: expected true or false \(or 1 and 0\), got None",
    ),
    "conversions as counts": (CONVERTED, _table(history_converted=[[2]]), "got 2 among int64"),
    "conversions as words": (CONVERTED, _table(history_converted=[["yes"]]), "got 'yes' among string"),
    "conversions as text": (
        CONVERTED,
        _table(history_converted=["1"]),
        "converted: expected lists of true or",
    ),
    "a name that is taken": ({}, _table(learn_has_user_vector=[1]), "choose another prefix"),
}


@pytest.mark.parametrize(("settings", "table", "words"), WRONG.values(), ids=WRONG)
def test_rows_that_do_not_fit_are_refused_with_the_remedy(tmp_path, settings, table, words):
    users, items = stores(tmp_path)
    rows = write_rows(tmp_path / "rows.parquet", table)
    with pytest.raises(ValueError, match=words):
        join_vectors(rows, users, items, tmp_path / "out.parquet", JoinConfig(**settings))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["items", "rows.parquet", "users"]


def test_conversions_without_the_histories_that_they_stand_beside_are_refused(tmp_path):
    sides, table = stores(tmp_path), row_table()
    columns = [table[name].combine_chunks() for name in ("user_id", "item_id", "history_converted")]
    with pytest.raises(ValueError, match="converted: expected None without histories"):
        join_rows(*columns[:2], None, *sides, history_length=5, converted=columns[2])


def test_places_and_settings_that_cannot_work_are_refused(tmp_path):
    users, items = stores(tmp_path)
    rows = write_rows(tmp_path / "a" / "rows.parquet", row_table())
    write_rows(tmp_path / "b" / "rows.parquet", row_table())
    with pytest.raises(ValueError, match="expected another place than the rows"):
        join_vectors(rows, users, items, rows)
    with pytest.raises(ValueError, match="expected files of different names"):
        join_vectors(tmp_path / "*" / "rows.parquet", users, items, tmp_path / "out")
    with pytest.raises(StoreError, match="expected a store of kind user, got item"):
        join_vectors(rows, items, users, tmp_path / "out")
    large = {**CARD, "blocks": None}
    sides = [
        write_store(tmp_path / kind, ids=[1], vectors=np.full((1, 2), 6e4), kind=kind, **large)
        for kind in ("user", "item")
    ]
    one = pa.table({"user_id": [1], "item_id": [1]})
    with pytest.raises(ValueError, match=r"holds components up to 84852.8, got float16"):
        added_columns(one, user_store=sides[0], item_store=sides[1], config=JoinConfig(dtype="float16"))
    for settings, words in (
        ({"history_length": 0}, "history_length: expected at least 1"),
        (
            {"converted_column": "past"},
            "converted_column: expected a history_column, got none beside 'past'",
        ),
        ({"layout": "csv"}, "layout: expected one of columns"),
        ({"layout": "torcheasyrec", "dtype": "float16"}, "dtype: expected one of float32"),
    ):
        with pytest.raises(ValueError, match=words):
            JoinConfig(**settings)


def test_the_command_joins_prints_its_coverage_and_says_what_is_wrong(tmp_path):
    stores(tmp_path)
    rows = write_rows(tmp_path / "rows.parquet", row_table())
    command = ["join", str(rows), "--users", str(tmp_path / "users"), "--items", str(tmp_path / "items")]
    out = ["--out", str(tmp_path / "out.parquet"), "--history", "history"]
    found = CliRunner().invoke(app, [*command, *out, "--no-vectors"])
    assert found.exit_code == 0, found.output
    assert "40 rows, 16 columns added" in found.output
    assert "stranger" in found.output
    assert "learn_user_vector" not in pq.read_schema(tmp_path / "out.parquet").names
    wrong = CliRunner().invoke(app, [*command, *out, "--item", "sku"])
    assert wrong.exit_code == 2
    assert "got no ['sku']" in wrong.output


def test_the_command_takes_conversions_and_compares_as_many_items_as_the_config_and_the_fusion(tmp_path):
    users, items = stores(tmp_path)
    past = [number % N_ITEMS for number in range(100)]
    table = pa.table(
        {"user_id": ["u1"], "item_id": [2], "history": [past], "past": [[item % 2 for item in past]]}
    )
    rows, out = write_rows(tmp_path / "rows.parquet", table), tmp_path / "out.parquet"
    command = ["join", str(rows), "--users", str(users.path), "--items", str(items.path), "--out", str(out)]
    options = ["--history", "history", "--converted", "past", "--no-timestamp"]
    found = CliRunner().invoke(app, [*command, *options])
    assert found.exit_code == 0, found.output
    config = JoinConfig(history_column="history", converted_column="past")
    columns, _ = added_columns(table, user_store=users, item_store=items, config=config)
    assert pq.read_table(out).select(columns.schema.names).to_pylist() == columns.to_pylist()
    assert config.history_length == FusionConfig().history_length


def test_joining_needs_neither_torchrec_nor_a_ranker():
    code = "import sys; sys.modules['torchrec'] = None; import learn_rank.adapters.join"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
