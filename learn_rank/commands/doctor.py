"""`learn-rank doctor`: versions, processor and GPU, with the remedy of a mismatch."""

from __future__ import annotations

import typer

from learn_recall.commands.plain_errors import plain_errors


@plain_errors()
def doctor() -> None:
    """Print versions, CPU features and GPU; name a mismatch and its remedy.
    Exit code 3 when something is wrong.
    """
    from learn_rank.doctor.checks import diagnose, print_diagnosis

    raise typer.Exit(print_diagnosis(diagnose()))
