"""Checks that a team can run in its own tests."""

from learn_rank.frozen.guard import assert_frozen, frozen_digests
from learn_rank.testing.contract import FusionContractError, check_fusion, fusion_problems

__all__ = ["FusionContractError", "assert_frozen", "check_fusion", "frozen_digests", "fusion_problems"]
