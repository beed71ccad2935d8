"""The look of the tables that all reports print."""

from rich import box
from rich.text import Text

from learn_recall.terminal.whole_table import WholeTable

COLOURS = {  # of the marks
    "better": "bold green",
    "hint-better": "green",
    "worse": "bold red",
    "hint-worse": "red",
    "flagged": "yellow",
    "vague": "yellow",
    "missing": "dim",
}


def open_table(title: str, space: int = 1, n_keys: int = 1) -> WholeTable:
    """An empty table between faint lines, its title above it on the left.

    Args:
        title: never read as markup.
        space: columns between two columns.
        n_keys: columns at the left that say what a row is about; see `WholeTable`.
    """
    return WholeTable(
        n_keys=n_keys,
        title=Text(f"\n{title}", style="bold"),
        title_justify="left",
        header_style="dim",
        box=box.HORIZONTALS,
        border_style="dim",
        padding=(0, space, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
