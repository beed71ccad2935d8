"""What several verbs share: lists in an option, exit codes."""

from __future__ import annotations

IS_WORSE, BAD_INPUT, INVALID = 1, 2, 3


def names_of(text: str) -> tuple[str, ...]:
    """Names of a comma-separated option, without blanks around them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
