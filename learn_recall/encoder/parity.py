"""Four comparisons that any encoder must pass before hours go into it: the same text is the same vector.

Padding, batching, half precision and a prefix computed ahead are where encoders go wrong silently, so each
job measures them on its own texts with its own settings, and its card keeps the result.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from learn_recall.encoder.compute_dtype import MIN_COSINE, lowest_cosine
from learn_recall.encoder.prompt_prefix import MIN_TEXTS
from learn_recall.encoder.text_encoder import EncoderError, TextEncoder


@dataclass(frozen=True)
class Parity:
    """Lowest cosine of a text's vector to the same text's in another way of computing it.

    Args:
        single_against_batch: each text alone.
        left_against_right: padded on the other side.
        dtype_against_float32: in float32; 1 where that is the dtype.
        prefix_against_whole: without a shared beginning computed ahead; 1 where there is none.
        is_causal: whether the model was found to be causal.
        n_texts: texts compared.
    """

    single_against_batch: float
    left_against_right: float
    dtype_against_float32: float
    prefix_against_whole: float
    is_causal: bool
    n_texts: int


def check_parity(encoder: TextEncoder, sample: Sequence[str]) -> Parity:
    """Compare an encoder with itself on a sample.

    Args:
        encoder: with the dtype, pooling and padding side that the job is to use.
        sample: n texts; without any there is nothing to compare, and the result is ones.

    Returns:
        The lowest cosines, rounded to 5 places.

    Raises:
        EncoderError: one of them is below .999; says which, and what to do.
    """
    if not sample:
        return Parity(1.0, 1.0, 1.0, 1.0, encoder.is_causal, 0)
    rows = encoder.tokenize(sample)
    together = encoder.encode_rows(rows)
    single = np.concatenate([encoder.encode([text]) for text in sample])
    other_side = encoder.with_padding("left" if encoder.padding_side == "right" else "right")
    exact = together if encoder.dtype == "float32" else encoder.with_dtype("float32").encode_rows(rows)
    repeated = replace(rows, ids=rows.ids * (1 + 2 * MIN_TEXTS // len(sample)))  # enough texts to share one
    lowest = {
        "single_against_batch": lowest_cosine(single, together),
        "left_against_right": lowest_cosine(other_side.encode_rows(rows), together),
        "dtype_against_float32": lowest_cosine(together, exact),
        "prefix_against_whole": lowest_cosine(encoder.encode_rows(repeated)[: len(sample)], single),
    }
    for name, cosine in lowest.items():
        if cosine < MIN_COSINE:
            raise EncoderError(
                f"{encoder.name}, {name.replace('_', ' ')}: expected cosine >= {MIN_COSINE} on {len(sample)} "
                f"texts, got {cosine:.5f}. Remedy: {_REMEDIES[name]}"
            )
    rounded = {name: round(min(cosine, 1.0), 5) for name, cosine in lowest.items()}
    return Parity(**rounded, is_causal=encoder.is_causal, n_texts=len(sample))


_REMEDIES = {
    "single_against_batch": "this model's vectors depend on the batch they are in; choose another",
    "left_against_right": "the model's code reads padding as text; choose another",
    "dtype_against_float32": "dtype='float32'",
    "prefix_against_whole": "dtype='float32', or a template whose text does not begin with the same words",
}

__all__ = ["Parity", "check_parity"]
