"""`learn-rank ab`: the command, its options, and what it does with a real test."""

from learn_rank.commands.ab.command import ab
from learn_rank.commands.ab.exits import exit_code

__all__ = ["ab", "exit_code"]
