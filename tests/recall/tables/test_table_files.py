"""The one reader of tables: whatever tool wrote a file, its values come exactly or its fault is told."""

import bz2
import datetime
import decimal
import gzip
import lzma
import uuid
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_tables import (
    ENDINGS,
    INT_TYPES,
    TEXT_TYPES,
    WORDS,
    arrays,
    as_typed,
    plain_values,
    written,
)
from table_problems import problems_of, the_problem

from learn_recall.tables import read as t
from learn_recall.tables.links import drop_unknown_items, shared_kinds, with_plain_ids
from learn_recall.tables.read import TableError
from learn_recall.tables.stream import item_frames

# ----------------------------------------------------------------------------------- what is no text for us


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", b"item_id,title\n1,a\n2\0,b\n", "line 3 holds the byte 0"),
        ("t.csv", "item_id,title\n1,a\n".encode("utf-16-le"), "line 1 holds the byte 0"),
        ("t.jsonl", '{"item_id": 1, "title": "a"}\n'.encode("utf-16-be"), "line 1 holds the byte 0"),
        ("t.jsonl", b'{"item_id": 1, "title": "a"}\n\0\0\0', "line 2 holds the byte 0"),
        ("t.csv", b"item_id;title\n1;a\n", "one name with ';' in it: 'item_id;title'"),
        ("t.csv", b"item_id\ttitle\n1\ta\n", r"one name with '\t' in it: 'item_id\ttitle'"),
        (
            "t.jsonl",
            b'{"item_id": "\\ud800", "title": "a"}\n{"item_id": "b", "title": "b"}\n',
            "1 other line, e.g.",
        ),
        (
            "t.jsonl",
            b'{"item_id": "a", "title": "x \\uDE00"}\n{"item_id": "b", "title": "b"}\n',
            "1 other line, e.g.",
        ),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_no_reader_can_take_for_text_is_told_by_every_reader(tmp_path, name, content, said, packed):
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if packed else content)
    assert said in the_problem(t.read_items, path).got
    with pytest.raises(TableError) as error:
        list(item_frames([path]))
    assert said in error.value.problems[0].got


def test_characters_that_json_escapes_in_two_halves_are_text(tmp_path):
    (tmp_path / "t.jsonl").write_text(
        '{"item_id": 1, "title": "\\ud83d\\ude00"}\n{"item_id": 2, "title": "é"}\n'
    )
    assert t.read_items(tmp_path / "t.jsonl")["title"].tolist() == ["\U0001f600", "é"]


def test_a_table_of_which_no_item_is_known_is_not_dropped_to_nothing(tmp_path):
    items = pd.DataFrame({"item_id": ["007", "8"], "title": ["a", "b"]})
    events = pd.DataFrame({"user_id": [1, 1], "item_id": ["7", "08"], "position": [0, 1]})
    problem = the_problem(
        drop_unknown_items, items, {"interactions": events, "train": events.assign(item_id="8")}
    )
    assert (problem.table, problem.column, problem.got) == ("interactions", "item_id", "none in 2, first '7'")


# ------------------------------------------------------------------------------------------ quotes of a csv


