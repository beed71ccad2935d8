"""The ablation of the fusion: its variants, how each is trained, how they are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from rich.progress import track

from benchmarks.fusion.ids_tower import ids_tower_vectors
from benchmarks.fusion.preset_tower import preset_tower_vectors
from learn_rank.data.dataset_files import read_dataset
from learn_rank.data.encoded_rows import EncodedDataset
from learn_rank.evaluation.compare import DeltaRow
from learn_rank.evaluation.tasks import evaluate_arms
from learn_rank.fusion.config import FusionConfig
from learn_rank.run.arms import LEARN, RAW_TEXT, SHUFFLED, Arm, make_fusion
from learn_rank.run.auto_choice import choose, combine
from learn_rank.run.config import RunConfig, fitted_to, read_config
from learn_rank.run.folder import RunFolder
from learn_rank.run.predictions import labelled_rows, validation_rows, write_predictions
from learn_recall.columns import PCTCVR, PCTR, PCVR
from learn_recall.files.whole_files import read_json, write_json
from learn_recall.store import EmbeddingStore

BASE = "baseline"
SCORES = [PCTR, PCVR, PCTCVR]
TOWER_ONLY = Arm("tower_only", ("tower",))
NO_WORDS = Arm("no_words", ("tower", "content"), compared=("tower",))


@dataclass(frozen=True)
class Variant:
    """One row of the table: which vectors, which fusion, which settings differ from the run's.

    Attributes:
        arm: None trains the ranker without the plugin.
        kind: of `learn_rank.fusion.kinds.FUSIONS`.
        settings: of `FusionConfig`; ranker: of `RankerConfig`; training: of `RankTrainConfig`; what differs
            from the run's.
        preset: of other towers than the run's (`benchmarks.fusion.preset_tower`).
        reads_text: False takes the tower block of towers on ids alone (`benchmarks.fusion.ids_tower`).
        ease: of `learn_rank.data.ease_rows.HOSTS`, whether the host knows which items go together; None = as
            in the run.
        words: for people.
    """

    arm: Arm | None = LEARN
    kind: str = "learn"
    settings: dict[str, Any] = field(default_factory=dict)
    ranker: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    preset: str | None = None
    reads_text: bool = True
    ease: str | None = None
    words: str = ""


VARIANTS = {
    "learn": Variant(words="the run's fusion, again"),
    "no_auxiliary": Variant(settings={"auxiliary_weight": 0.0}, words="no auxiliary head"),
    "auxiliary_0.05": Variant(settings={"auxiliary_weight": 0.05}),
    "auxiliary_1": Variant(settings={"auxiliary_weight": 1.0}),
    "auxiliary_ctr": Variant(settings={"auxiliary_task": "ctr"}),
    "auxiliary_both": Variant(settings={"auxiliary_task": "both"}),
    "auxiliary_all_rows": Variant(settings={"auxiliary_space": "all"}),
    "stop_gradient": Variant(settings={"stops_gradient": True}),
    "concat": Variant(settings={"passes_vectors": True}, words="the paper's concat"),
    "no_history": Variant(
        settings={"history_feature": None, "converted_feature": None}, words="cosines only"
    ),
    "gate": Variant(kind="gate", words="LARM"),
    "experts": Variant(kind="experts", words="KAR"),
    "similarity": Variant(kind="similarity", words="SimTier"),
    "tower_only": Variant(TOWER_ONLY, words="without the frozen text"),
    "raw_text": Variant(RAW_TEXT, words="without the tower"),
    "no_words": Variant(NO_WORDS, words="without the block of the words, which the towers still read"),
    "shuffled": Variant(SHUFFLED, words="control"),
    "random": Variant(replace(LEARN, is_random=True), words="control"),
    "ids_tower": Variant(reads_text=False, words="control: frozen text beside a tower that never read it"),
    "thorough": Variant(preset="thorough", words="towers of the preset `thorough`"),
    "widened": Variant(ranker={"fusion_entry": "widened"}, words="starts as the host, bit for bit"),
    "logit": Variant(ranker={"fusion_entry": "logit"}, words="the same, added to the host's logits"),
    "project_all": Variant(
        replace(LEARN, compared=()), words="the tower block through the linear layers as well"
    ),
    "histogram": Variant(settings={"has_histogram": True}, words="SimTier's histogram besides"),
    "no_outcome": Variant(settings={"converted_feature": None}, words="what converted is not compared apart"),
    "no_newness": Variant(None, training={"newness_rate": 0.0}, words="a baseline that never saw a new item"),
    "base_ensemble": Variant(None, words="control: mean of two baselines' logits"),
    "base_ease": Variant(None, ease="own", words="a baseline that knows which items go together"),
    "base_ease_near": Variant(None, ease="near", words="the same by an item's neighbours by text"),
    "raw_text_ease": Variant(RAW_TEXT, ease="near", words="the same host, with the frozen text"),
    "learn_ease": Variant(ease="near", words="the same host, with the run's fusion"),
}


@dataclass(frozen=True)
class Study:
    """A finished run, ready to train on."""

    run: RunFolder
    config: RunConfig
    has_conversions: bool
    train: Callable[[str, Variant, int], pd.DataFrame]


def open_study(run: Path) -> Study:
    """Tables, vectors and settings of the run, and a way of training one variant with one seed.

    Raises:
        ValueError: variants lie in the run's folder that were trained on other vectors or settings.
    """
    from learn_rank.data.ease_rows import host_rows
    from learn_rank.rankers.multi_task import MultiTaskRanker
    from learn_rank.rankers.train import predict, train_ranker

    config, place = read_config(run)[0], RunFolder(run)
    _check_same(place)
    dataset = read_dataset(place.tables)
    config = fitted_to(config, dataset)
    users, items = EmbeddingStore.open(place.users), EmbeddingStore.open(place.items)
    tuned = read_json(place.tuning)
    training = replace(config.training, embedding_weight_decay=tuned["embedding_weight_decay"])
    ranker, fusion = config.ranker, config.fusion
    labels, valid_labels = labelled_rows(dataset), validation_rows(dataset)

    @cache
    def encoded(ease: str) -> EncodedDataset:
        return host_rows(dataset, items, ease, history_length=config.fusion.history_length)

    def vectors(variant: Variant) -> tuple[EmbeddingStore, EmbeddingStore]:
        if variant.preset is not None:
            return preset_tower_vectors(run, place.ablation_towers / variant.preset, variant.preset)
        return (users, items) if variant.reads_text else ids_tower_vectors(run, place.ablation_towers / "ids")

    def train(name: str, variant: Variant, seed: int) -> pd.DataFrame:
        """Test predictions of one training, its validation scores written beside them."""
        path = place.ablation.predictions_of(name, seed)
        if not path.is_file():
            data = encoded(config.ease if variant.ease is None else variant.ease)
            settings: FusionConfig = replace(fusion, **variant.settings)
            shape = replace(ranker, **variant.ranker)
            host_dim = MultiTaskRanker.host_dim(data.n_codes, shape)
            tables = vectors(variant)

            def build() -> MultiTaskRanker:
                plugin = None
                if variant.arm is not None:
                    plugin = make_fusion(
                        variant.arm, *tables, settings, seed=seed, kind=variant.kind, host_dim=host_dim
                    )
                return MultiTaskRanker(data.n_codes, data.n_dense, shape, plugin)

            how = replace(training, seed=seed, **variant.training)
            model, _ = train_ranker(build, data, how, place.ablation.model_of(name, seed))
            scores = predict(model, data.valid)
            write_predictions(place.ablation.validation_of(name, seed), valid_labels, scores)
            write_predictions(path, labels, predict(model, data.test))
        return pd.read_parquet(path)

    return Study(place, config, dataset.has_conversions, train)


def _check_same(run: RunFolder) -> None:
    """What was trained before belongs to the run as it is: the stamp of its stage "rankers" says so."""
    stamp = read_json(run.stamp_of("rankers"))["stamp"]
    folder = run.ablation.path
    made_of = folder / "made_of.json"
    if not folder.is_dir():
        write_json(made_of, {"stamp": stamp})
    if not made_of.is_file() or read_json(made_of)["stamp"] != stamp:
        raise ValueError(
            f"{run.path}: its variants were trained on the vectors and settings of an earlier run in this "
            f"folder. Remedy: remove {folder}; they are trained anew."
        )


def ablate(study: Study, names: Sequence[str], seeds: Sequence[int]) -> dict[str, list[DeltaRow]]:
    """{variant: differences to the baseline}; "auto <variant>": those of its fallback to the baseline."""
    bases = [study.train(BASE, Variant(None), seed) for seed in seeds]
    tasks = ("CTR", "CVR", "CTCVR") if "conversion" in bases[0] else ("CTR",)
    found = {}
    for name in track(names, description="variants"):
        variant = VARIANTS[name]
        if name == "base_ensemble":
            others = [study.train(BASE, variant, seed + len(seeds)) for seed in seeds]
            tables = [mean_logits(one, other) for one, other in zip(bases, others, strict=True)]
        else:
            tables = [study.train(name, variant, seed) for seed in seeds]
            autos = [auto(study.run, name, seed, bases[at], tables[at]) for at, seed in enumerate(seeds)]
            found[f"auto {name}"] = evaluate_arms({BASE: bases, name: autos}, BASE, tasks)[1]
        found[name] = evaluate_arms({BASE: bases, name: tables}, BASE, tasks)[1]
    return found


def auto(run: RunFolder, name: str, seed: int, base: pd.DataFrame, fused: pd.DataFrame) -> pd.DataFrame:
    """Test predictions of the choice that validation makes between the baseline and this variant."""
    old, new = (pd.read_parquet(run.ablation.validation_of(arm, seed)) for arm in (BASE, name))
    chosen = combine(choose(old, old, new), base, fused)
    return pd.concat([base.drop(columns=SCORES), chosen], axis=1)


def mean_logits(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """An ensemble of two rankers: the mean of their logits, head by head."""
    import numpy as np

    def logit(p: pd.Series) -> pd.Series:
        clipped = p.astype(np.float64).clip(1e-9, 1 - 1e-9)
        return np.log(clipped / (1 - clipped))

    joined = one.copy()
    for score in (PCTR, PCVR):
        joined[score] = 1 / (1 + np.exp(-(logit(one[score]) + logit(other[score])) / 2))
    joined[PCTCVR] = joined[PCTR] * joined[PCVR]
    return joined
