"""Items from files of any size: the same texts as from the whole table, in pieces, with the same checks."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from learn_recall.encode import item_spool
from learn_recall.encode.identity import EncodeError
from learn_recall.encode.item_source import ItemSource, item_files
from learn_recall.encode.item_spool import spool_items
from learn_recall.store.layout import id_chunks, open_ids
from learn_recall.tables import stream as table_stream
from learn_recall.tables.read import TableError, read_items
from learn_recall.text.prompt import PromptError, Template, render_items

TEMPLATE = Template.of("[{title}][ {brand}][ {price}][ {keywords}][ {weight}]")


@pytest.fixture
def small_pieces(monkeypatch):
    for module in (table_stream, item_spool):
        monkeypatch.setattr(module, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(table_stream, "_READ_BYTES", 300)


def table(n: int = 60) -> pd.DataFrame:
    """Cells whose type only the whole column tells: weight is a number but for its last row."""
    return pd.DataFrame(
        {
            "item_id": [f"{number:03d}" for number in range(n)],
            "title": [f'Ring "{number}", of gold' if number % 4 else "1984" for number in range(n)],
            "brand": [None if number % 3 else f"B{number}" for number in range(n)],
            "price": [np.nan if number % 5 == 0 else number / 4 for number in range(n)],
            "keywords": [f"k{number % 2}" for number in range(n)],
            "weight": [f"{number}.0" for number in range(n - 1)] + ["heavy"],
        }
    )


def write(frame: pd.DataFrame, path):
    if path.suffix == ".parquet":
        frame.to_parquet(path, row_group_size=13)
    elif ".csv" in path.name:
        frame.to_csv(path, index=False)
    else:
        rows = [
            json.dumps({name: cell for name, cell in row.items() if not pd.isna(cell)})
            for row in frame.to_dict("records")
        ]
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "wt") as file:
            file.write("\n".join(rows))
    return path


def spooled(items, folder, template=TEMPLATE):
    folder.mkdir()
    source = ItemSource.of(items)
    return spool_items(source.frames(), template, folder, is_ragged=source.is_ragged)


def texts_of(spool) -> list[str]:
    return [text for texts in spool.texts() for text in texts]


def ids_of(spool) -> list:
    return [each for ids in id_chunks(open_ids(spool.ids_path), spool.ids_path, 7) for each in ids]


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.csv.gz", "a.jsonl", "a.jsonl.gz"])
def test_a_file_read_in_pieces_gives_the_texts_of_the_file_read_whole(tmp_path, small_pieces, name):
    path = write(table(), tmp_path / name)
    whole = read_items(path)
    spool = spooled(path, tmp_path / "spool")
    assert texts_of(spool) == render_items(whole, TEMPLATE)
    assert ids_of(spool) == whole["item_id"].tolist()
    assert max(map(len, ItemSource.of(path).frames())) <= 7


@pytest.mark.parametrize("n", [59, 60])
def test_a_csv_column_is_what_its_last_row_allows(tmp_path, small_pieces, n):
    path = write(table().iloc[:n], tmp_path / "a.csv")
    assert texts_of(spooled(path, tmp_path / "spool"))[1].endswith("1" if n == 59 else "1.0")


def test_files_folders_and_patterns_give_their_parts_in_order(tmp_path, small_pieces):
    frame = table()
    (tmp_path / "parts").mkdir()
    for start in (0, 20, 40):
        write(frame.iloc[start : start + 20], tmp_path / "parts" / f"p{start:02d}.parquet")
    (tmp_path / "parts" / "_SUCCESS").touch()
    whole = spooled(frame, tmp_path / "whole")
    parts = [tmp_path / "parts" / f"p{start:02d}.parquet" for start in (0, 20, 40)]
    for number, items in enumerate([tmp_path / "parts", str(tmp_path / "parts" / "p*.parquet"), parts]):
        assert spooled(items, tmp_path / f"spool{number}").sha256 == whole.sha256
    assert spooled(parts[::-1], tmp_path / "turned").sha256 != whole.sha256
    with pytest.raises(EncodeError, match="each file once"):
        item_files([tmp_path / "parts", parts[0]])
    (tmp_path / "empty").mkdir()
    for nothing in (tmp_path / "no.parquet", tmp_path / "*.csv", tmp_path / "empty"):
        with pytest.raises(EncodeError, match=r"expected files that end in.*got none at"):
            item_files([nothing])


def test_folders_called_name_value_give_columns_as_they_do_in_a_table(tmp_path, small_pieces):
    frame = table()
    for shop in ("7", "12"):
        (tmp_path / "parts" / f"shop={shop}").mkdir(parents=True)
    write(frame.iloc[:20], tmp_path / "parts" / "shop=12" / "a.parquet")
    write(frame.iloc[20:], tmp_path / "parts" / "shop=7" / "a.parquet")
    streamed = pd.concat(ItemSource.of(tmp_path / "parts").frames())
    assert streamed["shop"].tolist() == [12] * 20 + [7] * 40
    assert streamed["shop"].tolist() == read_items(tmp_path / "parts")["shop"].tolist()


def test_the_fingerprint_follows_the_files(tmp_path):
    path = write(table(), tmp_path / "a.parquet")
    before = ItemSource.of(path).fingerprint
    assert ItemSource.of([str(path)]).fingerprint == before
    write(table(61), path)
    assert ItemSource.of(path).fingerprint != before
    assert ItemSource.of(table()).fingerprint is None


def test_an_id_that_stands_twice_is_found_across_pieces_and_files(tmp_path, small_pieces, monkeypatch):
    monkeypatch.setattr(item_spool, "_IDS_AT_ONCE", 5)
    first = write(table(), tmp_path / "a.parquet")
    again = table().iloc[[50, 3]].assign(title="other")
    second = write(pd.concat([again, table(70).iloc[60:]]), tmp_path / "b.parquet")
    with pytest.raises(EncodeError, match=r"each id once, got 2 repeated, first \['050', '003'\]"):
        spooled([first, second], tmp_path / "spool")
    numbers = pd.DataFrame({"item_id": [*range(100), 17], "title": "t"})
    with pytest.raises(EncodeError, match=r"got 1 repeated, first \[17\]"):
        spooled(numbers, tmp_path / "spool2", Template.of("{title}"))


def test_ids_of_two_kinds_in_two_files_are_refused(tmp_path):
    one = write(pd.DataFrame({"item_id": [1, 2], "title": "t"}), tmp_path / "a.parquet")
    two = write(pd.DataFrame({"item_id": ["x"], "title": "t"}), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match=r"integer ids as in the rows before.*string ids from row 2"):
        spooled([one, two], tmp_path / "spool", Template.of("{title}"))


def test_every_problem_is_told_with_its_row_in_the_file(tmp_path, small_pieces):
    frame = table().astype({"price": object})
    frame.loc[40, "title"] = None
    frame.loc[50, "price"] = -1.0
    with pytest.raises(TableError) as caught:
        spooled(write(frame, tmp_path / "a.jsonl"), tmp_path / "spool")
    assert [(problem.column, problem.first_rows) for problem in caught.value.problems] == [
        ("title", (40,)),
        ("price", (50,)),
    ]
    (tmp_path / "b.csv").write_text("item_id,title\n1,a\n2,b,c\n3,d\n")
    with pytest.raises(TableError, match="1 line with another number"):
        spooled(tmp_path / "b.csv", tmp_path / "spool2", Template.of("{title}"))
    (tmp_path / "c.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(TableError, match="a readable file"):
        spooled(tmp_path / "c.parquet", tmp_path / "spool3")


def test_a_field_that_only_some_lines_have_is_known_and_one_that_none_has_is_refused(tmp_path, small_pieces):
    rows: list[dict] = [{"item_id": number, "title": f"t{number}"} for number in range(30)]
    rows[20]["colour"] = "red"
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    texts = texts_of(spooled(path, tmp_path / "spool", Template.of("{title}[ {colour}]")))
    assert (texts[19], texts[20]) == ("t19", "t20 red")
    with pytest.raises(PromptError, match="size"):
        spooled(path, tmp_path / "spool2", Template.of("{title}[ {size}]"))


def test_a_sample_is_of_distinct_texts_from_everywhere(tmp_path, small_pieces):
    frame = pd.DataFrame({"item_id": range(50), "title": [f"t{number // 2}" for number in range(50)]})
    spool = spooled(frame, tmp_path / "spool", Template.of("{title}"))
    sample = spool.sample(10)
    assert len(set(sample)) == 10
    assert (sample[0], sample[-1]) == ("t0", "t24")
    assert set(spool.sample(100)) == {f"t{number}" for number in range(25)}


def test_a_folder_of_items_is_read_at_any_depth_and_what_cannot_be_read_in_it_is_told(tmp_path):
    frame = table(4)
    for name in ("dt=2/a.parquet", "dt=1/b.csv", "_temporary/c.csv", ".old/d.csv"):
        (tmp_path / name).parent.mkdir()
        write(frame, tmp_path / name)
    assert [file.name for file in item_files([tmp_path])] == ["b.csv", "a.parquet"]
    (tmp_path / "dt=2" / "e.tsv").write_text("item_id\ttitle\n9\tx\n")
    with pytest.raises(EncodeError, match=r"dt=2/e.tsv as well. Remedy: convert it"):
        item_files([tmp_path])
