"""The offline A/B simulation: candidates and two rankers in, a verdict with its evidence out."""

from learn_rank.ab.candidates.day import CandidateDay, CandidateSource
from learn_rank.ab.candidates.files import CandidateFiles
from learn_rank.ab.simulation.assignment import assign
from learn_rank.ab.simulation.config import ABConfig
from learn_rank.ab.simulation.impressions import Impressions
from learn_rank.ab.simulation.simulate import simulate
from learn_rank.ab.simulation.totals import SUMS, UserTotals

__all__ = [
    "SUMS",
    "ABConfig",
    "CandidateDay",
    "CandidateFiles",
    "CandidateSource",
    "Impressions",
    "UserTotals",
    "assign",
    "simulate",
]
