"""Which training seeds lie in the folder of a run, whatever it was first asked for."""

from __future__ import annotations

from collections.abc import Sequence

from learn_rank.run.folder import RunFolder


def trained_seeds(run: RunFolder, arms: Sequence[str], fallback: Sequence[int]) -> tuple[int, ...]:
    """The seeds of which every arm has predictions.

    Args:
        run: folder of a run.
        arms: that are to be judged.
        fallback: where there is no such seed.
    """
    common = set.intersection(*(set(run.seeds_of(arm)) for arm in arms)) if arms else set()
    return tuple(sorted(common)) or tuple(fallback)


def left_out_words(run: RunFolder, arms: Sequence[str], seeds: Sequence[int]) -> list[str]:
    """What lies in the folder and is not judged, a line an arm."""
    found = []
    for arm in arms:
        more = [seed for seed in run.seeds_of(arm) if seed not in seeds]
        if more:
            listed = ", ".join(map(str, more))
            found.append(f"not judged: seed{'s' if len(more) > 1 else ''} {listed} of {arm}")
    return found


__all__ = ["left_out_words", "trained_seeds"]
