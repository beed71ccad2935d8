"""Compound words as their parts: Winterjacke is Winter and Jacke, hairspray is hair and spray."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

SHORTEST_PART = 4
_FILLERS = ("", "s", "es", "n", "en", "e")  # what German, Danish, Dutch and Swedish put between two parts
_MOST_PARTS = 3
_MOST_KEPT = 1 << 16


class Compounds:
    """Words to the known words that they are made of.

    Definition: of all ways to write a word as two or three known words of four letters or more, with one of
    "", s, es, n, en, e between them, the one whose parts are least rare; none if their mean rarity is
    above the word's own. With rarity ``-log df`` this asks that the geometric mean of the parts'
    frequencies be no less than the word's. A word that is not known is rarer than all.

    Args:
        rarity: of each known word, the larger the rarer.

    Example:
        >>> parts = Compounds({"winter": 1.0, "jacke": 1.0, "winterjacke": 2.0, "hose": 1.0}).parts
        >>> parts("winterjacke"), parts("jacke"), parts("winterhosen"), parts("winterhose")
        (('winter', 'jacke'), (), (), ('winter', 'hose'))

    Source: Koehn and Knight, Empirical methods for compound splitting, EACL 2003; fillers beyond their s
    and es are ours.
    """

    def __init__(self, rarity: Mapping[str, float]):
        self._rarity = {word: rare for word, rare in rarity.items() if _may_be_part(word)}
        self._own = rarity
        self.parts = lru_cache(_MOST_KEPT)(self._parts)

    def _parts(self, word: str) -> tuple[str, ...]:
        """The parts of a word, in their order; none where it is no compound of known words."""
        if len(word) < 2 * SHORTEST_PART or not word.isalpha():
            return ()
        ways = [way for way in self._ways(word, _MOST_PARTS) if len(way) > 1]
        if not ways:
            return ()
        rare, _, best = min((self._mean_rarity(way), len(way), way) for way in ways)
        return best if rare <= self._own.get(word, float("inf")) else ()

    def _ways(self, rest: str, n_left: int) -> list[tuple[str, ...]]:
        ways: list[tuple[str, ...]] = [(rest,)] if rest in self._rarity else []
        if n_left == 1:
            return ways
        for stop in range(SHORTEST_PART, len(rest) - SHORTEST_PART + 1):
            if rest[:stop] in self._rarity:
                for filler in _FILLERS:
                    if rest.startswith(filler, stop):
                        further = self._ways(rest[stop + len(filler) :], n_left - 1)
                        ways += [(rest[:stop], *way) for way in further]
        return ways

    def _mean_rarity(self, way: tuple[str, ...]) -> float:
        return sum(self._rarity[part] for part in way) / len(way)


def _may_be_part(word: str) -> bool:
    return len(word) >= SHORTEST_PART and word.isalpha()


__all__ = ["SHORTEST_PART", "Compounds"]
