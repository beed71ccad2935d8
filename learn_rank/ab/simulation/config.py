"""The settings of a simulated A/B test, checked when made."""

from __future__ import annotations

from dataclasses import dataclass

AUCTIONS = ("gsp", "second_price")
BILLINGS = ("cpc", "cpa")
BUDGETS = ("none", "shared", "split")
MAX_SLOTS = 3


@dataclass(frozen=True)
class ABConfig:
    """What is simulated: the test's design, the auction and the bill.

    Args:
        n_days: days of the test, the first ones that the candidates hold.
        treatment_share: share of users in arm "b", between 0 and 1. The paper's test had 20 %.
        n_slots: ads shown per request, 1 to 3.
        auction: "gsp", or "second_price", which is its case of one slot.
        billing: "cpc", a click is billed, or "cpa", a conversion is billed.
        reserve: the least eCPM in the first slot that is shown, currency units per impression (not mille).
        budget: "none"; "shared", both arms drain one daily budget of an advertiser, as in production;
            "split", each arm has its share of every advertiser's daily budget, so that neither can take from
            the other.
        slot_effect: p(click) of slot 0, 1, 2 over that of slot 0. Environments with a position model of their
            own ignore it; the predicted clicks of the arms use it always.
        conversion_delay_days: mean of the exponential delay from click to conversion, 0 for none.
        seed: of the outcomes, >= 0.
        salt: of the assignment; another salt is another split of the users.

    Raises:
        ValueError: a setting outside these ranges.

    Example:
        >>> ABConfig(n_slots=3, billing="cpa").slot_effect
        (1.0, 0.6, 0.4)
    """

    n_days: int = 9
    treatment_share: float = 0.2
    n_slots: int = 1
    auction: str = "gsp"
    billing: str = "cpc"
    reserve: float = 0.0
    budget: str = "none"
    slot_effect: tuple[float, ...] = (1.0, 0.6, 0.4)
    conversion_delay_days: float = 0.5
    seed: int = 0
    salt: str = "ab"

    def __post_init__(self) -> None:
        for name, choices in (("auction", AUCTIONS), ("billing", BILLINGS), ("budget", BUDGETS)):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name}: expected one of {', '.join(choices)}, got {getattr(self, name)!r}. "
                    "Remedy: choose one"
                )
        checks = {
            "n_days": (self.n_days >= 1, "at least 1"),
            "treatment_share": (0 < self.treatment_share < 1, "a share between 0 and 1, both excluded"),
            "n_slots": (1 <= self.n_slots <= MAX_SLOTS, f"1 to {MAX_SLOTS}"),
            "reserve": (0 <= self.reserve < float("inf"), "0 or more, finite"),
            "conversion_delay_days": (0 <= self.conversion_delay_days < float("inf"), "0 or more, finite"),
            "seed": (0 <= self.seed < 1 << 64, "an integer from 0 to 2^64 - 1"),
            "slot_effect": (
                len(self.slot_effect) >= self.n_slots and all(0 < effect <= 1 for effect in self.slot_effect),
                f"a number in (0, 1] for each of the {self.n_slots} slot(s)",
            ),
        }
        for name, (is_good, expected) in checks.items():
            if not is_good:
                remedy = f"choose one, or leave it out for {type(self).__dataclass_fields__[name].default!r}"
                raise ValueError(
                    f"{name}: expected {expected}, got {getattr(self, name)!r}. Remedy: {remedy}"
                )
        if self.auction == "second_price" and self.n_slots != 1:
            raise ValueError(
                f"n_slots: expected 1 with auction 'second_price', got {self.n_slots}. "
                "Remedy: auction 'gsp' prices several slots"
            )


__all__ = ["AUCTIONS", "BILLINGS", "BUDGETS", "MAX_SLOTS", "ABConfig"]
