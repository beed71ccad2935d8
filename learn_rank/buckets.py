"""Window: the buckets of users and items, which lie in `learn_rank.metrics.buckets`."""

from learn_rank.metrics.buckets import (
    BUCKETS,
    COLD_START,
    ITEM_RULE,
    LONG_TAIL,
    OTHER,
    USER_RULE,
    BucketRule,
    TrainingCounts,
    assign_buckets,
    bucket_codes,
    bucketed,
    training_counts,
)

__all__ = [
    "BUCKETS",
    "COLD_START",
    "ITEM_RULE",
    "LONG_TAIL",
    "OTHER",
    "USER_RULE",
    "BucketRule",
    "TrainingCounts",
    "assign_buckets",
    "bucket_codes",
    "bucketed",
    "training_counts",
]
