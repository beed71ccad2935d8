"""Dense features keep what they say when they become float32, or are refused."""

import numpy as np
import pandas as pd
import pytest

from learn_rank.data.dense_features import standardised


def parts(train, test):
    """Features of two parts, beside a statistic without spread."""
    features = {"train": pd.DataFrame({"x": train}), "test": pd.DataFrame({"x": test})}
    return {
        name: pd.DataFrame({"rate": np.full(len(frame), 0.25)}) for name, frame in features.items()
    }, features


def test_seconds_within_a_unix_time_are_kept():
    seconds = 1_700_000_000.0 + np.arange(400)
    dense, _ = standardised(*parts(seconds, seconds[:3]))
    assert dense["train"].dtype == np.float32
    expected = (np.arange(400) - 199.5) / np.arange(400).std()
    np.testing.assert_allclose(dense["train"][:, 1], expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(dense["test"][:, 1], expected[:3], rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1e30])
def test_a_feature_of_any_unit_gets_the_same_numbers(scale):
    values = np.random.default_rng(0).normal(size=99)
    found, _ = standardised(*parts(values * scale, values[:3] * scale))
    expected, _ = standardised(*parts(values, values[:3]))
    np.testing.assert_allclose(found["train"], expected["train"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("value", [0.1, 1_700_000_000.1, 0.0])
def test_a_column_without_spread_is_zero(value):
    dense, (mean, std) = standardised(*parts([value] * 1001, [value]))
    np.testing.assert_allclose(dense["train"], 0.0, atol=1e-5)
    assert mean.tolist() == pytest.approx([0.25, value])
    assert std.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("train", "test", "where"),
    [
        ([0.0, 1.0], [1e300], "test: expected in 'x'.*1e.300 in row 0"),
        ([1e200, -1e200], [0.0], "train: expected in 'x'"),
        ([1.0, 2.0], [np.inf], "test: expected in 'x'.*inf in row 0"),
        ([1.0, np.nan], [1.0], "train: expected in 'x'"),
    ],
)
def test_what_float32_cannot_hold_is_told_with_part_column_and_row(train, test, where):
    with pytest.raises(ValueError, match=where):
        standardised(*parts(train, test))
