"""One simulated world: auction, budgets, exposure, click, delayed conversion and bill, day by day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from learn_rank.ab.candidates.day import CandidateDay, CandidateSource
from learn_rank.ab.simulation.assignment import assign
from learn_rank.ab.simulation.auction import place, prices
from learn_rank.ab.simulation.budgets import Ledger, accounts
from learn_rank.ab.simulation.config import ABConfig
from learn_rank.ab.simulation.environment import Environment
from learn_rank.ab.simulation.impressions import Impressions, concatenated
from learn_rank.ab.simulation.random_streams import uniforms
from learn_rank.ab.simulation.totals import UserTotals
from learn_rank.ab.simulation.totals_builder import TotalsBuilder
from learn_rank.datasets.arithmetic import log

WORLDS = ("ab", "a", "b")
_CHUNK = 16_384  # requests whose rows fit a processor's cache; the result does not depend on it
_LEAST_CHUNK = 256


def simulate(
    source: CandidateSource,
    environment: Environment,
    config: ABConfig,
    *,
    world: str = "ab",
    days: Sequence[int] | None = None,
    on_day: Callable[[CandidateDay, Impressions], None] | None = None,
    n_chunk: int = _CHUNK,
) -> UserTotals:
    """Run the days of one world.

    Definition: each request holds an auction by the predictions of the arm that serves its user. A winner in
    slot s is clicked when its uniform number for (seed, day, request, item) is below the environment's
    p(click), converts when the second is below p(conversion | click), after an exponential delay from the
    third. The same (request, item, slot) has the same fate in every world. Bills are charged when the
    request happens, also the bill of a conversion that comes later, so a day's budget is known to be spent
    on that day; the delay only decides whether a conversion is counted or immature. A day's requests are
    spread evenly over it in their order.

    Args:
        source: the candidates.
        environment: the truth, known or fitted.
        config: settings of the test.
        world: "ab", users are split; "a", everyone has the control; "b", everyone has the treatment. The
            launch effect is the difference of the last two. In a launch world "split" budgets are whole.
        days: consecutive days of the source; None for its first `config.n_days`.
        on_day: called after each day with its candidates and impressions.
        n_chunk: requests handled at once; changes the speed and no digit.

    Returns:
        Sums by user, day and item bucket, and counts of requests, of those that no candidate won, of those
        with one candidate, of bills capped by a budget and of accounts (advertiser, or advertiser and arm) x
        days that ran out.

    Raises:
        ValueError: days that the source lacks, budgets asked for that it does not know, or probabilities of
            the environment outside 0 .. 1.

    Source: Zhang et al., Optimal real-time bidding benchmarks and auctions (2014), for the setting; random
    streams after Salmon et al. (2011).
    """
    if world not in WORLDS:
        raise ValueError(f"world: expected one of {', '.join(WORLDS)}, got {world!r}")
    chosen = _days(source, config, days)
    arm = _arms(source, config, world)
    budgets = _budgets(source, config, world)
    builder = TotalsBuilder(source, arm, chosen)
    for day in chosen:
        candidates = source.read(day, environment.needs)
        ledger = Ledger(budgets) if budgets is not None else None
        run = _DayRun(candidates, environment, config, arm[candidates.user], ledger, chosen[-1])
        impressions = run.all(n_chunk)
        builder.add(candidates, impressions, run.counts)
        if on_day is not None:
            on_day(candidates, impressions)
        del candidates, impressions, run  # two days at once would double the memory
    return builder.totals()


@dataclass(frozen=True, eq=False)
class _DayRun:
    """A day's requests against one environment and one ledger."""

    day: CandidateDay
    environment: Environment
    config: ABConfig
    arm: np.ndarray  # (R,) of each request
    ledger: Ledger | None
    last_day: int

    @property
    def counts(self) -> dict[str, int]:
        return {} if self.ledger is None else {"spent_budgets": self.ledger.n_spent}

    def all(self, n_chunk: int) -> Impressions:
        """Every request once: as far as no budget runs out, then anew from there without that advertiser."""
        parts: list[Impressions] = []
        begin, step = 0, n_chunk
        while begin < self.day.n_requests:
            end = min(begin + step, self.day.n_requests)
            part = self._offered(begin, end)
            step = min(2 * step, n_chunk)
            if self.ledger is not None:
                account = self._account(part.arm, self.day.advertiser[part.row])
                charged = self.ledger.charge(account, part.bill, part.request)
                if charged.n_taken < part.row.size:
                    end = int(part.request[charged.n_taken - 1]) + 1
                    step = max((end - begin), _LEAST_CHUNK)
                part = part.first(charged.n_taken, charged.bill, charged.n_capped)
            parts.append(part)
            begin = end
        return concatenated(parts)

    def _offered(self, begin: int, end: int) -> Impressions:
        """What requests begin .. end - 1 would show and bill with the advertisers that are left now."""
        day, config = self.day, self.config
        rows = slice(day.start[begin], day.start[end])
        start = day.start[begin : end + 1] - day.start[begin]
        arm = self.arm[begin:end]
        arm_of_row = np.repeat(arm, np.diff(start))
        pctr, pcvr = (_served(both[:, rows], arm_of_row) for both in (day.pctr, day.pcvr))
        ecpm = pctr * pcvr * day.bid[rows]
        if self.ledger is not None:
            ecpm[self.ledger.is_out[self._account(arm_of_row, day.advertiser[rows])]] = 0.0
        won = place(
            ecpm,
            start,
            day.request_key[begin:end],
            day.item_key[rows],
            n_slots=config.n_slots,
            reserve=config.reserve,
        )
        row, request = won.row + day.start[begin], won.request + begin
        pctr, pcvr, bid = pctr[won.row], pcvr[won.row], day.bid[row]
        price = prices(won, pctr, pcvr, bid, billing=config.billing, reserve=config.reserve)
        p_click = _checked(self.environment.click_probability(day, row, won.slot), "click", row)
        p_conversion = _checked(self.environment.conversion_probability(day, row), "conversion", row)
        chance = uniforms(config.seed, day.day, day.request_key[request], day.item_key[row])
        is_click = chance[0] < p_click
        is_conversion = is_click & (chance[1] < p_conversion)
        happens = day.day + (request + 0.5) / day.n_requests
        delay = -config.conversion_delay_days * log(1.0 - chance[2])
        is_billed = is_click if config.billing == "cpc" else is_conversion
        return Impressions(
            row=row,
            request=request,
            slot=won.slot,
            arm=arm[won.request],
            price=price,
            bill=np.where(is_billed, price, 0.0),
            is_click=is_click,
            is_conversion=is_conversion,
            is_mature=is_conversion & (happens + delay < self.last_day + 1),
            p_click=p_click,
            p_conversion=p_conversion,
            predicted_click=pctr * np.asarray(config.slot_effect)[won.slot],
            predicted_conversion=pcvr,
            n_capped=0,
        )

    def _account(self, arm: np.ndarray, advertiser: np.ndarray) -> np.ndarray:
        """The account of an advertiser in an arm; with shared budgets the arm makes no difference."""
        if self.ledger is None or self.config.budget == "shared":
            return advertiser
        n_advertisers = self.ledger.budget.size // 2
        return advertiser + arm.astype(np.int64) * n_advertisers


