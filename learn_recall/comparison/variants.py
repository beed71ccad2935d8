"""The models of the recall table by name: baselines without training, the towers, and the ablation grid."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from learn_recall.towers.config import RecallConfig
from learn_recall.towers.presets import preset

MAIN, ABLATION, TRANSFER = "main", "ablation", "transfer"
TRAINED = ("towers", "zero_shot", "finetuned")
READS_WORDS = ("tfidf", "bm25")  # without a content store
EVERYONE = 1_000_000
# over the preset ``thorough``, for every model that is trained
RECIPE: dict[str, dict[str, Any]] = {"train": {"filters_history": True}}


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes:
        words: what it is.
        scorer: "towers"; "zero_shot" and "finetuned", which start from towers of other folders; or the name
            of a scorer without training.
        content: what an item is read as: "text" (frozen encoder), "words" (384 singular directions of
            TF-IDF), "text_words" (both), "none" (a constant: ids alone), "random" (a fixed random vector
            each).
        settings: over `RECIPE`, part by part.
        group: "main", "ablation" or "transfer".
        is_quick: part of ``--quick``.
    """

    words: str
    scorer: str = "towers"
    content: str = "text"
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    group: str = MAIN
    is_quick: bool = False

    def config(self, seed: int, *, fit: str, n_epochs: int | None = None) -> RecallConfig:
        """Make the settings of one training.

        Args:
            seed: of everything random.
            fit: "all" = the last event before the test of 2,000 users selects the epoch and everything else
                trains; "train" = that of every user selects, and never trains.
            n_epochs: instead of the variant's own.
        """
        values = preset("thorough").to_dict()
        for settings in (RECIPE, self.settings):
            for part, fields in settings.items():
                values[part] |= fields
        values["train"]["seed"] = seed
        if fit == "train":
            values["train"]["max_validation_users"] = EVERYONE
        if n_epochs is not None:
            values["train"]["n_epochs"] = n_epochs
        values["train"]["patience"] = values["train"]["n_epochs"]
        return RecallConfig.from_dict(values)


def _text_only(words: str, settings: dict[str, dict[str, Any]] | None = None, **more: Any) -> Variant:
    tower = {"id_residual": False, **({} if settings is None else settings.get("tower", {}))}
    merged = {**({} if settings is None else settings), "tower": tower}
    return Variant(words, settings=merged, **more)


# at the others' learning rate it ends at the level of chance
_ALL_ACTION: dict[str, dict[str, Any]] = {
    "loss": {"kind": "dense_all_action"},
    "train": {"learning_rate": 1e-3},
}


def _ablation(words: str, **parts: dict[str, Any]) -> Variant:
    return _text_only(words, parts, group=ABLATION)


def _all_action(words: str, item_tower: str, sampling: dict[str, Any] | None = None) -> Variant:
    # tower (a) sees a target at its place in the sequence, and at the first place when it is served
    settings = {**_ALL_ACTION, "tower": {"item_tower": item_tower, "position_embedding": "none"}}
    return _ablation(words, **settings, sampling={} if sampling is None else sampling)


# ids have no text to start from: more and smaller steps, no tail to be raised, and a strong decay
_ID_SETTINGS: dict[str, dict[str, Any]] = {
    "tower": {
        "hidden": 64,
        "dropout": 0.2,
        "position_embedding": "none",
        "whitening": "none",
        "id_residual": True,
        "id_shrinkage": 0.0,
    },
    "loss": {"n_uniform": 2048, "logq_strength": 0.95},
    "train": {"batch_users": 64, "n_epochs": 20, "id_weight_decay": 1.5},
}

