"""`learn-rank run`: from item texts to a bucketed ranking report, stage by stage.

The one place of learn_rank that calls learn_recall's heavy rooms; everything else of learn_rank needs the
stores alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from learn_rank.arms import ARMS, Arm
from learn_rank.auto_arm import write_auto
from learn_rank.data.dataset import RankingDataset
from learn_rank.data.dataset_files import dataset_fingerprint, read_dataset, write_dataset
from learn_rank.data.encoded_rows import EncodedDataset
from learn_rank.predictions import (
    RATES,
    labelled_rows,
    prediction_path,
    rate_scores,
    validation_path,
    write_predictions,
)
from learn_rank.rankers.multi_task import RankerConfig
from learn_rank.rankers.train import RankTrainConfig
from learn_rank.run_config import RUN, RunConfig, fitted_to
from learn_rank.run_report import make_report, store_presence
from learn_rank.stages import Stages
from learn_recall.columns import CLICK, ITEM_ID, TIMESTAMP
from learn_recall.files.whole_files import write_json
from learn_recall.store import EmbeddingStore
from learn_recall.store.as_of import check_as_of

TABLES, CONTENT, TOWERS, RECALL = "tables", "content", "towers", "recall.json"
AB_DAYS = "ab_days"
USERS, ITEMS, PREDICTIONS = "vectors/users", "vectors/items", "predictions"
EASE = "predictions/ease.npz"
LANGUAGE_MODEL, WORDS = "content-lm", "words.safetensors"


def run_pipeline(
    make_dataset: Callable[[], RankingDataset],
    source: dict[str, object],
    out: Path,
    config: RunConfig = RunConfig(),  # noqa: B008
    *,
    command: str = "",
    console: Console | None = None,
) -> Path:
    """Do every stage that is not done yet.

    Args:
        make_dataset: reads or generates the tables; called only when they are not in ``out`` yet.
        source: says where the tables come from, so that another source starts anew; of a marketplace that
            goes on after its recorded days also how long (``ab_days``), and the arms are then played there.
        out: folder of the run.
        config: settings.
        command: shown in the report.
        console: where progress is told.

    Returns:
        The path of report.html.

    Raises:
        ValueError: ``config.ease`` and a source that goes on.
    """
    if source.get(AB_DAYS) and config.ease != "none":
        raise ValueError(
            f'ease: expected "none" where a simulated A/B test follows ({AB_DAYS}), got {config.ease!r}: the '
            "test's requests have no such features. Remedy: run without one of the two."
        )
    console = console or Console()
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / RUN, {"source": source, "config": asdict(config), "command": command})
    goes_on = bool(source.get(AB_DAYS)) and {"baseline", "learn"} <= set(config.arms)
    stages = Stages(out, console, n_stages=7 + goes_on + bool(config.word_dimension))
    stages.run("tables", source, (TABLES,), lambda: write_dataset(make_dataset(), out / TABLES))
    tables = dataset_fingerprint(out / TABLES)
    stages.run(
        "encode",
        {
            "items": tables["items"],
            "encoder": config.encoder,
            "dtype": config.encoder_dtype,
            "template": config.template,
            **({"store": LANGUAGE_MODEL} if config.word_dimension else {}),
        },
        (LANGUAGE_MODEL if config.word_dimension else CONTENT,),
        lambda: encode(out, config, console),
    )
    if config.word_dimension:
        stages.run(
            "words",
            {"interactions": tables["interactions"], "word_dimension": config.word_dimension},
            (WORDS, CONTENT),
            lambda: read_words(out, config),
        )
    stages.run(
        "towers",
        {"interactions": tables["interactions"], "preset": config.preset},
        (TOWERS,),
        lambda: train_double_tower(out, config),
    )
    stages.run("recall", {}, (RECALL,), lambda: evaluate_recall(out))
    stages.run(
        "export",
        {"contexts": tables["contexts"], "content_dimension": config.content_dimension},
        (USERS, ITEMS),
        lambda: export(out, config),
    )
    stages.run(
        "rankers",
        {
            "tables": tables,
            "fusion": {"kind": config.fusion_kind, **asdict(config.fusion)},
            "ranker": asdict(config.ranker),
            "training": asdict(config.training),
            "embedding_decays": config.embedding_decays,
            **({} if config.ease == "none" else {"ease": config.ease}),
        },
        (PREDICTIONS,),
        lambda: train_rankers(out, config, console),
        always=True,  # arms and seeds may be added to a finished run, and what is there is kept
    )
    stages.run(
        "report",
        {"arms": config.arms, "seeds": config.seeds},
        (),
        lambda: judge(out, config, command, sum(stages.seconds.values()), console),
        always=True,
    )
    if goes_on:
        stages.run(
            "ab",
            {"seed": config.seeds[0], AB_DAYS: source[AB_DAYS]},
            ("ab.json", "ab.html"),
            lambda: play(out, config, cast(int, source[AB_DAYS]), command, console),
        )
    return out / "report.html"


def encode(out: Path, config: RunConfig, console: Console) -> None:
    """Item texts -> content store of the language model."""
    from learn_recall.encode.job import encode_items

    items = read_dataset(out / TABLES).items
    encode_items(
        items,
        out / (LANGUAGE_MODEL if config.word_dimension else CONTENT),
        encoder=config.encoder,
        dtype=config.encoder_dtype,
        template=config.template,
        console=console,
    )


def read_words(out: Path, config: RunConfig) -> None:
    """Item texts and the language model's store -> content store of both, and what was learned of the words.

    Learned from the items of the interactions alone; those that the rows to be judged bring get the identical
    transform, as any new item does.
    """
    from learn_recall.text.word_vectors import WordVectors, add_words, texts_of

    dataset = read_dataset(out / TABLES)
    store = EmbeddingStore.open(out / LANGUAGE_MODEL)
    texts = texts_of(store, dataset.items)
    is_known = np.isin(store.ids, dataset.interactions[ITEM_ID].to_numpy())
    words = WordVectors.fit([texts[row] for row in np.flatnonzero(is_known)], config.word_dimension)
    words.save(out / WORDS)
    add_words(store, texts, out / CONTENT, words, overwrite=True)


def train_double_tower(out: Path, config: RunConfig) -> None:
    """Interactions and content -> towers."""
    from learn_recall.towers.presets import preset
    from learn_recall.train.loop import train_towers

    dataset = read_dataset(out / TABLES)
    train_towers(
        dataset.interactions, EmbeddingStore.open(out / CONTENT), out / TOWERS, preset(config.preset)
    )


def evaluate_recall(out: Path) -> None:
    """How well the towers recall the test rows' clicks, before any ranker: full ranking of the catalogue."""
    from learn_recall.evaluate.towers import evaluate_towers

    dataset = read_dataset(out / TABLES)
    found = evaluate_towers(
        out / TOWERS,
        EmbeddingStore.open(out / CONTENT),
        dataset.interactions,
        dataset.test.loc[dataset.test[CLICK] == 1],
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
    write_json(out / RECALL, rows)


def export(out: Path, config: RunConfig) -> None:
    """Towers -> item store and user-context store."""
    from learn_recall.export.vectors import export_embeddings

    dataset = read_dataset(out / TABLES)
    users, items = out / USERS, out / ITEMS
    users.parent.mkdir(parents=True, exist_ok=True)
    item_store, _ = export_embeddings(
        out / TOWERS,
        EmbeddingStore.open(out / CONTENT),
        items_out=items,
        users_out=users,
        contexts=dataset.contexts,
        content_dimension=config.content_dimension,
    )
    if all(TIMESTAMP in part for part in dataset.parts.values()):
        check_as_of(item_store, float(dataset.valid[TIMESTAMP].min()))


def train_rankers(out: Path, config: RunConfig, console: Console) -> None:
    """Every arm and seed without predictions: train, select on validation, score the test rows once."""
    from learn_rank.arms import make_fusion
    from learn_rank.data.ease_rows import host_rows
    from learn_rank.rankers.multi_task import MultiTaskRanker
    from learn_rank.scored_arm import train_and_score

    wanted = [
        (arm, seed, prediction_path(out, arm.name, seed))
        for seed in config.seeds
        for arm in ARMS
        if arm.name in config.arms
    ]
    left = [
        (arm, seed, path)
        for arm, seed, path in wanted
        if not (path.is_file() and validation_path(out, arm.name, seed).is_file())
    ]
    rates = prediction_path(out, RATES, 0)
    if not left and rates.is_file():
        write_auto(out, config.arms, config.seeds)
        return
    dataset = read_dataset(out / TABLES)
    users, items = EmbeddingStore.open(out / USERS), EmbeddingStore.open(out / ITEMS)
    length = config.fusion.history_length
    data = host_rows(dataset, items, config.ease, history_length=length, save=out / EASE)
    write_predictions(rates, labelled_rows(dataset), rate_scores(dataset))
    fitted = fitted_to(config, dataset)
    fusion_config, ranker_config = fitted.fusion, fitted.ranker

    training = tune_decay(out, config, data, ranker_config)
    with _progress(console) as progress:
        per_epoch = -(-len(data.train) // config.training.batch_size)
        bar = progress.add_task("", total=len(left) * per_epoch * config.training.n_epochs)
        for number, (arm, seed, _) in enumerate(left):
            progress.update(bar, description=f"    {arm.name}, seed {seed}")

            def advance(step: int, n_steps: int, done: int = number) -> None:
                progress.update(bar, completed=done * n_steps + step)

            def build(arm: Arm = arm, seed: int = seed) -> MultiTaskRanker:
                fusion = make_fusion(
                    arm,
                    users,
                    items,
                    fusion_config,
                    seed=seed,
                    kind=config.fusion_kind,
                    host_dim=MultiTaskRanker.host_dim(data.n_codes, ranker_config),
                )
                return MultiTaskRanker(data.n_codes, data.n_dense, ranker_config, fusion)

            train_and_score(
                build, dataset, data, replace(training, seed=seed), out, arm=arm.name, on_step=advance
            )
    write_auto(out, config.arms, config.seeds)


def tune_decay(
    out: Path, config: RunConfig, data: EncodedDataset, ranker_config: RankerConfig
) -> RankTrainConfig:
    """The training settings with the id embeddings' weight decay that is best for the baseline on valid."""
    from learn_rank.rankers.multi_task import MultiTaskRanker
    from learn_rank.rankers.train import train_ranker

    scores = {}
    for decay in config.embedding_decays:
        settings = replace(config.training, seed=config.seeds[0], embedding_weight_decay=decay)
        _, history = train_ranker(
            lambda: MultiTaskRanker(data.n_codes, data.n_dense, ranker_config),
            data,
            settings,
            out / PREDICTIONS / "tuning" / f"decay-{decay:g}",
        )
        scores[decay] = max(result.score for result in history)
    best = max(scores, key=lambda decay: scores[decay])
    write_json(
        out / PREDICTIONS / "tuning.json",
        {
            "embedding_weight_decay": best,
            "validation": {f"{decay:g}": score for decay, score in scores.items()},
        },
    )
    return replace(config.training, embedding_weight_decay=best)


def judge(out: Path, config: RunConfig, command: str, seconds: float | None, console: Console) -> None:
    """Prediction files -> report.json, report.html and the tables in the terminal."""
    make_report(
        out,
        config.arms,
        config.seeds,
        dataset=read_dataset(out / TABLES),
        has_vector=store_presence(EmbeddingStore.open(out / USERS), EmbeddingStore.open(out / ITEMS)),
        command=command,
        seconds=seconds,
        console=console,
    )
    console.print(f"\nreport: {out / 'report.html'}")


def play(out: Path, config: RunConfig, n_days: int, command: str, console: Console) -> None:
    """Trained arms and the marketplace's truth -> ab.json, ab.html and the table of a simulated A/B test."""
    from learn_rank.ab.stage import STAGE_TEST, run_stage

    test = replace(STAGE_TEST, n_days=n_days, training_seed=config.seeds[0])
    run_stage(out, config.arms, test=test, command=command, console=console)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )
