"""Canonical tables: read as the user has them, and every problem told at once."""

import doctest
import gzip
import json
import logging
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_problems import problems_of, the_problem

from learn_recall.tables import read as t
from learn_recall.tables.read import TableError

NAN = float("nan")


def items(**changes):
    return pd.DataFrame({"item_id": [1, 2, 3], "title": ["Ring", "Hat", "Cup"], **changes})


def interactions(**changes):
    columns = {"user_id": ["a", "a", "b"], "item_id": [1, 2, 3], "timestamp": [10, 20, 5], **changes}
    return pd.DataFrame({name: values for name, values in columns.items() if values is not None})


def impressions(**changes):
    columns = {
        "user_id": ["a", "a", "b", "b"],
        "item_id": [1, 2, 3, 1],
        "click": [1, 0, 1, 0],
        "conversion": [1, NAN, 0, NAN],
        **changes,
    }
    return pd.DataFrame({name: values for name, values in columns.items() if values is not None})


def contexts(**changes):
    columns = {"context_id": [7, 8], "user_id": ["a", "b"], "history": [[1, 2], []], **changes}
    return pd.DataFrame({name: values for name, values in columns.items() if values is not None})


# ------------------------------------------------------------------------------------------------- reading


def write(frame, path):
    if path.name.endswith(".parquet"):
        frame.to_parquet(path, index=False)
    elif ".csv" in path.name:
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True)
    return path


FORMATS = ["t.parquet", "t.csv", "t.csv.gz", "t.jsonl", "t.jsonl.gz"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_canonical_impressions(tmp_path, name):
    frame = impressions(
        user_id=["007", "7", "é", "x,y"],
        value=[9.5, NAN, NAN, NAN],
        timestamp=[1, 2, 3, 4],
        age=[1.5, 2, 3, 4],
        city=["Bonn", "NA", "12", "x"],
    )
    got = t.read_impressions(write(frame, tmp_path / name), dense=["age"], categorical=["city"])
    assert got["user_id"].tolist() == ["007", "7", "é", "x,y"]
    assert got["item_id"].dtype == np.int64
    assert got["click"].dtype == np.int8
    assert got["conversion"].dtype == np.float32
    np.testing.assert_array_equal(got["conversion"], [1, NAN, 0, NAN])
    np.testing.assert_array_equal(got["value"], [9.5, NAN, NAN, NAN])
    assert got["timestamp"].tolist() == [1, 2, 3, 4]
    assert got["age"].tolist() == [1.5, 2, 3, 4]
    assert got["city"].tolist() == ["Bonn", "NA", "12", "x"]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "ids", [[9007199254740993, 0, -5], ["9007199254740993", "00", "b"]], ids=["int", "text"]
)
def test_ids_survive_every_format_exactly(tmp_path, name, ids):
    got = t.read_items(write(items(item_id=ids), tmp_path / name))["item_id"]
    assert got.tolist() == ids


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["0", "12", "-3"], [0, 12, -3]),
        (["7", "007"], ["7", "007"]),
        (["1", "+2"], ["1", "+2"]),
        (["1", "-0"], ["1", "-0"]),
        (["1", "2.0"], ["1", "2.0"]),
        (["1", "1e3"], ["1", "1e3"]),
        (["1", " 2"], ["1", " 2"]),
        (["1", "9223372036854775807"], [1, 2**63 - 1]),
        (["1", "9223372036854775808"], ["1", "9223372036854775808"]),
        (["NA", "null"], ["NA", "null"]),
    ],
)
def test_csv_ids_become_integers_only_if_every_cell_is_one_in_its_canonical_spelling(
    tmp_path, cells, expected
):
    lines = "".join(f'{cell},"a"\n' for cell in cells)
    (tmp_path / "t.csv").write_text("item_id,title\n" + lines)
    got = t.read_items(tmp_path / "t.csv")["item_id"].tolist()
    assert got == expected
    assert {type(each) for each in got} == {type(each) for each in expected}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, unique=True))
