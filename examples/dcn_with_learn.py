"""LEARN in torchrec's own DCN: cross layers over embeddings and dense features; the plugin joins the latter.

Run: python examples/dcn_with_learn.py [FOLDER]
"""

import sys
from pathlib import Path

from marketplace_slice import BUDGET, folder_from, marketplace_slice, print_clicks
from torchrec import EmbeddingBagCollection
from torchrec.models.dlrm import DLRM_DCN

from learn_rank import EncodedDataset, HostRanker, LearnFeatureFusion, compare_rankers, embedding_tables


def dcn(data: EncodedDataset, n_more: int = 0) -> DLRM_DCN:
    """The model, drawn anew for a wider input: the way without `n_dense`, for a host not yet trained."""
    return DLRM_DCN(
        EmbeddingBagCollection(embedding_tables(data.n_codes, 16, has_item_history=True)),
        dense_in_features=data.n_dense + n_more,
        dense_arch_layer_sizes=[64, 16],
        over_arch_layer_sizes=[64, 2],
        dcn_num_layers=2,
        dcn_low_rank_dim=16,
    )


def main(folder: Path) -> None:
    """The same DCN without and with the plugin, on the same rows."""
    dataset, users, items = marketplace_slice(folder)

    def learn(data: EncodedDataset) -> HostRanker:
        fusion = LearnFeatureFusion(users, items)
        return HostRanker(dcn(data, n_more=fusion.output_dim), fusion)

    rankers = {"baseline": lambda data: HostRanker(dcn(data)), "learn": learn}
    print_clicks(compare_rankers(dataset, rankers, folder / "dcn", **BUDGET), "DCN")


if __name__ == "__main__":
    main(folder_from(sys.argv))
