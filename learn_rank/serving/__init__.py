"""A trained ranker leaves training: plain tensors in, scores out, its frozen vectors in files beside it.

export_ranker   ranker -> folder: program.pt2, one file a frozen table, manifest.json
load_exported   folder -> `ExportedRanker`, the same scores
swap_vectors    newer vectors of the same tower into an export, the program stays
"""

from __future__ import annotations

from learn_rank.serving.export import export_ranker
from learn_rank.serving.exported import ExportedRanker, load_exported
from learn_rank.serving.manifest import ExportError
from learn_rank.serving.swap import VectorSource, swap_vectors

__all__ = [
    "ExportError",
    "ExportedRanker",
    "VectorSource",
    "export_ranker",
    "load_exported",
    "swap_vectors",
]
