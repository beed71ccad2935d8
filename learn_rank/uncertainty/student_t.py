"""Student's t: tail and quantile for any positive degrees of freedom, without scipy."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_NORMAL_FROM = 1e7  # above this many degrees of freedom t and normal agree to 1e-7


def t_upper_tail(t: float, df: float) -> float:
    """P(T > t) for t >= 0: half the regularised incomplete beta function I_x(df/2, 1/2), x = df / (df + t^2).

    Args:
        t: the statistic, >= 0.
        df: degrees of freedom, > 0, not necessarily whole.
    """
    if df >= _NORMAL_FROM:
        return 0.5 * math.erfc(t / math.sqrt(2))
    x, rest = df / (df + t * t), t * t / (df + t * t)  # rest = 1 - x, without the rounding
    if x == 0.0 or rest == 0.0:
        return 0.5 if rest == 0.0 else 0.0
    a, b = df / 2, 0.5
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    front = math.exp(log_front)
    if x < (a + 1) / (a + b + 2):
        return 0.5 * front * _beta_fraction(a, b, x) / a
    return 0.5 * (1 - front * _beta_fraction(b, a, rest) / b)


@lru_cache(maxsize=4096)
def t_quantile(level: float, df: float) -> float:
    """The t with P(-t < T < t) = level; 1.96 at level .95 for many degrees of freedom.

    Newton from the normal quantile, which lies below: the distribution function is concave for t > 0, so the
    steps climb to the root without passing it.
    """
    tail = (1 - level) / 2
    t = NormalDist().inv_cdf(1 - tail)
    if df >= _NORMAL_FROM:
        return t
    log_scale = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
    for _ in range(200):
        density = math.exp(log_scale - (df + 1) / 2 * math.log1p(t * t / df))
        step = (t_upper_tail(t, df) - tail) / density
        t += step
        if abs(step) < 1e-12 * t:
            break
    return t


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Continued fraction of the incomplete beta function, by the modified Lentz method."""
    tiny = 1e-300
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1), tiny)
    value = d
    for m in range(1, 500):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _not_zero(1 + term * d, tiny)
            c = _not_zero(1 + term / c, tiny)
            value *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return value


def _not_zero(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
