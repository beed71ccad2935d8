"""The variants of the fusion that an ablation can train, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from learn_rank.run.arms import LEARN, RAW_TEXT, SHUFFLED, Arm

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
        preset: of other towers than the run's (`learn_rank.ablation.preset_tower`).
        reads_text: False takes the tower block of towers on ids alone (`learn_rank.ablation.ids_tower`).
        encoder: of another language model than the run's, which reads the frozen text without towers
            (`learn_rank.ablation.encoder_text`).
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
    encoder: str | None = None
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
    "inside": Variant(ranker={"fusion_entry": "concat"}, words="in the host's own layers (the paper's)"),
    "widened": Variant(ranker={"fusion_entry": "widened"}, words="starts as the host, bit for bit"),
    "logit": Variant(ranker={"fusion_entry": "logit"}, words="the same, added to the host's logits"),
    "project_all": Variant(
        replace(LEARN, compared=()), words="the tower block through the linear layers as well"
    ),
    "histogram": Variant(settings={"has_histogram": True}, words="SimTier's histogram besides"),
    "no_outcome": Variant(settings={"converted_feature": None}, words="what converted is not compared apart"),
    "slots": Variant(ranker={"history_scores": "slots"}, words="the host's attention reads the slots (MUSE)"),
    "raw_text_slots": Variant(
        RAW_TEXT, ranker={"history_scores": "slots"}, words="the same with the frozen text alone"
    ),
    "pooled_history": Variant(settings={"pooled_dim": 16}, words="the history's vectors pooled by content"),
    "pooled_similarity": Variant(settings={"pooled_dim": 0}, words="their similarity alone"),
    "codes": Variant(settings={"code_levels": 3}, words="codes of the text as trainable ids (QARM)"),
    "raw_text_codes": Variant(
        RAW_TEXT, settings={"code_levels": 3}, words="the same with the frozen text alone"
    ),
    "no_newness": Variant(None, training={"newness_rate": 0.0}, words="a baseline that never saw a new item"),
    "never_missing": Variant(training={"missing_rate": 0.0}, words="no row lost vectors in training"),
    "base_ensemble": Variant(None, words="control: mean of two baselines' logits"),
    "base_ease": Variant(None, ease="own", words="a baseline that knows which items go together"),
    "base_ease_near": Variant(None, ease="near", words="the same by an item's neighbours by text"),
    "raw_text_ease": Variant(RAW_TEXT, ease="near", words="the same host, with the frozen text"),
    "learn_ease": Variant(ease="near", words="the same host, with the run's fusion"),
}


def trainable(
    names: Sequence[str] | None, *, has_conversions: bool, has_words: bool, has_attention: bool = True
) -> tuple[list[str], dict[str, str]]:
    """Choose the variants that a run can train.

    Args:
        names: of `VARIANTS`; None asks for all of them.
        has_conversions: whether the run's rows say who converted.
        has_words: whether its vectors have a block of words.
        has_attention: whether its host attends to its user's history.

    Returns:
        The names in the order given, and {name: what the run lacks for it} of those that are left out.

    Raises:
        ValueError: a name that is no variant's.
    """
    wanted = list(VARIANTS) if names is None else list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in VARIANTS]
    if unknown:
        raise ValueError(
            f"--only: expected some of {', '.join(VARIANTS)}; got {', '.join(unknown)}. "
            "Remedy: `learn-rank ablate --names` tells what they are."
        )
    left_out = {}
    for name in wanted:
        if not has_conversions and VARIANTS[name].settings.get("auxiliary_task") == "both":
            left_out[name] = "conversions"
        elif not has_words and VARIANTS[name].arm == NO_WORDS:
            left_out[name] = "words"
        elif not has_attention and "history_scores" in VARIANTS[name].ranker:
            left_out[name] = "an attention of the host"
    return [name for name in wanted if name not in left_out], left_out


__all__ = ["VARIANTS", "Variant", "trainable"]
