"""LEARN inside a ranker that is a plain `nn.Module` and takes a dict of tensors, with a fusion of your own.

Run: python examples/plain_ranker_with_learn.py
"""

import torch
from torch import nn
from torch.nn import functional

from learn_rank import FrozenEmbedding, FusionConfig, LearnFeatureFusion
from learn_rank.adapters.plain import PlainFusion


class GatedFusion(LearnFeatureFusion):
    """A fusion of your own: override one hook, keep lookup, fallback, similarity and auxiliary loss."""

    def __init__(self, user_vectors, item_vectors, config):
        super().__init__(user_vectors, item_vectors, config)
        self.gate = nn.Linear(2 * config.projection_dim, config.fusion_dim)

    def fuse(self, user, item, evidence):
        """(B, D), (B, D), (B, S) -> (B, F), each dimension opened as far as the pair deserves."""
        pair = torch.cat([self.user_projection(user), self.item_projection(item)], dim=1)
        return torch.sigmoid(self.gate(pair)) * super().fuse(user, item, evidence)


class Ranker(nn.Module):
    """A team's own ranker: one id embedding, one layer."""

    def __init__(self, n_items, learn):
        super().__init__()
        self.item = nn.Embedding(n_items, 16)
        self.learn = learn
        self.head = nn.Sequential(nn.Linear(16 + learn.output_dim, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, batch):
        """A dict of (B,) ids -> (B,) logit and what the plugin gave."""
        fused = self.learn(batch)
        return self.head(torch.cat([self.item(batch["item_id"]), fused.features], dim=1))[:, 0], fused


def main() -> None:
    """Train a few steps on made-up rows, to show that it runs."""
    torch.manual_seed(0)
    vectors = functional.normalize(torch.randn(40, 64), dim=1)
    users, items = (
        FrozenEmbedding(torch.arange(40), vectors),
        FrozenEmbedding(torch.arange(40), vectors.flip(0)),
    )
    model = Ranker(40, PlainFusion(GatedFusion(users, items, FusionConfig(history_feature=None))))
    user, item = torch.randint(40, (256,)), torch.randint(40, (256,))
    batch = {"user_id": user, "item_id": item}
    affinity = (users(user)[0] * items(item)[0]).sum(1)
    click = (affinity > 0).float()
    conversion = torch.where(click > 0, (affinity > 0.1).float(), torch.nan)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(101):
        logit, fused = model(batch)
        ranking = functional.binary_cross_entropy_with_logits(logit, click)
        loss = ranking + model.learn.auxiliary_loss(fused, click, conversion)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step}: ranking loss {ranking.item():.3f}")


if __name__ == "__main__":
    main()