BROKEN = {
    "never closes": ('1,"12 inch pan\n2,pot\n3,knife\n', "line 2"),
    "never closes, far down": ("1,a\n2,b\n" + '3,"x\n' + "4,y\n" * 3, "line 4"),
    "closes at the quote of a later row": (
        '1,"12 inch pan\n2,pot\n3,lid\n4,"8 inch knife\n5,fork\n',
        "line 2",
    ),
    "closes at the end of a later row": ('1,"12 inch pan\n2,pot\n3,lid 12"\n4,fork\n', "closes in line 4"),
    "closes at the end of the next row": ('1,"12 inch pan\n2,lid 12"\n3,fork\n', "closes in line 3"),
    "closes inside a cell": ('1,"big" pan\n2,pot\n', "line 2"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("packed", [False, True])
def test_a_quote_that_would_swallow_rows_is_told_with_its_line(tmp_path, name, packed):
    text, said = BROKEN[name]
    path = tmp_path / "items.csv"
    content = ("item_id,title\n" + text).encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    problem = the_problem(t.read_items, path)
    assert problem.table == str(path)
    assert said in problem.got
    assert "twice" in problem.remedy
    assert said in the_problem(lambda: list(item_frames([path]))).got


def test_a_quote_that_never_closes_in_the_header_is_told(tmp_path):
    (tmp_path / "t.csv").write_text('item_id,"title\n' + "1,pan\n" * 40_000)
    assert "line 1" in problems_of(t.read_items, tmp_path / "t.csv")[0].got


@pytest.mark.parametrize(
    ("cell", "title"),
    [
        ('"12"" pan"', '12" pan'),
        ('12" pan', '12" pan'),
        ('"two\nlines"', "two\nlines"),
        ('"two, or\nthree\nlines, in all"', "two, or\nthree\nlines, in all"),
        ('"a ""quoted"" word"', 'a "quoted" word'),
        (f'"{"long " * 40_000}end"', "long " * 40_000 + "end"),
    ],
)
def test_quotes_as_they_should_be_are_read(tmp_path, cell, title):
    (tmp_path / "t.csv").write_text(f"item_id,title\n1,pot\n2,{cell}\n3,lid\n")
    assert t.read_items(tmp_path / "t.csv")["title"].tolist() == ["pot", title, "lid"]


# --------------------------------------------------------------------------------------- folders and packing


def zstd(text):
    return pa.compress(text, "zstd", asbytes=True)


def part(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def test_a_folder_is_read_at_any_depth_and_its_names_become_columns(tmp_path):
    part(tmp_path / "dt=2024-01-02" / "part-0.parquet", item_id=["c"], title=["z"])
    part(tmp_path / "dt=2024-01-01" / "part-0.parquet", item_id=["a", "b"], title=["x", "y"])
    part(tmp_path / "_temporary" / "0" / "part-9.parquet", item_id=["d"], title=["z"])
    part(tmp_path / ".old" / "part-9.parquet", item_id=["d"], title=["z"])
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / "README.md").write_text("what this is")
    got = t.read_items(tmp_path)
    assert got["item_id"].tolist() == ["a", "b", "c"]
    assert got["dt"].tolist() == ["2024-01-01", "2024-01-01", "2024-01-02"]


@pytest.mark.parametrize(
    ("folders", "expected"),
    [(["007", "12"], ["007", "12"]), (["7", "12"], [12, 7]), (["a%2Fb", "c d"], ["a/b", "c d"])],
)
def test_ids_in_folder_names_follow_the_rules_of_a_csv(tmp_path, folders, expected):
    for name in folders:
        part(tmp_path / f"user_id={name}" / "p.parquet", item_id=[1])
    assert t.read_table(tmp_path)["user_id"].tolist() == expected


def test_a_part_without_an_ending_is_a_part_and_other_tables_in_the_folder_are_told(tmp_path):
    part(tmp_path / "part-0.parquet", item_id=[1], title=["x"])
    part(tmp_path / "000001_0", item_id=[2], title=["y"])
    assert t.read_items(tmp_path)["item_id"].tolist() == [2, 1]
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "part-1.csv").write_text("item_id,title\n3,z\n")
    problem = the_problem(t.read_items, tmp_path)
    assert "more/part-1.csv" in problem.got and "convert" in problem.remedy


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ([1], ["2"], "integer in a.parquet, text in b.parquet"),
        ([1], [2.0], "integer in a.parquet, number in b.parquet"),
    ],
)
def test_parts_of_a_folder_must_agree_on_the_kind_of_ids(tmp_path, first, second, said):
    part(tmp_path / "a.parquet", item_id=first, title=["x"])
    part(tmp_path / "b.parquet", item_id=second, title=["y"])
    problem = the_problem(t.read_items, tmp_path)
    assert (problem.column, problem.got) == ("item_id", said)