def test_any_integers_come_back_from_csv_as_they_were(tmp_path_factory, numbers):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_text("item_id,title\n" + "".join(f"{number},a\n" for number in numbers))
    assert t.read_items(path)["item_id"].tolist() == numbers


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8).filter(
    lambda text: not {"\n", ","} <= set(text)  # lines that would be rows by themselves are refused
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=6))
def test_any_text_comes_back_from_csv_and_jsonl_as_it_was(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("text")
    frame = pd.DataFrame(
        {"item_id": [f"i{name}" for name, _ in rows], "title": [f"t{text}" for _, text in rows]}
    )
    frame.to_csv(folder / "t.csv", index=False)
    (folder / "t.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in frame.to_dict("records")),
        encoding="utf-8",
    )
    for name in ("t.csv", "t.jsonl"):
        got = t.read_table(folder / name)
        assert got["item_id"].tolist() == frame["item_id"].tolist()
        assert got["title"].tolist() == frame["title"].tolist()


def test_reading_ids_as_strings_makes_all_of_them_text_and_invents_none(tmp_path):
    for name in FORMATS:
        frame = write(interactions(user_id=[5, 6, 7]), tmp_path / name)
        got = t.read_interactions(frame, ids="string")
        assert got["user_id"].tolist() == ["5", "6", "7"]
        assert got["item_id"].tolist() == ["1", "2", "3"]
    write(interactions(user_id=[5.0, 6.0, NAN]), tmp_path / "f.parquet")
    found = problems_of(t.read_interactions, tmp_path / "f.parquet", ids="string")
    assert any("float" in problem.got for problem in found)


def test_titles_and_other_text_are_never_interpreted(tmp_path):
    (tmp_path / "t.csv").write_text(
        "item_id,title,brand,price\n1,1984,NA,9.99\n2,NA,007,\n3,null,2012-01-01,3\n"
    )
    got = t.read_items(tmp_path / "t.csv")
    assert got["title"].tolist() == ["1984", "NA", "null"]
    assert got["brand"].tolist() == ["NA", "007", "2012-01-01"]
    np.testing.assert_array_equal(got["price"], [9.99, NAN, 3])


def test_a_declared_category_stays_text_in_a_csv_whatever_values_a_part_has(tmp_path):
    for part, city in (("train", ["1", "Bonn", "2", "3"]), ("test", ["1", "2", "2", "3"])):
        path = write(impressions(city=city), tmp_path / f"{part}.csv")
        assert t.read_impressions(path, categorical=["city"])["city"].tolist() == city


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.jsonl"])
def test_a_missing_id_among_large_integers_does_not_turn_the_others_into_floats(tmp_path, name):
    path = tmp_path / name
    if name == "t.csv":
        path.write_text("item_id,title\n9007199254740993,a\n,b\n")
    elif name == "t.jsonl":
        path.write_text('{"item_id": 9007199254740993, "title": "a"}\n{"title": "b"}\n')
    else:
        pq.write_table(pa.table({"item_id": [9007199254740993, None], "title": ["a", "b"]}), path)
    assert t.read_table(path)["item_id"].iloc[0] == 9007199254740993
    assert the_problem(t.read_items, path).first_rows == (1,)


def test_a_price_written_as_text_is_read_as_a_number(tmp_path):
    path = write(items(price=["9.99", "3", None]), tmp_path / "t.jsonl")
    got = t.read_items(path)["price"]
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, [9.99, 3, NAN])


def test_line_ends_inside_quotes_are_text_in_files_of_many_blocks(tmp_path):
    titles = [f"{row} {'x' * 40}\nsecond line" for row in range(60_000)]  # 4 MB; a block has 1
    path = write(pd.DataFrame({"item_id": range(len(titles)), "title": titles}), tmp_path / "t.csv")
    assert t.read_items(path)["title"].tolist() == titles


def test_a_column_is_typed_by_all_its_cells_and_not_by_the_first(tmp_path):
    rows = "".join(f"{row},t,{row},{row},{row % 2}\n" for row in range(200_000))
    (tmp_path / "t.csv").write_text("item_id,title,zip,rank,late\n" + rows + "x,t,01234,1.5,NULL\n")
    got = t.read_items(tmp_path / "t.csv")
    assert got["item_id"].iloc[0] == "0"
    assert got["zip"].iloc[-1] == "01234"
    assert got["rank"].dtype == np.float64
    assert got["late"].dtype == np.float64
    assert np.isnan(got["late"].iloc[-1])


