"""`learn-rank run`: from item texts to a bucketed ranking report, stage by stage.

The one place of learn_rank that calls learn_recall's heavy modules; everything else of learn_rank needs the
stores alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

from rich.console import Console

from learn_rank.data.dataset import RankingDataset
from learn_rank.data.dataset_files import dataset_fingerprint, read_dataset, write_dataset
from learn_rank.pipeline.first_checks import check_dataset, check_settings, stated_time, text_note
from learn_rank.pipeline.judge_run import make_report, store_presence
from learn_rank.pipeline.more_seeds import train_enough
from learn_rank.pipeline.stages import Stages
from learn_rank.pipeline.vector_stages import (
    encode,
    encode_settings,
    encoded_store,
    evaluate_recall,
    export,
    prompt_of,
    read_words,
    train_double_tower,
)
from learn_rank.run.config import RunConfig, read_config
from learn_rank.run.folder import RunFolder
from learn_recall.files.places import check_place
from learn_recall.files.whole_files import write_json
from learn_recall.store import EmbeddingStore
from learn_recall.text.prompt import render_items

AB_DAYS = "ab_days"


def run_pipeline(
    make_dataset: Callable[[], RankingDataset],
    source: dict[str, object],
    out: Path,
    config: RunConfig = RunConfig(),  # noqa: B008
    *,
    command: str = "",
    console: Console | None = None,
    inputs: Mapping[str, str] | None = None,
    device: str | None = None,
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
        inputs: hash by name of the files that ``source`` only names, so that a change of them is noticed.
        device: of encoder, towers and export; None is the GPU where there is one. Rankers train on the CPU.

    Returns:
        The path of report.html.

    Raises:
        ValueError: ``config.ease`` and a source that goes on; settings or tables that a later stage could do
            nothing with (`learn_rank.pipeline.first_checks`); then ``out`` is left as it was.
    """
    if source.get(AB_DAYS) and config.ease != "none":
        raise ValueError(
            f'ease: expected "none" where a simulated A/B test follows ({AB_DAYS}), got {config.ease!r}: the '
            "test's requests have no such features. Remedy: run without one of the two."
        )
    console = console or Console()
    run = RunFolder(out)
    check_settings(config, finds_encoder=not encoded_store(run, config).exists())
    how_encoded = encode_settings(run, config)
    check_place("out", out)
    goes_on = bool(source.get(AB_DAYS)) and {"baseline", "learn"} <= set(config.arms)
    stages = Stages(run, console, n_stages=7 + goes_on + bool(config.word_dimension))
    until = config.interactions_until
    checked: list[RankingDataset] = []
    stages.run(
        "tables",
        {**source, **({} if until is None else {"interactions_until": until})},
        (run.tables,),
        lambda: write_dataset(checked.pop(), run.tables),
        inputs=inputs,
        first=lambda: checked.append(checked_tables(make_dataset, config, console)),
    )
    write_json(run.settings, {"source": source, "config": asdict(config), "command": command})
    tables = dataset_fingerprint(run.tables)
    stages.run(
        "encode",
        {
            "items": tables["items"],
            **how_encoded,
            **({"store": run.language_model.name} if config.word_dimension else {}),
        },
        (encoded_store(run, config),),
        lambda: encode(run, config, console, device),
    )
    if config.word_dimension:
        stages.run(
            "words",
            {"interactions": tables["interactions"], "word_dimension": config.word_dimension},
            (run.words, run.content),
            lambda: read_words(run, config),
        )
    stages.run(
        "towers",
        {"interactions": tables["interactions"], "preset": config.preset},
        (run.towers,),
        lambda: train_double_tower(run, config, device),
    )
    stages.run("recall", {}, (run.recall,), lambda: evaluate_recall(run, device))
    stages.run(
        "export",
        {"contexts": tables["contexts"], "content_dimension": config.content_dimension},
        (run.users, run.items),
        lambda: export(run, config, device),
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
            "recent_popularity": config.recent_popularity,
            "user_snapshot_days": config.user_snapshot_days,
        },
        (run.predictions,),
        lambda: train_enough(run, config, console),
        always=True,  # arms and seeds may be added to a finished run, and what is there is kept
    )
    config = replace(config, seeds=read_config(out)[0].seeds)  # some may have been added
    stages.run(
        "report",
        {"arms": config.arms, "seeds": config.seeds},
        (),
        lambda: report_stage(run, config, command, sum(stages.seconds.values()), console),
        always=True,
    )
    if goes_on:
        stages.run(
            "ab",
            {"seeds": config.seeds, AB_DAYS: source[AB_DAYS]},
            (run.ab_json, run.ab_html),
            lambda: play(run, config, cast(int, source[AB_DAYS]), command, console),
        )
    return run.report_html


def checked_tables(
    make_dataset: Callable[[], RankingDataset], config: RunConfig, console: Console
) -> RankingDataset:
    """Read or generate the tables, and check that a report can follow from them."""
    dataset = make_dataset()
    check_dataset(dataset, config)
    note = text_note(dataset, config)
    for said in note.values():
        console.print(f"    {said}", markup=False, highlight=False)
    stated = {**stated_time(config), **note}
    return replace(dataset, protocol={**dataset.protocol, **stated})


def report_stage(
    run: RunFolder, config: RunConfig, command: str, seconds: float | None, console: Console
) -> None:
    """Prediction files -> report.json, report.html and the tables in the terminal."""
    template = prompt_of(run, config)
    make_report(
        run,
        config.arms,
        config.seeds,
        dataset=read_dataset(run.tables),
        has_vector=store_presence(EmbeddingStore.open(run.users), EmbeddingStore.open(run.items)),
        command=command,
        seconds=seconds,
        console=console,
        texts=lambda items: render_items(items, template),
    )
    console.print(f"\nreport: {run.report_html}")


def play(run: RunFolder, config: RunConfig, n_days: int, command: str, console: Console) -> None:
    """Trained arms and the marketplace's truth -> ab.json, ab.html and the table of a simulated A/B test.

    All seeds of the run are played: the trainings are there, and one more costs its scores and its days.
    """
    from learn_rank.ab.marketplace.stage import STAGE_TEST, run_stage

    test = replace(STAGE_TEST, n_days=n_days, training_seeds=config.seeds)
    run_stage(run.path, config.arms, test=test, command=command, console=console)
