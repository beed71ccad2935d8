"""The frozen language model: sentences in, vectors out."""

from learn_recall.encoder.text_encoder import (
    COMPUTE_DTYPES,
    DEFAULT_MAX_TOKENS,
    EncoderError,
    NotFiniteError,
    TextEncoder,
)
from learn_recall.encoder.token_rows import TokenRows

__all__ = [
    "COMPUTE_DTYPES",
    "DEFAULT_MAX_TOKENS",
    "EncoderError",
    "NotFiniteError",
    "TextEncoder",
    "TokenRows",
]