def test_a_column_that_some_parts_lack_is_refused_with_its_name_and_the_first_such_part(tmp_path):
    part(tmp_path / "a.parquet", item_id=[1], title=["x"], price=[2.5])
    for name in "bc":
        part(tmp_path / f"{name}.parquet", item_id=[ord(name)], title=["y"])
    problem = the_problem(t.read_items, tmp_path)
    assert problem.column == "price"
    assert problem.got == f"no such column in 2 of 3, first {tmp_path / 'b.parquet'}"
    with pytest.raises(t.TableError, match="column price"):
        list(item_frames([tmp_path / f"{name}.parquet" for name in "abc"]))


def test_parts_may_differ_in_width_sign_and_wrapping(tmp_path):
    big = 2**53 + 1
    part(tmp_path / "a.parquet", item_id=pa.array([big], pa.uint64()), title=["x"], price=pa.array([1]))
    part(
        tmp_path / "b.parquet",
        item_id=pa.array([-1], pa.int8()),
        title=pa.array(["y"], pa.large_string()),
        price=[None],
    )
    title = pa.array(["z"]).dictionary_encode()
    part(tmp_path / "c.parquet", item_id=pa.array([3]).dictionary_encode(), title=title, price=[2.5])
    got = t.read_items(tmp_path)
    assert got["item_id"].dtype == np.int64
    assert got["item_id"].tolist() == [big, -1, 3]
    assert got["title"].tolist() == ["x", "y", "z"]
    np.testing.assert_array_equal(got["price"], [1, np.nan, 2.5])


def test_a_parquet_file_with_a_name_twice_is_refused(tmp_path):
    table = pa.Table.from_arrays(
        [pa.array([1]), pa.array(["a"]), pa.array(["b"])], ["item_id", "title", "title"]
    )
    pq.write_table(table, tmp_path / "t.parquet")
    for read in (t.read_items, lambda path: list(item_frames([path]))):
        assert "title more than once in t.parquet" in problems_of(read, tmp_path / "t.parquet")[0].got


def test_a_json_object_with_a_name_twice_is_told(tmp_path):
    (tmp_path / "t.jsonl").write_text(
        '{"item_id": 1, "title": "a"}\n{"item_id": 2, "item_id": 3, "title": "b"}\n'
    )
    problem = the_problem(t.read_items, tmp_path / "t.jsonl")
    assert problem.first_rows == (1,) and "each name once" in problem.expected


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress, zstd])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.csv.zst", "t.jsonl", "t.jsonl.gz", "t.jsonl.zst"])
def test_how_a_file_is_packed_is_seen_by_its_content(tmp_path, pack, name):
    text = 'item_id,title\n7,"é"\n' if ".csv" in name else '{"item_id": 7, "title": "é"}\n'
    (tmp_path / name).write_bytes(pack(text.encode()))
    assert t.read_items(tmp_path / name).to_dict("list") == {"item_id": [7], "title": ["é"]}
    assert [frame["item_id"].tolist() for frame in item_frames([tmp_path / name])] == [[7]]


def test_text_of_another_encoding_and_archives_are_told_for_what_they_are(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("item_id,title\n1,a\n2,é\n".encode("latin-1"))
    assert "line 3 is not UTF-8" in the_problem(t.read_items, path).got
    path.write_bytes("item_id,title\n1,a\n".encode("utf-16"))
    assert "UTF-16" in the_problem(t.read_items, path).got
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("t.csv", "item_id,title\n1,a\n")
    assert "zip" in the_problem(t.read_items, path).got


# ------------------------------------------------------------------------------------------------------ types


BIG = 9007199254740993
UUIDS = uuid.UUID(int=5), uuid.UUID(int=6)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([BIG, 7], pa.uint64()), [BIG, 7]),
        (pa.array([BIG, 7], pa.decimal128(20, 0)), [BIG, 7]),
        (pa.array([decimal.Decimal("7.00"), decimal.Decimal("8.00")]), [7, 8]),
        (pa.array([BIG, 7]).dictionary_encode(), [BIG, 7]),
        (pa.array(["007", "NA"]).dictionary_encode(), ["007", "NA"]),
        (pa.array([b"007", b"\xc3\xa9"]), ["007", "é"]),
        (pa.array([b"ab", b"cd"], pa.binary(2)), ["ab", "cd"]),
        (pa.array(["a", "b"], pa.string_view()), ["a", "b"]),
        (pa.array([each.bytes for each in UUIDS], pa.uuid()), list(map(str, UUIDS))),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)  # fmt: skip
