"""Which encoder pays, before paying for it: several on a sample of users, by cost, by geometry, by recall."""

from __future__ import annotations

import dataclasses
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from learn_recall.columns import ITEM_ID, POSITION, TIMESTAMP, USER_ID
from learn_recall.encode.config import EncodeConfig
from learn_recall.encode.job import encode_items
from learn_recall.encoder.text_encoder import TextEncoder
from learn_recall.evaluate.towers import evaluate_towers
from learn_recall.evaluate.vector_geometry import effective_rank, mean_cosine, neighbour_hit_rate
from learn_recall.store import EmbeddingStore, write_store
from learn_recall.text.coverage import share_outside
from learn_recall.text.prompt import render_items
from learn_recall.text.word_vectors import WordVectors
from learn_recall.towers.config import RecallConfig
from learn_recall.train.loop import train_towers

WORDS = "words"
_N_TIMED = 256
_MAX_PAIRS = 20_000


@dataclass(frozen=True)
class EncoderRow:
    """One encoder on the sample.

    Args:
        encoder: as it was named.
        dimension: C.
        dtype: of its matrix products, chosen on this machine.
        items_per_second: on this machine, loading and tokenising's start-up aside.
        hours_per_million: items, at that speed.
        mean_cosine, effective_rank: `learn_recall.evaluate.vector_geometry`, raw vectors; the rank is None
            where all are the same, as those of texts that are unknown from end to end.
        neighbour_hit_rate: of an item and the next one of the same user, among the 10 nearest; no training.
        recall_10, recall_50: of users' last items after the short alignment, history filtered.
        recall_10_rare: the same of targets with at most 5 events in the training; None without any.
        n_targets, n_rare: how many.
        share_outside: of the letters of a sample of the texts, what `learn_recall.text.coverage` counts; None
            of the words, and of a tokenizer that does not tell.
    """

    encoder: str
    dimension: int
    dtype: str
    items_per_second: float
    hours_per_million: float
    mean_cosine: float
    effective_rank: float | None
    neighbour_hit_rate: float
    recall_10: float
    recall_50: float
    recall_10_rare: float | None
    n_targets: int
    n_rare: int
    share_outside: float | None = None


def compare_encoders(
    items: pd.DataFrame,
    interactions: pd.DataFrame,
    models: Sequence[str],
    out: str | os.PathLike[str],
    *,
    template: str = "short",
    pooling: str | None = None,
    max_users: int = 5_000,
    config: RecallConfig | None = None,
    trust_remote_code: bool = False,
    device: str | None = None,
    progress: bool = True,
) -> list[EncoderRow]:
    """Encode the items of a sample of users with each model, align each for a few epochs, and measure.

    All models get the same texts, the same users and the same settings. The alignment has no id embeddings,
    so that what is compared is the text. Content stores and towers stay in `out`; the same call goes on after
    a stop.

    Args:
        items: item_id and the template's fields.
        interactions: user_id, item_id, and timestamp or position.
        models: folders or hub names, with "@12" at their end those layers; "default" is the offline MiniLM;
        "words" is no model but
            `learn_recall.text.word_vectors`, TF-IDF of the same texts: what any encoder has to beat.
        out: folder for stores and towers.
        template, pooling: as `encode_items`.
        max_users: users in the sample, drawn by the config's seed among those with three events or more.
        config: settings of the alignment; None is the preset default with 3 epochs and no id residual.
        trust_remote_code: run code that lies in a model's folder.
        device: where encoder and towers compute; None is the GPU where there is one.
        progress: show it.

    Returns:
        A row per model, in their order.

    Raises:
        ValueError: no model, one named twice, or no user with three events.
    """
    if not models or len(set(models)) < len(models):
        raise ValueError(
            f"models: expected one or more, each once; got {list(models)}. Remedy: name each model once"
        )
    config = short_alignment() if config is None else config
    sample = drawn_users(interactions, max_users, config.train.seed)
    items = items[items[ITEM_ID].isin(sample[ITEM_ID])].reset_index(drop=True)
    is_last = ~sample.duplicated(USER_ID, keep="last")
    rows = []
    for model in models:
        folder = Path(out) / re.sub(r"[^\w.-]+", "_", model.strip("/"))
        if model == WORDS:
            store, speed = _words(items, template, folder / "content")
            dtype, outside = store.card.dtype, None
        else:
            name = None if model == "default" else model
            store = encode_items(
                items,
                folder / "content",
                encoder=name,
                template=template,
                pooling=pooling,
                trust_remote_code=trust_remote_code,
                device=device,
                progress=progress,
            )
            texts = [text for text in render_items(items, template) if text][:_N_TIMED]
            dtype = store.card.extra["identity"]["compute_dtype"]
            config_of = EncodeConfig(
                encoder=name,
                template=template,
                pooling=pooling,
                trust_remote_code=trust_remote_code,
                device=device,
            )
            encoder = config_of.load().with_dtype(dtype)
            speed = _items_per_second(encoder, texts)
            outside = share_outside(encoder.tokenizer, texts, is_lower_case=encoder.folder.is_lower_case)
        train = sample[~is_last]
        towers = train_towers(train, store, folder / "towers", config, progress=progress, device=device)
        report = evaluate_towers(towers, store, train, sample[is_last], ks=(10, 50), device=device or "cpu")
        rare = [row for row in report.rows if row["bucket"] in ("0", "1-5") and row["history"] == "filtered"]
        rare = [row for row in rare if row["metric"] == "recall@10" and row["n"]]
        n_rare = sum(row["n"] for row in rare)
        present = np.asarray(store.vectors[store.present], dtype=np.float32)
        rows.append(
            EncoderRow(
                encoder=model,
                dimension=store.card.dimension,
                dtype=dtype,
                items_per_second=speed,
                hours_per_million=1e6 / speed / 3600,
                mean_cosine=mean_cosine(present),
                effective_rank=effective_rank(present),
                neighbour_hit_rate=_hit_rate(store, present, train, config.train.seed),
                recall_10=_value(report.value("recall@10")),
                recall_50=_value(report.value("recall@50")),
                recall_10_rare=sum(row["value"] * row["n"] for row in rare) / n_rare if n_rare else None,
                n_targets=report.n_targets,
                n_rare=n_rare,
                share_outside=outside,
            )
        )
    return rows


