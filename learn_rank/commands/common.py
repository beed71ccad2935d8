"""What several verbs share: lists in an option, the terminal that tables are printed to, exit codes."""

from __future__ import annotations

from rich.console import Console

IS_WORSE, BAD_INPUT, INVALID = 1, 2, 3
_FILE_WIDTH = 100


def names_of(text: str) -> tuple[str, ...]:
    """Names of a comma-separated option, without blanks around them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def wide_console() -> Console:
    """The terminal as wide as it is; a file or a pipe at least as wide as the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, _FILE_WIDTH))
