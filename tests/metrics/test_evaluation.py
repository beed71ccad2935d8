"""Prediction tables become the rows of the report, and arms are compared on the same rows only."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from reference_metrics import mean_user_auc, pair_auc

from learn_rank.evaluation.compare import AUC_METRICS, adjust
from learn_rank.evaluation.tasks import evaluate_arms, evaluate_predictions
from learn_rank.metrics.auc import AUC, PCOC, UAUC, WUAUC
from learn_rank.metrics.buckets import BUCKETS
from learn_rank.uncertainty.intervals import Bootstrap, paired_delta

KEYS = ["model", "task", "metric", "bucket_kind", "bucket"]
ROW_KEYS = [*KEYS, "value", "low", "high", "n_rows", "n_users", "n_skipped_users"]
DELTA_KEYS = ["model", "baseline", *KEYS[1:], "delta", "low", "high", "p", "p_adjusted", "n_rows", "n_users"]


def predictions(seed=0, n_rows=600, lift=0.0, score_seed=0):
    """A table of one arm; the rows depend on `seed` only, the scores on all."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(0, 60, n_rows), rng.integers(0, 40, n_rows)
    taste = rng.normal(size=n_rows)
    click = (rng.random(n_rows) < 1 / (1 + np.exp(0.5 - taste))).astype(int)
    conversion = np.where(click == 1, (rng.random(n_rows) < 0.4).astype(float), np.nan)
    noise = np.random.default_rng([seed, score_seed, 7])
    pctr = 1 / (1 + np.exp(-((0.3 + lift) * taste + noise.normal(0, 0.5, n_rows))))
    pcvr = np.clip(0.2 + (0.2 + lift) * np.nan_to_num(conversion) + noise.random(n_rows) * 0.5, 0, 1)
    return pd.DataFrame(
        {
            "user_id": [f"u{u}" for u in users],
            "item_id": items,
            "click": click,
            "conversion": conversion,
            "pctr": pctr.astype(np.float32),
            "pcvr": pcvr.astype(np.float32),
            "pctcvr": (pctr * pcvr).astype(np.float32),
            "user_bucket": np.array(BUCKETS)[users % 3],
            "item_bucket": np.array(BUCKETS)[items % 2 + 1],
        }
    )


def row_of(rows, **wanted):
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture(scope="module")
def arms():
    return {
        "baseline": [predictions(score_seed=s) for s in range(5)],
        "learn": [predictions(score_seed=s, lift=1.0) for s in range(5, 10)],
        "shuffled": [predictions(score_seed=s) for s in range(10, 15)],
    }


@pytest.fixture(scope="module")
def judged(arms):
    return evaluate_arms(arms)


def test_every_cell_of_the_report_is_there_with_exactly_its_keys(judged):
    rows, deltas = judged
    cells = 3 * 3 * (1 + 3 + 3)  # tasks x metrics x buckets
    assert len(rows) == 3 * cells
    assert len(deltas) == 2 * cells
    assert all(list(row) == ROW_KEYS for row in rows)
    assert all(list(row) == [*DELTA_KEYS, "seed_deltas"] for row in deltas if row["delta"] is not None)
    assert all(list(row) == DELTA_KEYS for row in deltas if row["delta"] is None)
    assert {row["model"] for row in deltas} == {"learn", "shuffled"}
    json.dumps([rows, deltas], allow_nan=False)


def test_ctr_is_over_all_rows_cvr_over_clicked_rows_and_ctcvr_over_the_entire_space():
    table = predictions(n_rows=250)
    rows = evaluate_predictions(table, "learn")
    clicked = table[table.click == 1]
    asked = {
        "CTR": (table.click, table.pctr, table.user_id),
        "CVR": (clicked.conversion, clicked.pcvr, clicked.user_id),
        "CTCVR": (table.click * table.conversion.fillna(0), table.pctcvr, table.user_id),
    }
    for task, columns in asked.items():
        labels, scores, users = (column.tolist() for column in columns)
        found = row_of(rows, task=task, metric="AUC", bucket="all")
        assert found["value"] == pytest.approx(pair_auc(labels, scores))
        assert found["n_rows"] == len(labels)
        found = row_of(rows, task=task, metric="UAUC", bucket="all")
        assert found["value"] == pytest.approx(mean_user_auc(labels, scores, users))
        n_rows = {user: users.count(user) for user in users}
        found = row_of(rows, task=task, metric="WUAUC", bucket="all")
        assert found["value"] == pytest.approx(mean_user_auc(labels, scores, users, n_rows))
        assert found["n_users"] == len(n_rows)


