"""A fitted environment as a folder without code: a card, and the numbers that its trees grow from again.

Boosted trees of scikit-learn have no file format but pickle, which runs what it holds. So the folder holds
the matrix that the trees were fitted on, which refits need anyway, and some predictions to know them by.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import sklearn

from learn_rank.ab.fitted_environment.environment import FittedEnvironment
from learn_rank.ab.fitted_environment.features import FeatureCodes
from learn_rank.ab.fitted_environment.gate import GateRow, gate_guard, has_passed_gate
from learn_rank.ab.fitted_environment.trees import TreeData, Trees, fit_trees
from learn_recall.files.whole_files import atomic_path, read_json, write_json

__all__ = ["open_fitted_environment", "save_environment"]

_CARD, _DATA = "card.json", "data.npz"
_N_ANCHORS = 200
_TOLERANCE = 1e-9


def open_fitted_environment(folder: str | Path) -> FittedEnvironment:
    """Read a fitted environment back: refitted from its data, and compared with what it was.

    No file of the folder holds code, so a folder from elsewhere can be opened safely. Refitting takes what
    fitting took.

    Raises:
        FileNotFoundError: not such a folder.
        ValueError: its gate failed, or this version of scikit-learn fits other trees.
    """
    folder = Path(folder)
    if not (folder / _CARD).is_file():
        raise FileNotFoundError(
            f"{folder}: expected a fitted environment ({_CARD}), found none; make it with "
            "learn-rank fit-environment LOG --out FOLDER."
        )
    card = read_json(folder / _CARD)
    gate = tuple(GateRow(**row) for row in card.pop("gate"))
    if not has_passed_gate(gate):
        raise ValueError(
            f"{folder}: expected an environment whose gate is passed, got: {gate_guard(gate).words} Remedy: "
            f"more data or better features; {folder / _CARD} has every bucket."
        )
    saved = card.pop("features")
    codes = FeatureCodes(
        tuple(saved["names"]), {name: tuple(values) for name, values in saved["categories"].items()}
    )
    with np.load(folder / _DATA, allow_pickle=False) as arrays:
        data = TreeData.from_arrays(arrays, codes)
        hashes, anchors = arrays["hashes"], arrays["anchors"]
    trees = fit_trees(data, 0)
    now = _anchors(trees, data)
    if np.abs(now - anchors).max() > _TOLERANCE:
        apart = np.abs(now - anchors).max()
        raise ValueError(
            f"{folder}: expected the trees that were saved (scikit-learn {card['scikit_learn']}), got others "
            f"with {sklearn.__version__}, up to {apart:.2g} apart. Remedy: fit it again."
        )
    return FittedEnvironment(codes, trees, data, gate, card, hashes)


def save_environment(environment: FittedEnvironment, out: str | Path) -> None:
    """Write the folder that `open_fitted_environment` reads."""
    with atomic_path(out, folder=True) as temporary:
        arrays: dict[str, Any] = {
            "hashes": environment.hashes,
            "anchors": _anchors(environment.trees, environment.data),
            **environment.data.arrays(),
        }
        np.savez_compressed(temporary / _DATA, **arrays)
        codes = environment.codes
        write_json(
            temporary / _CARD,
            {
                **environment.card,
                "features": {"names": codes.names, "categories": dict(codes.categories)},
                "gate": [asdict(row) for row in environment.gate],
            },
        )


def _anchors(trees: Trees, data: TreeData) -> np.ndarray:
    some = data.features[:_N_ANCHORS]
    return np.stack([trees.click(some), trees.conversion(some)])
