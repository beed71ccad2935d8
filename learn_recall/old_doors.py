"""Old module names go on opening: importing one warns, says where its contents lie now, and hands them over.

The table of learn_recall stands here, that of learn_rank in `learn_rank.old_doors`. All of it goes with 0.2.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

GONE_WITH = "0.2"

MOVED = {
    "learn_recall.add_items": "learn_recall.export.new_items",
    "learn_recall.checkpoint": "learn_recall.towers.checkpoint",
    "learn_recall.config": "learn_recall.towers.config",
    "learn_recall.contrast": "learn_recall.towers.contrastive_core",
    "learn_recall.ids": "learn_recall.store.ids",
    "learn_recall.item_towers": "learn_recall.towers.double_tower learn_recall.towers.item_towers",
    "learn_recall.loss": "learn_recall.towers.loss",
    "learn_recall.pal": "learn_recall.towers.pal",
    "learn_recall.presets": "learn_recall.towers.presets",
    "learn_recall.prompt": "learn_recall.text.prompt",
    "learn_recall.sampling": "learn_recall.train.sampling",
    "learn_recall.search_index": "learn_recall.store.search_index",
    "learn_recall.vector_files": "learn_recall.convert.vector_files",
    "learn_recall.words": "learn_recall.text.word_vectors",
}


class OldDoors(MetaPathFinder, Loader):
    """Finds a module by its old name; the last finder, asked only where no file has that name.

    Args:
        moved: old module name -> the modules that hold its contents now, with a space between.
        renamed: old module name -> {name that a definition had there: name that it has now}.
    """

    def __init__(self, moved: Mapping[str, str], renamed: Mapping[str, Mapping[str, str]]) -> None:
        self.moved = moved
        self.renamed = renamed

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of an old name; None for any other."""
        if fullname not in self.moved:
            return None
        has_children = any(name.startswith(f"{fullname}.") for name in self.moved)
        return ModuleSpec(fullname, self, is_package=has_children)

    def exec_module(self, module: ModuleType) -> None:
        """Fill the old module with what its successors hold."""
        old = module.__name__
        homes = self.moved[old].split()
        warnings.warn(
            f"{old} has moved to {' and '.join(homes)}; the old name goes with version {GONE_WITH}. "
            f"Remedy: import from {' or '.join(homes)}",
            DeprecationWarning,
            stacklevel=2,
        )
        for home in map(import_module, homes):
            names = {name: value for name, value in vars(home).items() if not name.startswith("__")}
            module.__dict__.update(names)
        for before, now in self.renamed.get(old, {}).items():
            module.__dict__[before] = module.__dict__[now]


def open_old_doors(moved: Mapping[str, str], renamed: Mapping[str, Mapping[str, str]] | None = None) -> None:
    """Make old names importable, as `OldDoors` does."""
    sys.meta_path.append(OldDoors(moved, renamed or {}))
