"""The guard against vectors that have seen the future of the labels which they are to predict."""

from __future__ import annotations

from learn_recall.errors import StoreError
from learn_recall.store.card import check_unix_seconds
from learn_recall.store.read import EmbeddingStore


def check_as_of(
    store: EmbeddingStore, first_label_time: float | None, *, allow_unknown: bool = False
) -> None:
    """Refuse vectors that have seen events later than the first label they are to predict.

    Args:
        store: its card says `as_of`, unix seconds of the newest event that went in.
        first_label_time: unix seconds of the earliest label; None where labels have no time, and then there
            is nothing to compare.
        allow_unknown: accept item or user vectors whose `as_of` is unknown although the labels have a time.
            Content vectors come from text alone and need no time.

    Raises:
        StoreError: `as_of` is later than `first_label_time`, or unknown, or a time is not unix seconds.
    """
    if first_label_time is None:
        return
    check_unix_seconds("first_label_time", first_label_time)
    as_of = store.card.as_of
    if as_of is None:
        if store.card.kind == "content" or allow_unknown:
            return
        raise StoreError.of(
            f"as_of of {store.path}",
            expected=f"a time up to the first label, {first_label_time}",
            got="unknown",
            remedy="train the towers on events with timestamps, or pass allow_unknown=True and check by hand",
        )
    if as_of > first_label_time:
        raise StoreError.of(
            f"as_of of {store.path}",
            expected=f"not later than the first label, {first_label_time}",
            got=f"{as_of}, {as_of - first_label_time:g} seconds later: the vectors have seen the future",
            remedy="train and export the towers on events before the first label only",
        )
