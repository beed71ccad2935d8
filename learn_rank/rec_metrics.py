"""Window: UAUC and WUAUC as metrics of torchrec, which lie in `learn_rank.metrics.streaming`."""

from learn_rank.metrics.streaming.torchrec_auc import (
    WINDOW_ROWS,
    UserAUCMetric,
    UserAUCMetricComputation,
    UserAUCName,
)

__all__ = ["WINDOW_ROWS", "UserAUCMetric", "UserAUCMetricComputation", "UserAUCName"]
