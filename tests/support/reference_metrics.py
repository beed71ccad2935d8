"""Slow oracles of the metrics: loops over pairs, users and resamples. Imports nothing of ours."""

import math

import numpy as np


def pair_auc(labels, scores, weights=None):
    """Count the won pairs one by one, ties half; NaN without both classes."""
    weights = [1.0] * len(labels) if weights is None else weights
    won = total = 0.0
    for i, label_i in enumerate(labels):
        for j, label_j in enumerate(labels):
            if label_i == 1 and label_j == 0:
                pair = float(weights[i]) * float(weights[j])
                total += pair
                won += pair * (1.0 if scores[i] > scores[j] else 0.5 if scores[i] == scores[j] else 0.0)
    return won / total if total > 0 else math.nan


def user_aucs(labels, scores, users, weights=None):
    """{user: (auc, n_rows, n_positives)}, users in order of appearance."""
    found = {}
    for user in dict.fromkeys(users):
        rows = [i for i, other in enumerate(users) if other == user]
        own = None if weights is None else [weights[i] for i in rows]
        auc = pair_auc([labels[i] for i in rows], [scores[i] for i in rows], own)
        found[user] = (auc, len(rows), sum(int(labels[i]) for i in rows))
    return found


def mean_user_auc(labels, scores, users, user_weight=None):
    """Mean of defined user AUCs, weighted by user_weight[user] where given; NaN without any."""
    total = norm = 0.0
    for user, (auc, _, _) in user_aucs(labels, scores, users).items():
        if not math.isnan(auc):
            weight = 1.0 if user_weight is None else float(user_weight[user])
            total += weight * auc
            norm += weight
    return total / norm if norm > 0 else math.nan


def delong_variance(labels, scores):
    """DeLong, DeLong and Clarke-Pearson (1988): sample variances of placement values, rows independent."""
    positives = [s for s, label in zip(scores, labels, strict=True) if label == 1]
    negatives = [s for s, label in zip(scores, labels, strict=True) if label == 0]

    def win(p, n):
        return 1.0 if p > n else 0.5 if p == n else 0.0

    v10 = [sum(win(p, n) for n in negatives) / len(negatives) for p in positives]
    v01 = [sum(win(p, n) for p in positives) / len(positives) for n in negatives]
    return np.var(v10, ddof=1) / len(positives) + np.var(v01, ddof=1) / len(negatives)


def leave_one_user_out(metric, labels, scores, users):
    """{user: metric on all rows - metric without the user's rows}, for metric(labels, scores, users)."""
    labels, scores, users = map(np.asarray, (labels, scores, users))
    whole = metric(labels, scores, users)
    return {
        user: whole - metric(labels[users != user], scores[users != user], users[users != user])
        for user in np.unique(users)
    }


def user_bootstrap(metric, labels, scores, users, *, n_resamples, rng):
    """Values of metric(labels, scores, users) when users are drawn with replacement; a second draw of a user
    is another user with the same rows."""
    labels, scores, users = map(np.asarray, (labels, scores, users))
    rows_of = [np.flatnonzero(users == user) for user in np.unique(users)]
    values = []
    for _ in range(n_resamples):
        drawn = [rows_of[at] for at in rng.integers(0, len(rows_of), len(rows_of))]
        rows = np.concatenate(drawn)
        renamed = np.repeat(np.arange(len(drawn)), [len(own) for own in drawn])
        values.append(metric(labels[rows], scores[rows], renamed))
    return np.array(values)


def holm_adjusted(p_values):
    """For each p: the largest of (number of p values not below p_j) x p_j over all p_j <= p, at most 1.

    Ties are ranked in order of appearance.
    """
    ranked = sorted(range(len(p_values)), key=lambda at: p_values[at])
    adjusted = [0.0] * len(p_values)
    for place, at in enumerate(ranked):
        steps = [(len(p_values) - k) * p_values[ranked[k]] for k in range(place + 1)]
        adjusted[at] = min(1.0, max(steps))
    return adjusted
