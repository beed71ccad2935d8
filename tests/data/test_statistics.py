"""What the host knows of a user and an item at a row: never the row itself, never anything later."""

import numpy as np
import pandas as pd
import pytest

from learn_rank.data.host_statistics import FEATURES, HostStatistics
from learn_rank.metrics.auc import UAUC


def frame(rows, columns=("user_id", "item_id", "click", "conversion", "timestamp")):
    return pd.DataFrame(rows, columns=list(columns))


NAN = float("nan")
TIMED = frame(
    [
        (1, 10, 1, 1.0, 100),
        (1, 11, 0, NAN, 100),
        (2, 10, 1, 0.0, 105),
        (1, 10, 1, 0.0, 110),
        (2, 11, 1, 1.0, 110),
    ]
)
LATER = frame([(1, 10, 0, NAN, 120), (3, 12, 1, 1.0, 121)])
LAST = frame([(3, 10, 1, 1.0, 130)])


def loop_oracle(parts, prior_clicks=20.0, prior_conversions=5.0, snapshots=None):
    """Count with two nested loops, over strictly earlier rows; of users, over those before a snapshot."""
    together = pd.concat(parts.values(), ignore_index=True)
    train = parts["train"]
    ctr = train["click"].sum() / len(train)
    cvr = train["conversion"].sum() / train["click"].sum()
    rows = []
    for at, row in together.iterrows():
        made = {}
        for side in ("user", "item"):
            moment = row["timestamp"] if snapshots is None or side == "item" else snapshots[at]
            shown = clicks = conversions = 0.0
            for _, other in together.iterrows():
                if other[f"{side}_id"] == row[f"{side}_id"] and other["timestamp"] < moment:
                    shown += 1
                    clicks += other["click"]
                    conversions += 0.0 if np.isnan(other["conversion"]) else other["conversion"]
            made[f"{side}_clicks_log"] = np.log1p(clicks)
            made[f"{side}_ctr"] = (clicks + prior_clicks * ctr) / (shown + prior_clicks)
            made[f"{side}_cvr"] = (conversions + prior_conversions * cvr) / (clicks + prior_conversions)
        before = together[
            (together["user_id"] == row["user_id"])
            & (together["item_id"] == row["item_id"])
            & (together["timestamp"] < row["timestamp"])
        ]
        made["pair_clicks_log"] = np.log1p(before["click"].sum())
        rows.append(made)
    return pd.DataFrame(rows)[list(FEATURES)]


AT_ONCE = {"user_snapshot_days": 0}


def random_parts(last=15):
    generator = np.random.default_rng(3)
    n = 60
    click = generator.integers(0, 2, n)
    rows = pd.DataFrame(
        {
            "user_id": generator.integers(0, 5, n),
            "item_id": generator.integers(0, 4, n),
            "click": click,
            "conversion": np.where(click == 1, generator.integers(0, 2, n), np.nan),
            "timestamp": np.sort(generator.integers(0, last, n)),
        }
    )
    return {"train": rows[:40], "valid": rows[40:50], "test": rows[50:]}


def test_point_in_time_statistics_equal_nested_loops_over_strictly_earlier_rows():
    parts = {"train": TIMED, "valid": LATER, "test": LAST}
    found = pd.concat(HostStatistics(parts, **AT_ONCE).features().values(), ignore_index=True)
    pd.testing.assert_frame_equal(
        found, loop_oracle(parts), check_dtype=False, rtol=1e-5, check_column_type=False
    )


def test_point_in_time_statistics_of_random_rows_equal_nested_loops():
    parts = random_parts()
    found = pd.concat(HostStatistics(parts, **AT_ONCE).features().values(), ignore_index=True)
    pd.testing.assert_frame_equal(found, loop_oracle(parts), check_dtype=False, rtol=1e-5)


