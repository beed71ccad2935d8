"""The version of the two packages, which are installed together: read from what was installed."""

from importlib.metadata import PackageNotFoundError, version

UNKNOWN = "0+unknown"


def package_version() -> str:
    """The version that setup.py says, or "0+unknown" where the source is used without installing it."""
    try:
        return version("learn-rank")
    except PackageNotFoundError:
        return UNKNOWN


__all__ = ["UNKNOWN", "package_version"]
