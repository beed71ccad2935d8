"""How many seeds or users are enough: by hand, and against the interval itself."""

import math

import numpy as np
import pytest

from learn_rank.metrics.auc import AUC, UAUC
from learn_rank.metrics.labelled_rows import LabelledRows
from learn_rank.uncertainty.enough import Spread, spread_of
from learn_rank.uncertainty.intervals import ClosedForm


@pytest.fixture
def evidence():
    generator = np.random.default_rng(1)
    users = np.repeat(np.arange(80), 8)
    labels = generator.random(len(users)) < 0.4
    rows = LabelledRows.of(labels, users)
    how = ClosedForm()

    def seeds(strength, n):
        scores = (strength * labels + generator.normal(0, 1, len(users)) for _ in range(n))
        return [how.evidence([AUC(), UAUC()], rows, column) for column in scores]

    return seeds(0.5, 4), seeds(0.3, 4)


@pytest.mark.parametrize("at", [0, 1])
def test_a_spread_has_the_width_of_the_interval_and_grows_no_wider_with_seeds(evidence, at):
    new, old = ([seed[at] for seed in seeds] for seeds in evidence)
    delta, spread = ClosedForm().delta(new, old), spread_of(new, old)
    assert spread.width == pytest.approx(delta.high - delta.low)
    assert spread.width_with(4) == pytest.approx(spread.width)
    assert spread.user_width < spread.width_with(1000) < spread.width_with(10) < spread.width
    assert np.mean(spread.seeds) == pytest.approx(delta.delta)


def test_seeds_alone_fall_with_the_root_of_their_number_and_with_students_t():
    spread = Spread(0.0, 1e9, (-0.01, 0.0, 0.01))  # variance of a seed: 1e-4
    t = {3: 4.302653, 5: 2.776445, 10: 2.262157}
    for n_seeds, quantile in t.items():
        assert spread.width_with(n_seeds) == pytest.approx(2 * quantile * 0.01 / math.sqrt(n_seeds), rel=1e-6)
    assert spread.enough_seeds(2 * t[5] * 0.01 / math.sqrt(5) + 1e-9) == 5
    assert spread.enough_seeds(1.0) == 3


def test_users_needed_grow_with_the_square_of_the_width():
    spread = Spread(1e-4, 1e9, (0.0,))
    assert spread.width == pytest.approx(2 * 1.959964 * 0.01, rel=1e-6)
    assert spread.enough_users(spread.width / 2, 100) == pytest.approx(400, abs=1)
    assert spread.enough_users(1.0, 100) == 100
    assert spread.enough_seeds(0.05) is None  # one seed says nothing of how seeds differ


def test_what_the_users_alone_make_too_wide_no_number_of_seeds_narrows():
    assert Spread(1e-3, 50.0, (0.0, 0.01)).enough_seeds(0.05) is None


def test_other_numbers_of_seeds_are_refused(evidence):
    new, old = ([seed[0] for seed in seeds] for seeds in evidence)
    with pytest.raises(ValueError, match="expected as many seeds, got 4 and 3"):
        spread_of(new, old[:3])
