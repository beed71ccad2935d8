"""The items that moved most: a case by hand, a slow count of pairs, and what makes no item move."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learn_rank.evaluation.moved_items import moved_items, right_share
from learn_rank.metrics.grouped_auc import per_user_auc
from learn_rank.report_kit.rules import PRIOR_ROWS


def table(pctr, click=(1, 0, 0, 1, 0, 0), user=(1, 1, 1, 2, 2, 3), item=("a", "b", "c", "a", "c", "b")):
    return pd.DataFrame({"user_id": user, "item_id": item, "click": click, "pctr": pctr})


def test_a_rows_share_counts_the_rows_of_its_user_with_the_other_label_that_are_right_against_it():
    label, user = np.array([1, 1, 0, 0, 0]), np.array([5, 5, 5, 5, 9])
    score = np.array([0.9, 0.3, 0.3, 0.1, 0.2])
    clicked = [2 / 2, (1 + 1 / 2) / 2]  # above both; above one and level with the other
    others = [(1 + 1 / 2) / 2, 2 / 2]
    np.testing.assert_array_equal(right_share(label, score, user), [*clicked, *others, np.nan])


rows = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.1, 0.2, 0.3, 0.4]), st.integers(0, 3)), max_size=40
)


@given(rows)
def test_a_rows_share_is_a_count_of_pairs(drawn):
    label, score, user = (np.array([row[at] for row in drawn]) for at in range(3))
    expected = []
    for own, height, who in drawn:
        others = [other for mark, other, whose in drawn if whose == who and mark != own]
        sign = 1 if own else -1
        right = [np.heaviside(sign * (height - other), 0.5) for other in others]
        expected.append(np.mean(right) if right else np.nan)
    np.testing.assert_allclose(right_share(label, score, user), expected)


@given(rows)
def test_the_mean_share_of_a_users_clicked_rows_is_its_auc_and_so_it_is_of_the_others(drawn):
    label, score, user = (np.array([row[at] for row in drawn], float) for at in range(3))
    share = pd.DataFrame({"share": right_share(label, score, user), "user": user, "label": label})
    means = share.groupby(["user", "label"])["share"].mean()
    if len(drawn):
        found = per_user_auc(label, score, user.astype(int))
        for who, auc in zip(found.user, found.auc, strict=True):
            for mark in {0.0, 1.0} & set(label[user == who]):
                np.testing.assert_allclose(means[float(who), mark], auc)


def test_an_items_change_is_shrunk_by_its_rows_and_counts_rows_that_are_judged_alone():
    # user 1: a moves from between b and c to the top; user 2: a falls below c; user 3 has one label
    base, new = table([0.5, 0.6, 0.4, 0.6, 0.5, 0.9]), table([0.7, 0.6, 0.4, 0.4, 0.5, 0.1])
    found = moved_items([new], [base])
    by_item = {row["item_id"]: row for row in found}
    assert [(row["direction"], row["item_id"]) for row in found] == [
        ("gained", "b"),
        ("lost", "c"),
        ("lost", "a"),
    ]
    assert by_item["b"]["change"] == pytest.approx((1 - 0) / (1 + PRIOR_ROWS))
    assert by_item["a"]["change"] == pytest.approx(((1 - 1 / 2) + (0 - 1)) / (2 + PRIOR_ROWS))
    assert by_item["c"]["change"] == pytest.approx(((1 - 1) + (0 - 1)) / (2 + PRIOR_ROWS))
    assert by_item["a"]["click_rate"] == 1.0 and by_item["a"]["n_rows"] == 2
    assert by_item["a"]["baseline_pctr"] == pytest.approx(0.55)
    assert by_item["a"]["learn_pctr"] == pytest.approx(0.55)
    assert by_item["b"]["n_rows"] == 1  # not that of user 3
    assert len(moved_items([new], [base], n_items=1)) == 2


def test_the_change_is_the_mean_over_seeds():
    base, new = table([0.5, 0.6, 0.4, 0.6, 0.5, 0.9]), table([0.7, 0.6, 0.4, 0.4, 0.5, 0.1])
    once, twice = moved_items([new], [base]), moved_items([new, base], [base, base])
    np.testing.assert_allclose([row["change"] for row in once], [2 * row["change"] for row in twice])


def test_equal_orders_move_no_item():
    base = table([0.5, 0.6, 0.4, 0.6, 0.5, 0.9])
    assert moved_items([base.assign(pctr=base["pctr"] / 2)], [base]) == []
