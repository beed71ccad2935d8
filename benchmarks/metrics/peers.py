"""Grouped AUC as other libraries compute it, to be timed and checked side by side on the same arrays.

Of a peer only the file that holds the metric is loaded, so nothing else of it has to be installed.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

GroupedAUC = Callable[[np.ndarray, np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class Peer:
    """One library's grouped AUC.

    Attributes:
        name: the library and its function.
        version: as installed; of a checkout, as its source says.
        weighting: "users" for a plain mean over users, "rows" for one weighted by rows.
        max_users: users it is timed with at most, since a quadratic one would not end; None: all.
        compute: (labels, scores, users) -> value; None where it is not at hand.
        missing: then, how to get it.
    """

    name: str
    version: str
    weighting: str
    max_users: int | None
    compute: GroupedAUC | None
    missing: str = ""


def find_peers(torcheasyrec: Path | None = None) -> list[Peer]:
    """All peers, those that are not installed with a word on how to get them.

    Args:
        torcheasyrec: a checkout of TorchEasyRec, which is in no package index; None: an installed `tzrec`.
    """
    return [
        _fuxictr(),
        _torcheasyrec(torcheasyrec),
        _rechub(),
        _torchrec_grouped(),
        _torchrec_gauc(),
        _scikit_learn(),
    ]


def _fuxictr() -> Peer:
    name, how = "FuxiCTR avgAUC", "pip install --no-deps -r requirements/peers.txt"
    folder = _package_folder("fuxictr")
    if folder is None or importlib.util.find_spec("polars") is None:
        return Peer(name, "-", "users", None, None, how)
    module = _load("fuxictr_metrics", folder / "metrics.py")

    def compute(labels: np.ndarray, scores: np.ndarray, users: np.ndarray) -> float:
        with warnings.catch_warnings():  # it forks a pool in a process that has threads
            warnings.simplefilter("ignore", DeprecationWarning)
            found = module.evaluate_metrics(labels, scores, ["avgAUC"], users)
        return float(found["avgAUC"])

    return Peer(name, _version("fuxictr"), "users", None, compute)


def _torcheasyrec(checkout: Path | None) -> Peer:
    name = "TorchEasyRec GroupedAUC"
    how = "git clone https://github.com/alibaba/TorchEasyRec, then --torcheasyrec FOLDER"
    folder = _package_folder("tzrec") if checkout is None else checkout / "tzrec"
    if folder is None or not (folder / "metrics" / "grouped_auc.py").is_file():
        return Peer(name, "-", "users", None, None, how)
    import torch

    module = _load("tzrec_grouped_auc", folder / "metrics" / "grouped_auc.py")
    said = re.search(r'__version__ = "([^"]+)"', (folder / "version.py").read_text(encoding="utf-8"))

    def compute(labels: np.ndarray, scores: np.ndarray, users: np.ndarray) -> float:
        metric = module.GroupedAUC()
        metric.update(torch.from_numpy(scores), torch.from_numpy(labels), torch.from_numpy(users))
        return float(metric.compute())

    return Peer(name, said[1] if said else "?", "users", None, compute)


def _rechub() -> Peer:
    name, how = "torch-rechub gauc_score", "pip install --no-deps -r requirements/peers.txt"
    folder = _package_folder("torch_rechub")
    if folder is None:
        return Peer(name, "-", "rows", None, None, how)
    module = _load("rechub_metric", folder / "basic" / "metric.py")

    def compute(labels: np.ndarray, scores: np.ndarray, users: np.ndarray) -> float:
        with warnings.catch_warnings():  # scikit-learn warns once for every one-class user
            warnings.simplefilter("ignore")
            return float(module.gauc_score(labels, scores, users))

    return Peer(name, _version("torch-rechub"), "rows", None, compute)


def _torchrec_grouped() -> Peer:
    name = "torchrec AUC(grouped_auc)"
    if importlib.util.find_spec("torchrec") is None:
        return Peer(name, "-", "users", 4_000, None, "pip install torchrec")
    import torch
    from torchrec.metrics.auc import compute_auc_per_group

    def compute(labels: np.ndarray, scores: np.ndarray, users: np.ndarray) -> float:
        label, score = torch.from_numpy(labels).float()[None], torch.from_numpy(scores)[None]
        ones = torch.ones_like(label)
        return float(compute_auc_per_group(1, [score], [label], [ones], torch.from_numpy(users)))

    return Peer(name, _version("torchrec"), "users", 4_000, compute)


def _torchrec_gauc() -> Peer:
    name = "torchrec GAUCMetric"
    if importlib.util.find_spec("torchrec") is None:
        return Peer(name, "-", "users", None, None, "pip install torchrec")
    import torch
    from torchrec.metrics.gauc import get_auc_states

    def compute(labels: np.ndarray, scores: np.ndarray, users: np.ndarray) -> float:
        order = np.argsort(users, kind="stable")  # it wants every user whole, one after the other
        label, score = (torch.from_numpy(column[order]).float()[None] for column in (labels, scores))
        lengths = torch.from_numpy(np.unique(users, return_counts=True)[1])
        found = get_auc_states(label, score, torch.ones_like(label), lengths)
        return float(found["auc_sum"] / found["num_samples"])

    return Peer(name, _version("torchrec"), "users", None, compute)


def _scikit_learn() -> Peer:
    from sklearn.metrics import roc_auc_score

    def compute(labels: np.ndarray, scores: np.ndarray, users: np.ndarray) -> float:
        table = pd.DataFrame({"label": labels, "score": scores, "user": users})
        found = [
            roc_auc_score(rows["label"], rows["score"])
            for _, rows in table.groupby("user", sort=False)
            if 0 < rows["label"].sum() < len(rows)
        ]
        return float(np.mean(found))

    return Peer("scikit-learn, a loop over users", _version("scikit-learn"), "users", 20_000, compute)


def _package_folder(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def _load(name: str, path: Path) -> ModuleType:
    spec: Any = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # a pool's workers find its functions there by name
    spec.loader.exec_module(module)
    return module


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "?"
