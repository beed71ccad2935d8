"""What a command prints when its input is wrong: the sentence, not the traceback; shared by both commands.

Exit codes are a contract: 1 is what a gate answers ("significantly worse"), so nothing else may leave it.
An exception that nobody foresaw would, since that is what Python exits with; here it becomes 2 like any other
input that could not be used, and so does a printer (rich) that ends the process with 1.
"""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console

from learn_recall.commands.option_names import as_typed, options_here
from learn_recall.errors import words_of_missing

TRACEBACK = "LEARN_TRACEBACK"  # environment variable; any value prints the traceback as well
_BAD_INPUT, _INTERRUPTED, _READER_LEFT = 2, 130, 141
_FORESEEN = (ValueError, OSError)
_OTHER_PLACE = "name another place, in a folder of your own"
_OF_SYSTEM = {  # errno -> what was expected, remedy
    errno.ENOENT: ("something there", "correct the path"),
    errno.EACCES: ("leave to read or write it", f"change its permissions, or {_OTHER_PLACE}"),
    errno.EPERM: ("leave to read or write it", f"change its permissions, or {_OTHER_PLACE}"),
    errno.EROFS: ("a place that can be written to", _OTHER_PLACE),
    errno.EEXIST: ("nothing there yet, or a folder", _OTHER_PLACE),
    errno.ENOTDIR: ("only folders above it", _OTHER_PLACE),
    errno.EISDIR: ("a file", "name a file in that folder"),
    errno.ENOSPC: ("room on the disk", f"make room, or {_OTHER_PLACE}"),
    errno.EDQUOT: ("room on the disk", f"make room, or {_OTHER_PLACE}"),
    errno.ENAMETOOLONG: ("a name that a disk takes", "choose a shorter one"),
    errno.EMFILE: ("fewer open files", "raise the limit: ulimit -n 4096"),
}


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn every exception into a message on standard error and exit code 2; also a decorator.

    Exit code 130 stands for a stop from the keyboard and 141 for a reader that went away (`| head`), as
    shells count them.
    """
    try:
        yield
    except (typer.Exit, typer.BadParameter):
        raise
    except (BrokenPipeError, SystemExit):  # rich answers a broken pipe with SystemExit(1)
        raise typer.Exit(_READER_LEFT) from None
    except (KeyboardInterrupt, typer.Abort):
        Console(stderr=True).print(
            "stopped; what keeps finished parts (encode, train, run, ablate, join) goes on where it was."
        )
        raise typer.Exit(_INTERRUPTED) from None
    except Exception as error:
        _print(error)
        raise typer.Exit(_BAD_INPUT) from None


def _print(error: Exception) -> None:
    console = Console(stderr=True)
    console.print(f"[red]error:[/red] {type(error).__name__}", highlight=False)
    text = words_of_missing(error) if isinstance(error, ModuleNotFoundError) else ""
    text = text or (as_typed(_words(error), options_here()) if _is_foreseen(error) else _unforeseen(error))
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    if os.environ.get(TRACEBACK):
        text = "".join(traceback.format_exception(error))
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def _is_foreseen(error: Exception) -> bool:
    """Whether its words were written for the user, not for who calls a library."""
    return isinstance(error, _FORESEEN) and not type(error).__module__.startswith(("pyarrow", "numpy"))


def _words(error: Exception) -> str:
    """What an error says; of one of the operating system also what would have done."""
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    place = "a file or folder" if error.filename is None else os.fsdecode(error.filename)
    expected, remedy = _OF_SYSTEM.get(error.errno, ("that it can be read and written", "look at the place"))
    return f"{place}: expected {expected}, got {(error.strerror or str(error)).lower()}. Remedy: {remedy}"


def _unforeseen(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(frame.filename)] or frames
    where = f" ({_short(own[-1].filename)}, line {own[-1].lineno})" if own else ""
    said = str(error).strip()
    words = " ".join(said.split())[:300] if said else "no words"
    return (
        f"unexpected{where}: {words}\n"
        "Remedy: most often a file holds something that nobody foresaw: compare what was changed last with "
        f"docs/tables.md. If that is not it, report this and what {TRACEBACK}=1 before the command adds."
    )


def _is_own(file: str) -> bool:
    return _short(file).startswith(("learn_recall", "learn_rank")) and not file.endswith("plain_errors.py")


def _short(file: str) -> str:
    """The file from its package on."""
    parts = Path(file).parts
    at = [place for place, part in enumerate(parts) if part in ("learn_recall", "learn_rank")]
    return "/".join(parts[at[-1] :]) if at else Path(file).name


__all__ = ["TRACEBACK", "plain_errors"]
