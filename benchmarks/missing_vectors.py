"""How a lift fades when vectors vanish: a finished run's LEARN on test rows whose ids lost theirs.

Run: python benchmarks/missing_vectors.py runs/steam --variants inside --figure docs/missing_vectors.png

At test a share of the ids of the item store and of the contexts of the user store has no vector, for the
row's item, its user and the items of the history alike. The draw is random over ids, the same for all; ids
that lack one at 10 % lack it at 30 %. Judged are the run's own ranker and, as `learn-rank ablate` trains on
the tables and vectors of the run, the variants named: `inside`, whose plugin lies in the host's own layers,
`never_missing`, whose training never lost a vector. Differences are to the run's baseline, in points with
95 % intervals over users and seeds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, from any folder

from learn_rank.ablation.study import BASE, open_study
from learn_rank.ablation.variants import VARIANTS, Variant
from learn_rank.data.dataset_files import read_dataset
from learn_rank.data.encoded_rows import EncodedRows
from learn_rank.evaluation.compare import ALL, DeltaRow
from learn_rank.evaluation.tasks import evaluate_arms
from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.rankers.base import Ranker
from learn_rank.rankers.train import load_ranker, predict
from learn_rank.report_kit.svg import bare
from learn_rank.run.arms import LEARN, arm_ranker
from learn_rank.run.predictions import SCORES
from learn_rank.run.rows import rows_of_run
from learn_recall.files.whole_files import atomic_path
from learn_recall.store import EmbeddingStore

SHARES = (0.0, 0.1, 0.3, 0.5, 1.0)
METRICS = (("CTR", "AUC"), ("CTR", "UAUC"), ("CVR", "AUC"), ("CVR", "UAUC"))


def lose(table: FrozenEmbedding, share: float, seed: int) -> None:
    """Take the vectors of a share of a table's ids away; a larger share takes those of a smaller one, too.

    Args:
        table: whose vectors are replaced by none, in place.
        share: of the ids, inside [0, 1].
        seed: of the draw.
    """
    drawn = np.random.default_rng(seed).random(len(table.has_vector))
    is_lost = table.has_vector.new_tensor(drawn < share)
    table.has_vector[is_lost] = False
    table.vectors[is_lost] = 0


def scored(ranker: Ranker, rows: EncodedRows, kept: pd.DataFrame) -> list[pd.DataFrame]:
    """Labels and scores by a ranker that loses more and more vectors, a table for each of `SHARES`."""
    if ranker.fusion is None:
        raise ValueError("ranker: expected one with the plugin, got one without.")
    tables = []
    for share in SHARES:
        for number, table in enumerate((ranker.fusion.user_vectors, ranker.fusion.item_vectors)):
            lose(table, share, number)
        scores = predict(ranker, rows)
        tables.append(kept.assign(**{each: scores[each] for each in SCORES if each in scores}))
    return tables


def curves(run: Path, variants: Sequence[str], n_seeds: int) -> Iterator[tuple[str, float, list[DeltaRow]]]:
    """Name of a ranker, share at test, and the differences to the baseline over all test rows."""
    study = open_study(run)
    place, seeds = study.run, range(n_seeds)
    dataset, items = read_dataset(place.tables), EmbeddingStore.open(place.items)
    stores = EmbeddingStore.open(place.users), items
    data = rows_of_run(dataset, items, study.config)
    bases = [pd.read_parquet(place.predictions_of(BASE, seed)) for seed in seeds]
    tasks = ("CTR", "CVR") if study.has_conversions else ("CTR",)

    def curve(
        name: str, how: Variant, folders: Sequence[Path]
    ) -> Iterator[tuple[str, float, list[DeltaRow]]]:
        shape = replace(study.config.ranker, **how.ranker)
        fusion = replace(study.config.fusion, **how.settings)
        of_seeds = []
        for seed, folder in zip(seeds, folders, strict=True):
            ranker = arm_ranker(LEARN, stores, data, shape, fusion, seed=seed, kind=how.kind)
            of_seeds.append(scored(load_ranker(ranker, folder), data.test, bases[seed]))
        for at, share in enumerate(SHARES):
            tables = {BASE: bases, name: [tables[at] for tables in of_seeds]}
            yield name, share, [row for row in evaluate_arms(tables, BASE, tasks)[1] if row["bucket"] == ALL]

    for name in variants:
        for seed in seeds:
            study.train(name, VARIANTS[name], seed)
        yield from curve(name, VARIANTS[name], [place.ablation.model_of(name, seed) for seed in seeds])
    own = Variant(kind=study.config.fusion_kind)
    yield from curve("of the run", own, [place.model_of(LEARN.name, seed) for seed in seeds])


def cell(rows: Sequence[DeltaRow], task: str, metric: str) -> DeltaRow | None:
    """The difference of one task and metric; None where it was not judged."""
    return next((row for row in rows if row["task"] == task and row["metric"] == metric), None)


def said(row: DeltaRow | None) -> str:
    """Points with their interval."""
    if row is None or row["delta"] is None:
        return "–"
    low, high = row["low"], row["high"]
    interval = "" if low is None or high is None else f" [{100 * low:+.2f}, {100 * high:+.2f}]"
    return f"{100 * row['delta']:+.2f}{interval}"


def draw(found: Mapping[tuple[str, float], Sequence[DeltaRow]], path: Path) -> None:
    """Four panels, a line with its interval for each ranker."""
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    for axes, (task, metric) in zip(figure.subplots(1, len(METRICS)), METRICS, strict=True):
        for number, name in enumerate(dict.fromkeys(name for name, _ in found)):
            rows = [(share, cell(found[name, share], task, metric)) for share in SHARES]
            known: list[tuple[float, Any]] = [(share, row) for share, row in rows if row is not None]
            at, colour = [100 * share for share, _ in known], f"C{number}"
            axes.plot(at, [100 * row["delta"] for _, row in known], "o-", color=colour, ms=3, label=name)
            edges = ([100 * row[edge] for _, row in known] for edge in ("low", "high"))
            axes.fill_between(at, *edges, color=colour, alpha=0.15, lw=0)
        axes.axhline(0, color="black", lw=0.6)
        axes.set_title(f"{task} {metric}", fontsize=9)
        axes.set_xlabel("% of vectors missing", fontsize=8)
        axes.tick_params(labelsize=8)
        bare(axes)
    figure.axes[0].set_ylabel("points over the baseline", fontsize=8)
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=3
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix.removeprefix(".") or "png", dpi=120)


def main() -> None:
    """Print a row for each ranker and share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a finished learn-rank run")
    of_learn = sorted(name for name, each in VARIANTS.items() if each.arm == LEARN and each.ease is None)
    parser.add_argument("--variants", nargs="*", default=[], choices=of_learn, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--figure", type=Path, help="PNG or SVG to write")
    options = parser.parse_args()
    print(f"| ranker | vectors missing at test | {' | '.join(' '.join(each) for each in METRICS)} |")
    print("|---|---|" + "---|" * len(METRICS))
    found: dict[tuple[str, float], list[DeltaRow]] = {}
    for name, share, rows in curves(options.run, options.variants, options.seeds):
        found[name, share] = rows
        cells = [said(cell(rows, *each)) for each in METRICS]
        print(f"| {name} | {share:.0%} | {' | '.join(cells)} |", flush=True)
    if options.figure is not None:
        draw(found, options.figure)


if __name__ == "__main__":
    main()