VARIANTS: dict[str, Variant] = {
    "popularity": Variant("training events of the item", "popularity", is_quick=True),
    "tfidf": Variant("TF-IDF of the history's texts", "tfidf", is_quick=True),
    "bm25": Variant("BM25, the history's texts as the query", "bm25", is_quick=True),
    "frozen_text": Variant("frozen text, whitened: mean of the history", "frozen", is_quick=True),
    "id": Variant("ids alone, the same trainer (SASRec with sampled softmax)", content="none",
                  settings=_ID_SETTINGS, is_quick=True),
    "text": _text_only("text alone, aligned: language model and words", content="text_words", is_quick=True),
    "text_lm": _text_only("the same, language model alone"),
    "learn": Variant("one model: language model, words and ids", content="text_words", is_quick=True),
    "learn_lm": Variant("the same, language model and ids"),
    "learn_projection": Variant("as learn, item side through a projection", content="text_words",
                                settings={"tower": {"item_tower": "projection"}}, group=ABLATION),
    # trained on other folders (--pretrain)
    "zero_shot": _text_only("text alone, trained elsewhere, not here", scorer="zero_shot", group=TRANSFER),
    "finetuned": _text_only("the same, then trained here",
                            {"train": {"learning_rate": 1e-3, "n_epochs": 8}},
                            scorer="finetuned", group=TRANSFER),
    # towers of the paper, under its loss
    "tower_a": _all_action("all action, tower (a): causal over the targets", "seq_to_seq"),
    "tower_b": _all_action("all action, tower (b): each target alone", "seq_to_item"),
    "tower_c": _all_action("all action, tower (c): frozen text as item", "rec_to_llm"),
    "random_sampling": _all_action("tower (a), stage 2 uniform", "seq_to_seq", {"weighted": False}),
    "no_sampling": _all_action("tower (a), no stage 2", "seq_to_seq", {"n_history": 80, "n_target": 40}),
    # objective, one tower
    "next_item_shared": _ablation("next item, shared tower", tower={"item_tower": "seq_to_item"}),
    "full_softmax": _ablation("next item, whole catalogue", loss={"n_uniform": EVERYONE}),
    "in_batch": _ablation("in-batch negatives, corrected logQ", loss={"n_uniform": 0, "in_batch": True}),
    "in_batch_standard": _ablation(
        "the same, standard logQ", loss={"n_uniform": 0, "in_batch": True, "corrects_positive": True}
    ),
    "mixed": _ablation("in-batch and uniform negatives", loss={"in_batch": True}),
    "full_logq": _ablation("uniform negatives, logQ in full", loss={"logq_strength": 1.0}),
    # what is read
    "random_input": replace(_ablation("random vectors instead of text"), content="random"),
    "words_input": replace(_ablation("words instead of the language model"), content="words"),
    "mlp": _ablation("MLP adaptor", tower={"adaptor": "mlp"}),
    "no_whitening": _ablation("frozen vectors as they are", tower={"whitening": "none"}),
    "centred": _ablation("centred only", tower={"whitening": "center"}),
    "half_whitening": _ablation("whitened by half", tower={"whitening_strength": 0.5}),
    "one_layer": _ablation("1 layer", tower={"n_layers": 1}),
    "four_layers": _ablation("4 layers", tower={"n_layers": 4}),
    "learn_d32": Variant("as learn, 32 exported components", content="text_words",
                         settings={"tower": {"dimension": 32}}, group=ABLATION),
    "learn_d128": Variant("as learn, 128 exported components", content="text_words",
                          settings={"tower": {"dimension": 128}}, group=ABLATION),
}  # fmt: skip


def chosen(
    only: list[str] | None,
    *,
    is_quick: bool = False,
    with_ablation: bool = False,
    with_transfer: bool = False,
) -> dict[str, Variant]:
    """Choose the variants to run, in the table's order.

    Args:
        only: names; None or none: the groups that are asked for.
        is_quick: of the main group, those that say most.
        with_ablation: the grid of choices as well.
        with_transfer: what starts from towers of other folders as well.

    Raises:
        ValueError: a name that is none of them.
    """
    if only:
        unknown = [name for name in only if name not in VARIANTS]
        if unknown:
            raise ValueError(
                f"--only: expected names among {', '.join(VARIANTS)}; got {unknown[0]!r}. "
                "Remedy: `learn-recall compare-models --names` tells what they are"
            )
        return {name: VARIANTS[name] for name in VARIANTS if name in only}
    groups = {MAIN} | ({ABLATION} if with_ablation else set()) | ({TRANSFER} if with_transfer else set())
    return {
        name: variant
        for name, variant in VARIANTS.items()
        if variant.group in groups and (variant.is_quick or not is_quick)
    }


__all__ = ["READS_WORDS", "RECIPE", "TRAINED", "VARIANTS", "Variant", "chosen"]