def test_bucket_rows_are_the_metric_on_the_rows_of_the_bucket():
    table = predictions()
    rows = evaluate_predictions(table, "learn")
    for kind in ("user", "item"):
        for bucket in BUCKETS:
            own = table[table[f"{kind}_bucket"] == bucket]
            for metric in AUC_METRICS:
                alone = metric(own.click, own.pctr, own.user_id)
                found = row_of(rows, task="CTR", metric=str(metric), bucket_kind=kind, bucket=bucket)
                assert found["value"] == (None if math.isnan(alone.value) else pytest.approx(alone.value))
                assert (found["n_rows"], found["n_users"]) == (alone.n_rows, alone.n_users)
                assert found["n_skipped_users"] == alone.n_skipped_users


def test_an_empty_bucket_is_a_row_without_value():
    rows = evaluate_predictions(predictions(), "learn")
    for metric in ("AUC", "UAUC", "WUAUC"):
        row = row_of(rows, task="CVR", metric=metric, bucket_kind="item", bucket="cold-start")
        assert (row["value"], row["low"], row["high"]) == (None, None, None)
        assert (row["n_rows"], row["n_users"], row["n_skipped_users"]) == (0, 0, 0)


def test_values_are_means_over_seeds_and_differences_those_of_paired_delta(arms, judged):
    rows, deltas = judged
    table = arms["baseline"][0]
    for metric in (AUC(), UAUC(), WUAUC()):
        by_seed = [metric(t.click, t.pctr, t.user_id).value for t in arms["learn"]]
        found = row_of(rows, model="learn", task="CTR", metric=str(metric), bucket="all")
        assert found["value"] == pytest.approx(np.mean(by_seed))
        assert found["low"] < found["value"] < found["high"]
        direct = paired_delta(
            table.click,
            table.user_id,
            [t.pctr for t in arms["baseline"]],
            [t.pctr for t in arms["learn"]],
            metric=metric,
        )
        found = row_of(deltas, model="learn", task="CTR", metric=str(metric), bucket="all")
        assert (found["delta"], found["low"], found["high"], found["p"]) == pytest.approx(
            (direct.delta, direct.low, direct.high, direct.p)
        )


def test_a_planted_lift_is_found_and_chance_is_not(judged):
    _, deltas = judged
    learn = row_of(deltas, model="learn", task="CTR", metric="UAUC", bucket="all")
    shuffled = row_of(deltas, model="shuffled", task="CTR", metric="UAUC", bucket="all")
    assert learn["low"] > 0
    assert learn["p_adjusted"] < 0.01
    assert shuffled["low"] < 0 < shuffled["high"]
    assert shuffled["p_adjusted"] > 0.05


def test_p_values_are_adjusted_within_the_declared_family(arms, judged):
    _, deltas = judged
    family = [row for row in deltas if (row["task"], row["metric"]) == ("CTR", "UAUC")]
    tested = sorted((row for row in family if row["p"] is not None), key=lambda row: row["p"])
    assert len(family) == 14 > len(tested)
    assert tested[0]["p_adjusted"] == pytest.approx(min(1, tested[0]["p"] * len(tested)))
    assert all(row["p_adjusted"] is None for row in family if row["p"] is None)
    one_family = adjust(deltas, family=())
    n_tested = sum(row["p"] is not None for row in deltas)
    least = min((row for row in one_family if row["p"] is not None), key=lambda row: row["p"])
    assert least["p_adjusted"] == pytest.approx(min(1, least["p"] * n_tested))
    assert all(
        row["p_adjusted"] == 0 or row["p_adjusted"] >= row["p"] for row in one_family if row["p"] is not None
    )


def test_conversions_of_unclicked_rows_may_be_empty_or_zero():
    table = predictions()
    filled = table.assign(conversion=table.conversion.fillna(0).astype(int))
    nullable = table.assign(conversion=table.conversion.astype("Int64"))
    rows = evaluate_predictions(table, "m")
    assert rows == evaluate_predictions(filled, "m") == evaluate_predictions(nullable, "m")