def test_a_user_is_known_as_of_the_last_midnight_or_of_the_beginning_of_the_part():
    day = 86_400
    parts = random_parts(last=30 * day)
    snapshots = [
        max(time // day * day, part["timestamp"].min())
        for part in parts.values()
        for time in part["timestamp"]
    ]
    found = pd.concat(HostStatistics(parts).features().values(), ignore_index=True)
    pd.testing.assert_frame_equal(
        found, loop_oracle(parts, snapshots=snapshots), check_dtype=False, rtol=1e-5
    )


def test_a_training_shorter_than_seven_snapshots_has_seven_of_them():
    parts = {"train": TIMED.assign(timestamp=[0, 10, 20, 35, 70]), "valid": LATER, "test": LAST}
    found = HostStatistics(parts).features()
    clicks = {part: np.expm1(frame["user_clicks_log"]).round(5).tolist() for part, frame in found.items()}
    # training lasts 70 seconds, so snapshots are 10 apart: user 1 clicked at 0 and 35, user 2 at 20 and 70
    assert clicks == {"train": [0, 1, 0, 1, 1], "valid": [2, 0], "test": [1]}


def test_within_a_user_a_rate_that_follows_every_event_orders_rows_backwards_and_a_daily_one_does_so_less():
    generator = np.random.default_rng(0)
    n_users, n_days, a_day = 200, 10, 4
    n = n_users * n_days * a_day
    rows = pd.DataFrame(
        {
            "user_id": np.tile(np.arange(n_users), n_days * a_day),
            "item_id": generator.integers(0, 50, n),
            "click": generator.integers(0, 2, n).astype(float),  # a coin: no score can order a user's rows
            "conversion": np.nan,
            "timestamp": np.repeat(np.arange(n_days * a_day) * 86_400.0 / a_day, n_users),
        }
    )
    parts = {"train": rows[: 8 * n_users * a_day], "valid": rows[:0], "test": rows[8 * n_users * a_day :]}
    judged = {}
    for days in (0.0, 1.0):
        known = HostStatistics(parts, user_snapshot_days=days).features()["test"]["user_ctr"]
        judged[days] = UAUC()(parts["test"]["click"], known, users=parts["test"]["user_id"]).value
    assert judged[0.0] < 0.25
    assert judged[1.0] > judged[0.0] + 0.1


@pytest.mark.parametrize("days", [-1.0, NAN, float("inf")])
def test_snapshots_are_days_apart(days):
    with pytest.raises(ValueError, match="user_snapshot_days: expected days, 0 or more"):
        HostStatistics({"train": TIMED, "valid": LATER, "test": LAST}, user_snapshot_days=days)


def test_changing_a_rows_own_label_or_any_later_one_changes_nothing_it_knows():
    changed = TIMED.copy()
    changed.loc[3:, "click"] = 1 - changed.loc[3:, "click"]
    changed["conversion"] = changed["conversion"].where(changed["click"] == 1)
    # the priors are of training as a whole, so hold them still by comparing the counts alone
    before = HostStatistics({"train": TIMED, "valid": LATER, "test": LAST}, **AT_ONCE).features()["train"]
    after = HostStatistics({"train": changed, "valid": LATER, "test": LAST}, **AT_ONCE).features()["train"]
    np.testing.assert_array_equal(before["item_clicks_log"][:4], after["item_clicks_log"][:4])
    np.testing.assert_array_equal(before["user_clicks_log"][:4], after["user_clicks_log"][:4])


def untimed():
    columns = ("user_id", "item_id", "click", "conversion", "context_id")
    return frame(
        [
            (1, 10, 1, 1.0, "a"),
            (1, 11, 0, NAN, "a"),
            (1, 12, 1, 0.0, "b"),
            (1, 10, 0, NAN, "b"),
            (2, 10, 1, 0.0, "c"),
        ],
        columns,
    )


def test_without_time_a_training_row_leaves_out_its_own_request_for_users_and_itself_for_items():
    train = untimed()
    later = train.iloc[:1].assign(user_id=1, item_id=10, context_id="z")
    found = HostStatistics({"train": train, "valid": later, "test": later}).features()
    # user 1 clicked twice: each request knows the other click; user 2 clicked once and knows nothing
    assert np.expm1(found["train"]["user_clicks_log"]).round(5).tolist() == [1, 1, 1, 1, 0]
    # item 10 was clicked twice: the clicked rows know the other one, the unclicked row knows both
    assert np.expm1(found["train"]["item_clicks_log"]).round(5).tolist() == [1, 0, 0, 2, 1]
    assert np.expm1(found["test"]["item_clicks_log"]).round(5).tolist() == [2]


def test_a_host_knows_what_its_user_clicked_before_and_not_the_row_itself():
    found = HostStatistics({"train": TIMED, "valid": LATER, "test": LAST}).features()
    assert np.expm1(found["train"]["pair_clicks_log"]).round(5).tolist() == [0, 0, 0, 1, 0]
    assert np.expm1(found["valid"]["pair_clicks_log"]).round(5).tolist() == [2, 0]
    without_time = {name: untimed() for name in ("train", "valid", "test")}
    found = HostStatistics(without_time).features()
    assert np.expm1(found["train"]["pair_clicks_log"]).round(5).tolist() == [0, 0, 0, 1, 0]


def test_rates_of_sampled_impressions_stay_at_the_prior():
    train = untimed()
    found = HostStatistics({"train": train, "valid": train, "test": train}, is_sampled=True).features()
    assert found["train"]["item_ctr"].nunique() == 1
    assert found["test"]["user_ctr"].iloc[0] == pytest.approx(3 / 5)
    assert (
        "pair_clicks_log" not in found["train"]
    )  # a sampled negative was never clicked: it would be the label


def test_data_without_conversions_has_a_conversion_rate_of_zero_and_no_nan():
    parts = {name: TIMED.drop(columns="conversion") for name in ("train", "valid", "test")}
    found = HostStatistics(parts).features()
    assert all(np.isfinite(part.to_numpy()).all() for part in found.values())
