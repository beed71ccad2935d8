"""The stages of a run that make its vectors: encode, words, towers, recall, export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console

from learn_rank.data.dataset_files import read_dataset
from learn_rank.run.config import RunConfig
from learn_rank.run.folder import RunFolder
from learn_recall.columns import CLICK, ITEM_ID, TIMESTAMP, USER_ID
from learn_recall.files.whole_files import write_json
from learn_recall.store import EmbeddingStore
from learn_recall.store.as_of import check_as_of


def encoded_store(run: RunFolder, config: RunConfig) -> Path:
    """Where the language model's store lies: it is the content, unless words are added to that."""
    return run.language_model if config.word_dimension else run.content


def prompt_of(run: RunFolder, config: RunConfig) -> str:
    """The prompt that the run's items were written with: a template's name, or its text."""
    store = encoded_store(run, config)
    return EmbeddingStore.open(store, verify=False).card.prompt if store.exists() else config.template


def template_of_content(content: Path) -> str:
    """The prompt of the store whose vectors a run takes over."""
    from learn_recall.convert.shared_content import template_of

    return template_of(EmbeddingStore.open(content, verify=False))


def encode_settings(run: RunFolder, config: RunConfig) -> dict[str, object]:
    """What decides the vectors of the texts: the settings, or the bytes of the store that they come from.

    Raises:
        StoreError: the store is of other settings than are asked for.
        ValueError: it is the run's own.
    """
    if config.content is None:
        return {"encoder": config.encoder, "dtype": config.encoder_dtype, "template": config.template}
    from learn_recall.convert.shared_content import check_shared

    path = Path(config.content)
    if path.resolve().is_relative_to(run.path.resolve()):
        raise ValueError(
            f"--content: expected a store outside of the run's own folder {run.path}, got {path}, which the "
            "run keeps by itself. Remedy: leave --content out."
        )
    return {
        "content": check_shared(
            EmbeddingStore.open(path),
            encoder=config.encoder,
            template=config.template,
            dtype=config.encoder_dtype,
        )
    }


def encode(run: RunFolder, config: RunConfig, console: Console, device: str | None) -> None:
    """Item texts -> content store of the language model, encoded or taken over."""
    items = read_dataset(run.tables).items
    if config.content is not None:
        from learn_recall.convert.shared_content import take_content

        take_content(EmbeddingStore.open(config.content), items, encoded_store(run, config))
        return
    from learn_recall.encode.job import encode_items

    encode_items(
        items,
        encoded_store(run, config),
        encoder=config.encoder,
        dtype=config.encoder_dtype,
        template=config.template,
        device=device,
        console=console,
    )


def read_words(run: RunFolder, config: RunConfig) -> None:
    """Item texts and the language model's store -> content store of both, and what was learned of the words.

    Learned from the items of the interactions alone; those that the rows to be judged bring get the identical
    transform, as any new item does.
    """
    from learn_recall.text.word_vectors import WordVectors, add_words, texts_of

    dataset = read_dataset(run.tables)
    store = EmbeddingStore.open(run.language_model)
    texts = texts_of(store, dataset.items)
    is_known = np.isin(store.ids, dataset.interactions[ITEM_ID].to_numpy())
    try:
        words = WordVectors.fit([texts[row] for row in np.flatnonzero(is_known)], config.word_dimension)
    except ValueError as error:
        raise ValueError(f"{error} (learn-rank run --words 0)") from error
    words.save(run.words)
    add_words(store, texts, run.content, words, overwrite=True)


def train_double_tower(run: RunFolder, config: RunConfig, device: str | None) -> None:
    """Interactions and content -> towers."""
    from learn_recall.towers.presets import preset
    from learn_recall.train.loop import train_towers

    dataset = read_dataset(run.tables)
    train_towers(
        dataset.interactions,
        EmbeddingStore.open(run.content),
        run.towers,
        preset(config.preset),
        device=device,
    )


def evaluate_recall(run: RunFolder, device: str | None) -> None:
    """How well the towers recall the test rows' clicks, before any ranker: full ranking of the catalogue.

    Nothing where no clicked row is of a user with interactions.
    """
    from learn_recall.evaluate.towers import evaluate_towers

    dataset = read_dataset(run.tables)
    clicked = dataset.test.loc[dataset.test[CLICK] == 1]
    if not clicked[USER_ID].isin(dataset.interactions[USER_ID]).any():
        write_json(run.recall, [])  # nobody whose click could be recalled from a history
        return
    found = evaluate_towers(
        run.towers,
        EmbeddingStore.open(run.content),
        dataset.interactions,
        clicked,
        device=device or "cpu",
        progress=True,
    )
    rows = [
        {
            "model": f"towers, history {row['history']}, item's training events: {row['bucket']}",
            "metric": row["metric"],
            "value": row["value"],
        }
        for row in found.rows
        if row["metric"] in ("recall@10", "ndcg@10", "coverage@10")
    ]
    write_json(run.recall, rows)


def export(run: RunFolder, config: RunConfig, device: str | None) -> None:
    """Towers -> item store and user-context store."""
    from learn_recall.export.vectors import export_embeddings

    dataset = read_dataset(run.tables)
    run.users.parent.mkdir(parents=True, exist_ok=True)
    item_store, _ = export_embeddings(
        run.towers,
        EmbeddingStore.open(run.content),
        items_out=run.items,
        users_out=run.users,
        contexts=dataset.contexts,
        content_dimension=config.content_dimension,
        as_of=config.interactions_until,
        device=device or "cpu",
        progress=True,
    )
    if all(TIMESTAMP in part for part in dataset.parts.values()):
        check_as_of(item_store, float(dataset.valid[TIMESTAMP].min()))
