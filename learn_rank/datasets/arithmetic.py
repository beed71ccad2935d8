"""exp, log and power that are the same to the last bit on every processor, for what a seed decides.

numpy's vectorised exp, log and power are others where the processor has wide registers, and the C library's
are others where it fuses a multiplication with an addition. They differ in the last bits, and so would a
generated marketplace from machine to machine. IEEE 754 rounds + - * / correctly, so those, floor, frexp and
ldexp give one answer everywhere. Here each of them is a numpy pass of its own, so that no compiler fuses two.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

_BLOCK = 8192  # float64 values of which a few buffers fit into the cache of a core
_LOG2_E = 1.4426950408889634
_LN2_HIGH = float.fromhex("0x1.62e42feep-1")  # 32 bits, so that its product with an exponent is exact
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")  # ln 2 less the above
_SQRT_HALF = 0.7071067811865476
_EXP_RANGE = (-746.0, 710.0)  # beyond, exp is 0 or inf in float64
_EXP_TERMS = tuple(1 / math.factorial(n) for n in range(13, -1, -1))
_LOG_TERMS = tuple(1 / n for n in range(23, 0, -2))


def exp(x: np.ndarray) -> np.ndarray:
    """e to the power of x, within 2 units in the last place; 0 and inf beyond the range of float64.

    Definition: k = floor(x / ln 2 + 1/2), r = x - k ln 2 with ln 2 in two parts; 2^k times the Taylor
    polynomial of degree 13 at r.

    Args:
        x: float64 of any shape; NaN stays NaN.

    Source: Cody and Waite, Software Manual for the Elementary Functions (1980), chapter 6.

    Example:
        >>> exp(np.array([0.0, -1000.0, 1000.0])).tolist()
        [1.0, 0.0, inf]
    """
    return _by_block(_exp_of_block, x)


def log(x: np.ndarray) -> np.ndarray:
    """Natural logarithm, within 3 units in the last place; -inf at 0, NaN below.

    Definition: x = m 2^k with m from sqrt(1/2) to sqrt(2), s = (m - 1) / (m + 1);
    2 (s + s^3/3 + ... + s^23/23) + k ln 2, with ln 2 in two parts.

    Args:
        x: float64 of any shape, >= 0; NaN stays NaN.

    Example:
        >>> log(np.array([1.0, 0.0])).tolist()
        [0.0, -inf]
    """
    return _by_block(_log_of_block, x)


def power(base: np.ndarray, exponent: float) -> np.ndarray:
    """base^exponent = exp(exponent log base), its relative error 2^-52 times 2 + 2 \\|exponent log base\\|.

    Args:
        base: float64 of any shape, > 0.
        exponent: the same for all.

    Example:
        >>> power(np.array([1.0, 3.0]), 0.0).tolist(), power(np.array([1.0]), -0.9).tolist()
        ([1.0, 1.0], [1.0])
    """
    scaled = log(base)
    scaled *= exponent
    return exp(scaled)


def draw_lognormal(
    mean: float, log_sd: float, size: int | tuple[int, ...], generator: np.random.Generator
) -> np.ndarray:
    """What ``generator.lognormal`` draws, but for its last bits: that takes the C library's exp.

    Args:
        mean: of the logarithm.
        log_sd: standard deviation of the logarithm.
        size: shape of the draws.
        generator: the only source of randomness.
    """
    return exp(mean + log_sd * generator.standard_normal(size))


def _by_block(of_block: Callable[[np.ndarray, np.ndarray], None], x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, np.float64)
    flat, found = x.reshape(-1), np.empty(x.size)
    with np.errstate(all="ignore"):
        for begin in range(0, x.size, _BLOCK):
            of_block(flat[begin : begin + _BLOCK], found[begin : begin + _BLOCK])
    return found.reshape(x.shape)


def _exp_of_block(x: np.ndarray, out: np.ndarray) -> None:
    rest = np.clip(x, *_EXP_RANGE)
    k = rest * _LOG2_E
    k += 0.5
    np.floor(k, out=k)
    rest -= np.multiply(k, _LN2_HIGH, out=out)
    rest -= np.multiply(k, _LN2_LOW, out=out)
    _polynomial(_EXP_TERMS, rest, out)
    np.ldexp(out, k.astype(np.intc), out=out)  # of NaN any k will do


def _log_of_block(x: np.ndarray, out: np.ndarray) -> None:
    mantissa, k = np.frexp(x)
    is_low = mantissa < _SQRT_HALF
    mantissa[is_low] *= 2.0
    k = (k - is_low).astype(np.float64)
    s = mantissa - 1.0
    s /= np.add(mantissa, 1.0, out=mantissa)
    _polynomial(_LOG_TERMS, s * s, out)
    out *= s
    out *= 2.0
    out += k * _LN2_LOW
    out += k * _LN2_HIGH
    is_finite = (x > 0.0) & (x < np.inf)
    if not is_finite.all():
        out[x == 0.0] = -np.inf
        out[x == np.inf] = np.inf
        out[~(x >= 0.0)] = np.nan


def _polynomial(terms: tuple[float, ...], x: np.ndarray, out: np.ndarray) -> None:
    """Horner's rule, the highest power first."""
    np.multiply(x, terms[0], out=out)
    out += terms[1]
    for term in terms[2:]:
        out *= x
        out += term
