"""Named settings: `paper` (industry set), `official_amazon` (released code), `default` (minutes on two
cores), `thorough` (several times as long)."""

from __future__ import annotations

from learn_recall.towers.config import LossConfig, RecallConfig, SamplingConfig, TowerConfig, TrainConfig


def preset(name: str) -> RecallConfig:
    """Settings by name.

    ``paper``: 12 layers of BERT-base shape from scratch, D = 64, dense all-action loss, H = 80, T = 40, 10
    x 10 pairs (LEARN, AAAI 2025, industry set). It states no temperature, learning rate or whitening: 0.05
    as in the released code, 1e-4, none.
    ``official_amazon``: the released recall code's Amazon settings, finetuning (4 layers, output 4096, full
    softmax).
    ``default``: trains in minutes on two cores; docs/decisions/towers.md has the measurement behind it.
    ``thorough``: wider, more negatives, enough steps also where users are few, averaged weights; three to
    ten times the time of ``default``. What docs/recall.md reports; docs/lift.md has ``default``.

    Raises:
        ValueError: a name that is none of these.
    """
    presets = {
        "paper": _paper,
        "official_amazon": _official_amazon,
        "default": RecallConfig,
        "thorough": _thorough,
    }
    if name not in presets:
        raise ValueError(f"preset: expected one of {', '.join(presets)}; got {name!r}. Remedy: choose one")
    return presets[name]()


def _thorough() -> RecallConfig:
    return RecallConfig(
        tower=TowerConfig(hidden=128, position_embedding="learned"),
        loss=LossConfig(n_uniform=4096, logq_strength=0.8),
        train=TrainConfig(min_epoch_steps=80, n_epochs=16, patience=16, average_decay=0.999),
    )


def _paper() -> RecallConfig:
    return RecallConfig(
        tower=TowerConfig(
            hidden=768,
            n_layers=12,
            n_heads=12,
            position_embedding="learned",
            whitening="none",
            id_residual=False,
            max_length=80,
        ),
        loss=LossConfig(kind="dense_all_action"),
        sampling=SamplingConfig(history_length=80, target_length=40, split="window"),
        train=TrainConfig(
            batch_users=240,
            n_epochs=10,
            patience=10,
            learning_rate=1e-4,
            beta2=0.999,
            epsilon=1e-8,
            validation="last_window",
        ),
    )


def _official_amazon() -> RecallConfig:
    return RecallConfig(
        tower=TowerConfig(
            item_tower="seq_to_item",
            hidden=768,
            n_layers=4,
            n_heads=12,
            dimension=4096,
            whitening="none",
            id_residual=False,
            max_length=50,
        ),
        loss=LossConfig(kind="sampled_softmax", n_uniform=1_000_000),
        sampling=SamplingConfig(history_length=50),
        train=TrainConfig(
            batch_users=1024,
            n_epochs=200,
            patience=20,
            learning_rate=2e-5,
            weight_decay=0.0,
            warmup_epochs=1.0,
            gradient_clip=0.0,
            max_validation_users=1_000_000,
        ),
    )
