"""Where `learn-rank` begins: the doctor needs no package at all, the other commands what is installed."""

from __future__ import annotations

import sys

from learn_recall.entry import run_commands


def main() -> None:
    """Entry point of `learn-rank`."""
    if sys.argv[1:] == ["doctor"]:
        from learn_rank.doctor.checks import diagnose, print_diagnosis

        sys.exit(print_diagnosis(diagnose()))
    run_commands("learn_rank.cli")


__all__ = ["main"]