def test_a_folder_of_parquet_parts_is_read_in_the_order_of_names(tmp_path):
    for part, start in (("b", 2), ("a", 0), ("c", 4)):
        frame = pd.DataFrame({"item_id": [start, start + 1], "title": "x"})
        frame.to_parquet(tmp_path / f"part-{part}.parquet")
    assert t.read_items(tmp_path)["item_id"].tolist() == [0, 1, 2, 3, 4, 5]


def test_parquet_types_of_other_tools_are_understood(tmp_path):
    table = pa.table(
        {
            "item_id": pa.array(["x", "y"]).dictionary_encode(),
            "title": pa.array(["a", "b"], pa.large_string()),
            "price": pa.array([pa.scalar(199, pa.decimal128(5, 2)).as_py(), None]),
            "keywords": pa.array([["p", "q"], None]),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    got = t.read_items(tmp_path / "t.parquet")
    assert got["item_id"].dtype == "str"
    assert got["item_id"].tolist() == ["x", "y"]
    np.testing.assert_array_equal(got["price"], [199.0, NAN])
    assert got["keywords"].tolist() == [["p", "q"], None]
    frame = pa.Table.from_pandas(impressions())
    value = pa.array([pa.scalar(199, pa.decimal128(5, 2)).as_py(), None, None, None])
    pq.write_table(frame.append_column("value", value), tmp_path / "i.parquet")
    assert t.read_impressions(tmp_path / "i.parquet")["value"].iloc[0] == 199.0


def test_what_converted_is_read_from_a_csv_beside_its_history(tmp_path):
    path, flags = tmp_path / "contexts.csv", [[True, False], [], [False]]
    blanks = "context_id,user_id,history,history_converted\n7,a,3 1,{}\n8,b,,\n9,c,5,{}\n"
    for first, last in (("1 0", "0"), ("True false", "FALSE"), ('"[true, false]"', "[false]")):
        path.write_text(blanks.format(first, last))
        assert t.read_contexts(path)["history_converted"].tolist() == flags
        assert t.read_contexts(path, ids="string")["history_converted"].tolist() == flags
    for wrong in ("1 2", "yes no", "1"):
        path.write_text(blanks.format(wrong, "0"))
        with pytest.raises(t.TableError, match="a list with true or false for each item of the history"):
            t.read_contexts(path)


def test_histories_and_keyword_lists_are_read_from_every_format(tmp_path):
    frame = contexts(history=[[3, 1, 2], []])
    (tmp_path / "blanks.csv").write_text("context_id,user_id,history\n7,a,3 1 2\n8,b,\n")
    (tmp_path / "json.csv").write_text('context_id,user_id,history\n7,a,"[3, 1, 2]"\n8,b,[]\n')
    paths = [write(frame, tmp_path / name) for name in ("t.parquet", "t.jsonl")]
    for path in [*paths, tmp_path / "blanks.csv", tmp_path / "json.csv"]:
        got = t.read_contexts(path)
        assert got["history"].tolist() == [[3, 1, 2], []]
        assert t.read_contexts(path, ids="string")["history"].tolist() == [["3", "1", "2"], []]
    (tmp_path / "text.csv").write_text("context_id,user_id,history\n7,a,3 007\n8,b,5\n")
    assert t.read_contexts(tmp_path / "text.csv")["history"].tolist() == [["3", "007"], ["5"]]
    (tmp_path / "items.csv").write_text('item_id,title,keywords\n1,a,"[""x"", ""y""]"\n2,b,[sic] z\n3,c,\n')
    assert t.read_items(tmp_path / "items.csv")["keywords"].tolist() == [["x", "y"], "[sic] z", None]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path):
    (tmp_path / "t.csv").write_bytes("﻿item_id,title\r\n1,a\r\n".encode())
    assert t.read_items(tmp_path / "t.csv").to_dict("list") == {"item_id": [1], "title": ["a"]}
    with gzip.open(tmp_path / "t.csv.gz", "wb") as file:
        file.write("﻿item_id,title\r\n1,a\r\n".encode())
    assert t.read_items(tmp_path / "t.csv.gz").to_dict("list") == {"item_id": [1], "title": ["a"]}
    (tmp_path / "t.jsonl").write_bytes('﻿{"item_id": 1, "title": "a"}\r\n\r\n'.encode())
    assert t.read_items(tmp_path / "t.jsonl").to_dict("list") == {"item_id": [1], "title": ["a"]}


def test_jsonl_rows_may_leave_fields_out(tmp_path, monkeypatch):
    monkeypatch.setattr("learn_recall.tables.json_lines._LINES_AT_ONCE", 2)
    rows = [{"item_id": 1, "title": "a"}, {"title": "b", "item_id": 2, "x": 1}, {"item_id": 3, "title": "c"}]
    rows += [{"item_id": 4, "title": "d", "x": 2.5, "y": "z"}]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    got = t.read_items(tmp_path / "t.jsonl")
    np.testing.assert_array_equal(got["x"], [NAN, 1, NAN, 2.5])
    assert got["y"].isna().tolist() == [True, True, True, False]
    assert got["item_id"].tolist() == [1, 2, 3, 4]


# ------------------------------------------------------------------------------------- files that are wrong


def test_a_path_that_is_no_table_is_refused_with_what_can_be_read(tmp_path):
    (tmp_path / "t.xlsx").write_text("")
    for path in (tmp_path / "t.xlsx", tmp_path / "none.csv", tmp_path):
        problem = the_problem(t.read_table, path)
        assert ".parquet, .csv, .csv.gz, .csv.zst, .jsonl, .jsonl.gz" in problem.expected
        assert str(path) in problem.got


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_is_one_readable_problem(tmp_path, name):
    path = write(items(title=["é" * 50, "b", "c"]), tmp_path / name)
    content = path.read_bytes()
    path.write_bytes(
        content[: len(content) // 2] if name.endswith((".gz", ".parquet")) else b"\xff\xfe" + content
    )
    problem = the_problem(t.read_items, path)
    assert problem.expected == "a readable file"
    assert str(path) in problem.got


def test_an_empty_file_and_a_table_without_rows_are_refused(tmp_path):
    for name in ("t.csv", "t.jsonl"):
        (tmp_path / name).write_text("")
        assert problems_of(t.read_items, tmp_path / name)
    with gzip.open(tmp_path / "t.csv.gz", "wt") as file:
        file.write("item_id,title\n")
    assert the_problem(t.read_items, tmp_path / "t.csv.gz").expected == "at least one row"


def test_malformed_lines_are_told_together_with_what_is_wrong_in_the_others(tmp_path):
    (tmp_path / "t.csv").write_text('item_id,title\n1,a\n2\n3,"b, c"\n4,d,e\n3,f\n')
    lines, repeated = problems_of(t.read_items, tmp_path / "t.csv")
    assert lines.got == "2 lines with another number, e.g. 1 in '2'"
    assert lines.first_rows == (1, 3)
    assert repeated.first_rows == (1, 2)
    (tmp_path / "t.jsonl").write_text(
        '{"item_id": 1, "title": "a"}\nnonsense\n[1]\n{"item_id": 1, "title": ""}\n'
    )
    lines, repeated, title = problems_of(t.read_items, tmp_path / "t.jsonl")
    assert lines.got == "2 other lines, e.g. 'nonsense'"
    assert lines.first_rows == (1, 2)
    assert (repeated.column, title.column) == ("item_id", "title")


def test_a_header_with_a_name_twice_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("item_id,title,title\n1,a,b\n")
    assert "title more than once" in problems_of(t.read_items, tmp_path / "t.csv")[0].got


# ------------------------------------------------------------------------------------- what is wrong in rows


def test_good_tables_pass_without_problem_or_warning():
    for report in (
        t.validate_items(
            items(price=["9.99", None, 3], keywords=["a", ["b", "c"], None], brand=["x", None, "y"])
        ),
        t.validate_interactions(interactions()),
        t.validate_interactions(interactions(timestamp=None, position=[0, 1, 0])),
        t.validate_interactions(interactions(timestamp=[NAN, 5.5, 6], position=[0, 1, 0])),
        t.validate_impressions(impressions()),
        t.validate_impressions(
            impressions(
                click=[True, False, True, False], d=[1, 2, 3, 4], c=list("abcd"), value=[2.5, NAN, 0, NAN]
            ),
            dense=["d"],
            categorical=["c"],
        ),
        t.validate_contexts(contexts()),
        t.validate_contexts(contexts(history=[np.array([1, 2]), ()])),
        t.validate_contexts(contexts(history_converted=[np.array([True, False]), ()])),
    ):
        assert report.problems == ()
        assert report.warnings == ()


@pytest.mark.parametrize(
    ("frame", "column", "rows", "said"),
    [
        (items().drop(columns="title"), "title", (), "no such column; columns item_id"),
        (items(item_id=[1, 2, 1]), "item_id", (0, 2), "2 rows that share an id, first 1, 1"),
        (items(item_id=["a", None, "c"]), "item_id", (1,), "1 row"),
        (items(item_id=["a", "", "c"]), "item_id", (1,), "first ''"),
        (items(item_id=[1.0, 2.0, 3.0]), "item_id", (), "dtype float64"),
        (items(item_id=[1, "2", 3]), "item_id", (1,), "1 row of kind str, first '2'"),
        (items(item_id=[True, False, True]), "item_id", None, "bool"),
        (items(title=["a", None, " "]), "title", (1, 2), "2 rows"),
        (items(title=["a", 1984, "b"]), "title", (1,), "1984"),
        (items(brand=["a", 5, "b"]), "brand", (1,), "5"),
        (items(keywords=["a", ["b", 3], None]), "keywords", (1,), "['b', 3]"),
        (items(keywords=["a", {"b": 3}, None]), "keywords", (1,), "{'b': 3}"),
        (items(price=["9.99", "free", None]), "price", (1,), "'free'"),
        (items(price=[1, -2, 3]), "price", (1,), "-2"),
        (items(price=[1, np.inf, 3]), "price", (1,), "inf"),
    ],
)
def test_each_fault_of_items_is_found_with_its_rows(frame, column, rows, said):
    problem = the_problem(t.validate_items, frame)
    assert problem.column == column
    assert rows is None or problem.first_rows == rows
    assert said in problem.got
    assert problem.remedy


@pytest.mark.parametrize(
    ("frame", "column", "rows", "said"),
    [
        (interactions(timestamp=None), "timestamp or position", (), "columns user_id, item_id"),
        (interactions(timestamp=[1, NAN, 3]), "timestamp", (1,), "empty"),
        (interactions(timestamp=[NAN, 1, NAN], position=[0, 1, NAN]), "timestamp", (2,), "empty"),
        (interactions(timestamp=[1, np.inf, 3]), "timestamp", (1,), "inf"),
        (interactions(timestamp=[1, "soon", 3]), "timestamp", (1,), "'soon'"),
        (interactions(timestamp=["1", "2", "3"]), "timestamp", (), "numbers written as text"),
        (interactions(timestamp=[1, 1_700_000_000_000, 3]), "timestamp", (1,), "1700000000000"),
        (interactions(timestamp=pd.to_datetime(["2020-01-01"] * 3)), "timestamp", (), "dates"),
        (interactions(timestamp=None, position=[0, 1.5, 0]), "position", (1,), "1.5"),
        (interactions(timestamp=None, position=[0, -1, 0]), "position", (1,), "-1"),
        (interactions(timestamp=None, position=[0, NAN, 0]), "position", (1,), "empty"),
        (interactions(user_id=["a", None, "b"]), "user_id", (1,), "1 row"),
    ],
)
def test_each_fault_of_interactions_is_found_with_its_rows(frame, column, rows, said):
    problem = the_problem(t.validate_interactions, frame)
    assert (problem.column, problem.first_rows) == (column, rows)
    assert said in problem.got


@pytest.mark.parametrize(
    ("frame", "column", "rows", "expected"),
    [
        (impressions(click=None), "click", (), "0 or 1 in each row"),
        (impressions(conversion=None), "conversion", (), "0 or 1 where clicked, else empty"),
        (impressions(click=[1, NAN, 1, 0]), "click", (1,), "0 or 1 in each row"),
        (impressions(click=[1, 2, 1, 0]), "click", (1,), "0 or 1"),
        (impressions(click=[1, 0.5, 1, 0]), "click", (1,), "0 or 1"),
        (impressions(click=["1", "0", "yes", "0"]), "click", (2,), "0 or 1"),
        (impressions(click=["1", "0", "1", "0"]), "click", (), "0 or 1"),
        (impressions(conversion=[1, 1, 0, NAN]), "conversion", (1,), "a conversion only where click is 1"),
        (impressions(conversion=[1, NAN, NAN, NAN]), "conversion", (2,), "0 or 1 where click is 1"),
        (impressions(conversion=[1, NAN, 2, NAN]), "conversion", (2,), "0, 1 or empty"),
        (impressions(value=[1, NAN, -1, NAN]), "value", (2,), "a number >= 0 or empty"),
        (impressions(value=[1, NAN, np.inf, NAN]), "value", (2,), "a finite number or empty"),
        (impressions(timestamp=[1, NAN, 3, 4]), "timestamp", (1,), "timestamp in each row"),
        (impressions(request_id=["a", None, "b", "c"]), "request_id", (1,), "an id in each row"),
        (impressions(context_id=[1, 2.5, 3, 4]), "context_id", (), "only integers or only strings"),
    ],
)
def test_each_fault_of_impressions_is_found_with_its_rows(frame, column, rows, expected):
    problem = the_problem(t.validate_impressions, frame)
    assert (problem.column, problem.first_rows, problem.expected) == (column, rows, expected)


@pytest.mark.parametrize(
    ("changes", "declared", "column", "said"),
    [
        ({}, {"dense": ["age"]}, "age", "no such column"),
        ({}, {"categorical": ["city"]}, "city", "no such column"),
        ({"age": [1, 2, NAN, 4]}, {"dense": ["age"]}, "age", "empty"),
        ({"age": [1, 2, np.inf, 4]}, {"dense": ["age"]}, "age", "inf"),
        ({"age": ["1", "2", "old", "4"]}, {"dense": ["age"]}, "age", "'old'"),
        ({"city": ["a", None, "b", "c"]}, {"categorical": ["city"]}, "city", "1 row"),
        ({"city": [1.5, 2, 3, 4]}, {"categorical": ["city"]}, "city", "dtype float64"),
        ({"age": [1, 2, 3, 4]}, {"dense": ["age"], "categorical": ["age"]}, "age", "both"),
        ({}, {"dense": ["click"]}, "click", "a label"),
        ({}, {"categorical": ["conversion"]}, "conversion", "a label"),
    ],
)
def test_each_fault_of_a_declared_host_feature_is_found(changes, declared, column, said):
    problem = the_problem(t.validate_impressions, impressions(**changes), **declared)
    assert problem.column == column
    assert said in problem.got


@pytest.mark.parametrize(
    ("frame", "column", "rows", "said"),
    [
        (contexts(history=None), "history", (), "no such column"),
        (contexts(history=["1 2", []]), "history", (0,), "'1 2'"),
        (contexts(history=[None, [1]]), "history", (0,), "empty"),
        (contexts(history=[[1, 2], ["x"]]), "history", (1,), "['x']"),
        (contexts(history=[[1, None], [2]]), "history", (0,), "[1, None]"),
        (contexts(context_id=[7, 7]), "context_id", (0, 1), "share an id"),
        (contexts(timestamp=[NAN, 1]), "timestamp", (0,), "empty"),
    ],
)
def test_each_fault_of_contexts_is_found_with_its_rows(frame, column, rows, said):
    problem = the_problem(t.validate_contexts, frame)
    assert (problem.column, problem.first_rows) == (column, rows)
    assert said in problem.got


def test_all_problems_come_at_once_as_a_list_to_read():
    frame = impressions(click=[1, NAN, 3, 0], conversion=[NAN, NAN, NAN, 1], item_id=[1, 2, 3, "4"])
    with pytest.raises(TableError) as caught:
        t.validate_impressions(frame, dense=["age"], table="train.csv")
    assert [each.column for each in caught.value.problems] == [
        "item_id", "click", "click", "conversion", "conversion", "age"
    ]  # fmt: skip
    text = str(caught.value)
    assert text.startswith("6 problems in the tables\n1. train.csv, column item_id\n")
    assert (
        "2. train.csv, column click\n   expected: 0 or 1 in each row\n   got:      1 row, first empty\n"
        in text
    )
    assert "   rows:     1\n   remedy:   fill it (1 if the shown item was clicked, else 0)" in text


def test_several_files_can_fail_in_one_error(tmp_path):
    write(items(item_id=[1, 2, 1]), tmp_path / "items.csv")
    write(interactions(timestamp=[1, NAN, 3]), tmp_path / "seen.csv")
    readers = {
        "items": lambda: t.read_items(tmp_path / "items.csv"),
        "interactions": lambda: t.read_interactions(tmp_path / "seen.csv"),
        "test": lambda: t.read_impressions(tmp_path / "none.csv"),
    }
    assert [each.column for each in problems_of(t.read_together, readers)] == ["item_id", "timestamp", ""]
    write(items(), tmp_path / "items.csv")
    assert list(t.read_together({"items": readers["items"]})) == ["items"]


def test_more_faulty_rows_than_shown_are_counted_and_the_first_five_named():
    frame = pd.DataFrame({"item_id": range(2000), "title": ["x"] * 500 + [""] * 1500})
    problem = the_problem(t.validate_items, frame)
    assert problem.got.startswith("1,500 rows, first ")
    assert problem.first_rows == (500, 501, 502, 503, 504)


def test_row_numbers_are_places_and_not_labels_of_the_index():
    frame = items(title=["a", "", "c"]).set_axis([50, 60, 70], axis=0)
    assert the_problem(t.validate_items, frame).first_rows == (1,)


def test_odd_things_are_warned_of_and_nothing_is_dropped(tmp_path, caplog):
    again = interactions(item_id=[1, 1, 3], timestamp=[10, 10, 5])
    (warning,) = t.validate_interactions(again).warnings
    assert warning.got == "the same event twice: 1 row like an earlier one"
    assert warning.first_rows == (1,)
    same_place = interactions(timestamp=None, position=[0, 0, 0])
    assert "at one position" in t.validate_interactions(same_place).warnings[0].got
    (zeros,) = t.validate_impressions(impressions(conversion=[1, 0, 0, NAN])).warnings
    assert (zeros.column, zeros.first_rows) == ("conversion", (1,))
    one_class = impressions(click=[0] * 4, conversion=[NAN] * 4)
    assert [each.got for each in t.validate_impressions(one_class).warnings] == ["only 0"]
    with caplog.at_level(logging.WARNING, logger="learn_recall.tables"):
        assert len(t.read_interactions(write(again, tmp_path / "t.csv"))) == 3
    assert "the same event twice" in caplog.text


def test_a_zero_conversion_where_nothing_was_clicked_is_read_as_empty(tmp_path):
    path = write(impressions(conversion=[1, 0, 0, NAN]), tmp_path / "t.parquet")
    np.testing.assert_array_equal(t.read_impressions(path)["conversion"], [1, NAN, 0, NAN])


def test_validation_changes_nothing_in_the_frame():
    frame = impressions(click=[True, False, True, False], age=[1, 2, 3, 4], city=list("abcd"))
    before = frame.copy(deep=True)
    t.validate_impressions(frame, dense=["age"], categorical=["city"])
    pd.testing.assert_frame_equal(frame, before)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0, 1, 2, NAN]), st.sampled_from([0, 1, 2, NAN])), min_size=1, max_size=8
    )
)
def test_labels_pass_exactly_when_a_row_by_row_check_passes(rows):
    allowed = {(0, None), (0, 0), (1, 0), (1, 1)}
    expected = all(
        (click, None if np.isnan(conversion) else conversion) in allowed for click, conversion in rows
    )
    clicks, conversions = zip(*rows, strict=True)
    frame = pd.DataFrame({"user_id": 1, "item_id": 2, "click": clicks, "conversion": conversions})
    try:
        t.validate_impressions(frame)
        passed = True
    except TableError:
        passed = False
    assert passed == expected


