"""Where results are printed to."""

from rich.console import Console

FILE_WIDTH = 100  # columns of a file or a pipe, which has no width of its own


def result_console() -> Console:
    """The terminal as wide as it is; a file or a pipe at least as wide as most tables."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, FILE_WIDTH))


__all__ = ["FILE_WIDTH", "result_console"]
