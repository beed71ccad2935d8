"""All that decides the vector of a text, and whether what lies on disk was made with the same."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from learn_recall.encoder.compute_dtype import DtypeCheck, choose_dtype
from learn_recall.encoder.parity import check_parity
from learn_recall.encoder.text_encoder import TextEncoder
from learn_recall.model_files.layer_names import LAST

_N_SAMPLE = 32
_N_PARITY = 8


class EncodeError(ValueError):
    """An encode job cannot start or cannot go on; says what was kept and what to do."""


@dataclass(frozen=True)
class ContentIdentity:
    """All that decides the vector of a text: two of them in one store would mix vector spaces.

    Args:
        encoder_sha256: hash of weights, tokenizer and config.
        template: text of the prompt template.
        pooling: "mean", "last", "cls" or "echo".
        max_tokens: length at which texts are cut.
        compute_dtype: "float32", "bfloat16", "float16" or "int8", of the matrix products; "auto" until it is
            settled.
        store_dtype: "float16" or "float32", of the stored vectors.
        dimension: C.
        layer: that is read: "last", "12", "9..12".
    """

    encoder_sha256: str
    template: str
    pooling: str
    max_tokens: int
    compute_dtype: str
    store_dtype: str
    dimension: int
    layer: str = LAST

    def differences(self, other: dict[str, Any], *, but: tuple[str, ...] = ()) -> list[str]:
        """Name every field in which a recorded identity is another one, those in `but` aside."""
        other = {"layer": LAST, **other}  # what was written before layers could be named
        mine = {name: value for name, value in asdict(self).items() if name not in but}
        return [
            f"{name}: {other.get(name)!r} there, {value!r} now"
            for name, value in mine.items()
            if other.get(name) != value
        ]


@dataclass(frozen=True)
class Recorded:
    """An identity that was found on disk.

    Args:
        path: Where.
        identity: its fields.
        dtype_check: the evidence for its compute dtype.
    """

    path: Path
    identity: dict[str, Any]
    dtype_check: dict[str, Any]


def settle_dtype(
    wanted: ContentIdentity, encoder: TextEncoder, texts: Sequence[str], found: list[Recorded]
) -> tuple[ContentIdentity, dict[str, Any]]:
    """Settle the compute dtype "auto", as on disk where all else is equal or by a sample, and check parity.

    Args:
        wanted: the identity as asked for.
        encoder: to compare with.
        texts: the distinct texts of the run; at most 32, evenly spread, are compared.
        found: what lies on disk.

    Returns:
        The identity with a compute dtype, and the evidence: why this dtype, and
        `learn_recall.encoder.parity`. Where an equal identity lies on disk it is the recorded one.

    Raises:
        EncoderError: A text's vector depends on its batch, its padding or the dtype.
    """
    places = np.linspace(0, len(texts) - 1, num=min(_N_SAMPLE, len(texts)), dtype=int)
    sample = [texts[place] for place in places]
    is_auto = wanted.compute_dtype == "auto"
    but = ("compute_dtype",) if is_auto else ()
    same = next((each for each in found if not wanted.differences(each.identity, but=but)), None)
    if same is not None:
        identity, evidence = replace(wanted, compute_dtype=same.identity["compute_dtype"]), same.dtype_check
    elif is_auto:
        check = choose_dtype(encoder, sample)
        identity, evidence = replace(wanted, compute_dtype=check.dtype), asdict(check)
    else:
        identity, evidence = wanted, asdict(DtypeCheck(wanted.compute_dtype, "asked for", None, 0))
    if "parity" not in evidence:
        ready = encoder.with_dtype(identity.compute_dtype)
        evidence = {**evidence, "parity": asdict(check_parity(ready, sample[:_N_PARITY]))}
    return identity, evidence


def can_continue(identity: ContentIdentity, found: Recorded, *, overwrite: bool) -> bool:
    """Tell whether what lies on disk can be continued (True) or may be replaced (False).

    Raises:
        EncodeError: it is of another identity and `overwrite` is off.
    """
    differences = identity.differences(found.identity)
    if differences and not overwrite:
        raise EncodeError(
            f"{found.path}: expected the same encoder and settings as now, got others "
            f"({'; '.join(differences)}). Remedy: the settings that it was made with, another out, or "
            "overwrite=True (--overwrite)"
        )
    return not differences


__all__ = ["ContentIdentity", "EncodeError", "Recorded", "can_continue", "settle_dtype"]