def test_a_million_rows_are_validated_in_seconds():
    rows = 1_000_000
    random = np.random.default_rng(0)
    click = random.integers(0, 2, rows)
    frame = pd.DataFrame(
        {
            "user_id": random.integers(0, 90_000, rows),
            "item_id": pd.Series(random.integers(0, 9_000, rows)).astype("str"),
            "click": click,
            "conversion": np.where(click == 1, random.integers(0, 2, rows), NAN),
            "timestamp": random.integers(10**9, 2 * 10**9, rows),
        }
    )
    start = time.process_time()
    t.validate_impressions(frame)
    assert time.process_time() - start < 5  # .7 s on a quiet core


# ------------------------------------------------------------------------------------------ between tables


def test_ids_of_another_kind_are_refused_naming_who_has_which():
    tables = {
        "train": impressions(item_id=["1", "2", "3", "1"]),
        "interactions": interactions(user_id=[1, 2, 3]),
    }
    by_item, by_user = problems_of(t.check_same_ids, items(), tables)
    assert by_item.got == "integer in items, string in train, integer in interactions"
    assert by_user.got == "string in train, integer in interactions"
    histories = {"contexts": contexts(history=[["1"], []])}
    assert the_problem(t.check_same_ids, items(), histories).got == "integer in items, string in contexts"


