"""Judging parquet files that are larger than memory, with the digits that memory would give."""

from learn_rank.data.parquet_rows import ParquetRows, is_parquet
from learn_rank.evaluation.beyond_memory.layout import Bucketing, Layout, MemoryLimits
from learn_rank.evaluation.beyond_memory.partitions import Partitions, partitioned
from learn_rank.evaluation.beyond_memory.survey import ScoreColumn, check_present, label_values

__all__ = [
    "Bucketing",
    "Layout",
    "MemoryLimits",
    "ParquetRows",
    "Partitions",
    "ScoreColumn",
    "check_present",
    "is_parquet",
    "label_values",
    "partitioned",
]
