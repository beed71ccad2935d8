"""The torchrec metric inside torchrec's own modules, and torchrec's AUCs beside it."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import torchrec
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from torchrec.metrics import metric_module
from torchrec.metrics.auc import AUCMetric, compute_auc, compute_auc_per_group
from torchrec.metrics.gauc import GAUCMetric
from torchrec.metrics.metric_module import REC_METRICS_MAPPING, RecMetricModule, generate_metric_module
from torchrec.metrics.metrics_config import DefaultMetricsConfig, RecComputeMode, RecMetricDef, RecTaskInfo
from torchrec.metrics.rec_metric import RecMetricList

from learn_rank.metrics.auc import AUC, PCOC, UAUC, WUAUC
from learn_rank.metrics.streaming.torchrec_auc import UserAUCEnum, UserAUCMetric

CTR = RecTaskInfo("ctr", "click", "pctr", "one")
CVR = RecTaskInfo("cvr", "buy", "pcvr", "click")
quick = settings(max_examples=30, deadline=None)
peers_as_of_1_8 = pytest.mark.skipif(
    not torchrec.__version__.startswith("1.8."), reason="documents the faults of torchrec 1.8"
)


def metric_of(tasks=(CTR,), **settings):
    settings = {"world_size": 1, "my_rank": 0, "batch_size": 4, **settings}
    return UserAUCMetric(tasks=list(tasks), **settings)


def module_of(metric, tasks=(CTR,)):
    return RecMetricModule(
        batch_size=4, world_size=1, rec_tasks=list(tasks), rec_metrics=RecMetricList([metric])
    )


def out(labels, scores, users, buys=None):
    """What a model returns for a batch."""
    labels, scores, users = (torch.as_tensor(column) for column in (labels, scores, users))
    return {
        "click": labels.double(),
        "pctr": scores,
        "one": torch.ones(labels.shape),
        "buy": torch.zeros(labels.shape) if buys is None else torch.as_tensor(buys).double(),
        "pcvr": -scores,
        "user_id": users,
    }


def values_of(module):
    return {key: value.item() for key, value in module.compute().resolve().items()}


def direct(metric, labels, scores, users, weights=None):
    """The value of UAUC after one batch of a RecMetric."""
    metric.update(
        predictions={"ctr": torch.as_tensor(scores)},
        labels={"ctr": torch.as_tensor(labels)},
        weights=None if weights is None else {"ctr": torch.as_tensor(weights)},
        required_inputs={"user_id": torch.as_tensor(users)},
    )
    return metric.compute()["user_auc-ctr|window_uauc"].item()


@st.composite
def split_rows(draw, max_rows=24):
    n_rows = draw(st.integers(1, max_rows))
    columns = (st.integers(0, 1), st.integers(-4, 4), st.integers(0, 6), st.integers(0, 1))
    labels, scores, users, buys = (
        np.array(draw(st.lists(c, min_size=n_rows, max_size=n_rows)), dtype=np.int64) for c in columns
    )
    cuts = sorted(draw(st.lists(st.integers(0, n_rows), max_size=5)))
    return (labels, scores / 7, users + 2**24, buys * labels), cuts


@quick
@given(split_rows(), st.sampled_from(RecComputeMode), st.integers(4, 30))
def test_the_window_has_the_digits_of_the_exact_metrics_for_any_batches(split, mode, window):
    """With clicks as weights, CVR is judged on the clicked rows of the window."""
    columns, cuts = split
    tasks = (CTR, CVR)
    module = module_of(metric_of(tasks, window_size=window, has_lifetime=True, compute_mode=mode), tasks)
    for rows in np.split(np.arange(len(columns[0])), cuts):
        if rows.size:
            module.update(out(*(column[rows] for column in columns)))
    values = values_of(module)
    for prefix, chosen in {"window_": slice(-window, None), "lifetime_": slice(None)}.items():
        labels, scores, users, buys = (column[chosen] for column in columns)
        clicked = labels == 1
        for metric in (AUC(), UAUC(), WUAUC()):
            name = f"{prefix}{str(metric).lower()}"
            ctr, cvr = (values[f"user_auc-{task}|{name}"] for task in ("ctr", "cvr"))
            assert ctr == pytest.approx(metric(labels, scores, users).value, abs=0, nan_ok=True)
            exact = metric(buys[clicked], -scores[clicked], users[clicked])
            assert cvr == pytest.approx(exact.value, abs=0, nan_ok=True)
        assert values[f"user_auc-cvr|{prefix}n_rows"] == clicked.sum()


@quick
@given(split_rows())
def test_row_weights_give_the_digits_of_the_exact_metric(split):
    (labels, scores, users, buys), _ = split
    weights = (buys + 1) / 3
    exact = UAUC()(labels, scores, users, weights).value
    found = direct(metric_of(), labels, scores, users, weights)
    assert found == pytest.approx(exact, abs=0, nan_ok=True)


def test_settings_and_counts_are_part_of_the_keys():
    metric = metric_of(metrics=(UAUC(), UAUC(min_rows=3)))
    direct(metric, [1, 0, 1, 0, 0], [2.0, 1.0, 1.0, 2.0, 3.0], [1, 1, 2, 2, 2])
    assert {key.split("|")[1]: value.item() for key, value in metric.compute().items()} == {
        "window_uauc": 0.5,
        "window_uauc_n_users": 2,
        "window_uauc_n_skipped_users": 0,
        "window_uauc_covered_rows": 1,
        "window_uauc(min_rows=3)": 0,
        "window_uauc(min_rows=3)_n_users": 2,
        "window_uauc(min_rows=3)_n_skipped_users": 1,
        "window_uauc(min_rows=3)_covered_rows": 3 / 5,
        "window_n_rows": 5,
    }


def test_a_metrics_config_builds_the_module(monkeypatch):
    monkeypatch.setitem(REC_METRICS_MAPPING, UserAUCEnum.USER_AUC, UserAUCMetric)
    definition = RecMetricDef(rec_tasks=[CTR], window_size=100, arguments={"user_key": "member"})
    config = dataclasses.replace(
        DefaultMetricsConfig,
        rec_tasks=[CTR],
        rec_metrics={UserAUCEnum.USER_AUC: definition},
        throughput_metric=None,
        should_validate_update=True,
    )
    module = generate_metric_module(RecMetricModule, config, 4, 1, 0, {}, torch.device("cpu"))
    batch = out([1, 0, 1, 0], [0.9, 0.1, 0.3, 0.3], [7, 7, 8, 8])
    module.update({**batch, "member": batch.pop("user_id")})
    assert values_of(module)["user_auc-ctr|window_uauc"] == (1 + 1 / 2) / 2


def test_a_batch_of_one_row_and_a_reset():
    module = module_of(metric_of())
    for label, score in ((1, 0.5), (0, 0.4)):
        module.update(out([label], [score], [2**24 + 1]))
    assert values_of(module)["user_auc-ctr|window_uauc"] == 1
    module.reset()
    values = values_of(module)
    assert math.isnan(values["user_auc-ctr|window_uauc"])
    assert values["user_auc-ctr|window_n_rows"] == 0


@pytest.mark.parametrize("has_lifetime", [False, True])
def test_no_more_rows_are_kept_than_the_window_asks_for(has_lifetime):
    metric = metric_of(window_size=6, has_lifetime=has_lifetime)
    for _ in range(5):
        direct(metric, [1, 0, 1, 0], [2.0, 1.0, 1.0, 2.0], [1, 1, 2, 2])
    (computation,) = metric._metrics_computations
    assert sum(users.numel() for users in computation.users) == (20 if has_lifetime else 6)


def test_validation_of_updates_does_not_turn_an_undefined_value_into_0():
    metric = metric_of(should_validate_update=True)
    assert math.isnan(direct(metric, [1.0, 0.0], [0.2, 0.1], [1, 1], [0.0, 0.0]))


def test_other_ranks_than_the_first_report_nothing_unless_asked():
    labels, scores, users = [1.0, 0.0], [0.2, 0.1], [1, 1]
    silent = metric_of(my_rank=1, world_size=2)
    with pytest.raises(KeyError):
        direct(silent, labels, scores, users)
    assert silent.compute() == {}
    assert direct(metric_of(my_rank=1, world_size=2, compute_on_all_ranks=True), labels, scores, users) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fused_update_limit": 2}, "fused_update_limit: expected 0, got 2. Remedy"),
        ({"metrics": (PCOC(),)}, r"metric: expected AUC\(\), UAUC\(\) or WUAUC\(\), got PCOC"),
        ({"metrics": (WUAUC("clicks"),)}, "metric: expected user weights 'impressions' or 'positives'"),
        ({"window_size": 3}, "window size"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        metric_of(**settings)


def test_a_batch_without_user_ids_is_refused():
    batch = out([1, 0], [0.2, 0.1], [1, 1])
    with pytest.raises(ValueError, match=r"user_id: expected integer ids up to int64, got torch\.float32"):
        module_of(metric_of()).update({**batch, "user_id": batch["user_id"].float()})
    with pytest.raises(ValueError, match="required_inputs: expected the user ids under 'user_id', got none"):
        metric_of().update(
            predictions={"ctr": torch.ones(2)},
            labels={"ctr": torch.ones(2)},
            weights=None,
            required_inputs={},
        )


# torchrec's own AUCs beside ours


def peer(metric_class, **settings):
    return metric_class(world_size=1, my_rank=0, batch_size=2, tasks=[CTR], **settings)


def column(*values):
    return [torch.tensor([values], dtype=torch.float64)]


@pytest.mark.parametrize("labels", [(1, 1, 0, 0), (0, 0, 1, 1), (0, 1, 0, 1)])
def test_tied_scores_count_half_in_any_order(labels):
    scores, users = [0.3] * 4, [7] * 4
    assert direct(metric_of(), labels, scores, users) == roc_auc_score(labels, scores) == 0.5


@peers_as_of_1_8
def test_torchrec_scores_ties_by_the_order_of_the_rows():
    ones, tied = column(1, 1, 1, 1), column(0.3, 0.3, 0.3, 0.3)
    found = [compute_auc(1, tied, column(*labels), ones).item() for labels in ((1, 1, 0, 0), (0, 0, 1, 1))]
    assert sorted(found) == [0, 1]


def test_one_class_users_are_counted_and_not_scored():
    metric = metric_of()
    assert direct(metric, [1, 0, 1, 1], [2.0, 1.0, 3.0, 4.0], [1, 1, 2, 2]) == roc_auc_score([1, 0], [2, 1])
    assert metric.compute()["user_auc-ctr|window_uauc_n_skipped_users"].item() == 1


@peers_as_of_1_8
def test_torchrec_scores_one_class_users_as_one_half():
    groups = torch.tensor([1, 1, 2, 2])
    found = compute_auc_per_group(1, column(2, 1, 3, 4), column(1, 0, 1, 1), column(1, 1, 1, 1), groups)
    assert found.item() == (1 + 0.5) / 2


def test_a_full_window_goes_on():
    metric = metric_of(batch_size=2, window_size=4)
    found = [direct(metric, [0, 1], scores, [7, 7]) for scores in ([0.1, 0.2], [0.1, 0.2], [0.4, 0.3])]
    assert found[-1] == roc_auc_score([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.3])


@peers_as_of_1_8
def test_torchrecs_grouped_auc_fails_once_its_window_is_full():
    metric = peer(AUCMetric, window_size=4, grouped_auc=True)
    batch = {
        "predictions": {"ctr": torch.tensor([0.1, 0.2])},
        "labels": {"ctr": torch.tensor([0.0, 1.0])},
        "weights": None,
        "required_inputs": {"grouping_keys": torch.tensor([7, 7])},
    }
    for _ in range(3):
        metric.update(**batch)
    with pytest.raises(IndexError):
        metric.compute()


def test_a_user_split_over_batches_is_scored_over_all_rows():
    metric = metric_of(batch_size=2)
    direct(metric, [1, 1], [0.9, 0.2], [7, 7])
    assert direct(metric, [0, 0], [0.5, 0.1], [7, 7]) == roc_auc_score([1, 1, 0, 0], [0.9, 0.2, 0.5, 0.1])


@peers_as_of_1_8
def test_torchrecs_gauc_needs_whole_users_in_a_batch():
    metric = peer(GAUCMetric)
    for label, scores in ((1.0, [0.9, 0.2]), (0.0, [0.5, 0.1])):
        metric.update(
            predictions={"ctr": torch.tensor(scores)},
            labels={"ctr": torch.full((2,), label)},
            weights=None,
            num_candidates=torch.tensor([2]),
        )
    values = metric.compute()
    assert values["gauc-ctr|lifetime_gauc_num_samples"].item() == 0
    assert values["gauc-ctr|lifetime_gauc"].item() == pytest.approx(0.5)


def test_scores_that_differ_in_the_last_bit_of_float64_are_told_apart():
    low, high = 0.1, np.nextafter(0.1, 1)
    for scores in ([low, high], [high, low]):
        tensor = torch.tensor(scores, dtype=torch.float64)
        assert direct(metric_of(), [0, 1], tensor, [7, 7]) == roc_auc_score([0, 1], scores)


@peers_as_of_1_8
def test_torchrec_narrows_scores_to_float32():
    metric = peer(AUCMetric)
    low, high = 0.1, np.nextafter(0.1, 1)
    found = []
    for scores in ([low, high], [high, low]):
        metric.reset()
        metric.update(
            predictions={"ctr": torch.tensor(scores, dtype=torch.float64)},
            labels={"ctr": torch.tensor([0.0, 1.0])},
            weights=None,
        )
        found.append(metric.compute()["auc-ctr|window_auc"].item())
    assert found[0] == found[1]


def test_no_name_of_torchrecs_own_metrics_is_taken():
    assert "user_auc" not in {name.value for name in metric_module.MetricNamespace}
