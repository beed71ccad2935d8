"""The two stores of a ranker, users and items, opened together and held to one origin."""

from __future__ import annotations

import os

from learn_rank.frozen.load import ORIGIN_FIELDS
from learn_recall.store import EmbeddingStore, StoreError

SHARED_FIELDS = (*ORIGIN_FIELDS, "dimension", "blocks")


def open_pair(
    users: str | os.PathLike[str] | EmbeddingStore,
    items: str | os.PathLike[str] | EmbeddingStore,
    *,
    verify: bool = True,
) -> tuple[EmbeddingStore, EmbeddingStore]:
    """Open a user and an item store and compare their identity cards.

    Args:
        users: folder of a store of kind "user", or the open store.
        items: folder of a store of kind "item" or "content", or the open store.
        verify: compare the files with the sha256 of their cards (reads every byte once).

    Raises:
        StoreError: a store is damaged, of another kind, or was made by another tower, encoder or prompt.
    """
    user_store, item_store = (
        store if isinstance(store, EmbeddingStore) else EmbeddingStore.open(store, verify=verify)
        for store in (users, items)
    )
    for name, store, kinds in (("users", user_store, ("user",)), ("items", item_store, ("item", "content"))):
        if store.card.kind not in kinds:
            raise StoreError.of(
                f"{name}, {store.path}",
                expected=f"a store of kind {' or '.join(kinds)}",
                got=store.card.kind,
                remedy="check that the stores of users and items are not exchanged",
            )
    here, there = user_store.card, item_store.card
    different = [name for name in SHARED_FIELDS if getattr(here, name) != getattr(there, name)]
    if different:
        said = "; ".join(f"{name} {getattr(here, name)!r} and {getattr(there, name)!r}" for name in different)
        raise StoreError.of(
            f"the cards of {user_store.path} and {item_store.path}",
            expected="vectors of one origin, whose cosine means something",
            got=said,
            remedy="export both with one `learn-recall export`",
        )
    return user_store, item_store


__all__ = ["SHARED_FIELDS", "open_pair"]
