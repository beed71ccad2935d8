"""Simulated worlds: what must be equal to the bit, what must move, and by how much."""

import hashlib

import numpy as np
import pytest
from scipy import stats

from benchmarks.ab.candidate_worlds import small_world
from benchmarks.ab.evidence_traffic import budget_table, cold_table
from learn_rank.ab.candidates.files import CandidateFiles
from learn_rank.ab.simulation.config import ABConfig
from learn_rank.ab.simulation.environment import KnownEnvironment
from learn_rank.ab.simulation.random_streams import uniforms
from learn_rank.ab.simulation.simulate import simulate
from learn_rank.ab.simulation.totals import SUMS

DAYS = {"n_days": 3}
TRUTH = KnownEnvironment()


def run(frame, world="ab", days=None, **settings):
    """Totals, and the impressions with the candidates of each day."""
    shown = []
    config = ABConfig(**{**DAYS, **settings})
    totals = simulate(
        CandidateFiles(frame), TRUTH, config, world=world, days=days, on_day=lambda *pair: shown.append(pair)
    )
    return totals, shown


def digest(totals):
    """sha256 of every byte that a simulation leaves."""
    found = hashlib.sha256("\n".join(map(str, totals.user_ids)).encode())
    for array in (totals.arm, totals.n_requests, *(totals.sums[name] for name in SUMS)):
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest(), totals.counts


def welfare(shown):
    """Expected value of what was shown: the truth's p(click) p(conversion) x bid."""
    return sum(float((one.p_click * one.p_conversion * day.bid[one.row]).sum()) for day, one in shown)


