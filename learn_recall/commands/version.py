"""`--version` of both command lines."""

from __future__ import annotations

from typing import Annotated

import typer

from learn_recall.files.package_version import package_version


def _print(asked: bool) -> None:
    if asked:
        typer.echo(package_version())
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_print, is_eager=True, help="Print the version and end.")
]

__all__ = ["Version"]
