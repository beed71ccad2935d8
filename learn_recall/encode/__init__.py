"""The encode job: items in, a content store out; resumable, shared by any number of processes."""

from learn_recall.encode.config import EncodeConfig
from learn_recall.encode.job import (
    EncodeError,
    encode_items,
)

__all__ = [
    "EncodeConfig",
    "EncodeError",
    "encode_items",
]
