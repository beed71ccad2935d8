"""Tables in terminals that are too narrow for them: no figure loses a digit."""

import io

import pytest
from rich.box import HORIZONTALS, SIMPLE
from rich.console import Console
from rich.text import Text

from learn_recall.terminal import WholeTable

FIGURES = ["0.123456", "0.1000 .. 0.1469", "+11.0 [-154.0, +176.0]", "98,765,432", "0.98765 of 1.00000"]
SENTENCE = "what a guard says of itself where it failed, at some length, 3.14159 of it"


def printed(table, width):
    out = io.StringIO()
    Console(file=out, width=width).print(table)
    assert max(map(len, out.getvalue().splitlines())) <= width
    return out.getvalue()


def example(**options):
    names = ("model", "R@10", "95 %", "points over the baseline", "events", "share of what is known")
    table = WholeTable(*names, "said", **options)
    for model in ("popularity", "frozen text"):
        table.add_row(Text(model), *FIGURES, SENTENCE)
    return table


@pytest.mark.parametrize("box", [None, SIMPLE, HORIZONTALS])
@pytest.mark.parametrize("width", [150, 100, 80, 60, 40, 30])
def test_no_figure_is_cut_or_broken_however_narrow_the_terminal_is(width, box):
    text = printed(example(box=box, title="recall"), width)
    assert "…" not in text
    assert [text.count(figure) for figure in FIGURES] == [2] * len(FIGURES)
    assert all(word in text for word in SENTENCE.split())


@pytest.mark.parametrize("width", [80, 60])
def test_each_block_of_columns_says_again_what_its_rows_are_about(width):
    text = printed(example(box=None), width)
    assert text.count("popularity") == text.count("model") > 1


def test_two_columns_of_keys_stand_in_every_block():
    table = WholeTable("metric", "model", "value", "points", n_keys=2, box=None)
    table.add_row("UAUC", "LEARN", "0.7321 [0.71, 0.75]", "+3.21 [+1.00, +5.00]")
    text = printed(table, 40)
    assert text.count("UAUC") == text.count("LEARN") == 2


def test_a_terminal_too_narrow_for_one_column_beside_the_key_gets_a_line_a_cell():
    lines = printed(example(), 30).splitlines()
    assert lines[:3] == ["model: popularity", "  R@10: 0.123456", "  95 %: 0.1000 .. 0.1469"]


def test_a_table_that_fits_is_printed_as_before():
    table = WholeTable("model", "value")
    table.add_row("learn", "0.5")
    assert printed(table, 80) == printed(super_of(table), 80)


def super_of(table):
    from rich.table import Table

    plain = Table("model", "value")
    plain.add_row(*(next(iter(column.cells)) for column in table.columns))
    return plain
