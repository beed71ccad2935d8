"""LEARN in torchrec's own DeepFM, a ranker of clicks alone; the plugin is still taught by conversions.

Run: python examples/deepfm_with_learn.py [FOLDER]
"""

import sys
from pathlib import Path

from marketplace_slice import BUDGET, folder_from, marketplace_slice, print_clicks
from torchrec import EmbeddingBagCollection
from torchrec.models.deepfm import SimpleDeepFMNN

from learn_rank import EncodedDataset, HostRanker, LearnFeatureFusion, compare_rankers, embedding_tables


def deepfm(data: EncodedDataset) -> SimpleDeepFMNN:
    """The model without its last sigmoid: the losses want logits."""
    host = SimpleDeepFMNN(
        num_dense_features=data.n_dense,
        embedding_bag_collection=EmbeddingBagCollection(
            embedding_tables(data.n_codes, 16, has_item_history=True)
        ),
        hidden_layer_size=64,
        deep_fm_dimension=16,
    )
    host.over_arch = host.over_arch.model[0]
    return host


def main(folder: Path) -> None:
    """The same DeepFM without and with the plugin, on the same rows."""
    dataset, users, items = marketplace_slice(folder)

    def learn(data: EncodedDataset) -> HostRanker:
        fusion = LearnFeatureFusion(users, items)
        return HostRanker(deepfm(data), fusion, n_dense=data.n_dense, kind="ctr")

    rankers = {"baseline": lambda data: HostRanker(deepfm(data), kind="ctr"), "learn": learn}
    print_clicks(compare_rankers(dataset, rankers, folder / "deepfm", **BUDGET), "DeepFM")


if __name__ == "__main__":
    main(folder_from(sys.argv))