SETTINGS = [
    {},
    {"n_slots": 3, "billing": "cpa", "reserve": 0.05},
    {"budget": "shared", "n_slots": 2},
    {"budget": "split"},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_identical_scores_give_bit_equal_outcomes_in_both_arms(settings):
    frame = small_world(noise=(0.4, 0.4), budget=15.0)
    control, treatment = run(frame, "a", **settings)[0], run(frame, "b", **settings)[0]
    assert all(np.array_equal(control.sums[name], treatment.sums[name]) for name in SUMS)
    if settings.get("budget") != "split":
        mixed = run(frame, **settings)[0]
        assert all(np.array_equal(control.sums[name], mixed.sums[name]) for name in SUMS)
        assert 0 < mixed.arm.mean() < 1


@pytest.mark.parametrize("settings", SETTINGS)
def test_swapped_arms_change_the_sign_of_the_lift_exactly(settings):
    frame = small_world(budget=15.0)
    frame["arm"] = np.where(frame["user_id"] % 2 == 1, "b", "a")
    swapped = frame.rename(
        columns={"pctr_a": "pctr_b", "pctr_b": "pctr_a", "pcvr_a": "pcvr_b", "pcvr_b": "pcvr_a"}
    )
    swapped["arm"] = np.where(frame["user_id"] % 2 == 1, "a", "b")
    settings = {**settings, "treatment_share": 0.5}

    def lift(totals, name):
        per_user = totals.total(name)
        return per_user[totals.arm == 1].mean() - per_user[totals.arm == 0].mean()

    one, other = run(frame, **settings)[0], run(swapped, **settings)[0]
    assert all(lift(one, name) == -lift(other, name) for name in SUMS)
    assert lift(one, "revenue") != 0
    launch = [run(world_frame, world)[0] for world_frame, world in ((frame, "b"), (swapped, "a"))]
    assert digest(launch[0])[0] != digest(one)[0]
    assert all(np.array_equal(launch[0].sums[name], launch[1].sums[name]) for name in SUMS)


@pytest.mark.parametrize("settings", SETTINGS)
def test_row_order_and_chunks_leave_identical_bytes(settings):
    frame = small_world(is_ragged=True, ids="string", budget=15.0)
    source, config = CandidateFiles(frame), ABConfig(**DAYS, **settings)
    expected = digest(simulate(source, TRUTH, config))
    for n_chunk in (1, 7, 100):
        assert digest(simulate(source, TRUTH, config, n_chunk=n_chunk)) == expected
    shuffled = CandidateFiles(frame.sample(frac=1, random_state=3))
    assert digest(simulate(shuffled, TRUTH, config)) == expected
    assert digest(simulate(source, TRUTH, ABConfig(**DAYS, **settings, seed=1))) != expected


def slow_world(frame, config, arm_of_user):
    """Revenue, clicks and conversions request by request in plain Python; no ties, no budgets."""
    last, found = frame["day"].max(), np.zeros(3)
    source = CandidateFiles(frame)
    for day in source.days:
        candidates = source.read(day, ("user_id", "p_click", "p_conversion"))
        for request in range(candidates.n_requests):
            rows = range(candidates.start[request], candidates.start[request + 1])
            arm = arm_of_user[candidates.columns["user_id"][rows[0]]]
            value = {
                row: candidates.pctr[arm, row] * candidates.pcvr[arm, row] * candidates.bid[row]
                for row in rows
            }
            ranked = sorted(
                (row for row in rows if value[row] >= config.reserve), key=lambda row: -value[row]
            )
            for slot, row in enumerate(ranked[: config.n_slots]):
                below = value[ranked[slot + 1]] if slot + 1 < len(ranked) else 0.0
                pctr, pcvr = candidates.pctr[arm, row], candidates.pcvr[arm, row]
                price = max(below, config.reserve) / (pctr if config.billing == "cpc" else pctr * pcvr)
                keys = candidates.request_key[[request]], candidates.item_key[[row]]
                click, conversion, delay, _ = uniforms(config.seed, day, *keys)[:, 0]
                truth = candidates.columns["p_click"][row] * config.slot_effect[slot]
                is_click = click < truth
                converts = is_click and conversion < candidates.columns["p_conversion"][row]
                at = day + (request + 0.5) / candidates.n_requests
                in_time = at - config.conversion_delay_days * np.log(1 - delay) < last + 1
                found += (
                    price * (is_click if config.billing == "cpc" else converts),
                    is_click,
                    converts and in_time,
                )
    return found


@pytest.mark.parametrize(
    "settings", [{}, {"n_slots": 3, "billing": "cpa", "reserve": 0.3, "conversion_delay_days": 2.0}]
)
def test_the_vectorised_world_equals_a_loop_over_requests(settings):
    frame = small_world(n_requests_per_day=60, is_ragged=True)
    config = ABConfig(**DAYS, **settings)
    totals = simulate(CandidateFiles(frame), TRUTH, config)
    arm = dict(zip(totals.user_ids.tolist(), totals.arm.tolist(), strict=True))
    expected = slow_world(frame, config, arm)
    found = [totals.sums[name].sum() for name in ("revenue", "clicks", "conversions")]
    assert found == pytest.approx(expected.tolist(), rel=1e-12)
    assert found[2] > 0


@pytest.mark.parametrize("settings", SETTINGS)
def test_revenue_is_the_sum_of_the_bills_and_no_bill_is_above_its_price(settings):
    frame = small_world(budget=15.0, n_days=2)
    totals, shown = run(frame, n_days=2, **settings)
    bills = [one.bill for _, one in shown]
    assert totals.sums["revenue"].sum() == pytest.approx(np.concatenate(bills).sum(), rel=1e-13)
    for number, (day, one) in enumerate(shown):
        cell = day.user[one.request] * 3 + day.item_bucket[one.row]
        by_cell = np.bincount(cell, one.bill, minlength=totals.user_ids.size * 3)
        assert np.array_equal(totals.sums["revenue"][:, number].ravel(), by_cell)
        assert np.all(one.bill <= one.price)
        bid = day.bid[one.row]
        limit = bid if settings.get("billing") == "cpa" else one.predicted_conversion * bid
        assert np.all(one.price <= limit)
        is_billed = one.is_conversion if settings.get("billing") == "cpa" else one.is_click
        assert not one.bill[~is_billed].any()


@pytest.mark.parametrize("budget", ["shared", "split"])
def test_no_advertiser_spends_more_than_the_budget(budget):
    source = CandidateFiles(small_world(budget=15.0))
    config, spent = ABConfig(**DAYS, budget=budget, n_slots=2), []

    def add_up(day, one):
        for advertiser in range(12):
            for arm in ((0,), (1,)) if budget == "split" else ((0, 1),):
                own = one.bill[(day.advertiser[one.row] == advertiser) & np.isin(one.arm, arm)]
                limit = 15.0 * {(0,): 1 - 0.2, (1,): 0.2, (0, 1): 1.0}[arm]
                total = np.cumsum(np.append(0.0, own))[-1]  # bill after bill, as they were charged
                assert total <= limit
                spent.append(total == pytest.approx(limit, rel=1e-12))

    totals = simulate(source, TRUTH, config, on_day=add_up)
    assert sum(spent) == totals.counts["spent_budgets"] > 0


def test_an_advertiser_without_budget_left_is_not_shown():
    totals, shown = run(small_world(budget=5.0), budget="shared", world="a")
    for day, one in shown:
        advertiser = day.advertiser[one.row]
        for number in range(12):
            own = np.flatnonzero(advertiser == number)
            running = np.cumsum(np.append(0.0, one.bill[own]))[1:]
            after = own[np.searchsorted(running, 5.0 * (1 - 1e-12)) + 1 :]
            assert after.size == 0
    assert totals.counts["capped_bills"] > 0


def test_a_factor_on_pcvr_leaves_cpa_revenue_and_multiplies_the_price_of_a_click():
    frame = small_world(noise=(0.5, 0.5))
    frame["pcvr_a"] = frame["pcvr_b"] = frame["pcvr_a"] / 1.4  # room for the factor
    frame["pcvr_b"] *= 1.3
    for n_slots in (1, 3):
        (plain, shown), (raised, shown_raised) = (run(frame, world, n_slots=n_slots) for world in "ab")
        assert raised.total("clicks").tolist() == plain.total("clicks").tolist()
        assert raised.total("revenue") == pytest.approx(1.3 * plain.total("revenue"), rel=1e-12)
        for (_, one), (_, other) in zip(shown, shown_raised, strict=True):
            assert np.array_equal(one.row, other.row)
            assert other.price == pytest.approx(1.3 * one.price, rel=1e-12)
        plain, raised = (run(frame, world, n_slots=n_slots, billing="cpa")[0] for world in "ab")
        assert raised.total("revenue") == pytest.approx(plain.total("revenue"), rel=1e-12)
        assert raised.total("revenue").sum() > 0


def test_more_noise_lowers_welfare_and_the_oracle_has_the_highest():
    found = [welfare(run(small_world(noise=(noise, 0.0)), "a")[1]) for noise in (0.0, 0.3, 0.8, 2.0)]
    assert found == sorted(found, reverse=True) and found[0] > 1.02 * found[-1]


def test_no_choice_beats_the_oracle_in_any_request():
    shown = run(small_world(noise=(0.0, 1.0)), "a", n_slots=2)[1]
    for day, one in shown:
        value = day.pctr[0] * day.pcvr[0] * day.bid
        best = -np.sort(-value.reshape(-1, 8), axis=1)[:, :2]
        assert np.array_equal(value[one.row].reshape(-1, 2), best)


def test_binding_shared_budgets_invent_lift_and_split_ones_do_not():
    found = {row["budget"]: row for row in budget_table()}
    assert abs(found["shared"]["gap in errors"]) > 3 and abs(found["split"]["gap in errors"]) < 3
    assert found["shared"]["low"] > 0.3, "bids that read higher drain the shared budget first"
    assert all(abs(found[budget]["launch"]) < 0.01 for budget in ("shared", "split")), (
        "a launch changes nothing"
    )
    assert found["none"]["launch"] == pytest.approx(0.6, rel=1e-9), (
        "without budgets every price is 1.6 times as high"
    )


def test_the_interval_of_cold_items_holds_the_lift_that_was_planted_there_and_not_0():
    n_splits = 25
    found = {row["metric"]: row for row in cold_table(n_splits, n_users=1200)}
    least = stats.binom.ppf(0.0005, n_splits, 0.95) / n_splits
    assert found["CTR"]["planted"] > 0.15
    assert all(row["holds it"] >= least for row in found.values())
    assert found["CTR"]["holds 0"] < least


def test_late_conversions_are_counted_as_immature_and_billed():
    frame = small_world()
    at_once = run(frame, conversion_delay_days=0.0, billing="cpa")[0]
    late = run(frame, conversion_delay_days=1.0, billing="cpa")[0]
    assert at_once.total("immature").sum() == 0
    both = late.total("conversions") + late.total("immature")
    assert np.array_equal(both, at_once.total("conversions"))
    assert 0 < late.total("immature", days=[0]).sum() < late.total("immature", days=[2]).sum()
    assert np.array_equal(late.total("revenue"), at_once.total("revenue"))
    assert np.array_equal(late.total("target_cost"), at_once.total("target_cost"))


def test_immature_conversions_are_as_many_as_the_delay_says():
    frame = small_world(n_requests_per_day=6000, n_days=1, n_candidates=2)
    totals = run(frame, n_days=1, conversion_delay_days=0.5)[0]
    late, in_time = totals.total("immature").sum(), totals.total("conversions").sum()
    expected = 0.5 * (1 - np.exp(-1 / 0.5))  # mean over the day of P(delay > rest of the day)
    share = late / (late + in_time)
    assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / (late + in_time))