def test_ctr_alone_needs_no_conversions():
    table = predictions()
    without = table.drop(columns=["conversion", "pcvr", "pctcvr"])
    rows = evaluate_predictions(without, "m", ["CTR"])
    assert rows == evaluate_predictions(table, "m", ["CTR"])
    with pytest.raises(ValueError, match=r"got none named \['conversion', 'pcvr'\]"):
        evaluate_predictions(without, "m", ["CVR"])


def test_other_metrics_and_the_bootstrap_can_be_asked_for():
    table = predictions()
    rows = evaluate_predictions(
        table, "m", ["CTR"], metrics=[PCOC(), WUAUC(weight="clicks")], uncertainty=Bootstrap(n_resamples=100)
    )
    assert row_of(rows, metric="PCOC", bucket="all")["value"] == pytest.approx(
        table.pctr.astype(float).sum() / table.click.sum()
    )
    by_clicks = row_of(rows, metric="WUAUC(weight='clicks')", bucket="all")
    by_positives = WUAUC(weight="positives")(table.click, table.pctr, table.user_id)
    assert by_clicks["value"] == pytest.approx(by_positives.value)
    assert by_clicks["low"] < by_clicks["value"] < by_clicks["high"]


def test_tables_are_left_alone():
    table = predictions()
    kept = table.copy(deep=True)
    evaluate_arms({"baseline": [table], "learn": [predictions(score_seed=5)]})
    pd.testing.assert_frame_equal(table, kept)


def _with(column, row, value):
    def change(table):
        changed = table.copy()
        changed[column] = changed[column].astype(object)
        changed.loc[row, column] = value
        changed[column] = changed[column].infer_objects()
        return changed

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            _with("user_id", 3, "nobody"),
            r"'learn', seed 0: expected user_id as in 'baseline', got 'nobody'.* row 3",
        ),
        (_with("item_id", 0, 999), "expected item_id as in 'baseline', got 999"),
        (lambda t: t.assign(click=1 - t.click, conversion=np.nan), "expected click as in 'baseline'"),
        (lambda t: t.iloc[::-1], "expected user_id as in 'baseline'.*same order"),
        (lambda t: t.iloc[:-1], "expected the 600 rows of 'baseline', got 599"),
        (lambda t: t.drop(columns="pcvr"), r"got none named \['pcvr'\]"),
        (_with("pctr", 5, math.nan), "learn: expected finite numbers, got 1 other row"),
    ],
    ids=["user", "item", "click", "order", "length", "column", "nan"],
)
def test_an_arm_with_other_rows_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        evaluate_arms({"baseline": [predictions()], "learn": [change(predictions(score_seed=2))]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_with("click", 0, math.nan), "click: expected only 0 and 1, got 1 other row"),
        (lambda t: t.assign(conversion=1.0), r"conversion: expected none without a click, got \d+"),
        (
            lambda t: t.assign(conversion=np.nan),
            r"conversion: expected 0 or 1 on every clicked row, got \d+ empty",
        ),
        (lambda t: t.assign(conversion=t.conversion * 2), "conversion: expected only 0 and 1"),
        (_with("user_bucket", 4, None), "buckets: expected a bucket in every row, got 1 missing"),
        (lambda t: t.assign(item_bucket="warm"), r"buckets: expected only .* got \['warm'\]"),
    ],
    ids=["click", "conversion without click", "unknown conversion", "value", "no bucket", "odd bucket"],
)
def test_bad_predictions_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        evaluate_predictions(change(predictions()), "learn")


def test_names_that_do_not_exist_are_refused():
    table = predictions()
    with pytest.raises(ValueError, match=r"baseline: expected one of \['learn'\], got 'baseline'"):
        evaluate_arms({"learn": [table]})
    with pytest.raises(ValueError, match=r"tasks: expected some of .*, got \['CTX'\]"):
        evaluate_predictions(table, "learn", ["CTX"])
    with pytest.raises(ValueError, match="expected a table per seed for 'learn', got none"):
        evaluate_arms({"baseline": [table], "learn": []})
