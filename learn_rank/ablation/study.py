"""The ablation of the fusion: how each variant is trained on a finished run, how they are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from learn_rank.ablation.encoder_text import encoder_vectors
from learn_rank.ablation.ids_tower import ids_tower_vectors
from learn_rank.ablation.preset_tower import preset_tower_vectors
from learn_rank.ablation.variants import VARIANTS, Variant
from learn_rank.data.dataset_files import read_dataset
from learn_rank.data.encoded_rows import EncodedDataset
from learn_rank.evaluation.compare import DeltaRow
from learn_rank.evaluation.tasks import evaluate_arms
from learn_rank.fusion.config import FusionConfig
from learn_rank.rankers.multi_task import MultiTaskRanker
from learn_rank.rankers.train import predict, train_ranker
from learn_rank.run.arms import make_fusion
from learn_rank.run.auto_choice import choose, combine
from learn_rank.run.config import RunConfig, fitted_to, read_config
from learn_rank.run.folder import RunFolder
from learn_rank.run.judged_head import new_items
from learn_rank.run.predictions import SCORES, labelled_rows, write_predictions
from learn_rank.run.rows import rows_of_run
from learn_recall.columns import PCTCVR, PCTR, PCVR
from learn_recall.files.whole_files import read_json, write_json
from learn_recall.store import EmbeddingStore

BASE = "baseline"


@dataclass(frozen=True)
class Study:
    """A finished run, ready to train on.

    Attributes:
        run: its folder.
        config: its settings.
        has_conversions: whether its rows say who converted.
        train: (name, variant, seed) -> test predictions; what was trained before is read.
    """

    run: RunFolder
    config: RunConfig
    has_conversions: bool
    train: Callable[[str, Variant, int], pd.DataFrame]


def open_study(run: Path, *, device: str | None = None) -> Study:
    """Open a run's tables, vectors and settings, with a way of training one variant with one seed.

    Args:
        run: folder of a finished `learn-rank run`.
        device: where variants with towers of their own train them; None as in `train_towers`.

    Raises:
        ValueError: the folder holds no finished run, or variants that were trained on other vectors or
            settings.
    """
    place = RunFolder(run)
    _check_finished(place)
    config = read_config(run)[0]
    _check_same(place)
    dataset = read_dataset(place.tables)
    config = fitted_to(config, dataset)
    users, items = EmbeddingStore.open(place.users), EmbeddingStore.open(place.items)
    tuned = read_json(place.tuning)
    training = replace(config.training, embedding_weight_decay=tuned["embedding_weight_decay"])
    ranker, fusion = config.ranker, config.fusion
    labels, valid_labels = labelled_rows(dataset), labelled_rows(dataset, "valid")

    @cache
    def encoded(ease: str) -> EncodedDataset:
        return rows_of_run(dataset, items, config, ease=ease)

    def vectors(name: str, variant: Variant) -> tuple[EmbeddingStore, EmbeddingStore]:
        if variant.preset is not None:
            work = place.ablation_towers / variant.preset
            return preset_tower_vectors(run, work, variant.preset, device=device)
        if variant.encoder is not None:
            return encoder_vectors(run, name, variant.encoder, device=device)
        if variant.reads_text:
            return users, items
        return ids_tower_vectors(run, place.ablation_towers / "ids", device=device)

    def train(name: str, variant: Variant, seed: int) -> pd.DataFrame:
        """Test predictions of one training, its validation scores written beside them."""
        path = place.ablation.predictions_of(name, seed)
        if not path.is_file():
            data = encoded(config.ease if variant.ease is None else variant.ease)
            settings: FusionConfig = replace(fusion, **variant.settings)
            shape = replace(ranker, **variant.ranker)
            host_dim = MultiTaskRanker.host_dim(data.n_codes, shape)
            tables = vectors(name, variant)

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


def _check_finished(run: RunFolder) -> None:
    for path in (run.settings, run.stamp_of("rankers"), run.tuning):
        if not path.is_file():
            raise ValueError(
                f"{run.path}: expected the folder of a finished `learn-rank run`, found no "
                f"{path.relative_to(run.path)} in it. Remedy: finish the run with its own command."
            )


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


def ablate(
    study: Study,
    names: Sequence[str],
    seeds: Sequence[int],
    *,
    over: str = BASE,
    part: str = "test",
    variants: Mapping[str, Variant] = VARIANTS,
    on_training: Callable[[str, int], None] = lambda name, seed: None,
) -> dict[str, list[DeltaRow]]:
    """Train variants and compare each with the baseline, or with one of themselves.

    Args:
        study: of `open_study`.
        names: of `variants`.
        seeds: of every variant and of the baseline.
        over: `BASE` or one of `variants`, that the others are compared with.
        part: "test", or "valid" for a choice among variants, which leaves the test rows out.
        variants: by name; `learn_rank.ablation.encoder_text.encoder_variants` makes more.
        on_training: called with (name, seed) before each training, for a progress bar.

    Returns:
        {variant: differences}; over the baseline on test also "auto <variant>": those of its fallback to
        the baseline.
    """

    def trained(name: str, variant: Variant, seed: int) -> pd.DataFrame:
        on_training(name, seed)
        on_test = study.train(name, variant, seed)
        return on_test if part == "test" else pd.read_parquet(study.run.ablation.validation_of(name, seed))

    bases = [trained(over, Variant(None) if over == BASE else variants[over], seed) for seed in seeds]
    tasks = ("CTR", "CVR", "CTCVR") if "conversion" in bases[0] else ("CTR",)
    found = {}
    for name in names:
        variant = variants[name]
        if name == "base_ensemble":
            ones = bases if over == BASE else [trained(BASE, variant, seed) for seed in seeds]
            others = [trained(BASE, variant, seed + len(seeds)) for seed in seeds]
            tables = [mean_logits(one, other) for one, other in zip(ones, others, strict=True)]
        else:
            tables = [trained(name, variant, seed) for seed in seeds]
        if name != "base_ensemble" and over == BASE and part == "test":
            autos = [auto(study.run, name, seed, bases[at], tables[at]) for at, seed in enumerate(seeds)]
            found[f"auto {name}"] = evaluate_arms({BASE: bases, name: autos}, BASE, tasks)[1]
        found[name] = evaluate_arms({over: bases, name: tables}, over, tasks)[1]
    return found


def auto(run: RunFolder, name: str, seed: int, base: pd.DataFrame, fused: pd.DataFrame) -> pd.DataFrame:
    """Predict the test rows by the choice that validation makes between the baseline and this variant."""
    old, new = (pd.read_parquet(run.ablation.validation_of(arm, seed)) for arm in (BASE, name))
    is_new = new_items(base)
    choice = choose(old, old, new, meets_new=is_new is not None and bool(is_new.any()))
    chosen = combine(choice, base, fused, is_new)
    return pd.concat([base.drop(columns=SCORES), chosen], axis=1)


def mean_logits(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Join two rankers' predictions into an ensemble's: the mean of their logits, head by head."""

    def logit(p: pd.Series) -> np.ndarray:
        clipped = p.to_numpy(np.float64).clip(1e-9, 1 - 1e-9)
        return np.log(clipped / (1 - clipped))

    joined = one.copy()
    for score in (PCTR, PCVR):
        joined[score] = 1 / (1 + np.exp(-(logit(one[score]) + logit(other[score])) / 2))
    joined[PCTCVR] = joined[PCTR] * joined[PCVR]
    return joined


__all__ = ["BASE", "Study", "ablate", "mean_logits", "open_study"]
