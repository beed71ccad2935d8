"""Checks that a team can run in its own tests."""

from learn_rank.frozen_guard import assert_frozen, frozen_digests

__all__ = ["assert_frozen", "frozen_digests"]
