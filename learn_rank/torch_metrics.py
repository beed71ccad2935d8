"""Window: AUC, UAUC and WUAUC as objects of torchmetrics, which lie in `learn_rank.metrics.streaming`."""

from learn_rank.metrics.streaming.torchmetrics_auc import StreamedAUC

__all__ = ["StreamedAUC"]
