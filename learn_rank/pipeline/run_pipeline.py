"""`learn-rank run`: from item texts to a bucketed ranking report, stage by stage.

The one place of learn_rank that calls learn_recall's heavy rooms; everything else of learn_rank needs the
stores alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

from rich.console import Console

from learn_rank.data.dataset import RankingDataset
from learn_rank.data.dataset_files import dataset_fingerprint, read_dataset, write_dataset
from learn_rank.pipeline.judge_run import make_report, store_presence
from learn_rank.pipeline.ranker_stage import train_rankers
from learn_rank.pipeline.stages import Stages
from learn_rank.pipeline.vector_stages import encode, evaluate_recall, export, read_words, train_double_tower
from learn_rank.run.config import RUN, RunConfig
from learn_rank.run.folder import (
    CONTENT,
    ITEMS,
    LANGUAGE_MODEL,
    PREDICTIONS,
    RECALL,
    TABLES,
    TOWERS,
    USERS,
    WORDS,
)
from learn_recall.files.whole_files import write_json
from learn_recall.store import EmbeddingStore

AB_DAYS = "ab_days"


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
    from learn_rank.ab.marketplace.stage import STAGE_TEST, run_stage

    test = replace(STAGE_TEST, n_days=n_days, training_seed=config.seeds[0])
    run_stage(out, config.arms, test=test, command=command, console=console)
