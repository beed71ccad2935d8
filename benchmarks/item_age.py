"""Recall against item age: towers that never saw a fifth of the catalogue, which then arrives with text only.

    python benchmarks/item_age.py --data data/amazon_beauty --content stores/beauty --out runs/item_age

The replay. A share of the items, drawn at random, has not arrived yet, and a share of the users, drawn at
random, is kept for the replay. Towers are trained on the other users' events of the old items; an item store
is exported for the old items; `add_items` then gives the new ones their vectors, and nothing is trained
again. The replayed users' events are ranked one by one: the target is the event's item, the history all of
the user's earlier events, and the item's age is the number of its events, of anybody, that came before. The
data has no time, so the clock of an event is its place in its user's sequence, from 0 to 1. Users' histories
leave the list (filtered).

"The store's blocks" ranks by the sum of the cosines of the tower block and of the text's, as the exported
vectors are. For comparison the same events are ranked by the text alone (mean of the history's content
vectors: centred, and whitened as the towers whiten them), and old items are shown in the same buckets, by
their events in the training.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import typer
from rich.console import Console
from torch import Tensor
from torch.nn import functional as F

from learn_recall.terminal import WholeTable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from learn_rank.uncertainty.student_t import t_quantile
from learn_recall.comparison.variants import RECIPE
from learn_recall.datasets import read_amazon
from learn_recall.export.new_items import add_items
from learn_recall.export.vectors import export_embeddings
from learn_recall.files.whole_files import write_json
from learn_recall.store import EmbeddingStore, write_store
from learn_recall.towers.checkpoint import load_checkpoint
from learn_recall.towers.config import RecallConfig
from learn_recall.towers.content_table import ContentTable
from learn_recall.towers.inference import item_vectors, user_vectors
from learn_recall.towers.presets import preset
from learn_recall.towers.ranking import Ranks, rank_targets
from learn_recall.towers.whitening import Whitening
from learn_recall.train.loop import train_towers

BUCKETS = ((0, 0), (1, 2), (3, 5), (6, 10), (11, 20), (21, None))
KS = (10, 50)


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Replay:
    """The events to be ranked.

    Args:
        training: user_id, item_id, position of the towers' training.
        is_old: (N,) bool by content row: whether the item was there at the training.
        target: (n,) content rows.
        history: (n, L) content rows of the newest earlier events, oldest first, -1 = padding on the right.
        age: (n,) events of the target, of anybody, before this one.
        seen: (n,) events of the target in the training. seen_row: (N,) of every content row.
        user: (n,) codes of whose event it is.
    """

    training: pd.DataFrame
    is_old: np.ndarray
    target: np.ndarray
    history: np.ndarray
    age: np.ndarray
    seen: np.ndarray
    seen_row: np.ndarray
    user: np.ndarray


def make_replay(
    interactions: pd.DataFrame,
    content: EmbeddingStore,
    *,
    new_share: float,
    replay_share: float,
    history_length: int,
    max_targets: int,
    seed: int,
) -> Replay:
    """Draw the items that arrive later and the users that are replayed; order all events by the clock."""
    rng = np.random.default_rng(seed)
    is_old = rng.random(len(content)) >= new_share
    events = interactions.sort_values(["user_id", "position"], kind="stable").reset_index(drop=True)
    events["row"] = content.positions(events["item_id"].to_numpy())
    length = events.groupby("user_id")["row"].transform("size").to_numpy()
    clock = (events["position"].to_numpy() + rng.random(len(events))) / length
    order = np.argsort(clock, kind="stable")
    age = np.empty(len(events), dtype=np.int64)
    age[order] = (
        pd.Series(events["row"].to_numpy()[order]).groupby(events["row"].to_numpy()[order]).cumcount()
    )
    users = events["user_id"].unique()
    is_replayed = events["user_id"].isin(users[rng.random(len(users)) < replay_share]).to_numpy()
    row = events["row"].to_numpy()
    training = events[~is_replayed & is_old[row]]
    seen = np.bincount(training["row"], minlength=len(content))
    ranked = np.flatnonzero(is_replayed & (events["position"].to_numpy() > 0))
    of_old, of_new = ranked[is_old[row[ranked]]], ranked[~is_old[row[ranked]]]
    ranked = np.concatenate([_drawn(of_old, max_targets, rng), _drawn(of_new, max_targets, rng)])
    first = ranked - events["position"].to_numpy()[ranked]
    start = np.maximum(first, ranked - history_length)
    column = np.arange(history_length)
    place = start[:, None] + column
    history = np.where(place < ranked[:, None], row[np.minimum(place, len(row) - 1)], -1)
    return Replay(
        training=training[["user_id", "item_id", "position"]],
        is_old=is_old,
        target=row[ranked],
        history=history,
        age=age[ranked],
        seen=seen[row[ranked]],
        seen_row=seen,
        user=pd.factorize(events["user_id"].to_numpy()[ranked])[0],
    )


def _drawn(places: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    return places if len(places) <= size else np.sort(rng.choice(places, size, replace=False))


def frozen_vectors(
    replay: Replay, content: EmbeddingStore, out: Path, config: RecallConfig, content_dimension: int
) -> dict[str, tuple[Tensor, Tensor]]:
    """Train, export the old items, add the new ones; give (N, D) item and (n, D) user vectors by arm."""
    towers = train_towers(replay.training, content, out / "towers", config)
    old = np.flatnonzero(replay.is_old)
    card = content.card
    part = write_store(
        out / "content-old",
        ids=content.ids[old],
        vectors=np.array(content.vectors[old]),
        kind=card.kind,
        dtype=card.dtype,
        overwrite=True,
        **card.of_text,
    )
    export_embeddings(
        towers,
        part,
        items_out=out / "items",
        users_out=out / "users",
        interactions=replay.training,
        content_dimension=content_dimension,
        centers=False,
    )
    store = add_items(towers, content, out / "items")
    trained = load_checkpoint(towers)
    table = ContentTable(content, trained.towers.whitening)
    rows = np.arange(len(content))
    _, embedded_NH = item_vectors(trained.towers, table, rows, trained.known_rows(content.ids))
    vectors = torch.from_numpy(store.lookup(content.ids)[0])
    dimension = trained.towers.dimension
    user_ND = user_vectors(trained.towers, embedded_NH, replay.history)
    text = [vectors[:, block.start : block.stop] for block in store.card.blocks if block.name != "tower"]
    users = [user_ND, *(mean_of_history(replay, block) for block in text)]
    return {
        "frozen towers": (vectors[:, :dimension], user_ND),
        "the store's blocks": (vectors, torch.cat(users, dim=1)),
    }


def text_vectors(replay: Replay, content: EmbeddingStore, kind: str) -> tuple[Tensor, Tensor]:
    """The text alone: transformed unit content vectors, and the mean of those of the history."""
    whitening = Whitening(content.card.dimension, kind).fit(
        content.vectors, np.flatnonzero(replay.seen_row > 0)
    )
    item_NC = F.normalize(whitening(torch.from_numpy(content.vectors.astype(np.float32))), dim=1)
    return item_NC, mean_of_history(replay, item_NC)


def mean_of_history(replay: Replay, item_NC: Tensor) -> Tensor:
    """Unit mean of the vectors (N, C) of each history's items: (n, C)."""
    has_item = torch.from_numpy(replay.history >= 0)
    users = []
    for start in range(0, len(replay.history), 1024):
        part = torch.from_numpy(np.maximum(replay.history[start : start + 1024], 0))
        users.append((item_NC[part] * has_item[start : start + 1024, :, None]).sum(dim=1))
    return F.normalize(torch.cat(users), dim=1)


def ranks_of(replay: Replay, item: Tensor, user: Tensor) -> Ranks:
    """Where each target stands among all items, the history taken out."""

    def history(part: slice) -> np.ndarray:
        return replay.history[part]

    return rank_targets(user, item, replay.target, exclude=history)


def contrast(replay: Replay, one: Ranks, other: Ranks, k: int = 10) -> dict[str, float]:
    """Recall of new items, one ranking minus the other: mean over the events, 95 % over users."""
    is_new = ~replay.is_old[replay.target]
    difference = (one.recall(k) - other.recall(k))[is_new]
    mean = float(difference.mean())
    user = np.unique(replay.user[is_new], return_inverse=True)[1]
    by_user = np.bincount(user, difference - mean)
    error = t_quantile(0.95, max(1, len(by_user) - 1)) * float(np.sqrt((by_user**2).sum())) / len(difference)
    return {"difference": mean, "low": mean - error, "high": mean + error, "n": int(is_new.sum())}


def rows_of(replay: Replay, ranks: Ranks, arm: str) -> list[dict[str, object]]:
    """Recall by age of new items, and by training events of old ones."""
    is_old = replay.is_old[replay.target]
    rows: list[dict[str, object]] = []
    for kind, is_member, count in (("new", ~is_old, replay.age), ("old", is_old, replay.seen)):
        for low, high in (*BUCKETS, (0, None)):
            here = is_member & (count >= low) & (count <= (np.inf if high is None else high))
            name = "all" if (low, high) == (0, None) else str(low) if low == high else f"{low}-{high or ''}"
            row: dict[str, object] = {"arm": arm, "items": kind, "events": name, "n": int(here.sum())}
            for k in KS:
                values = ranks.recall(k)[here]
                row[f"recall@{k}"] = float(values.mean()) if len(values) else None
            rows.append(row)
    return rows


