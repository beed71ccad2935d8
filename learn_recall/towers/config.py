"""Settings of the double tower: one frozen dataclass per part, checked when made, saved as JSON.

Every choice that the paper leaves open is a field here; docs/decisions/towers.md says why each default is
what it is.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from learn_recall.towers.setting_checks import check_choice, check_kinds, check_within, setting_error

#: grows by `learn_recall.towers.item_towers.register_item_tower`
ITEM_TOWERS = ["seq_to_seq", "seq_to_item", "rec_to_llm", "projection"]
ADAPTORS = ("linear", "mlp")
POSITION_EMBEDDINGS = ("none", "learned")
WHITENINGS = ("none", "center", "zca")
LOSSES = ("dense_all_action", "sampled_softmax")
SPLITS = ("random", "window", "last")
VALIDATIONS = ("last_item", "last_window")


@dataclass(frozen=True)
class TowerConfig:
    """Shape of PAL and of the item tower.

    item_tower: ``seq_to_seq`` (a), ``seq_to_item`` (b), ``rec_to_llm`` (c) as in the paper; ``projection``
    is ours: the item side shares the adaptor but skips the transformer.
    hidden, n_layers, n_heads, feed_forward: the transformer; ``feed_forward=None`` is 4 x hidden.
    dimension: D of the exported tower vector (paper: 64); tower (c) exports the content's own width instead.
    max_length: longest sequence that PAL reads; only a learned position embedding has parameters for it.
    whitening, whitening_ridge: transform of the frozen vectors; the ridge is in units of their mean variance.
    whitening_strength: of zca, how far variances are made equal: 1 = fully, 0 = not at all (centring).
    id_residual: adds ``n / (n + id_shrinkage)`` x an id embedding (n = training count) to the adaptor's
    output, so that an item without training events is its text alone; id_dropout drops whole id embeddings
    in training.
    """

    item_tower: str = "seq_to_seq"
    adaptor: str = "linear"
    hidden: int = 64
    n_layers: int = 2
    n_heads: int = 2
    feed_forward: int | None = None
    dimension: int = 64
    dropout: float = 0.1
    norm_first: bool = False
    position_embedding: str = "none"
    max_length: int = 80
    whitening: str = "zca"
    whitening_ridge: float = 0.01
    whitening_strength: float = 1.0
    id_residual: bool = True
    id_shrinkage: float = 5.0
    id_dropout: float = 0.0

    def __post_init__(self) -> None:
        check_kinds(self)
        check_choice(self, "item_tower", tuple(ITEM_TOWERS))
        check_choice(self, "adaptor", ADAPTORS)
        check_choice(self, "position_embedding", POSITION_EMBEDDINGS)
        check_choice(self, "whitening", WHITENINGS)
        for name in ("hidden", "n_layers", "n_heads", "dimension", "max_length"):
            check_within(self, name, 1)
        for name in ("dropout", "id_dropout"):
            check_within(self, name, 0, 0.95)
        check_within(self, "whitening_strength", 0, 1)
        for name in ("whitening_ridge", "id_shrinkage"):
            check_within(self, name, 0)
        if self.feed_forward is not None:
            check_within(self, "feed_forward", 1)
        if self.hidden % self.n_heads:
            expected = f"a divisor of hidden = {self.hidden}"
            raise setting_error("TowerConfig.n_heads", expected, self.n_heads, "change one of the two")
        if self.id_residual and self.item_tower == "rec_to_llm":
            raise setting_error(
                "TowerConfig.id_residual",
                "False with item_tower 'rec_to_llm', whose item vector is the frozen text itself",
                True,
                "set it to false, or choose another item tower",
            )


@dataclass(frozen=True)
class LossConfig:
    """What the towers are trained on.

    kind: ``dense_all_action`` (paper) or ``sampled_softmax`` over the next item.
    temperature: cosine similarities are divided by it (official code: scale 20, which is 0.05).
    learn_temperature: let the optimizer move it, starting from ``temperature``.
    n_uniform: uniform negatives per batch of the sampled softmax; a catalogue that is not larger is used
    whole.
    in_batch: also use the batch's targets as negatives.
    corrects_positive: False = corrected logQ: the positive was not sampled and gets no correction. True =
    standard logQ: it gets that of a candidate, as in most systems.
    masks_own_items: no item of the user's sequence is a negative for him. Sampled softmax only.
    logq_strength: 1 = the softmax over the catalogue. Less raises every logit in training by
    (1 - logq_strength) x log(the item's share of events), as uncorrected in-batch negatives do in full, which
    lowers popular items in the scores. Sampled softmax only.
    """

    kind: str = "sampled_softmax"
    temperature: float = 0.05
    learn_temperature: bool = False
    n_uniform: int = 1024
    in_batch: bool = False
    corrects_positive: bool = False
    masks_own_items: bool = False
    logq_strength: float = 1.0

    def __post_init__(self) -> None:
        check_kinds(self)
        check_choice(self, "kind", LOSSES)
        check_within(self, "temperature", 0, open_low=True)
        check_within(self, "logq_strength", 0, 1)
        check_within(self, "n_uniform", 0)
        if self.kind == "sampled_softmax" and self.n_uniform == 0 and not self.in_batch:
            expected = "at least 1 when in_batch is False"
            raise setting_error("LossConfig.n_uniform", expected, 0, "give more, or set in_batch to true")


@dataclass(frozen=True)
class SamplingConfig:
    """How sequences become training pairs.

    history_length, target_length: H and T, the most that stage 1 keeps (paper: 80 and 40).
    n_history, n_target: N_h and N_t that stage 2 draws (paper: 10 and 10).
    weighted, alpha, beta: stage 2 weights ``log(alpha + i (beta - alpha) / (N - 1)) / max``; unweighted =
    uniform.
    with_replacement: draw stage 2 with replacement; without, a short sequence gives all of its items.
    split: where history ends and target begins, for the dense all-action loss: ``random`` = a cut drawn
    anew for each user and epoch; ``window`` = the last ``target_seconds`` before the newest training event
    (paper: one month of ten); ``last`` = the last ``target_length`` events, but at most half of the
    sequence.
    """

    history_length: int = 80
    target_length: int = 40
    n_history: int = 10
    n_target: int = 10
    weighted: bool = True
    alpha: float = 10.0
    beta: float = 10_000.0
    with_replacement: bool = False
    split: str = "random"
    target_seconds: float = 30 * 86_400.0

    def __post_init__(self) -> None:
        check_kinds(self)
        check_choice(self, "split", SPLITS)
        for name in ("history_length", "target_length", "n_history", "n_target"):
            check_within(self, name, 1)
        check_within(self, "alpha", 1, open_low=True)
        check_within(self, "beta", self.alpha)
        check_within(self, "target_seconds", 0, open_low=True)


@dataclass(frozen=True)
class TrainConfig:
    """Budget, optimizer and selection.

    batch_users: users per step.
    min_epoch_steps: steps that an epoch takes at least, in smaller batches where there are few users: towers
    that moved a few hundred times are not trained, however often they saw the data. 0 = no such floor.
    n_epochs, patience (epochs without a better validation score before the end).
    learning_rate, weight_decay, beta1, beta2, epsilon: AdamW; warmup_epochs, then a cosine to 0 over all
    epochs.
    id_weight_decay: AdamW decay of the id embeddings; None = ``weight_decay``.
    average_decay: the weights that are validated and exported are a running mean over steps, which keeps this
    share of itself at each step; 0 = the weights as they are.
    gradient_clip: largest gradient norm; 0 = no clipping.
    validation: ``last_item`` of each user, or every event in the ``last_window`` of ``validation_seconds``.
    max_validation_users: at most so many users (drawn by seed) give up their last event; the others train
    on it.
    selection: metric whose best epoch is exported.
    filters_history: take the user's history out of the ranking when validating, as most published tables do;
    False = leave it in, as a ranker would meet it.
    """

    batch_users: int = 256
    min_epoch_steps: int = 0
    n_epochs: int = 10
    patience: int = 3
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    id_weight_decay: float | None = None
    average_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.98
    epsilon: float = 1e-6
    warmup_epochs: float = 0.5
    gradient_clip: float = 1.0
    validation: str = "last_item"
    validation_seconds: float = 7 * 86_400.0
    max_validation_users: int = 2_000
    selection: str = "recall@10"
    filters_history: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_kinds(self)
        check_choice(self, "validation", VALIDATIONS)
        check_choice(self, "selection", ("recall@10", "ndcg@10"))
        for name in ("batch_users", "n_epochs", "patience"):
            check_within(self, name, 1)
        for name in (
            "min_epoch_steps",
            "weight_decay",
            "warmup_epochs",
            "gradient_clip",
            "max_validation_users",
            "seed",
        ):
            check_within(self, name, 0)
        for name in ("learning_rate", "epsilon", "validation_seconds"):
            check_within(self, name, 0, open_low=True)
        for name in ("beta1", "beta2"):
            check_within(self, name, 0, 0.9999999)
        check_within(self, "average_decay", 0, 0.99999)
        if self.id_weight_decay is not None:
            check_within(self, "id_weight_decay", 0)


@dataclass(frozen=True)
class RecallConfig:
    """All settings of one training run: towers, loss, sampling, training."""

    tower: TowerConfig = field(default_factory=TowerConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        longest = max(self.sampling.history_length, self.sampling.target_length)
        if longest > self.tower.max_length:
            raise setting_error(
                "TowerConfig.max_length",
                f"at least {longest}, the longest history or target of SamplingConfig",
                self.tower.max_length,
                "raise it, or shorten history_length and target_length",
            )

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The settings as nested plain dictionaries, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, dict[str, Any]]) -> RecallConfig:
        """Read back what `to_dict` gave; an unknown part or field is a ValueError that names it."""
        parts = {"tower": TowerConfig, "loss": LossConfig, "sampling": SamplingConfig, "train": TrainConfig}
        made: dict[str, Any] = {}
        if not isinstance(values, dict):
            got = type(values).__name__
            raise setting_error("config", f"the parts {', '.join(parts)}", got, "write an object of them")
        for part, fields in values.items():
            if part not in parts:
                raise setting_error("config", f"the parts {', '.join(parts)}", part, "correct the name")
            if not isinstance(fields, dict):
                got = type(fields).__name__
                raise setting_error(f"config.{part}", "an object of settings", got, "write one")
            known = {f.name for f in dataclasses.fields(parts[part])}
            unknown = sorted(set(fields) - known)
            if unknown:
                expected = f"fields among {', '.join(sorted(known))}"
                raise setting_error(f"config.{part}", expected, unknown[0], "correct the name")
            made[part] = parts[part](**fields)
        return cls(**made)
