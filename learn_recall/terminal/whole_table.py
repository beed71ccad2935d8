"""A table that is never cut: where it is too wide, its columns come block by block, then row by row.

Rich shortens what does not fit to "0.0…", and a figure with its end cut off is another figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

PROSE = 30  # a longer cell is read as a sentence, which may be wrapped to as many columns
_AMPLE = 10_000  # columns in which every table fits


class WholeTable(Table):
    """Rich's table, of which no cell loses a character in a terminal of any width.

    Definition: where all fits, rich's own. Else every column is as wide as its longest cell (a sentence:
    `PROSE`) and the longest word of its header, and as many columns as fit stand in one block; each block
    begins with the key columns. Where not even one column fits beside them, each row is printed as lines of
    "header: cell".

    Args:
        headers: as in rich.
        n_keys: columns that say what a row is about, at the left, at least one.
        options: as in rich.

    Example:
        >>> table = WholeTable("model", "recall", "interval")
        >>> table.add_row("popular", "0.0123", "0.0100 .. 0.0146")
        >>> Console(width=29).print(table)
        model: popular
          recall: 0.0123
          interval: 0.0100 .. 0.0146
    """

    def __init__(self, *headers: Column | str, n_keys: int = 1, **options: Any) -> None:
        super().__init__(*headers, **options)
        self.n_keys = n_keys

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render, whole."""
        ample = options.update(max_width=_AMPLE)
        if not self.columns or Measurement.get(console, ample, self).maximum <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        columns = [_Widths.of(console, ample, column) for column in self.columns]
        blocks = self._blocks([each.least for each in columns], options.max_width)
        if self.title:
            yield _text(console, self.title, str(self.title_style or "table.title"))
        if blocks is None:
            yield from self._lines(console, options.max_width)
        else:
            for number, block in enumerate(blocks):
                if number and (self.box is None or not self.show_edge):
                    yield Text("")
                yield from self._part(block, columns, options.max_width).__rich_console__(console, options)
        if self.caption:
            yield _text(console, self.caption, str(self.caption_style or "table.caption"))

    def _blocks(self, least: Sequence[int], width: int) -> list[list[int]] | None:
        """The columns of each block; None where one of them has no room beside the keys."""
        keys = list(range(min(self.n_keys, len(least))))
        blocks = [[*keys]]
        for column in range(len(keys), len(least)):
            if self._width([*blocks[-1], column], least) > width:
                blocks.append([*keys])
            blocks[-1].append(column)
            if self._width(blocks[-1], least) > width:
                return None
        whole = [block for block in blocks if len(block) > len(keys)]
        return whole or None

    def _width(self, block: Sequence[int], widths: Sequence[int]) -> int:
        return sum(widths[at] for at in block) + self._frame(len(block))

    def _frame(self, n_columns: int) -> int:
        """What stands around the text of so many columns: padding, lines, edges."""
        bare = self._of([Column(width=1, _index=at) for at in range(n_columns)])
        paddings = sum(bare._get_padding_width(at) for at in range(n_columns))
        return paddings + bare._extra_width

    def _part(self, block: Sequence[int], widths: Sequence[_Widths], room: int) -> Table:
        """The columns of a block, with what room is left given to those that lack most."""
        given = [widths[at].least for at in block]
        left = room - sum(given) - self._frame(len(block))
        while left > 0:
            lacks = [widths[at].whole - width for at, width in zip(block, given, strict=True)]
            if max(lacks) <= 0:
                break
            given[lacks.index(max(lacks))] += 1
            left -= 1
        fixed = {"no_wrap": False, "overflow": "fold", "min_width": None, "max_width": None}
        return self._of(
            [
                replace(self.columns[at], width=width, _index=place, **fixed)  # type: ignore[arg-type]
                for place, (at, width) in enumerate(zip(block, given, strict=True))
            ]
        )

    def _of(self, columns: list[Column]) -> Table:
        part = Table(
            box=self.box,
            padding=self.padding,
            pad_edge=self.pad_edge,
            collapse_padding=self.collapse_padding,
            show_edge=self.show_edge,
            show_header=self.show_header,
            show_lines=self.show_lines,
            header_style=self.header_style,
            border_style=self.border_style,
            style=self.style,
        )
        part.columns, part.rows = columns, self.rows
        return part

    def _lines(self, console: Console, width: int) -> Iterator[RenderableType]:
        """Each row as a line of its first cell and an indented one of every other that is not empty."""
        headers = [_text(console, column.header) for column in self.columns]
        cells = zip(*(column.cells for column in self.columns), strict=True)
        for row, made in zip(cells, self.rows, strict=True):
            for at, (header, cell) in enumerate(zip(headers, row, strict=True)):
                text = _text(console, cell)
                if text.plain:
                    indent = "" if at == 0 else "  "
                    line = Text.assemble(indent, header, ": " if header.plain else "", text, overflow="fold")
                    if line.cell_len <= width or not header.plain:
                        yield line
                    else:
                        yield Text.assemble(indent, header, ":", overflow="fold")
                        yield Text.assemble(f"{indent}  ", text, overflow="fold")
            if made.end_section:
                yield Text("")


class _Widths:
    """How wide a column is when nothing is wrapped, and how narrow it may become."""

    def __init__(self, whole: int, least: int) -> None:
        self.whole, self.least = whole, least

    @classmethod
    def of(cls, console: Console, options: ConsoleOptions, column: Column) -> _Widths:
        header = Measurement.get(console, options, column.header)
        cells = [Measurement.get(console, options, cell) for cell in column.cells]
        whole = max([header.maximum, *(cell.maximum for cell in cells)])
        least = [cell.maximum if cell.maximum <= PROSE else max(PROSE, cell.minimum) for cell in cells]
        return cls(whole, max([1, header.minimum, *least]))


def _text(console: Console, given: RenderableType, style: str = "") -> Text:
    """What a cell or a title says, as rich reads it: a string may hold markup."""
    if isinstance(given, Text):
        return given
    return console.render_str(str(given), style=style, highlight=False)


__all__ = ["PROSE", "WholeTable"]
