"""Auction and budgets: tables worked out by hand, slow oracles, and what must hold to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn_rank.ab.simulation.auction import place, prices
from learn_rank.ab.simulation.budgets import Ledger, accounts


def hold(requests, **settings):
    """One auction over lists of eCPMs; candidate c of request r has item key c."""
    ecpm = np.array([value for request in requests for value in request], float)
    start = np.append(0, np.cumsum([len(request) for request in requests]))
    keys = np.arange(len(requests), dtype=np.uint64)
    items = np.concatenate([np.arange(len(request)) for request in requests]).astype(np.uint64)
    return place(ecpm, start, keys, items, **settings), start


def test_three_slots_by_hand():
    #            pctr  pcvr  bid    eCPM
    # item 0     .10   .20   50     1.00   slot 0, next .9
    # item 1     .30   .10   30     .90    slot 1, next .8
    # item 2     .20   .10   40     .80    slot 2, next .5
    # item 3     .05   .20   50     .50    not shown
    pctr, pcvr, bid = np.array([[0.1, 0.2, 50], [0.3, 0.1, 30], [0.2, 0.1, 40], [0.05, 0.2, 50]]).T
    won, _ = hold([pctr * pcvr * bid], n_slots=3)
    assert won.row.tolist() == [0, 1, 2] and won.slot.tolist() == [0, 1, 2]
    shown = pctr[won.row], pcvr[won.row], bid[won.row]
    assert prices(won, *shown) == pytest.approx([0.9 / 0.1, 0.8 / 0.3, 0.5 / 0.2], rel=1e-15)
    assert prices(won, *shown, billing="cpa") == pytest.approx(
        [0.9 / 0.02, 0.8 / 0.03, 0.5 / 0.02], rel=1e-15
    )


@pytest.mark.parametrize(
    ("ecpm", "reserve", "rows", "to_pay"),
    [
        ([1.0, 0.4], 0.5, [0], [0.5]),  # the second is below the reserve, which sets the price
        ([1.0, 0.7], 0.5, [0, 1], [0.7, 0.5]),
        ([0.3, 0.4], 0.5, [], []),  # nobody reaches it
        ([0.5], 0.5, [0], [0.5]),  # reaching it is enough
        ([0.9], 0.0, [0], [0.0]),  # alone and without a reserve: free
        ([0.9, 0.0], 0.0, [0], [0.0]),  # an eCPM of 0 never wins
        ([0.0, 0.0], 0.0, [], []),
    ],
)
def test_reserve_and_fewer_bidders_than_slots(ecpm, reserve, rows, to_pay):
    won, _ = hold([ecpm], n_slots=3, reserve=reserve)
    assert won.row.tolist() == rows
    pctr = np.full(len(rows), 0.5)
    paid = prices(won, pctr, np.ones(len(rows)), won.ecpm / pctr, reserve=reserve)
    assert paid.tolist() == [value / 0.5 for value in to_pay]


def test_ties_pay_their_own_bid_and_are_shared_fairly():
    won, start = hold([[0.3, 0.3, 0.3]] * 6000)
    share = np.bincount(won.row - start[won.request], minlength=3) / 6000
    assert np.abs(share - 1 / 3).max() < 4 * np.sqrt(2 / 9 / 6000)
    assert np.all(won.next_ecpm == 0.3)


def test_ties_do_not_depend_on_the_order_of_the_rows():
    generator = np.random.default_rng(1)
    ecpm, items = np.round(generator.random(8), 1), np.arange(8, dtype=np.uint64)
    ecpm[:4] = 0.95
    keys, start = np.array([9], np.uint64), np.array([0, 8])
    expected = place(ecpm, start, keys, items, n_slots=3)
    for _ in range(20):
        order = generator.permutation(8)
        won = place(ecpm[order], start, keys, items[order], n_slots=3)
        assert items[order][won.row].tolist() == items[expected.row].tolist()


def slow_auction(requests, n_slots, reserve):
    """Winners' eCPMs and the ones below, request by request with a sort."""
    found = []
    for number, request in enumerate(requests):
        ranked = [*sorted((value for value in request if value >= reserve and value > 0), reverse=True), 0.0]
        found += [(number, slot, *ranked[slot : slot + 2]) for slot in range(min(n_slots, len(ranked) - 1))]
    return found


REQUESTS = st.lists(
    st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.25, 0.5, 1.0]) | st.floats(0, 2), min_size=1, max_size=7),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60)
