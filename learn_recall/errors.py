"""The errors that several folders raise: each names what was expected, what came, and the remedy.

Also what is said of a package that is missing.
"""


class EncoderError(ValueError):
    """A text encoder cannot be found or loaded, or cannot do what was asked of it."""


class StoreError(ValueError):
    """An embedding store, its card or an id column is not what it must be."""

    @classmethod
    def of(cls, what: str, *, expected: object, got: object, remedy: str) -> "StoreError":
        """Build the message in the house's order: what, expected, got, remedy."""
        return cls(f"{what}: expected {expected}, got {got}. Remedy: {remedy}")


def said_by(error: BaseException) -> str:
    """What another library's error says, on one line and without its full stop, to stand inside a sentence.

    Example:
        >>> said_by(OSError("cut.  Is it parquet?.."))
        'cut. Is it parquet?'
    """
    return " ".join(str(error).split()).rstrip(".")


def words_of_missing(error: ModuleNotFoundError) -> str:
    """A sentence on a package that is not installed, "" where a module of ours is missing."""
    package = (error.name or "").partition(".")[0]
    if package in ("", "learn_rank", "learn_recall"):
        return ""
    return (
        f"{package}: expected to be installed, is not. "
        "Remedy: `learn-rank doctor` lists all that is missing and how to install it"
    )


__all__ = ["EncoderError", "StoreError", "said_by", "words_of_missing"]
