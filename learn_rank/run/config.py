"""The settings of `learn-rank run`, saved beside its results and read back by its stages."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from learn_rank.data.batch import CONVERTED_FEATURE
from learn_rank.data.dataset import RankingDataset
from learn_rank.data.ease_rows import HOSTS
from learn_rank.fusion.config import FusionConfig
from learn_rank.fusion.kinds import FUSIONS
from learn_rank.rankers.multi_task import RankerConfig
from learn_rank.rankers.train import RankTrainConfig
from learn_rank.run.arms import ARMS, NO_HISTORY
from learn_rank.run.folder import RunFolder
from learn_recall.columns import HISTORY_CONVERTED
from learn_recall.files.whole_files import read_json


@dataclass(frozen=True)
class RunConfig:
    """Settings of a run; saved as run.json beside its results.

    Attributes:
        content: folder of a finished content store of the same items, whose vectors are taken over; None
            encodes them.
        encoder: model folder or hub name; None is the offline default, or with `content` that of the store.
        encoder_dtype: of its matrix products; "auto" is measured, so two runs may differ in the last bits.
        template: prompt of `learn_recall.text.prompt`.
        word_dimension: components of the texts' words (TF-IDF, fitted on the items of the interactions)
            beside the language model's vectors, which blur brands, series and genres; 0 = none.
        preset: of the towers.
        content_dimension: width of the frozen text's block beside the tower's, and of its words'; 0 = none.
        seeds: training seeds of every arm.
        max_seeds: so many may be trained where the interval that decides stays too wide
            (`learn_rank.pipeline.more_seeds`); not above the number of seeds, none are added.
        embedding_decays: weight decays of the id embeddings that the baseline tries with the first seed, and
            further ones while the best is the largest or the smallest; the best on validation is used in
            every arm, so it is the baseline that is tuned.
        arms: names of `learn_rank.run.arms.ARMS`; "no_history" is left out of a host that has none.
        ease: of `learn_rank.data.ease_rows.HOSTS`: whether the host, in every arm, also knows which items go
            together. A lift over a host that does is smaller, and more believable where yours does.
        recent_popularity: whether the host, in every arm, also knows what was popular in the last days
            (`learn_rank.data.recent_popularity`), where rows have time.
        user_snapshot_days: of the host's counts and rates of users, in every arm
            (`learn_rank.data.host_statistics`), where rows have time; 0 = they follow every event.
        interactions_until: unix seconds that no interaction lies behind, for interactions in order alone
            beside impressions with timestamps; None where they say it themselves.
        fusion_kind: of `learn_rank.fusion.kinds.FUSIONS`.
        fusion, ranker, training: of the ranking side, alike in every arm.
    """

    content: str | None = None
    encoder: str | None = None
    encoder_dtype: str = "auto"
    template: str = "paper"
    word_dimension: int = 384
    preset: str = "default"
    content_dimension: int = 128
    seeds: tuple[int, ...] = (0, 1, 2)
    max_seeds: int = 5
    embedding_decays: tuple[float, ...] = (1.0, 10.0)
    arms: tuple[str, ...] = tuple(arm.name for arm in ARMS)
    ease: str = "none"
    recent_popularity: bool = True
    user_snapshot_days: float = 1.0
    interactions_until: float | None = None
    fusion_kind: str = "learn"
    fusion: FusionConfig = field(default_factory=FusionConfig)
    ranker: RankerConfig = field(
        default_factory=lambda: RankerConfig(history="din", start="rates", fusion_entry="beside")
    )
    training: RankTrainConfig = field(default_factory=RankTrainConfig)

    def __post_init__(self) -> None:
        known = [arm.name for arm in ARMS]
        unknown = [name for name in self.arms if name not in known]
        if unknown or known[0] not in self.arms:
            raise ValueError(
                f"arms: expected some of {known}, {known[0]!r} among them, got {list(self.arms)}. "
                "Remedy: choose some."
            )
        if not self.ranker.has_history:
            kept = tuple(name for name in self.arms if name != NO_HISTORY.name)
            object.__setattr__(self, "arms", kept)
        if self.fusion_kind not in FUSIONS:
            raise ValueError(
                f"fusion_kind: expected one of {list(FUSIONS)}, got {self.fusion_kind!r}. Remedy: choose one."
            )
        if self.word_dimension < 0:
            raise ValueError(f"word_dimension: expected 0 (none) or more, got {self.word_dimension}.")
        if self.ease not in HOSTS:
            raise ValueError(f"ease: expected one of {list(HOSTS)}, got {self.ease!r}. Remedy: choose one.")
        if not self.seeds:
            raise ValueError("seeds: expected at least one, got none.")


def fitted_to(config: RunConfig, dataset: RankingDataset) -> RunConfig:
    """The settings with what the tables allow.

    Without conversions the ranker and the auxiliary head learn clicks; where the contexts say which items of
    a history converted, the host's own history says so too, and the fusion compares the target with those.
    """
    ranker, fusion = config.ranker, config.fusion
    if not dataset.has_conversions:
        ranker, fusion = replace(ranker, kind="ctr"), replace(fusion, auxiliary_task="ctr")
    elif HISTORY_CONVERTED in dataset.contexts:
        ranker = replace(ranker, has_converted_history=ranker.has_history)
        if fusion.history_feature is not None:
            fusion = replace(fusion, converted_feature=CONVERTED_FEATURE)
    return replace(config, ranker=ranker, fusion=fusion)


def read_config(out: Path, *, arms: tuple[str, ...] = (), n_seeds: int = 0) -> tuple[RunConfig, str]:
    """The settings of an earlier run, with other arms or more seeds if asked for, and its command.

    Raises:
        FileNotFoundError: ``out`` is not the folder of a run.
    """
    path = RunFolder(out).settings
    if not path.is_file():
        raise FileNotFoundError(
            f"{out}: expected the folder of a run ({path.name}), found none. "
            "Remedy: make it with `learn-rank run`."
        )
    saved = read_json(path)
    parts = dict(saved["config"])
    ranker = {**parts.pop("ranker")}
    ranker["bottom_dims"] = tuple(ranker["bottom_dims"])
    fusion = {**parts.pop("fusion")}
    if fusion.get("projected_blocks") is not None:
        fusion["projected_blocks"] = tuple(fusion["projected_blocks"])
    parts["seeds"] = tuple(range(n_seeds)) if n_seeds else tuple(parts["seeds"])
    parts["embedding_decays"] = tuple(parts["embedding_decays"])
    parts["arms"] = arms or tuple(parts["arms"])
    # of a run from before there were any
    parts.setdefault("word_dimension", 0)
    parts.setdefault("recent_popularity", False)
    parts.setdefault("user_snapshot_days", 0.0)
    training = {"missing_rate": 0.0, **parts["training"]}
    config = RunConfig(
        **{
            **parts,
            "fusion": FusionConfig(**fusion),
            "training": RankTrainConfig(**training),
            "ranker": RankerConfig(**ranker),
        }
    )
    return config, saved["command"]
