"""Where the console scripts begin: with the standard library alone, to say in words what is missing."""

from __future__ import annotations

import sys
from importlib import import_module

from learn_recall.errors import words_of_missing


def main() -> None:
    """Entry point of `learn-recall`."""
    run_commands("learn_recall.cli")


def run_commands(module: str) -> None:
    """Import a command line and run it.

    Args:
        module: its dotted name; it holds `main`.

    Raises:
        SystemExit: 2, with words on standard error, where a package that it needs is not installed.
    """
    try:
        commands = import_module(module)
    except ModuleNotFoundError as error:
        words = words_of_missing(error)
        if not words:
            raise
        print(f"error: {words}", file=sys.stderr)
        sys.exit(2)
    commands.main()


__all__ = ["main", "run_commands"]
