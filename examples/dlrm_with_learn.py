"""LEARN in torchrec's own DLRM: its dense input is wider by the plugin's features, and that is all.

Run: python examples/dlrm_with_learn.py [FOLDER]
"""

import sys
from pathlib import Path

from marketplace_slice import folder_from, marketplace_slice
from rich.console import Console
from torchrec import EmbeddingBagCollection
from torchrec.models.dlrm import DLRM

from learn_rank import HostRanker, LearnFeatureFusion, RankTrainConfig, compare_rankers, embedding_tables


def dlrm(n_codes: dict[str, int], n_dense: int) -> DLRM:
    """The model as a team has it, with two outputs: click, and conversion given a click."""
    return DLRM(
        EmbeddingBagCollection(embedding_tables(n_codes, 16)),
        dense_in_features=n_dense,
        dense_arch_layer_sizes=[64, 16],
        over_arch_layer_sizes=[64, 2],
    )


def main(folder: Path) -> None:
    """The same DLRM without and with the plugin on the same rows."""
    dataset, users, items = marketplace_slice(folder)

    def baseline(data):
        return HostRanker(dlrm(data.n_codes, data.n_dense))

    def learn(data):
        fusion = LearnFeatureFusion(users, items)
        return HostRanker(dlrm(data.n_codes, data.n_dense + fusion.output_dim), fusion)

    compare_rankers(
        dataset,
        {"baseline": baseline, "learn": learn},
        folder / "dlrm",
        seeds=[0],
        training=RankTrainConfig(n_epochs=2),
        console=Console(),
    )


if __name__ == "__main__":
    main(folder_from(sys.argv))