def test_ids_of_every_wrapping_become_integers_or_text_exactly(tmp_path, column, expected):
    pq.write_table(pa.table({"item_id": column, "title": ["x", "y"]}), tmp_path / "t.parquet")
    for got in (t.read_items(tmp_path / "t.parquet"), *item_frames([tmp_path / "t.parquet"])):
        assert got["item_id"].tolist() == expected
        assert got["item_id"].dtype == (np.int64 if isinstance(expected[0], int) else "str")
    texts = t.read_items(tmp_path / "t.parquet", ids="string")["item_id"].tolist()
    assert texts == list(map(str, expected))


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([1.0, 2.0]), "dtype float64"),
        (pa.array([2**63, 1], pa.uint64()), "1 row beyond them, first 9223372036854775808"),
        (pa.array([decimal.Decimal("7.5"), decimal.Decimal("8.0")]), "Decimal"),
        (pa.array([b"\xff", b"\xfe"]), "bytes"),
        (pa.array([True, False]), "bool"),
        (pa.array([datetime.date(2024, 1, 1)] * 2), "Timestamp"),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_ids_that_are_neither_integers_nor_text_are_refused_by_every_reader(tmp_path, column, said):
    pq.write_table(pa.table({"item_id": column, "title": ["x", "y"]}), tmp_path / "t.parquet")
    for read in (t.read_items, t.read_table):
        problem = problems_of(read, tmp_path / "t.parquet")[0]
        assert problem.column == "item_id"
        assert said in problem.got or said in problem.remedy


def test_an_id_beyond_64_bits_is_refused_in_jsonl_and_read_as_text_on_demand(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"item_id": 9223372036854775808, "title": "a"}\n')
    assert 'ids="string"' in the_problem(t.read_items, tmp_path / "t.jsonl").remedy
    assert t.read_items(tmp_path / "t.jsonl", ids="string")["item_id"].tolist() == ["9223372036854775808"]
    part(tmp_path / "t.parquet", item_id=pa.array([2**63], pa.uint64()), title=["a"])
    assert t.read_items(tmp_path / "t.parquet", ids="string")["item_id"].tolist() == ["9223372036854775808"]


@pytest.mark.parametrize(
    "ids",
    [pa.uint64(), pa.decimal128(20, 0), pa.dictionary(pa.int32(), pa.string()), pa.binary(), pa.int16()],
)
def test_histories_hold_plain_ids_whatever_a_tool_wrote(tmp_path, ids):
    is_text = ids in (pa.dictionary(pa.int32(), pa.string()), pa.binary())
    cells = [["3", "007"], []] if is_text else [[3, 7], []]
    column = pa.array(cells, pa.list_(pa.string() if is_text else pa.int64())).cast(pa.list_(ids))
    table = {"context_id": [7, 8], "user_id": ["a", "b"], "history": column}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    assert t.read_contexts(tmp_path / "t.parquet")["history"].tolist() == cells


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64(), pa.timestamp("ms"), pa.timestamp("ns", "UTC")])
def test_dates_of_every_unit_are_refused_as_times_with_the_way_to_convert_them(tmp_path, kind):
    day = pa.array([datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)]).cast(pa.timestamp("ms", "UTC"))
    day = day.cast(pa.timestamp("ms")).cast(kind) if kind in (pa.date32(), pa.date64()) else day.cast(kind)
    part(tmp_path / "t.parquet", user_id=[1], item_id=[1], timestamp=day)
    problem = the_problem(t.read_interactions, tmp_path / "t.parquet")
    assert "dates" in problem.got and "Timedelta" in problem.remedy


