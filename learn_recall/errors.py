"""The error of the store and of ids: it always names what was expected, what came, and the remedy."""


class StoreError(ValueError):
    """An embedding store, its card or an id column is not what it must be."""

    @classmethod
    def of(cls, what: str, *, expected: object, got: object, remedy: str) -> "StoreError":
        """Build the message in the house's order: what, expected, got, remedy."""
        return cls(f"{what}: expected {expected}, got {got}. Remedy: {remedy}")


__all__ = ["StoreError"]
