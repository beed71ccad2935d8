"""The known sets that are read from a folder, by the name that `learn-rank run --dataset` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from learn_rank.data.dataset import RankingDataset
from learn_rank.datasets.ebnerd import read_ebnerd
from learn_rank.datasets.kuairand import read_kuairand
from learn_rank.datasets.movielens import read_movielens
from learn_rank.datasets.steam import read_steam

READERS: Mapping[str, Callable[[Path], RankingDataset]] = {
    "steam": read_steam,
    "ml1m_ctr": read_movielens,
    "ebnerd": read_ebnerd,
    "kuairand": read_kuairand,
}

__all__ = ["READERS"]
