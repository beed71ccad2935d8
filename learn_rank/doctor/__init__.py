"""Versions, processor and GPU, and what they cannot do together."""

from learn_rank.doctor.checks import (
    diagnose,
    print_diagnosis,
)

__all__ = [
    "diagnose",
    "print_diagnosis",
]
