"""`MarketplaceConfig`: size and character of a generated marketplace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MarketplaceConfig:
    """Size and character of a generated marketplace.

    Args:
        seed: everything follows from it.
        n_users, n_items: sizes of the two sides.
        n_days: days in all; the days after training and validation are the test.
        interaction_days: first days whose clicks are the interactions that the towers learn from.
        train_days: first days whose impressions are training rows; at least `interaction_days`.
        valid_days: days after training that are validation.
        n_impressions: expected rows of train, valid and test together.
        n_candidates: items per request.
        click_rate: expected clicks per impression.
        conversion_rate: expected conversions per click.
        late_item_share: share of the items that are first offered after training.
        late_user_share: share of the users who arrive after training.
        debut_share: share of the vocabulary that no item offered during training carries.
        popularity_exponent: Zipf exponent of the exposure of items.
        ab_days: days after the recorded ones on which items and users go on arriving, so that they can be
            simulated; they add rows to `items` and to the world and change nothing that was there.
        informative_text: False permutes the texts among the items at random, so that they say nothing:
            the world in which a text encoder must not help, and must not harm.

    Raises:
        ValueError: a value outside its range.
    """

    seed: int = 0
    n_users: int = 4000
    n_items: int = 2500
    n_days: int = 30
    interaction_days: int = 20
    train_days: int = 27
    valid_days: int = 1
    n_impressions: int = 190_000
    n_candidates: int = 8
    click_rate: float = 0.16
    conversion_rate: float = 0.25
    late_item_share: float = 0.1
    late_user_share: float = 0.05
    debut_share: float = 0.25
    popularity_exponent: float = 0.9
    ab_days: int = 0
    informative_text: bool = True

    def __post_init__(self) -> None:
        at_least_one = (
            "n_users",
            "n_items",
            "interaction_days",
            "valid_days",
            "n_impressions",
            "n_candidates",
        )
        for name in at_least_one:
            _require(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        _require(
            "train_days",
            self.train_days,
            self.train_days >= self.interaction_days,
            "at least interaction_days",
        )
        n_judged_days = self.n_days - self.train_days - self.valid_days
        _require("n_days", self.n_days, n_judged_days >= 1, "more than train_days + valid_days")
        _require("ab_days", self.ab_days, self.ab_days >= 0, "at least 0")
        for name in ("click_rate", "conversion_rate"):
            _require(name, getattr(self, name), 0.0 < getattr(self, name) < 1.0, "inside (0, 1)")
        for name in ("late_item_share", "late_user_share"):
            _require(name, getattr(self, name), 0.0 <= getattr(self, name) <= 0.4, "inside [0, 0.4]")
        _require("debut_share", self.debut_share, 0.0 <= self.debut_share <= 0.9, "inside [0, 0.9]")
        _require(
            "popularity_exponent", self.popularity_exponent, self.popularity_exponent >= 0.0, "at least 0"
        )
        _require(
            "n_candidates", self.n_candidates, self.n_candidates <= self.n_items // 4, "at most n_items / 4"
        )


def _require(name: str, value: object, is_right: bool, expected: str) -> None:
    if not is_right:
        raise ValueError(f"MarketplaceConfig.{name}: expected {expected}, got {value}; choose another value")
