"""What a command prints when its input is wrong: the sentence, not the traceback; shared by both commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

_EXPECTED = (ValueError, FileNotFoundError, FileExistsError, NotADirectoryError, PermissionError, OSError)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn an error that a user can mend into its message on standard error and exit code 2."""
    try:
        yield
    except _EXPECTED as error:
        Console(stderr=True).print(f"[red]error:[/red] {type(error).__name__}", highlight=False)
        Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped; the same command goes on where it was.")
        raise typer.Exit(130) from None