@given(requests=REQUESTS, n_slots=st.integers(1, 3), reserve=st.sampled_from([0.0, 0.1, 0.25, 0.7]))
def test_the_segmented_auction_equals_a_loop_with_a_sort(requests, n_slots, reserve):
    won, start = hold(requests, n_slots=n_slots, reserve=reserve)
    columns = (won.request, won.slot, won.ecpm, won.next_ecpm)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == slow_auction(
        requests, n_slots, reserve
    )
    assert np.all((won.row >= start[won.request]) & (won.row < start[won.request + 1]))
    assert np.unique(won.row).size == won.row.size


def test_no_price_is_above_the_bid_to_the_last_bit():
    generator = np.random.default_rng(2)
    n_rows = 60_000
    pctr, pcvr = generator.random((2, n_rows)) ** 3
    bid = np.exp(generator.normal(size=n_rows))
    pctr[::3], pcvr[::3], bid[::3] = pctr[1::3], pcvr[1::3], bid[1::3]  # ties, where rounding could show
    ecpm = pctr * pcvr * bid
    keys = np.arange(n_rows, dtype=np.uint64)
    won = place(ecpm, np.arange(0, n_rows + 1, 6), keys[: n_rows // 6], keys, n_slots=3)
    shown = pctr[won.row], pcvr[won.row], bid[won.row]
    assert np.all(prices(won, *shown) <= shown[1] * shown[2])
    assert np.all(prices(won, *shown, billing="cpa") <= shown[2])
    unlimited = won.next_ecpm / (shown[0] * shown[1])
    assert np.any(unlimited > shown[2])  # without the limit rounding does go above


def slow_ledger(budget, account, bill):
    """Bill by bill: what is charged, until each account is empty."""
    spent, charged = np.zeros(len(budget)), []
    for at, value in zip(account, bill, strict=True):
        taken = min(value, budget[at] - spent[at])
        spent[at] += taken
        charged.append(taken)
    return spent, charged


@settings(max_examples=60)
@given(data=st.data(), n_bills=st.integers(1, 40))
def test_budgets_are_spent_to_the_cent_and_never_exceeded(data, n_bills):
    budget = np.array(data.draw(st.lists(st.sampled_from([3.0, 7.5, 20.0, np.inf]), min_size=3, max_size=3)))
    account = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n_bills, max_size=n_bills)))
    whole = np.array(data.draw(st.lists(st.integers(0, 12), min_size=n_bills, max_size=n_bills))) / 4
    ledger, taken, begin = Ledger(budget), [], 0
    while begin < n_bills:  # the accounts that are out send no further bill
        account_left, request = account[begin:], np.arange(n_bills - begin)
        bill = np.where(ledger.is_out[account_left], 0.0, whole[begin:])
        charged = ledger.charge(account_left, bill, request)
        taken += charged.bill.tolist()
        begin += charged.n_taken
    spent, expected = slow_ledger(budget, account, whole)  # quarters, so sums are exact
    assert taken == expected and ledger.spent.tolist() == spent.tolist()
    assert ledger.is_out.tolist() == (spent >= budget).tolist()
    assert np.all(ledger.spent <= budget)


def test_the_slots_of_the_request_that_empties_a_budget_are_all_charged():
    ledger = Ledger(np.array([1.0, 9.0]))
    charged = ledger.charge(np.array([0, 1, 0, 1]), np.array([0.6, 0.5, 2.0, 0.7]), np.array([0, 4, 4, 4]))
    assert charged.n_taken == 4 and charged.n_capped == 1
    assert charged.bill.tolist() == [0.6, 0.5, 0.4, 0.7]
    assert ledger.is_out.tolist() == [True, False]


def test_the_last_bill_is_cut_so_that_the_rounded_sum_stays_within():
    generator = np.random.default_rng(3)
    for _ in range(300):
        budget, bills = generator.random(1) * 10, generator.random(200)
        ledger = Ledger(budget)
        charged = ledger.charge(np.zeros(200, int), bills, np.arange(200))
        assert np.cumsum(charged.bill)[-1] <= budget[0]
        assert np.cumsum(charged.bill)[-1] == pytest.approx(budget[0], rel=1e-15)


def test_the_last_bill_gives_way_where_the_difference_itself_would_round_up():
    step = 2.0**-52
    budget, spent = 1 + 3 * step, 1.5 * step
    assert spent + (budget - spent) > budget
    charged = Ledger(np.array([budget])).charge(np.zeros(2, int), np.array([spent, 5.0]), np.arange(2))
    assert charged.bill[0] + charged.bill[1] <= budget and charged.bill[1] > 1


def test_split_budgets_add_up_and_shared_ones_are_one():
    budgets = np.array([10.0, 5.0])
    assert accounts(budgets, "split", 0.2).reshape(2, 2).sum(0) == pytest.approx(budgets)
    assert accounts(budgets, "shared", 0.2) is budgets
