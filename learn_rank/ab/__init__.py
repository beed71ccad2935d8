"""The offline A/B simulation: candidates and two rankers in, a verdict with its evidence out."""

from learn_rank.ab.candidates import CandidateDay, CandidateSource
from learn_rank.ab.config import ABConfig
from learn_rank.ab.totals import SUMS, UserTotals

__all__ = ["SUMS", "ABConfig", "CandidateDay", "CandidateSource", "UserTotals"]
