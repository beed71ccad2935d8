"""Times of several things in turns, A B C A B C, so that what else the machine does falls on all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median, quantiles
from typing import Any


def in_turns(
    things: Mapping[str, Callable[[int], object]], n_rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Run each thing once for warmth and then once a round.

    Args:
        things: name -> what to call with the number of the round.
        n_rounds: how often each is timed.

    Returns:
        name -> {"seconds": elapsed, "cpu_seconds": processor time of the process}, one value a round.
    """
    spent: dict[str, dict[str, list[float]]] = {name: {"seconds": [], "cpu_seconds": []} for name in things}
    for number in range(-1, n_rounds):
        for name, call in things.items():
            start, cpu_start = time.perf_counter(), time.process_time()
            call(max(number, 0))
            if number >= 0:
                spent[name]["seconds"].append(time.perf_counter() - start)
                spent[name]["cpu_seconds"].append(time.process_time() - cpu_start)
    return spent


def ratio(spent: Mapping[str, Mapping[str, list[float]]], name: str, base: str, clock: str) -> dict[str, Any]:
    """{"ratio", "low", "high"}: median and quartiles over the rounds of name / base within a round."""
    pairs = zip(spent[name][clock], spent[base][clock], strict=True)
    ratios = [one / other for one, other in pairs]
    low, _, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return {"ratio": median(ratios), "low": low, "high": high}
