"""What a shell completes behind the options of `learn-rank`."""

from __future__ import annotations

from learn_recall.terminal.choices import among, or_folder, some_of, variants

DATASETS = ("marketplace", "steam", "ml1m_ctr", "ebnerd", "kuairand")
_ARMS = ("baseline", "learn", "raw_text", "shuffled", "no_history")

KNOWN_SETS = among(*DATASETS)
ARM = among(*_ARMS, "auto")
SERVED_ARMS = among("auto", "baseline", "learn", "raw_text", "no_history")
ARMS = some_of(*_ARMS)
FUSIONS = among("learn", "gate", "experts", "similarity")
RANKERS = among("esmm", "shared_bottom")
LAYERS = among("shared_bottom", "mmoe", "ple")
HOSTS = among("none", "own", "near")
HISTORIES = among("none", "mean", "din", "sim")
FUSION_VARIANTS = variants("learn_rank.ablation.variants")
FROZEN_DTYPES = among("float32", "float16", "int8")
ENVIRONMENTS = or_folder("known", holds="card.json")
AUCTIONS = among("gsp", "second_price")
BILLINGS = among("cpc", "cpa")
BUDGETS = among("none", "shared", "split")
ADJUSTMENTS = among("cuped", "cupac", "none")
CORRECTIONS = among("holm", "bh")
METRICS = some_of("revenue", "CTR", "CVR", "conversions")
PRIMARIES = among("revenue", "CTR", "CVR", "conversions")
MEANINGS = among("within", "attributed")
WEIGHTS = among("impressions", "positives")
TASKS = among("cvr")
MEMORY = "memory"
ENGINES = among(MEMORY, "duckdb", "spark")
LAYOUTS = among("columns", "torcheasyrec", "torcheasyrec_text")
JOINED_DTYPES = among("float32", "float16")
USAGES = among("sum", "concat", "init")

__all__ = [
    "ADJUSTMENTS",
    "ARM",
    "ARMS",
    "AUCTIONS",
    "BILLINGS",
    "BUDGETS",
    "CORRECTIONS",
    "DATASETS",
    "ENGINES",
    "ENVIRONMENTS",
    "FROZEN_DTYPES",
    "FUSIONS",
    "FUSION_VARIANTS",
    "HISTORIES",
    "HOSTS",
    "JOINED_DTYPES",
    "KNOWN_SETS",
    "LAYERS",
    "LAYOUTS",
    "MEANINGS",
    "MEMORY",
    "METRICS",
    "PRIMARIES",
    "RANKERS",
    "SERVED_ARMS",
    "TASKS",
    "USAGES",
    "WEIGHTS",
]
