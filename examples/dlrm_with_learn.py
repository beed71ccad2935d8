"""LEARN in torchrec's own DLRM, which stays as it is: clicks and conversions, with and without the plugin.

Run: python examples/dlrm_with_learn.py [FOLDER]
"""

import sys
from pathlib import Path

from marketplace_slice import BUDGET, folder_from, marketplace_slice, print_clicks
from torchrec import EmbeddingBagCollection
from torchrec.models.dlrm import DLRM

from learn_rank import EncodedDataset, HostRanker, LearnFeatureFusion, compare_rankers, embedding_tables


def dlrm(data: EncodedDataset) -> DLRM:
    """The model as a team has it, with two outputs: click, and conversion given a click.

    It knows its user's history: the mean of those items' embeddings is a feature beside the item's own.
    """
    return DLRM(
        EmbeddingBagCollection(embedding_tables(data.n_codes, 16, has_item_history=True)),
        dense_in_features=data.n_dense,
        dense_arch_layer_sizes=[64, 16],
        over_arch_layer_sizes=[64, 2],
    )


def main(folder: Path) -> None:
    """The same DLRM without and with the plugin, on the same rows."""
    dataset, users, items = marketplace_slice(folder)

    def baseline(data: EncodedDataset) -> HostRanker:
        return HostRanker(dlrm(data))

    def learn(data: EncodedDataset) -> HostRanker:
        return HostRanker(dlrm(data), LearnFeatureFusion(users, items), n_dense=data.n_dense)

    rankers = {"baseline": baseline, "learn": learn}
    print_clicks(compare_rankers(dataset, rankers, folder / "dlrm", **BUDGET), "DLRM")


if __name__ == "__main__":
    main(folder_from(sys.argv))