def test_unknown_items_are_an_error_that_names_the_first():
    tables = {
        "train": impressions(item_id=[1, 8, 9, 8]),
        "interactions": interactions(),
        "contexts": contexts(history=[[1, 99], [98, 99]]),
    }
    train, history = problems_of(t.check_same_ids, items(), tables)
    assert train.got == "3 rows with 2 values, first 8, 9, 8"
    assert train.first_rows == (1, 2, 3)
    assert "drop_unknown_items" in train.remedy
    assert history.got == "3 entries of 2 unknown items, first 99, 98, 99"
    assert history.first_rows == (0, 1)
    t.check_same_ids(items(), {"train": impressions(), "contexts": contexts()})


def test_dropping_unknown_items_counts_what_went_and_keeps_the_rest_in_order():
    tables = {
        "train": impressions(item_id=[1, 8, 2, 9]),
        "contexts": contexts(history=[[99, 2, 98, 1], [99]]),
        "interactions": interactions(),
    }
    kept, dropped = t.drop_unknown_items(items(), tables)
    assert dropped == {"train": 2, "contexts": 3, "interactions": 0}
    assert kept["train"]["item_id"].tolist() == [1, 2]
    assert kept["train"].index.tolist() == [0, 1]
    assert kept["contexts"]["history"].tolist() == [[2, 1], []]
    pd.testing.assert_frame_equal(kept["interactions"], interactions())
    assert tables["train"]["item_id"].tolist() == [1, 8, 2, 9]
    t.check_same_ids(items(), kept)
    with pytest.raises(TableError, match="one kind of id"):
        t.drop_unknown_items(items(item_id=["1", "2", "3"]), tables)


