"""LEARN inside torchrec's own DLRM: subclass, concatenate, add the auxiliary loss.

Run: python examples/dlrm_with_learn.py
"""

import torch
from torch import nn
from torch.nn import functional
from torchrec import EmbeddingBagCollection, EmbeddingBagConfig, KeyedJaggedTensor
from torchrec.models.dlrm import DLRM

from learn_rank import FrozenEmbedding, LearnFeatureFusion


class DeepHeadFusion(LearnFeatureFusion):
    """The plugin with an auxiliary CVR head of two layers instead of one."""

    def __init__(self, user_vectors, item_vectors):
        super().__init__(user_vectors, item_vectors)
        self.auxiliary_head = nn.Sequential(
            nn.Linear(self.config.fusion_dim, 16), nn.ReLU(), nn.Linear(16, 1)
        )


class DLRMWithLearn(DLRM):
    """DLRM whose dense input is joined by the plugin's features; everything else is torchrec's."""

    def __init__(self, fusion, embeddings, n_dense, **layers):
        super().__init__(embeddings, dense_in_features=n_dense + fusion.output_dim, **layers)
        self.fusion = fusion

    def forward(self, dense, sparse):
        """(B, n_dense) and the rows' ids -> (B,) logit and what the plugin gave."""
        fused = self.fusion(sparse)
        return super().forward(torch.cat([dense, fused.features], dim=1), sparse)[:, 0], fused


def main() -> None:
    """Train a few steps on made-up rows, to show that it runs."""
    torch.manual_seed(0)
    n_users, n_items, n_rows = 50, 40, 256
    users = FrozenEmbedding(torch.arange(n_users), functional.normalize(torch.randn(n_users, 64), dim=1))
    items = FrozenEmbedding(torch.arange(n_items), functional.normalize(torch.randn(n_items, 64), dim=1))
    embeddings = EmbeddingBagCollection(
        [
            EmbeddingBagConfig(
                name="t_item", embedding_dim=16, num_embeddings=n_items, feature_names=["item_id"]
            )
        ]
    )
    fusion = DeepHeadFusion(users, items)
    model = DLRMWithLearn(
        fusion, embeddings, 3, dense_arch_layer_sizes=[64, 16], over_arch_layer_sizes=[32, 1]
    )

    user, item = torch.randint(n_users, (n_rows,)), torch.randint(n_items, (n_rows,))
    history = torch.randint(n_items, (n_rows * 4,))
    sparse = KeyedJaggedTensor(
        keys=["item_id", "learn_user", "learn_item", "learn_history"],
        values=torch.cat([item, user, item, history]),
        lengths=torch.cat([torch.ones(3 * n_rows, dtype=torch.long), torch.full((n_rows,), 4)]),
    )
    affinity = (users(user)[0] * items(item)[0]).sum(1)
    click = (affinity > 0).float()
    conversion = torch.where(click > 0, (affinity > 0.1).float(), torch.nan)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(101):
        logit, fused = model(torch.zeros(n_rows, 3), sparse)
        ranking = functional.binary_cross_entropy_with_logits(logit, click)
        loss = ranking + fusion.auxiliary_loss(fused, click, conversion)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step}: ranking loss {ranking.item():.3f}")


if __name__ == "__main__":
    main()
