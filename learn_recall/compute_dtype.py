"""bfloat16 or float32: chosen by what the machine has and by a comparison on a sample, never assumed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from learn_recall.encoder import TextEncoder

MIN_COSINE = 0.999


@dataclass(frozen=True)
class DtypeCheck:
    """Why a compute dtype was chosen.

    Args:
        dtype: "bfloat16" or "float32", the choice.
        reason: One sentence.
        min_cosine: Lowest cosine of a sample vector in bfloat16 to the same in float32; None if not compared.
        n_texts: Texts in the sample.
    """

    dtype: str
    reason: str
    min_cosine: float | None
    n_texts: int


def choose_dtype(encoder: TextEncoder, sample: Sequence[str]) -> DtypeCheck:
    """Choose bfloat16 where the machine computes in it and the vectors stay the same.

    Definition: "bfloat16" if the hardware has it and every sample text has cosine >= .999 between its
    bfloat16 and its float32 vector; else "float32".

    Args:
        encoder: The encoder; its own dtype does not matter.
        sample: Texts to compare on; without any the choice is "float32".

    Returns:
        The choice and its evidence.
    """
    hardware = bfloat16_hardware(encoder.device)
    if hardware is None:
        return DtypeCheck("float32", f"no bfloat16 arithmetic on this {encoder.device.type}", None, 0)
    if not sample:
        return DtypeCheck("float32", "no text to compare on", None, 0)
    whole = encoder.with_dtype("float32").encode(sample)
    half = encoder.with_dtype("bfloat16").encode(sample)
    norms = np.linalg.norm(whole, axis=1) * np.linalg.norm(half, axis=1)
    cosines = np.divide((whole * half).sum(axis=1), norms, out=np.ones_like(norms), where=norms > 0)
    lowest = float(cosines.min())
    is_close = lowest >= MIN_COSINE
    verdict = "keeps" if is_close else "does not keep"
    return DtypeCheck(
        dtype="bfloat16" if is_close else "float32",
        reason=f"bfloat16 ({hardware}) {verdict} cosine >= {MIN_COSINE} to float32",
        min_cosine=round(lowest, 6),
        n_texts=len(sample),
    )


def bfloat16_hardware(device: torch.device) -> str | None:
    """Name the machine's bfloat16 arithmetic ("avx512_bf16", "amx_bf16", "cuda"); None without."""
    if device.type == "cuda":
        return "cuda" if torch.cuda.is_bf16_supported() else None
    if device.type != "cpu":
        return None
    features = torch.cpu.get_capabilities()
    return next((name for name in ("amx_bf16", "avx512_bf16") if features.get(name)), None)


__all__ = ["MIN_COSINE", "DtypeCheck", "bfloat16_hardware", "choose_dtype"]
