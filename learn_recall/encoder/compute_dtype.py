"""The dtype of the matrix products, chosen by a short measurement on the machine: never assumed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from learn_recall.encoder.text_encoder import NotFiniteError, TextEncoder
from learn_recall.encoder.token_rows import TokenRows

MIN_COSINE = 0.999
MIN_SPEED_UP = 1.1  # below that, float32 stays
_LONG_SECONDS = 2.0  # a run that takes longer is not repeated
_CPU_FEATURES = {
    "bfloat16": ("amx_bf16", "avx512_bf16"),
    "float16": ("amx_fp16", "avx512_fp16"),
    "int8": ("amx_int8", "avx512_vnni", "avx_vnni"),
}


@dataclass(frozen=True)
class DtypeTrial:
    """How one dtype did on the sample.

    Args:
        dtype: "float32", "bfloat16", "float16" or "int8".
        tokens_per_second: of the sample, the faster of two runs.
        min_cosine: lowest cosine of a sample vector to the same in float32; 0, like the speed, where a vector
            was not finite.
    """

    dtype: str
    tokens_per_second: float
    min_cosine: float


@dataclass(frozen=True)
class DtypeCheck:
    """Why a compute dtype was chosen. Holds no times: the same choice is the same card.

    Args:
        dtype: the choice.
        reason: one sentence.
        min_cosine: lowest cosine of a sample vector in the chosen dtype to the same in float32; None if not
            compared.
        n_texts: texts in the sample.
    """

    dtype: str
    reason: str
    min_cosine: float | None
    n_texts: int


def choose_dtype(encoder: TextEncoder, sample: Sequence[str]) -> DtypeCheck:
    """Choose the fastest dtype that keeps the vectors.

    Definition: of the dtypes that the machine has arithmetic for, the one with most tokens per second on the
    sample among those in which every sample text keeps cosine >= .999 to its float32 vector; "float32" where
    none is at least 1.1 times as fast as that.

    Args:
        encoder: the encoder; its own dtype does not matter.
        sample: texts to measure on; without any the choice is "float32".

    Returns:
        The choice and its evidence.
    """
    if not hardware_of(encoder.device):
        return DtypeCheck("float32", f"no faster arithmetic on this {encoder.device.type}", None, 0)
    if not sample:
        return DtypeCheck("float32", "no text to compare on", None, 0)
    return choice_among(try_dtypes(encoder, sample), hardware_of(encoder.device), len(sample))


def try_dtypes(encoder: TextEncoder, sample: Sequence[str]) -> list[DtypeTrial]:
    """Encode a sample in float32 and in each dtype that the machine has arithmetic for.

    Args:
        encoder: the encoder; its own dtype does not matter.
        sample: n >= 1 texts.

    Returns:
        A trial per dtype, float32 first.
    """
    rows = encoder.tokenize(sample)
    n_tokens = int(rows.n_tokens.sum())
    exact, seconds = _timed(encoder.with_dtype("float32"), rows)
    trials = [DtypeTrial("float32", n_tokens / seconds, 1.0)]
    for dtype in hardware_of(encoder.device):
        try:
            vectors, seconds = _timed(encoder.with_dtype(dtype), rows)
        except NotFiniteError:
            trials.append(DtypeTrial(dtype, 0.0, 0.0))
        else:
            trials.append(DtypeTrial(dtype, n_tokens / seconds, lowest_cosine(vectors, exact)))
    return trials


def choice_among(trials: list[DtypeTrial], hardware: dict[str, str], n_texts: int) -> DtypeCheck:
    """Apply the rule of `choose_dtype` to trials, the first of which is float32's."""
    exact, *others = trials
    close = [trial for trial in others if trial.min_cosine >= MIN_COSINE]
    far = [trial for trial in others if trial.min_cosine < MIN_COSINE]
    best = max(close, key=lambda trial: trial.tokens_per_second, default=exact)
    left_out = "".join(f"; {trial.dtype} does not (lowest {trial.min_cosine:.5f})" for trial in far)
    if best is exact or best.tokens_per_second < MIN_SPEED_UP * exact.tokens_per_second:
        slow = "".join(f"; {trial.dtype} does and is no faster" for trial in close)
        reason = f"nothing faster keeps cosine >= {MIN_COSINE} to float32{left_out}{slow}"
        return DtypeCheck("float32", reason, None, n_texts)
    reason = f"{best.dtype} ({hardware[best.dtype]}) keeps cosine >= {MIN_COSINE} to float32{left_out}"
    return DtypeCheck(best.dtype, reason, round(best.min_cosine, 6), n_texts)


def hardware_of(device: torch.device) -> dict[str, str]:
    """Name the machine's arithmetic for each dtype below float32, such as {"int8": "avx512_vnni"}."""
    if device.type == "cuda":
        half = {"float16": "cuda"}
        return {"bfloat16": "cuda", **half} if torch.cuda.is_bf16_supported() else half
    if device.type != "cpu":
        return {}
    has = torch.cpu.get_capabilities()
    found = {dtype: [name for name in names if has.get(name)] for dtype, names in _CPU_FEATURES.items()}
    return {dtype: names[0] for dtype, names in found.items() if names}


def lowest_cosine(vectors: np.ndarray, others: np.ndarray) -> float:
    """The lowest cosine between rows of the same number, (n, C) each; a row of zeros counts 1."""
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(others, axis=1)
    cosines = np.divide((vectors * others).sum(axis=1), norms, out=np.ones_like(norms), where=norms > 0)
    return float(cosines.min())


def _timed(encoder: TextEncoder, rows: TokenRows) -> tuple[np.ndarray, float]:
    """The vectors and the seconds of the faster of two runs, or of one where that is long."""
    seconds = float("inf")
    for _ in range(2):
        start = time.perf_counter()
        vectors = encoder.encode_rows(rows)
        seconds = min(seconds, time.perf_counter() - start)
        if seconds > _LONG_SECONDS:
            break
    return vectors, seconds


__all__ = [
    "MIN_COSINE",
    "DtypeCheck",
    "DtypeTrial",
    "choice_among",
    "choose_dtype",
    "hardware_of",
    "lowest_cosine",
    "try_dtypes",
]