def test_clicks_and_conversions_have_the_rates_of_the_truth():
    shown = run(small_world(n_requests_per_day=4000), "a", n_slots=2)[1]
    for probability, event, where in (
        ("p_click", "is_click", None),
        ("p_conversion", "is_conversion", "is_click"),
    ):
        is_seen = [np.ones(one.row.size, bool) if where is None else getattr(one, where) for _, one in shown]
        expected = np.concatenate(
            [getattr(one, probability)[seen] for (_, one), seen in zip(shown, is_seen, strict=True)]
        )
        n_events = sum(getattr(one, event).sum() for _, one in shown)
        assert abs(n_events - expected.sum()) < 4 * np.sqrt((expected * (1 - expected)).sum())


def test_counts_name_what_happened_to_requests():
    frame = small_world(is_ragged=True)
    totals = run(frame, reserve=0.3)[0]
    sizes = frame.groupby("request_id").size()
    assert totals.counts["requests"] == sizes.size == totals.requests().sum()
    assert totals.counts["requests_with_one_candidate"] == (sizes == 1).sum()
    assert totals.counts["requests_without_winner"] == sizes.size - totals.total("impressions").sum() > 0


def test_the_trigger_is_the_same_in_every_world():
    frame = small_world()
    found = [run(frame, world)[0].n_requests for world in ("ab", "a", "b")]
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


