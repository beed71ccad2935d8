"""Which arm serves a user: a salted hash of the id, so a user has one arm by construction."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np


def assign(user_ids: Any, treatment_share: float, salt: str) -> np.ndarray:
    """Arms of users: 0 control, 1 treatment.

    Definition: the treatment has the users with blake2b(salt, id) / 2^64 < treatment_share. The id is hashed
    as its decimal or its text, so 7 and "7" are the same user. Different salts split independently.

    Args:
        user_ids: (U,) integers or strings.
        treatment_share: between 0 and 1.
        salt: any text.

    Returns:
        (U,) uint8.

    Raises:
        ValueError: a share outside 0 .. 1, or ids that are neither integers nor strings.

    Example:
        >>> arms = assign(range(10_000), 0.2, "spring")
        >>> bool(abs(arms.mean() - 0.2) < 0.02), assign(["7"], 0.2, "spring")[0] == arms[7]
        (True, np.True_)
    """
    if not 0 <= treatment_share <= 1:
        raise ValueError(f"treatment_share: expected a share from 0 to 1, got {treatment_share}")
    ids = np.asarray(user_ids)
    if ids.dtype.kind not in "iuUO":
        raise ValueError(
            f"user_ids: expected integers or strings, got {ids.dtype}. Remedy: cast the ids before the hash, "
            "since 7 and 7.0 are different texts"
        )
    salted = hashlib.blake2b(len(salt).to_bytes(8, "big") + salt.encode(), digest_size=8)
    limit = round(treatment_share * 2.0**64)
    return np.fromiter((_position(salted, user) < limit for user in ids.tolist()), np.uint8, ids.size)


def _position(salted: Any, user: object) -> int:
    hashed = salted.copy()
    hashed.update(str(user).encode())
    return int.from_bytes(hashed.digest(), "big")


__all__ = ["assign"]