def show(rows: list[dict[str, object]]) -> None:
    """Print the table, an arm beside the other."""
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    columns = [f"{arm}, recall@{k}" for arm in arms for k in KS]
    table = WholeTable("items", "events before", "targets", *columns)
    for row in rows:
        if row["arm"] != arms[0]:
            continue
        same = [each for each in rows if (each["items"], each["events"]) == (row["items"], row["events"])]
        cells = [each[f"recall@{k}"] for each in same for k in KS]
        table.add_row(
            str(row["items"]),
            str(row["events"]),
            f"{row['n']:,}",
            *("-" if cell is None else f"{cell:.4f}" for cell in cells),
        )
    Console(width=140).print(table)


@app.command(help=__doc__)
def main(  # noqa: D103
    *,
    context: typer.Context,
    data: Annotated[Path, typer.Option(help="Folder of amazon_beauty.")],
    content_store: Annotated[Path, typer.Option("--content", help="Content store of its items.")],
    out: Annotated[Path, typer.Option(help="Folder for the towers, the vectors and item_age.json.")],
    new_share: Annotated[float, typer.Option(help="Of the items, that arrive later.")] = 0.2,
    replay_share: Annotated[float, typer.Option(help="Of the users, who are replayed.")] = 0.2,
    max_targets: Annotated[int, typer.Option(help="Of old items, and of new ones.")] = 8_000,
    epochs: Annotated[int | None, typer.Option(help="Default: the preset's.")] = None,
    seed: Annotated[int, typer.Option(help="Of the replay and the training.")] = 0,
    recipe: Annotated[
        bool, typer.Option("--recipe", help="The settings of learn-recall compare-models.")
    ] = False,
    text_only: Annotated[bool, typer.Option("--text-only", help="Towers without id residual.")] = False,
    content_dimension: Annotated[int, typer.Option(help="Of an exported block of text.")] = 64,
    threads: Annotated[int, typer.Option(help="0: as torch decides.")] = 0,
) -> None:
    options = {name: context.params[name] for name in context.params if name != "content_store"}
    options["content"] = content_store
    if threads:
        torch.set_num_threads(threads)
    values = preset("thorough" if recipe else "default").to_dict()
    if recipe:
        for part, fields in RECIPE.items():
            values[part] |= fields
    if text_only:
        values["tower"]["id_residual"] = False
    values["train"]["seed"] = seed
    if epochs is not None:
        values["train"]["n_epochs"] = epochs
    config = RecallConfig.from_dict(values)
    content = EmbeddingStore.open(content_store, expect={"kind": "content"})
    replay = make_replay(
        read_amazon(data).interactions,
        content,
        new_share=new_share,
        replay_share=replay_share,
        history_length=config.sampling.history_length,
        max_targets=max_targets,
        seed=seed,
    )
    arms = frozen_vectors(replay, content, out, config, content_dimension)
    arms["text alone, centred"] = text_vectors(replay, content, "center")
    arms["text alone, whitened"] = text_vectors(replay, content, "zca")
    ranks = {name: ranks_of(replay, *vectors) for name, vectors in arms.items()}
    rows = [row for name, ranked in ranks.items() for row in rows_of(replay, ranked, name)]
    show(rows)
    exported = "the store's blocks"
    against = {name: contrast(replay, ranks[exported], ranks[name]) for name in ranks if name != exported}
    for name, found in against.items():
        Console().print(
            f"new items, recall@10 of {exported} minus {name}: {found['difference']:+.4f} "
            f"[{found['low']:+.4f}, {found['high']:+.4f}]",
            highlight=False,
        )
    write_json(
        out / "item_age.json",
        {"rows": rows, "contrasts": against, "options": options, "config": values},
    )


if __name__ == "__main__":
    app()