@pytest.mark.parametrize("ending", ENDINGS)
def test_labels_that_are_truth_values_and_empty_where_not_clicked_are_read(tmp_path, ending):
    frame = {"user_id": [1, 1, 2], "item_id": [1, 2, 3], "click": [True, False, True]}
    path = written(pa.table({**frame, "conversion": [True, None, False]}), tmp_path / f"t.{ending}")
    np.testing.assert_array_equal(t.read_impressions(path)["conversion"], [1, np.nan, 0])


@pytest.mark.parametrize(
    "city",
    [
        pa.array([1.5, 2.0, 3.0]),
        pa.array([decimal.Decimal("1.5")] * 3),
        pa.array([b"\xff"] * 3),
        pa.array([datetime.date(2024, 1, 1)] * 3),
    ],
    ids=str,
)
def test_a_category_is_integers_or_text_and_nothing_else(tmp_path, city):
    labels = {"user_id": [1, 1, 2], "item_id": [1, 2, 3], "click": [1, 0, 1], "conversion": [1.0, None, 0.0]}
    part(tmp_path / "t.parquet", **labels, city=city)
    problem = the_problem(t.read_impressions, tmp_path / "t.parquet", categorical=["city"])
    assert (problem.column, problem.expected) == ("city", "only integers or only text")


def test_integers_beyond_a_float_stay_exact_beside_empty_cells(tmp_path):
    part(tmp_path / "t.parquet", item_id=[1, 2], title=["x", "y"], code=[BIG, None])
    (tmp_path / "t.jsonl").write_text(
        f'{{"item_id": 1, "title": "x", "code": {BIG}}}\n{{"item_id": 2, "title": "y"}}\n'
    )
    (tmp_path / "t.csv").write_text(f"item_id,title,code\n1,x,{BIG}\n2,y,\n")
    for ending in ENDINGS:
        assert plain_values(t.read_items(tmp_path / f"t.{ending}")["code"]) == [BIG, None]


def test_a_table_gives_the_columns_asked_for_and_ids_of_other_names(tmp_path):
    (tmp_path / "t.csv").write_text("who,score,x\n007,0.5,1\n8,0.25,2\n")
    got = t.read_table(tmp_path / "t.csv", id_columns=["who"], columns=["score", "who"])
    assert list(got.columns) == ["score", "who"]
    assert got["who"].tolist() == ["007", "8"]
    problem = the_problem(t.read_table, tmp_path / "t.csv", columns=["score", "label"])
    assert (problem.column, problem.got) == ("label", "columns who, score, x")
    part(tmp_path / "t.parquet", who=[1.0, 2.0])
    assert the_problem(t.read_table, tmp_path / "t.parquet", id_columns=["who"]).column == "who"


# --------------------------------------------------------------------------------- the same from every format


@st.composite
def columns(draw):
    """Values and the arrow type in which parquet gets them, by column; as many in each."""
    n = draw(st.integers(1, 5))
    whole, small = st.integers(0, 2**63 - 1), st.integers(-(2**31), 2**31 - 1)
    id_column = st.one_of(
        arrays(whole, INT_TYPES, n), arrays(WORDS.map(lambda word: f"i{word}"), TEXT_TYPES, n)
    )
    of_floats = st.floats(-1e6, 1e6, width=32).map(lambda value: round(value, 2))
    return {
        "user_id": draw(id_column),
        "item_id": draw(id_column),
        "city": draw(arrays(WORDS, TEXT_TYPES, n)),
        "flag": draw(arrays(st.none() | st.booleans(), (pa.bool_(),), n)),
        "count": draw(arrays(st.none() | small, (pa.int32(), pa.int64()), n)),
        "score": draw(arrays(st.none() | of_floats, (pa.float64(),), n)),
    }


