"""Slow oracles: loops over users, positions and targets in plain Python and numpy.

Imports nothing of ours.
"""

import math

import numpy as np


def dense_all_action(
    user, target, ids, has_user, has_target, *, temperature, mask_equal_ids=True, weights=None
):
    """Sum over pairs and number of pairs of the dense all-action loss, one scalar at a time.

    With ``weights`` (of positions, of targets) the weighted sum and the sum of weights.
    """
    n_users, n_positions, _ = user.shape
    n_targets = target.shape[1]

    def similarity(i, j, z, k):
        return sum(user[i, j, d] * target[z, k, d] for d in range(user.shape[2])) / temperature

    total, n_pairs = 0.0, 0
    for i in range(n_users):
        own_ids = {int(ids[i, k]) for k in range(n_targets) if has_target[i, k]}
        for j in range(n_positions):
            for k in range(n_targets):
                if not (has_user[i, j] and has_target[i, k]):
                    continue
                positive = math.e ** similarity(i, j, i, k)
                denominator = positive
                for z in range(n_users):
                    for other in range(n_targets):
                        if z == i or not has_target[z, other]:
                            continue
                        if mask_equal_ids and int(ids[z, other]) in own_ids:
                            continue
                        denominator = denominator + math.e ** similarity(i, j, z, other)
                weight = 1 if weights is None else weights[0][i, j] * weights[1][i, k]
                total = total - weight * _log(positive / denominator)
                n_pairs += weight
    return total, n_pairs


def sampled_softmax(
    user,
    positive,
    positive_ids,
    candidate,
    candidate_ids,
    *,
    log_expected,
    temperature,
    positive_log_expected=None,
    excluded=None,
    weight=None,
):
    """Weighted mean over rows of the sampled softmax, one scalar at a time; ``excluded`` is a set of ids a
    row."""
    total, total_weight = 0.0, 0.0
    for p in range(len(user)):
        own_score = sum(user[p, d] * positive[p, d] for d in range(user.shape[1])) / temperature
        own = math.e ** (own_score - (0.0 if positive_log_expected is None else positive_log_expected[p]))
        rest = 0.0
        for m in range(len(candidate)):
            if int(candidate_ids[m]) in {int(positive_ids[p]), *(() if excluded is None else excluded[p])}:
                continue
            score = sum(user[p, d] * candidate[m, d] for d in range(user.shape[1])) / temperature
            rest = rest + math.e ** (score - log_expected[m])
        row_weight = 1 if weight is None else weight[p]
        total = total - row_weight * _log(own / (own + rest))
        total_weight = total_weight + row_weight
    return total / total_weight


def causal_transformer(x, weights, n_heads, norm_first):
    """One causal block over a single sequence (L, H) by loops over positions and heads, in numpy.

    ``weights`` maps the block's parameter names to arrays.
    """

    def norm(v, name):
        scaled = (v - v.mean()) / np.sqrt(v.var() + 1e-5)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def linear(v, name):
        return weights[f"{name}.weight"] @ v + weights[f"{name}.bias"]

    def gelu(v):
        return np.array([0.5 * t * (1 + math.erf(t / math.sqrt(2))) for t in v])

    length, hidden = x.shape
    width = hidden // n_heads
    inside = [norm(v, "attention_norm") if norm_first else v for v in x]
    triple = [linear(v, "query_key_value") for v in inside]
    out = []
    for t in range(length):
        mixed = np.zeros(hidden)
        for h in range(n_heads):
            part = slice(h * width, (h + 1) * width)
            query = triple[t][:hidden][part]
            scores = [query @ triple[s][hidden : 2 * hidden][part] / math.sqrt(width) for s in range(t + 1)]
            share = np.exp(np.array(scores) - max(scores))
            share = share / share.sum()
            mixed[part] = sum(share[s] * triple[s][2 * hidden :][part] for s in range(t + 1))
        value = x[t] + linear(mixed, "attention_output")
        if not norm_first:
            value = norm(value, "attention_norm")
        inner = norm(value, "feed_forward_norm") if norm_first else value
        value = value + linear(gelu(linear(inner, "expand")), "contract")
        out.append(value if norm_first else norm(value, "feed_forward_norm"))
    return np.array(out)


def strict_recall_and_ndcg(users, items, targets, excluded, k):
    """Per target: mean hit@k and gain@k over every place it can take among its ties, by sorting."""
    recalls, ndcgs = [], []
    for user, target, out in zip(users, targets, excluded, strict=True):
        scores = {i: float(user @ items[i]) for i in range(len(items)) if i == target or i not in out}
        order = sorted(scores, key=lambda i: -scores[i])
        places = [place for place, i in enumerate(order, start=1) if scores[i] == scores[target]]
        recalls.append(np.mean([place <= k for place in places]))
        ndcgs.append(np.mean([1 / math.log2(1 + place) if place <= k else 0.0 for place in places]))
    return np.array(recalls), np.array(ndcgs)


def _log(x):
    return x.log() if hasattr(x, "log") else math.log(x)
