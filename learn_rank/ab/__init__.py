"""The offline A/B simulation: candidates and two rankers in, a verdict with its evidence out."""

from learn_rank.ab.assignment import assign
from learn_rank.ab.candidate_files import CandidateFiles
from learn_rank.ab.candidates import CandidateDay, CandidateSource
from learn_rank.ab.config import ABConfig
from learn_rank.ab.impressions import Impressions
from learn_rank.ab.simulate import simulate
from learn_rank.ab.totals import SUMS, UserTotals

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
