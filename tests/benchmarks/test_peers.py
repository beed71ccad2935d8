"""The grouped AUC of other libraries, asked the same questions as ours."""

import numpy as np
import pytest
from reference_metrics import mean_user_auc

from benchmarks.metrics.peer_table import cases, draw, exact, measure_peers
from benchmarks.metrics.peers import Peer, find_peers

CASES = {case[0]: case[1:] for case in cases()}


@pytest.mark.parametrize("name", CASES)
def test_the_exact_answer_of_every_case_is_that_of_counting_pairs(name):
    labels, scores, users = CASES[name]
    for weighting in ("users", "rows"):
        assert exact(weighting, labels, scores, users) == mean_user_auc(labels, scores, users)


def test_one_run_times_a_peer_and_us_on_the_same_arrays_and_keeps_what_it_answered():
    def constant(labels, scores, users):
        return 0.25

    found = measure_peers([Peer("stub", "1.0", "users", 20, constant)], n_users=50, seed=0)
    row = found["stub"]
    labels, scores, users = draw(50, 0)
    assert (row["users"], row["value"]) == (20, 0.25)
    assert row["value_exact"] == exact("users", labels[users < 20], scores[users < 20], users[users < 20])
    assert row["times_slower"] == row["seconds"] / row["seconds_ours"]
    assert set(row["cases"]) == set(CASES) == set(found["exact"]["cases"])


def test_a_peer_that_is_not_installed_is_named_with_its_remedy_and_one_that_dies_with_its_error():
    def dies(labels, scores, users):
        raise IndexError

    def gives_up(labels, scores, users):
        return float("nan")

    absent = Peer("absent", "-", "users", None, None, "pip install absent")
    found = measure_peers(
        [absent, Peer("dies", "1", "users", None, dies), Peer("nan", "1", "rows", None, gives_up)], 10, 0
    )
    assert found["absent"] == {"version": None, "missing": "pip install absent"}
    assert found["dies"]["value"] == "IndexError"
    assert found["nan"]["value"] is None


def test_torchrec_whole_users_without_ties_agree_and_its_known_faults_show():
    by_name = {peer.name: peer for peer in find_peers() if peer.compute is not None}
    grouped, sessions = by_name["torchrec AUC(grouped_auc)"], by_name["torchrec GAUCMetric"]
    labels, scores, users = CASES["logits 18 .. 22"]
    assert grouped.compute(labels, scores, users) == sessions.compute(labels, scores, users) == 0.75
    assert exact("users", *CASES["one-class users among them"]) == 1.0
    assert grouped.compute(*CASES["one-class users among them"]) == 0.75
    first, last = CASES["all tied, positives first"], CASES["all tied, negatives first"]
    assert grouped.compute(*first) != grouped.compute(*last)
    assert exact("users", *first) == exact("users", *last) == 0.5


def test_the_drawn_rows_hold_users_of_one_class_and_scores_in_0_to_1():
    labels, scores, users = draw(500, 1)
    of_user = np.bincount(users, labels, 500)
    assert 20 < (of_user == 0).sum() < 200
    assert scores.min() >= 0 and scores.max() <= 1 and np.bincount(users).min() >= 1