@settings(max_examples=80, deadline=None)
@given(columns())
def test_any_table_reads_the_same_from_parquet_csv_and_jsonl(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("same")
    typed = {name: as_typed(values, kind) for name, (values, kind) in drawn.items()}
    plain = pa.table({name: pa.array(values) for name, (values, _) in drawn.items()})
    for ending in ENDINGS:
        path = written(pa.table(typed) if ending == "parquet" else plain, folder / f"t.{ending}")
        got = t.read_table(path, as_text=["city"])
        for name, (values, _) in drawn.items():
            assert plain_values(got[name]) == plain_values(pd.Series(values, dtype=object)), (ending, name)
        for name in ("user_id", "item_id"):
            assert got[name].dtype == (np.int64 if isinstance(drawn[name][0][0], int) else "str")


LABELS = st.one_of(
    st.tuples(st.just(pa.int64()), st.just(st.sampled_from([0, 1, 2, None]))),
    st.tuples(st.just(pa.bool_()), st.just(st.sampled_from([False, True, None]))),
)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_any_labels_give_the_same_rows_or_the_same_refusal_from_every_format(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("labels")
    n = data.draw(st.integers(1, 5))
    items = data.draw(st.lists(st.none() | WORDS, min_size=n, max_size=n))
    table = {"user_id": pa.array(range(n)), "item_id": pa.array(items, pa.string())}
    for name in ("click", "conversion"):
        kind, cells = data.draw(LABELS)
        table[name] = pa.array(data.draw(st.lists(cells, min_size=n, max_size=n)), kind)
    outcomes = []
    for ending in ENDINGS:
        try:
            got = t.read_impressions(written(pa.table(table), folder / f"t.{ending}"))
            outcomes.append({name: plain_values(got[name]) for name in got})
        except TableError as error:
            outcomes.append([(each.column, each.expected, each.first_rows) for each in error.problems])
    assert outcomes[0] == outcomes[1] == outcomes[2]


# --------------------------------------------------------------------------------------------- between tables


def test_a_column_of_another_kind_in_another_table_is_refused_naming_both():
    items = pd.DataFrame({"item_id": [1, 2], "title": ["x", "y"], "brand": ["a", None]})
    train = pd.DataFrame(
        {"user_id": [1, 2], "item_id": [1, 2], "city": [7, 8], "price": [1, 2], "note": [None, None]}
    )
    test = train.assign(city=["7", "8"], price=[1.5, 2.0], note=["a", "b"])
    (problem,) = problems_of(t.check_same_ids, items, {"train": train, "test": test})
    assert (problem.column, problem.got) == ("city", "integer in train, text in test")
    assert problem.table == "train, test" and problem.remedy
    t.check_same_ids(items, {"train": train, "test": test.assign(city=[9, 9])})


@pytest.mark.parametrize(
    ("here", "there", "is_same"),
    [
        (pd.Series(["a"]), pd.Series(["a"], dtype="category"), True),
        (pd.Series([1]), pd.Series([1], dtype="category"), True),
        (pd.Series([1]), pd.Series(["1"], dtype="category"), False),
        (pd.Series([1], dtype="uint8"), pd.Series([2**60, None], dtype=object), True),
        (pd.Series([1]), pd.Series([True]), False),
        (pd.Series([1]), pd.Series(pd.to_datetime(["2024-01-01"])), False),
        (pd.Series([1, "a"], dtype=object), pd.Series(["a"]), False),
        (pd.Series([[1]]), pd.Series(["a"]), False),
        (pd.Series([True, None], dtype="boolean"), pd.Series([True, None], dtype=object), True),
    ],
)
def test_kinds_are_those_of_the_values_and_not_of_the_storage(here, there, is_same):
    found = shared_kinds({"train": here.to_frame("x"), "test": there.to_frame("x")})
    assert (len(found) == 0) is is_same


def test_ids_of_a_callers_frame_are_made_signed_and_floats_refused():
    frame = pd.DataFrame({"user_id": np.array([BIG], np.uint64), "item_id": ["a"]})
    got = with_plain_ids(frame, table="train")
    assert got["user_id"].dtype == np.int64 and got["user_id"].tolist() == [BIG]
    assert frame["user_id"].dtype == np.uint64
    with pytest.raises(TableError, match="train, column user_id"):
        with_plain_ids(frame.astype({"user_id": "float64"}), table="train")
    with pytest.raises(TableError, match="64 bits"):
        with_plain_ids(frame.assign(user_id=np.array([2**63], np.uint64)), table="train")
