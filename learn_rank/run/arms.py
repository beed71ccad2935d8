"""The arms of a comparison: the same ranker and budget, with different vectors behind the same fusion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from learn_rank.data.encoded_rows import EncodedDataset
from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.fusion.config import FusionConfig
from learn_rank.fusion.kinds import fusion_of_kind
from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion
from learn_rank.rankers.multi_task import MultiTaskRanker, RankerConfig
from learn_recall.store import EmbeddingStore, StoreError, id_keys

WORDS = "words"
TEXT = ("content", WORDS)  # what a language model read, and the words themselves where a store has them


@dataclass(frozen=True)
class Arm:
    """One model of the comparison.

    Attributes:
        name: as printed in the report.
        blocks: names of the store's blocks that it gets, "words" where there are any; None = no fusion, the
            baseline.
        compared: those of them that are only compared, and not read by the fusion's linear layers
            (`FusionConfig.projected_blocks`): the ranker would overfit there to what was learned from clicks.
        is_shuffled: every id gets the vector of another id: equal in capacity, empty in content.
        is_random: every id gets random directions instead, block by block.
        has_history: the host reads the items of its user's history, if it does in the run at all.
    """

    name: str
    blocks: tuple[str, ...] | None
    compared: tuple[str, ...] = ()
    is_shuffled: bool = False
    is_random: bool = False
    has_history: bool = True

    def shape_of(self, host: RankerConfig) -> RankerConfig:
        """The host's shape in this arm."""
        return (
            host
            if self.has_history
            else replace(host, history="none", history_scores="ids", has_converted_history=False)
        )

    def found_in(self, store: EmbeddingStore) -> Arm:
        """The arm without the block of words where the store's text was read by a language model alone.

        Raises:
            StoreError: another block that the arm names is not in the store.
        """
        if self.blocks is None:
            return self
        known = [block.name for block in store.card.blocks]
        blocks = tuple(name for name in self.blocks if name in known or name != WORDS)
        if not set(blocks) <= set(known):
            raise StoreError(
                f"{store.path}: expected blocks {list(blocks)} for the arm {self.name!r}, got {known}; "
                "export again with a content block (--content-dimension 64)."
            )
        return replace(self, blocks=blocks)


BASELINE = Arm("baseline", None)
NO_HISTORY = Arm("no_history", None, has_history=False)
LEARN = Arm("learn", ("tower", *TEXT), compared=("tower",))
RAW_TEXT = Arm("raw_text", TEXT)
SHUFFLED = Arm("shuffled", ("tower", *TEXT), compared=("tower",), is_shuffled=True)
ARMS = (BASELINE, LEARN, RAW_TEXT, SHUFFLED, NO_HISTORY)


def make_fusion(
    arm: Arm,
    users: EmbeddingStore,
    items: EmbeddingStore,
    config: FusionConfig,
    *,
    seed: int,
    kind: str = "learn",
    host_dim: int = 0,
) -> LearnFeatureFusion | None:
    """The plugin of an arm, None for the baseline.

    Args:
        arm: which blocks, shuffled or not.
        users: store of user-context vectors; items: store of item vectors, exported together.
        config: of the fusion.
        seed: of the shuffle.
        kind: of `learn_rank.fusion.kinds.FUSIONS`.
        host_dim: width of the host's own embeddings (`MultiTaskRanker.host_dim`), for kinds that join them.

    Raises:
        StoreError: a block that the arm names is not in the store.
        ValueError: an unknown kind.
    """
    if arm.blocks is None:
        return None
    generator = np.random.default_rng(seed)
    tables = frozen_table(users, arm, generator), frozen_table(items, arm, generator)
    return fusion_of_kind(kind, *tables, config_of(arm, config, items), host_dim=host_dim)


def arm_ranker(
    arm: Arm,
    stores: tuple[EmbeddingStore, EmbeddingStore],
    data: EncodedDataset,
    shape: RankerConfig,
    fusion: FusionConfig,
    *,
    seed: int,
    kind: str,
) -> MultiTaskRanker:
    """The reference ranker of an arm, untrained.

    Args:
        arm: which vectors it gets.
        stores: of user contexts and of items.
        data: encoded rows.
        shape: of the host; fusion: of the plugin, both fitted to the tables.
        seed: of the arm; kind: of the fusion, as in `make_fusion`.
    """
    host = arm.shape_of(shape)
    width = MultiTaskRanker.host_dim(data.n_codes, host)
    plugin = make_fusion(arm, *stores, fusion, seed=seed, kind=kind, host_dim=width)
    return MultiTaskRanker(data.n_codes, data.n_dense, host, plugin)


def config_of(arm: Arm, config: FusionConfig, items: EmbeddingStore) -> FusionConfig:
    """The fusion's settings with the arm's `compared` blocks, unless they name blocks themselves."""
    arm = arm.found_in(items)
    if not arm.compared or config.projected_blocks is not None:
        return config
    numbers = (number for number, name in enumerate(arm.blocks or ()) if name not in arm.compared)
    return replace(config, projected_blocks=tuple(numbers))


def frozen_table(store: EmbeddingStore, arm: Arm, generator: np.random.Generator) -> FrozenEmbedding:
    """The arm's part of a store as a frozen table; shuffling moves vectors among the ids that have one."""
    arm = arm.found_in(store)
    by_name = {block.name: block for block in store.card.blocks}
    blocks, columns, width = [], [], 0
    for name in arm.blocks or ():
        block = by_name[name]
        columns.append(np.arange(block.start, block.stop))
        blocks.append((width, width + block.stop - block.start))
        width = blocks[-1][1]
    vectors = np.asarray(store.vectors)[:, np.concatenate(columns)]
    present = np.array(store.present)
    if arm.is_shuffled:
        rows = np.flatnonzero(present)
        vectors[rows] = vectors[generator.permutation(rows)]
    if arm.is_random:
        for start, stop in blocks:
            drawn = generator.standard_normal((len(vectors), stop - start))
            vectors[:, start:stop] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        vectors[~present] = 0
    return FrozenEmbedding(
        torch.from_numpy(np.array(id_keys(store.ids))),
        torch.from_numpy(vectors),
        torch.from_numpy(present),
        blocks=blocks,
    )