def test_a_context_must_exist_be_the_rows_own_and_not_be_newer_than_the_row():
    seen = contexts(context_id=[7, 8], timestamp=[100, 200])
    rows = impressions(context_id=[7, 7, 8, 8], timestamp=[100, 150, 200, 300], item_id=[3, 3, 3, 3])
    assert t.check_contexts(rows, seen).warnings == ()
    wrong = rows.assign(context_id=[7, 8, 9, 8], timestamp=[99, 250, 300, 199])
    unknown, other, newer = problems_of(t.check_contexts, wrong, seen)
    assert (unknown.column, unknown.first_rows) == ("context_id", (2,))
    assert (other.column, other.first_rows) == ("user_id", (1,))
    assert (newer.column, newer.first_rows) == ("timestamp", (0, 3))
    assert "one kind" in the_problem(t.check_contexts, rows, seen.assign(context_id=["7", "8"])).expected


def test_rows_whose_own_item_is_in_their_history_are_counted():
    rows = impressions(context_id=[7, 7, 8, 8], item_id=[2, 3, 1, 2])
    (warning,) = t.check_contexts(rows, contexts(history=[[1, 2, 2], [1]])).warnings
    assert warning.first_rows == (0, 2)
    assert warning.got == "2 rows with 2 values, first 2, 1"


# ------------------------------------------------------------------------------------------------ examples


def test_every_example_of_the_page_about_tables_runs(tmp_path):
    def example(name, text):
        (tmp_path / name).write_text(text.lstrip("\n"))
        return tmp_path / name

    page = Path(__file__).resolve().parents[3] / "docs" / "tables.md"
    result = doctest.testfile(str(page), module_relative=False, extraglobs={"example": example})
    assert result.attempted > 10
    assert result.failed == 0


def test_flags_that_do_not_fit_their_history_are_named_by_row():
    for flags in ([[True], []], [[True, 2], []], [None, []]):
        problem = the_problem(t.validate_contexts, contexts(history_converted=flags))
        assert problem.column == "history_converted" and problem.first_rows == (0,)
        assert "for each item of the history" in problem.expected
