"""Whether a folder or file can be made where it was asked for, before anything is computed for it."""

import os
from pathlib import Path


def check_place(name: str, folder: Path) -> None:
    """Refuse a folder that cannot be made or written to; nothing is made here.

    Args:
        name: of the argument, for the message.
        folder: one that is there, or is to be.

    Raises:
        ValueError: a file stands there or above it, or the folder above may not be written to.

    Example:
        >>> check_place("out", Path(__file__) / "below")
        Traceback (most recent call last):
        ...
        ValueError: out: expected a folder that can be made, got .../places.py/below, and .../places.py is ...
    """
    above = folder
    while not os.path.lexists(above) and above != above.parent:
        above = above.parent
    if not above.is_dir():
        why = "is a file" if above.is_file() else "leads nowhere"
    elif not os.access(above, os.W_OK | os.X_OK):
        why = "may not be written to"
    else:
        return
    raise ValueError(
        f"{name}: expected a folder that can be made, got {folder}, and {above} {why}. Remedy: name another "
        "one, in a folder of your own"
    )


def check_file_place(name: str, file: Path) -> None:
    """Refuse a file that cannot be made or replaced; nothing is made here.

    Args:
        name: of the argument, for the message.
        file: one that is there, or is to be.

    Raises:
        ValueError: a folder or a broken link stands there, or its folder cannot be made or written to.
    """
    if file.is_dir() or (file.is_symlink() and not file.exists()):
        why = "is a folder" if file.is_dir() else "leads nowhere"
        raise ValueError(
            f"{name}: expected a file that can be written, got {file}, which {why}. Remedy: name another one"
        )
    check_place(name, file.parent)


__all__ = ["check_file_place", "check_place"]
