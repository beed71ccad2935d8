"""The tables that `learn-rank run` is given: a known set, or a team's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learn_rank.commands.choices import DATASETS

if TYPE_CHECKING:
    from learn_rank.data.dataset import RankingDataset

AB_DAYS = 9  # of the generated marketplace, on which the trained arms are played against each other


def tables_of_run(
    dataset: str | None, data: Path | None, own: dict[str, Path | None], options: dict[str, Any]
) -> tuple[Callable, dict[str, object], dict[str, str]]:
    """How to make the tables, what names them, and the hashes of files that it does not name."""
    if dataset is not None:
        return _known_source(dataset, data)
    missing = [f"--{name}" for name, path in own.items() if path is None and name != "contexts"]
    if missing:
        raise ValueError(
            f"{', '.join(missing)}: expected either --dataset ({', '.join(DATASETS)}) or all of --items, "
            "--interactions, --train, --valid and --test, got neither. "
            "Remedy: docs/tables.md shows what they hold."
        )
    from learn_rank.datasets.own import read_own_tables
    from learn_recall.files.whole_files import sha256_of_file

    given = {name: path for name, path in own.items() if path is not None}
    absent = [str(path) for path in given.values() if not path.exists()]
    if absent:
        raise FileNotFoundError(
            f"{', '.join(absent)}: expected a table, found no such file. Remedy: correct the path."
        )
    files = {
        name: [sha256_of_file(part) for part in ([path] if path.is_file() else sorted(path.iterdir()))]
        for name, path in given.items()
    }

    def make() -> RankingDataset:
        return read_own_tables(
            items=given["items"],
            interactions=given["interactions"],
            train=given["train"],
            valid=given["valid"],
            test=given["test"],
            contexts=given.get("contexts"),
            **options,
        )

    return make, {"files": files, **options}, {}


def _known_source(dataset: str, data: Path | None) -> tuple[Callable, dict[str, object], dict[str, str]]:
    if dataset not in DATASETS:
        raise ValueError(
            f"--dataset: expected one of {', '.join(DATASETS)}, got {dataset!r}. "
            "Remedy: choose one, or give your own tables."
        )
    source: dict[str, object] = {"dataset": dataset, "protocol": 2}
    if dataset == "marketplace":
        from learn_rank.datasets.marketplace.config import MarketplaceConfig
        from learn_rank.datasets.marketplace.read import read_marketplace

        market = MarketplaceConfig(ab_days=AB_DAYS)
        return lambda: read_marketplace(market), {**source, "ab_days": AB_DAYS}, {}
    if data is None or not data.is_dir():
        raise ValueError(
            f"--data: expected the folder with the files of {dataset!r}, got "
            f"{'none' if data is None else f'{data}, which is none'}. Remedy: name it."
        )
    from learn_rank.datasets.known import READERS
    from learn_recall.files.whole_files import sha256_of_file

    inputs = {path.name: sha256_of_file(path) for path in sorted(data.iterdir()) if path.is_file()}
    return lambda: READERS[dataset](data), source, inputs


__all__ = ["AB_DAYS", "tables_of_run"]
