"""Trial: codes of the text as trainable id features; a new item shares those of its likes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

from benchmarks.trials.given import Given
from learn_rank.data.encoded_rows import EncodedRows

N_LEVELS, N_CODES = 3, 64


def with_semantic_codes(given: Given) -> Given:
    """Rows with three ids of the item's text: the first code, the first two, all three.

    Definition: k-means with 64 centres of the training items' text, then of what that leaves, and again; the
    prefixes of the three codes are the ids. A prefix that no training item has is unknown.

    Source: QARM (arXiv 2411.11739), residual k-means; prefixes as ids: arXiv 2504.02137.
    """
    prefixes = residual_codes(given.text(), given.is_trained())
    known = given.is_trained()
    names = [f"semantic_{level + 1}" for level in range(N_LEVELS)]
    codes, sizes = {}, {}
    for name, prefix in zip(names, prefixes.T, strict=True):
        vocabulary = pd.Index(np.unique(prefix[known]))
        codes[name] = vocabulary.get_indexer(pd.Index(prefix)) + 1
        sizes[name] = len(vocabulary) + 1

    def widened(part: str) -> EncodedRows:
        rows: EncodedRows = getattr(given.data, part)
        item = given.rows_of(part)
        own = {name: np.where(item >= 0, code[item], 0) for name, code in codes.items()}
        return replace(rows, codes={**rows.codes, **own})

    parts = {part: widened(part) for part in given.dataset.parts}
    data = replace(given.data, **parts, n_codes={**given.data.n_codes, **sizes})
    return replace(given, data=data)


def residual_codes(text: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(N, C) text, (N,) which items the centres are fitted on -> (N, 3) prefixes as one number each."""
    left, prefixes, prefix = text.copy(), [], np.zeros(len(text), np.int64)
    for level in range(N_LEVELS):
        n_centres = min(N_CODES, int(known.sum()))
        fitted = KMeans(n_centres, n_init=1, random_state=level, max_iter=50).fit(left[known])
        code = fitted.predict(left)
        left = left - fitted.cluster_centers_[code]
        prefix = prefix * N_CODES + code
        prefixes.append(prefix)
    return np.column_stack(prefixes)


def quality(prefixes: np.ndarray, known: np.ndarray) -> str:
    """How many codes are used, how many items share all three, and how many new items have a known one."""
    used = [len(np.unique(prefix[known])) for prefix in prefixes.T]
    _, inverse, count = np.unique(prefixes[:, -1], return_inverse=True, return_counts=True)
    shared = float((count[inverse.reshape(-1)] > 1).mean())
    said = f"{', '.join(f'{n:,}' for n in used)} prefixes in use; {shared:.0%} of the items share all codes"
    if known.all():
        return said
    covered = [float(np.isin(prefix[~known], prefix[known]).mean()) for prefix in prefixes.T]
    return f"{said}; known to new items: {', '.join(f'{each:.0%}' for each in covered)}"
