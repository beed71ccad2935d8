"""A generated marketplace with known truth: real-language products, and clicks that follow the meaning."""

from learn_rank.datasets.marketplace.config import (
    MarketplaceConfig,
)
from learn_rank.datasets.marketplace.generate import (
    Marketplace,
    generate_marketplace,
)
from learn_rank.datasets.marketplace.read import (
    read_marketplace,
)

__all__ = [
    "Marketplace",
    "MarketplaceConfig",
    "generate_marketplace",
    "read_marketplace",
]
