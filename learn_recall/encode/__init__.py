"""The encode job: items in, a content store out; resumable, shared by any number of processes."""

from learn_recall.encode.job import (
    EncodeError,
    encode_items,
)

__all__ = [
    "EncodeError",
    "encode_items",
]