def short_alignment() -> RecallConfig:
    """The settings that encoders are compared with: the preset default, 3 epochs, no id residual."""
    config = RecallConfig()
    return dataclasses.replace(
        config,
        tower=dataclasses.replace(config.tower, id_residual=False),
        train=dataclasses.replace(config.train, n_epochs=3),
    )


def drawn_users(interactions: pd.DataFrame, max_users: int, seed: int) -> pd.DataFrame:
    """The events of the sample, user by user, oldest first."""
    order = [name for name in (TIMESTAMP, POSITION) if name in interactions]
    if not order:
        raise ValueError(
            f"interactions: expected a column {TIMESTAMP!r} or {POSITION!r}; got {list(interactions.columns)}"
        )
    count = interactions.groupby(USER_ID).size()
    eligible = count.index[count >= 3].to_numpy()
    if len(eligible) == 0:
        raise ValueError(
            f"interactions: expected users with 3 events or more; got none in "
            f"{len(interactions)} rows. Remedy: take more of the log"
        )
    if len(eligible) > max_users:
        eligible = np.random.default_rng(seed).choice(eligible, max_users, replace=False)
    kept = interactions[interactions[USER_ID].isin(eligible)]
    return kept.sort_values([USER_ID, *order], kind="stable").reset_index(drop=True)


def _hit_rate(store: EmbeddingStore, present: np.ndarray, events: pd.DataFrame, seed: int) -> float:
    """Neighbour hit rate of pairs of events that follow each other."""
    place = np.where(store.present, np.cumsum(store.present) - 1, -1)
    row = place[store.positions(events[ITEM_ID].to_numpy())]
    return neighbour_hit_rate(present, pairs_in_order(row, events[USER_ID].to_numpy(), seed))


def pairs_in_order(row: np.ndarray, user: np.ndarray, seed: int) -> np.ndarray:
    """Pairs of different items in events of one user that follow each other; at most 20,000, drawn by seed.

    Args:
        row: (n,) int, the item of each event, negative where it has no vector; user by user, oldest first.
        user: (n,) of each event.
        seed: of the draw.

    Returns:
        (m, 2) rows of items.
    """
    pairs = np.stack([row[:-1], row[1:]], axis=1)
    is_pair = (user[:-1] == user[1:]) & (pairs >= 0).all(axis=1) & (pairs[:, 0] != pairs[:, 1])
    pairs = pairs[is_pair]
    if len(pairs) > _MAX_PAIRS:
        pairs = pairs[np.random.default_rng(seed).choice(len(pairs), _MAX_PAIRS, replace=False)]
    return pairs


def _words(items: pd.DataFrame, template: str, out: Path) -> tuple[EmbeddingStore, float]:
    """Write the word vectors of these items' texts; give items per second as well, learning included."""
    texts = render_items(items, template)
    start = time.perf_counter()
    words = WordVectors.fit(texts)
    vectors = words(texts)
    speed = len(texts) / (time.perf_counter() - start)
    store = write_store(
        out,
        ids=items[ITEM_ID].to_numpy(),
        vectors=vectors,
        present=vectors.any(axis=1),
        kind="content",
        encoder=WORDS,
        encoder_sha256=words.sha256,
        prompt=template,
        pooling="mean",
        max_tokens=1,
        overwrite=True,
    )
    return store, speed


def _items_per_second(encoder: TextEncoder, texts: list[str]) -> float:
    encoder.encode(texts[:8])
    start = time.perf_counter()
    encoder.encode(texts)
    return len(texts) / (time.perf_counter() - start)


def _value(value: float | None) -> float:
    return 0.0 if value is None else value


__all__ = [
    "WORDS",
    "EncoderRow",
    "compare_encoders",
    "drawn_users",
    "pairs_in_order",
    "short_alignment",
]
