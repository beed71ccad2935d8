"""The look of the tables that all reports print."""

from rich import box
from rich.table import Table
from rich.text import Text

COLOURS = {  # of the marks
    "better": "bold green",
    "hint-better": "green",
    "worse": "bold red",
    "hint-worse": "red",
    "flagged": "yellow",
    "missing": "dim",
}


def open_table(title: str, space: int = 1) -> Table:
    """An empty table between faint lines, its title above it on the left.

    Args:
        title: never read as markup.
        space: columns between two columns.
    """
    return Table(
        title=Text(f"\n{title}", style="bold"),
        title_justify="left",
        header_style="dim",
        box=box.HORIZONTALS,
        border_style="dim",
        padding=(0, space, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
