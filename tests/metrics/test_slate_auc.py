"""AUC inside each slate: a case by hand, an oracle of loops, and where the report has it."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_metrics import mean_user_auc

from learn_rank.data.dataset import RankingDataset
from learn_rank.evaluation.tasks import evaluate_arms, evaluate_predictions
from learn_rank.metrics import UAUC, SlateAUC
from learn_rank.metrics.labelled_rows import LabelledRows
from learn_rank.run.predictions import labelled_rows
from learn_rank.uncertainty.closed_form import ClosedForm
from learn_rank.uncertainty.intervals import Bootstrap

LABELS = [1, 0, 0, 1, 0, 1, 0, 1, 1]
SCORES = [0.9, 0.1, 0.9, 0.2, 0.3, 0.5, 0.4, 0.1, 0.2]
USERS = ["ann", "ann", "ann", "ann", "ann", "bob", "bob", "cid", "cid"]
SLATES = {"request_id": [4, 4, 4, 9, 9, 4, 4, 7, 7]}


def test_every_slate_with_both_classes_counts_one_whoever_its_user_is():
    first = (1 + 0.5) / 2  # ann's .9 is above .1 and tied with .9
    second = 0 / 1  # ann's .2 is below .3
    third = 1 / 1  # bob's own slate, though it has the number of one of ann's
    found = SlateAUC()(LABELS, SCORES, USERS, columns=SLATES)  # cid's slate was clicked throughout
    assert found.value == (first + second + third) / 3
    assert (found.n_rows, found.n_positives, found.n_users, found.n_skipped_users) == (9, 5, 3, 1)
    assert found.covered_rows == 7 / 9


def test_without_a_slate_of_both_classes_and_without_rows_it_is_undefined():
    assert math.isnan(SlateAUC()([1, 1, 0], [1, 2, 3], [7, 7, 7], columns={"request_id": [1, 1, 2]}).value)
    assert math.isnan(SlateAUC()([], [], np.array([], int), columns={"request_id": []}).value)


@st.composite
def slates(draw):
    n_rows = draw(st.integers(1, 24))
    columns = (st.integers(0, 1), st.integers(-3, 3), st.integers(0, 3), st.integers(0, 3))
    return [draw(st.lists(column, min_size=n_rows, max_size=n_rows)) for column in columns]


@settings(max_examples=40)
@given(slates())
def test_it_is_the_mean_over_pairs_of_user_and_slate_in_any_order_of_the_rows(drawn):
    labels, scores, users, numbers = drawn
    expected = mean_user_auc(labels, scores, list(zip(users, numbers, strict=True)))
    found = SlateAUC()(labels, scores, users, columns={"request_id": numbers}).value
    assert found == pytest.approx(expected, nan_ok=True)
    turned = SlateAUC()(labels[::-1], scores[::-1], users[::-1], columns={"request_id": numbers[::-1]})
    assert turned.value == pytest.approx(expected, nan_ok=True)
    one_slate = SlateAUC()(labels, scores, users, columns={"request_id": [0] * len(labels)})
    assert one_slate.value == pytest.approx(UAUC()(labels, scores, users).value, nan_ok=True)


def slate_log(n_slates=200, n_users=25, seed=0, lift=0.6):
    """Five rows a slate and one click in each; a user's slates are alike, so rows are not independent."""
    generator = np.random.default_rng(seed)
    slate = np.repeat(np.arange(n_slates), 5)
    user = generator.integers(0, n_users, n_slates)[slate]
    label = (np.tile(np.arange(5), n_slates) == generator.integers(0, 5, n_slates)[slate]).astype(int)
    skill = generator.normal(lift, 1.0, n_users)[user]
    return label, generator.normal(size=label.size) + skill * label, user, slate


def test_its_interval_varies_users_and_not_slates():
    label, score, user, slate = slate_log(n_slates=400, n_users=60)
    rows = LabelledRows.of(label, user, columns={"request_id": slate})
    evidence = ClosedForm().evidence([SlateAUC()], rows, score)
    without = []
    for each in np.unique(user):
        kept = user != each
        value = mean_user_auc(label[kept].tolist(), score[kept].tolist(), slate[kept].tolist())
        without.append(evidence[0].value - value)
    assert evidence[0].change == pytest.approx(without)
    as_if_users = ClosedForm().evidence([UAUC()], LabelledRows.of(label, slate), score)
    assert evidence[0].value == pytest.approx(as_if_users[0].value)
    assert evidence[0].variance > 1.5 * as_if_users[0].variance
    method = Bootstrap(n_resamples=400, seed=1)
    closed = ClosedForm().interval(evidence)
    drawn = method.interval(method.evidence([SlateAUC()], rows, score))
    assert closed.high - closed.low == pytest.approx(drawn.high - drawn.low, rel=0.25)


