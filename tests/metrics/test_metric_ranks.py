"""Two processes that hold parts of every user's rows report the digits of one process that holds them all."""

import json
import math

import numpy as np
import pytest
from children import exit_codes_of
from rank_worker import N_RANKS, rows, untied_rows, work

from learn_rank.metrics.auc import AUC, UAUC, WUAUC

METRICS = (AUC(), UAUC(), WUAUC(), WUAUC("positives"))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    assert exit_codes_of(work, *((rank, str(folder)) for rank in range(N_RANKS))) == [0] * N_RANKS
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(N_RANKS)]


def judged(metric, columns, chosen=slice(None), has_weights=False):
    labels, scores, users, weights = (column[chosen] for column in columns)
    return metric(labels, scores, users, weights if has_weights else None).as_dict()


def of_rank(rank, size=37):
    """Which rows a rank sees, in order."""
    n_rows = len(rows()[0])
    return np.concatenate(
        [np.arange(start, min(start + size, n_rows)) for start in range(rank * size, n_rows, size * N_RANKS)]
    )


@pytest.mark.parametrize("rank", range(N_RANKS))
@pytest.mark.parametrize("metric", METRICS, ids=str)
def test_a_user_split_over_ranks_gives_the_same_digits_and_counts(found, metric, rank):
    assert found[rank]["torchmetrics"][str(metric)] == judged(metric, rows())


@pytest.mark.parametrize("metric", METRICS, ids=str)
def test_row_weights_give_the_same_digits_over_ranks_where_no_rows_are_alike(found, metric):
    assert found[0]["torchmetrics"][f"weighted {metric}"] == judged(metric, untied_rows(), has_weights=True)


def test_a_rank_without_rows_takes_part(found):
    for at in range(N_RANKS):
        ours = found[at]["torchmetrics"]
        assert ours["one rank without rows"] == judged(UAUC(), rows(), of_rank(0))
        assert ours["first rank without rows"] == judged(UAUC(), untied_rows(), of_rank(0), has_weights=True)


def test_no_rows_on_any_rank_is_undefined_with_counts(found):
    assert found[1]["torchmetrics"]["no rows"] == judged(UAUC(), rows(), slice(0))
    assert found[1]["torchmetrics"]["no rows"]["value"] is None


def test_the_window_holds_the_last_rows_of_every_rank(found):
    last = np.concatenate([of_rank(rank)[-50:] for rank in range(N_RANKS)])
    assert found[0]["torchmetrics"]["window"] == judged(UAUC(), rows(), last)


def test_float32_on_one_rank_and_float64_on_another_are_joined_without_loss(found):
    labels, scores, users, weights = rows()
    scores = scores.copy()
    scores[of_rank(0)] = scores[of_rank(0)].astype(np.float32)
    joined = judged(UAUC(), (labels, scores, users, weights))
    assert found[0]["torchmetrics"]["two dtypes"] == joined
    assert joined != judged(UAUC(), rows())  # float32(.1) and .1 are no tie


def test_weights_on_one_rank_only_are_refused_on_both(found):
    for at in range(N_RANKS):
        assert "every rank or on none" in found[at]["torchmetrics"]["weights on one rank"]


def test_forward_gives_the_batch_of_the_rank_and_keeps_the_rows_of_all(found):
    for rank in range(N_RANKS):
        batch = of_rank(rank)[:37]
        assert found[rank]["torchmetrics"]["forward"][0] == judged(UAUC(), rows(), batch)["value"]
        assert found[rank]["torchmetrics"]["after forward"] == judged(UAUC(), rows())
    both = [np.concatenate(pair) for pair in zip(rows(), untied_rows(), strict=True)]
    assert found[0]["torchmetrics"]["then more"] == judged(UAUC(), both)


def check_keys(values, prefix, columns, chosen):
    """Both tasks' values against the exact metrics; CVR is judged on clicked rows."""
    labels, scores, users, weights = (column[chosen] for column in columns)
    is_click = labels == 1
    buys = labels * (weights > 0.5)
    ctr = (labels, scores, users)
    cvr = (buys[is_click], -scores[is_click], users[is_click])
    for task, asked in {"ctr": ctr, "cvr": cvr}.items():
        for metric in (AUC(), UAUC(), WUAUC()):
            exact = metric(*asked)
            key = f"user_auc-{task}|{prefix}{str(metric).lower()}"
            assert values[key] == exact.value
            if metric != AUC():
                counts = (exact.n_users, exact.n_skipped_users, exact.covered_rows)
                asked_for = ("n_users", "n_skipped_users", "covered_rows")
                assert tuple(values[f"{key}_{count}"] for count in asked_for) == counts
        assert values[f"user_auc-{task}|{prefix}n_rows"] == len(asked[0])


@pytest.mark.parametrize("rank", range(N_RANKS))
def test_the_torchrec_metric_gives_the_same_digits_over_ranks(found, rank):
    everything = slice(None)
    last = np.concatenate([of_rank(at)[-50:] for at in range(N_RANKS)])
    ours = found[rank]["torchrec"]
    check_keys(ours["window"], "window_", rows(), last)
    check_keys(ours["lifetime"], "window_", rows(), last)
    check_keys(ours["lifetime"], "lifetime_", rows(), everything)
    check_keys(ours["local"], "local_lifetime_", rows(), of_rank(rank))
    check_keys(ours["local"], "local_window_", rows(), of_rank(rank)[-50:])
    check_keys(ours["fused"], "window_", rows(), everything)
    check_keys(ours["fused, one rank without rows"], "window_", rows(), of_rank(0))


def test_the_torchrec_metric_without_rows_is_nan_and_not_zero(found):
    values = found[0]["torchrec"]["no rows"]
    assert math.isnan(values["user_auc-ctr|window_uauc"])
    assert values["user_auc-ctr|window_n_rows"] == 0