def _served(both: np.ndarray, arm_of_row: np.ndarray) -> np.ndarray:
    """(N,) the predictions of the arm that serves each row."""
    return np.where(arm_of_row == 1, both[1], both[0])


def _checked(probability: np.ndarray, event: str, row: np.ndarray) -> np.ndarray:
    is_bad = ~((probability >= 0) & (probability <= 1))
    if is_bad.any():
        raise ValueError(
            f"environment: expected p({event}) from 0 to 1, got {int(is_bad.sum())} other value(s), first "
            f"{float(probability[is_bad][0])} for candidate {int(row[is_bad][0])} of the day. "
            "Remedy: correct the environment or its columns"
        )
    return probability


def _days(source: CandidateSource, config: ABConfig, days: Sequence[int] | None) -> tuple[int, ...]:
    if days is None:
        if len(source.days) < config.n_days:
            raise ValueError(
                f"n_days: expected at most the {len(source.days)} days of the candidates, got "
                f"{config.n_days}. Remedy: n_days={len(source.days)}, or candidates of more days"
            )
        days = source.days[: config.n_days]
    chosen = tuple(int(day) for day in days)
    unknown = [day for day in chosen if day not in set(source.days)]
    if unknown or not chosen:
        raise ValueError(
            f"days: expected some of the candidates' days {list(source.days)}, got {list(chosen)}"
        )
    if list(chosen) != list(range(chosen[0], chosen[0] + len(chosen))):
        raise ValueError(
            f"days: expected consecutive numbers without an empty day, got {list(chosen)}. Remedy: number "
            "the days 0, 1, 2 ...; delays are counted in them"
        )
    return chosen


def _arms(source: CandidateSource, config: ABConfig, world: str) -> np.ndarray:
    if world != "ab":
        return np.full(source.user_ids.size, WORLDS.index(world) - 1, np.uint8)
    if source.assigned is not None:
        return source.assigned
    return assign(source.user_ids, config.treatment_share, config.salt)


def _budgets(source: CandidateSource, config: ABConfig, world: str) -> np.ndarray | None:
    if config.budget == "none":
        return None
    if source.budgets is None:
        raise ValueError(
            f"budget: expected candidates with a column budget for {config.budget!r}, got none. "
            "Remedy: add each advertiser's daily budget, or use budget 'none'"
        )
    share = {"ab": config.treatment_share, "a": 0.0, "b": 1.0}[world]
    return accounts(source.budgets, config.budget, share)


__all__ = ["WORLDS", "simulate"]