def test_a_column_that_is_not_there_and_rows_without_users_are_refused():
    with pytest.raises(ValueError, match=r"SlateAUC needs the column 'request_id', got none. Remedy"):
        SlateAUC()([1, 0], [1, 2], [7, 7])
    with pytest.raises(ValueError, match="users: SlateAUC needs"):
        SlateAUC()([1, 0], [1, 2], columns={"request_id": [1, 1]})


def table(slate_ids, label, score, user):
    return pd.DataFrame(
        {
            "user_id": user,
            "item_id": np.arange(label.size) % 7,
            "click": label,
            "conversion": np.where(label == 1, 1.0 - (np.cumsum(label) % 2), np.nan),
            "pctr": 1 / (1 + np.exp(-score)),
            "pcvr": 0.5 + score / 100,
            "pctcvr": 0.5 / (1 + np.exp(-score)),
            "user_bucket": "other",
            "item_bucket": np.array(["cold-start", "other"])[np.arange(label.size) % 2],
            **({} if slate_ids is None else {"request_id": slate_ids}),
        }
    )


def test_the_report_has_it_where_nearly_every_slate_has_a_click_and_nowhere_else():
    label, score, user, slate = slate_log()
    text = np.array([f"slate {number}" for number in range(200)])[slate]
    rows = evaluate_predictions(table(text, label, score, user), "learn")
    found = [row for row in rows if row["metric"] == "SlateAUC"]
    assert {row["task"] for row in found} == {"CTR"}  # half of the slates converted, and a click is alone
    assert {row["bucket"] for row in found if row["bucket_kind"] == "item"} == {
        "cold-start",
        "long-tail",
        "other",
    }
    whole = next(row for row in found if row["bucket_kind"] == "all")
    expected = mean_user_auc(label.tolist(), score.tolist(), slate.tolist())
    assert whole["value"] == pytest.approx(expected) and whole["low"] < expected < whole["high"]
    rest = [row for row in rows if row["metric"] != "SlateAUC"]
    assert rest == evaluate_predictions(table(None, label, score, user), "learn")
    few = np.where(slate % 5 == 0, 0, label)  # a fifth of the slates without a click
    assert not any(
        row["metric"] == "SlateAUC" for row in evaluate_predictions(table(slate, few, score, user), "learn")
    )


def test_a_difference_in_it_has_an_interval_of_its_own_family():
    label, score, user, slate = slate_log()
    arms = {
        "baseline": [table(slate, label, score, user)],
        "learn": [table(slate, label, score + label, user)],
    }
    _, deltas = evaluate_arms(arms)
    found = [row for row in deltas if row["metric"] == "SlateAUC"]
    assert found and found[0]["delta"] > 0 and found[0]["p_adjusted"] < 0.05
    _, without = evaluate_arms(
        {arm: [each.drop(columns="request_id") for each in t] for arm, t in arms.items()}
    )
    assert [row for row in deltas if row["metric"] != "SlateAUC"] == without


@pytest.mark.parametrize("is_sampled", [False, True])
def test_prediction_files_name_the_request_unless_it_was_made_of_sampled_rows(is_sampled):
    rows = pd.DataFrame(
        {"user_id": [1, 1], "item_id": [1, 2], "click": [1, 0], "context_id": 5, "request_id": ["a", "a"]}
    )
    dataset = RankingDataset(
        name="two rows",
        items=pd.DataFrame({"item_id": [1, 2], "title": ["a", "b"]}),
        interactions=rows[["user_id", "item_id"]],
        train=rows,
        valid=rows,
        test=rows,
        contexts=pd.DataFrame({"context_id": [5], "user_id": [1], "history": [[]]}),
        is_sampled=is_sampled,
    )
    assert ("request_id" in labelled_rows(dataset)) == (not is_sampled)