def test_days_may_be_chosen_and_must_exist_without_gaps():
    frame = small_world(n_days=4)
    assert run(frame, days=[2, 3])[0].days == (2, 3)
    with pytest.raises(ValueError, match=r"n_days: expected at most the 4 days .* Remedy: n_days=4"):
        run(frame, n_days=9)
    with pytest.raises(ValueError, match=r"days: expected consecutive numbers .* got \[0, 2\]"):
        run(frame, days=[0, 2])
    with pytest.raises(ValueError, match=r"days: expected some of .* got \[3, 4\]"):
        run(frame, days=[3, 4])


def test_an_arm_that_is_given_is_used():
    frame = small_world()
    frame["arm"] = frame["user_id"] % 2
    totals = run(frame)[0]
    assert np.array_equal(totals.arm, totals.user_ids % 2)


def test_settings_and_inputs_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="budget: expected candidates with a column budget"):
        run(small_world(), budget="shared")
    with pytest.raises(ValueError, match="world: expected one of ab, a, b"):
        run(small_world(), world="c")
    with pytest.raises(ValueError, match=r"p_click"):
        run(small_world().assign(p_click=1.5))
    for settings, words in (
        ({"n_slots": 4}, "n_slots: expected 1 to 3, got 4"),
        ({"auction": "second_price", "n_slots": 2}, "n_slots: expected 1 with auction 'second_price'"),
        ({"treatment_share": 1.0}, "treatment_share"),
        ({"billing": "cpm"}, "billing: expected one of cpc, cpa"),
        ({"reserve": -1.0}, "reserve"),
        ({"slot_effect": (1.0,), "n_slots": 2}, "slot_effect"),
    ):
        with pytest.raises(ValueError, match=words):
            ABConfig(**settings)
