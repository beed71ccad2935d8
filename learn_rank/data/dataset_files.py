"""A `RankingDataset` as a folder of parquet files, so that every later stage starts from the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from learn_rank.data.dataset import RankingDataset
from learn_recall.files.whole_files import atomic_path, read_json, sha256_of_file, write_json

_FRAMES = ("items", "interactions", "train", "valid", "test", "contexts")
_ABOUT = "dataset.json"


def write_dataset(dataset: RankingDataset, folder: Path) -> None:
    """Write the six tables and what is known about them; the whole folder appears at once."""
    with atomic_path(folder, folder=True) as temporary:
        for name in _FRAMES:
            getattr(dataset, name).to_parquet(temporary / f"{name}.parquet", index=False)
        about = {
            "name": dataset.name,
            "dense": list(dataset.dense),
            "categorical": list(dataset.categorical),
            "is_sampled": dataset.is_sampled,
            "protocol": dict(dataset.protocol),
            "files": {name: sha256_of_file(temporary / f"{name}.parquet") for name in _FRAMES},
        }
        write_json(temporary / _ABOUT, about)


def read_dataset(folder: str | Path) -> RankingDataset:
    """Read back what `write_dataset` wrote.

    Raises:
        FileNotFoundError: not a folder of tables; says which command makes one.
    """
    folder = Path(folder)
    about = _about(folder)
    return RankingDataset(
        name=about["name"],
        dense=tuple(about["dense"]),
        categorical=tuple(about["categorical"]),
        is_sampled=about["is_sampled"],
        protocol=about["protocol"],
        **{name: pd.read_parquet(folder / f"{name}.parquet") for name in _FRAMES},
    )


def dataset_fingerprint(folder: Path) -> dict[str, str]:
    """sha256 of each table, for deciding whether a later stage is still valid.

    Raises:
        FileNotFoundError: not a folder of tables.
        ValueError: a table is not the one that was written.
    """
    written = dict(_about(folder)["files"])
    for name, expected in written.items():
        path = folder / f"{name}.parquet"
        if not path.is_file() or sha256_of_file(path) != expected:
            raise ValueError(
                f"{path}: expected the table that the run wrote (sha256 {expected[:12]}..), got "
                f"{'another' if path.is_file() else 'none'}. Remedy: remove {folder}: the run's own command "
                "makes the tables again, from what it is given"
            )
    return written


def _about(folder: Path) -> dict[str, Any]:
    if not (folder / _ABOUT).is_file():
        raise FileNotFoundError(
            f"{folder}: expected the tables of a run ({_ABOUT} and parquet files), found none. "
            "Remedy: make them with `learn-rank run`."
        )
    return read_json(folder / _ABOUT)
