"""Validation rows whose truth is known, and scores of a base and of a fused ranker for them."""

import numpy as np
import pandas as pd


def world(n_users=400, n_rows=20, seed=0):
    """Validation rows whose truth is known: (labels, taste of click, taste of conversion), (N,) each."""
    rng = np.random.default_rng(seed)
    n = n_users * n_rows
    liking, buying = rng.normal(size=n), rng.normal(size=n)
    click = (rng.random(n) < 1 / (1 + np.exp(1 - liking))).astype(int)
    conversion = np.where(click == 1, rng.random(n) < 1 / (1 + np.exp(-buying)), np.nan)
    labels = pd.DataFrame(
        {"user_id": np.repeat(np.arange(n_users), n_rows), "click": click, "conversion": conversion}
    )
    return labels, liking, buying, rng


def scores(click_logit, conversion_logit):
    pctr, pcvr = 1 / (1 + np.exp(-click_logit)), 1 / (1 + np.exp(-conversion_logit))
    return pd.DataFrame({"pctr": pctr, "pcvr": pcvr, "pctcvr": pctr * pcvr})


def noisy(signal, noise, rng):
    return signal + noise * rng.normal(size=signal.size)


def divided(seed=0):
    """As `world`, with the items that training never had, a third of the rows and seldom clicked."""
    labels, liking, buying, rng = world(seed=seed)
    is_new = rng.random(len(labels)) < 1 / 3
    return labels.assign(item_is_new=is_new), liking, buying, is_new, rng


def better_everywhere(n_new):
    """A fused ranker that orders better; the first rows, a few, are of items that training never had."""
    labels, liking, buying, rng = world()
    base = scores(noisy(liking, 1.5, rng) - 1, noisy(buying, 1.5, rng))
    fused = scores(noisy(liking, 0.5, rng) - 1, noisy(buying, 0.5, rng))
    is_new = np.arange(len(labels)) < n_new
    return labels.assign(item_is_new=is_new), base, fused, is_new
