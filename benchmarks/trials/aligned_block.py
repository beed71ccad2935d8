"""Trial: a block in which items that the same users met are near, read off the text, so new items have it.

N items, D dimensions of the block.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import Ridge

from benchmarks.trials.given import Given, of_unit_length
from learn_rank.data.ease_features import rows_of_histories
from learn_recall.columns import CONTEXT_ID, HISTORY, ITEM_ID, USER_ID
from learn_recall.store import Block, EmbeddingStore, write_store

NAME = "aligned"
N_DIMENSIONS = 64
SHRINKAGE = 80.0  # interactions that an item's count is shrunk by
RIDGE = 30.0
HISTORY_LENGTH = 80


def with_aligned_block(given: Given) -> Given:
    """Stores with one more block: a ridge regression of co-click factors on the text, for all items alike.

    Definition: with A the users x items of the interactions and n their counts, the factors of the known
    items are the right singular vectors of ``A diag(n + 80)^-1/2`` times their values, so their products are
    the shrunk cosines of who met what. The block is what the text predicts of them; a user's is the mean over
    the history, left out (zeros) where the towers learned from the context, as in the tower's block.

    Source: item-item cosine with shrinkage (Sarwar et al., WWW 2001), handed on by text alone.
    """
    item_ND = of_unit_length(_predicted(given))
    contexts = given.dataset.contexts
    history = rows_of_histories(list(contexts[HISTORY]), given.catalogue, HISTORY_LENGTH)
    user_UD = np.zeros((len(contexts), item_ND.shape[1]), np.float32)
    for slot in history.T:
        has_item = slot >= 0
        user_UD[has_item] += item_ND[slot[has_item]]
    user_UD = of_unit_length(user_UD)
    if "is_learned" in contexts:
        user_UD[contexts["is_learned"].to_numpy(bool)] = 0
    users = _appended(given.users, contexts[CONTEXT_ID].to_numpy(), user_UD, given, "users")
    items = _appended(given.items, given.catalogue.to_numpy(), item_ND, given, "items")
    return replace(given, users=users, items=items, block=NAME)


def _predicted(given: Given) -> np.ndarray:
    log, text = given.dataset.interactions, given.text()
    at = given.catalogue.get_indexer(pd.Index(log[ITEM_ID]))
    user = pd.factorize(log[USER_ID])[0]
    shape = (int(user.max()) + 1, len(given.catalogue))
    met = sparse.csr_matrix((np.ones(len(log)), (user[at >= 0], at[at >= 0])), shape)
    met.data[:] = 1.0
    count = np.asarray(met.sum(0)).ravel()
    decomposed = TruncatedSVD(N_DIMENSIONS, random_state=0).fit(
        met @ sparse.diags(1 / np.sqrt(count + SHRINKAGE))
    )
    factors = decomposed.components_.T * decomposed.singular_values_
    known = (count > 0) & text.any(axis=1)
    fitted = Ridge(alpha=RIDGE).fit(text[known], factors[known], sample_weight=count[known])
    return np.asarray(fitted.predict(text), np.float32) * text.any(axis=1, keepdims=True)


def _appended(
    store: EmbeddingStore, ids: np.ndarray, block: np.ndarray, given: Given, name: str
) -> EmbeddingStore:
    card, place = store.card, pd.Index(ids).get_indexer(pd.Index(store.ids))
    own = np.where((place >= 0)[:, None], block[np.maximum(place, 0)], 0)
    width = card.dimension
    return write_store(
        given.work / NAME / name,
        ids=store.ids,
        vectors=np.concatenate([np.asarray(store.vectors, np.float32), own], axis=1),
        present=store.present,
        kind=card.kind,
        **card.of_text,
        dtype=card.dtype,
        blocks=(*card.blocks, Block(NAME, width, width + own.shape[1])),
        tower=card.tower,
        as_of=card.as_of,
        extra=dict(card.extra),
        overwrite=True,
    )
