"""The columns that a host is given of an item-item regression, alike for rows of a dataset and requests."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from learn_rank.data.ease import Ease
from learn_recall.files.whole_files import atomic_path

OWN = ("ease_sum", "ease_max", "ease_top_2", "ease_min", "ease_log", "ease_is_known")
NEAR = ("ease_near_sum", "ease_near_max", "ease_near_top_2", "ease_near_log")
EASE_FEATURES = (*OWN, *NEAR)
_EASE = ("item_ids", "place", "weights", "near_place", "near_share")


@dataclass(frozen=True)
class EaseFeatures:
    """A regression and the scale of its training rows: a request's columns, made as those of training were.

    Attributes:
        ease: fitted on all interactions.
        scale: (8,) what `Ease.features` is divided by.
        history_length: most recent items that are summed.
    """

    ease: Ease
    scale: np.ndarray
    history_length: int = 80

    def of(self, histories: Collection[Sequence[object]], items: ArrayLike) -> pd.DataFrame:
        """Columns `EASE_FEATURES` of B rows.

        Args:
            histories: of each row the user's items, oldest first; an id that is not in the catalogue says
                nothing.
            items: (B,) ids of the targets.

        Raises:
            ValueError: lengths that differ.
        """
        items = np.asarray(items)
        if len(histories) != len(items):
            raise ValueError(f"histories: expected one for each of {len(items)} items, got {len(histories)}.")
        catalogue = pd.Index(self.ease.item_ids)
        history = rows_of_histories(histories, catalogue, self.history_length)
        return self.frame(self.ease.features(history, catalogue.get_indexer(pd.Index(items))))

    def frame(self, raw: np.ndarray) -> pd.DataFrame:
        """(B, 8) of `Ease.features` as columns: scaled, and the two sums on a logarithmic scale besides."""
        scaled = raw / self.scale
        own, near = scaled[:, :5], scaled[:, 5:]
        logs = [np.sign(x[:, :1]) * np.log1p(3 * np.abs(x[:, :1])) for x in (own, near)]
        columns = np.column_stack([own[:, :4], logs[0], own[:, 4:], near, logs[1]])
        return pd.DataFrame(columns.astype(np.float32), columns=list(EASE_FEATURES))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one .npz file, to a temporary name and renamed."""
        ease = self.ease
        ids = ease.item_ids
        ids = ids if ids.dtype.kind in "iu" else ids.astype(str)
        with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                item_ids=ids,
                place=ease.place,
                weights=ease.weights,
                near_place=ease.near_place,
                near_share=ease.near_share,
                scale=self.scale,
                history_length=self.history_length,
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> EaseFeatures:
        """Read what `save` wrote.

        Raises:
            ValueError: another file, or a part of one.
        """
        try:
            with np.load(path, allow_pickle=False) as found:
                parts = dict(found)
            ease = Ease(*(parts[name] for name in _EASE))
            return cls(ease, parts["scale"], int(parts["history_length"]))
        except (KeyError, ValueError, zipfile.BadZipFile, EOFError) as error:
            raise ValueError(
                f"{path}: expected a file of EaseFeatures.save, got something else ({error}). Remedy: make "
                "it anew, with `learn-rank run --ease` or `learn_rank.data.ease_rows.cross_fitted`."
            ) from error


def rows_of_histories(
    histories: Collection[Sequence[object]], catalogue: pd.Index, length: int
) -> np.ndarray:
    """(B, length) rows of the catalogue of the most recent items, -1 = none or not in the catalogue."""
    recent = [list(items)[-length:] for items in histories]
    lengths = np.array([len(items) for items in recent], dtype=np.int64)
    history = np.full((len(recent), length), -1, dtype=np.int64)
    flat = [item for items in recent for item in items]
    if flat:
        history[np.arange(length) < lengths[:, None]] = catalogue.get_indexer(pd.Index(flat))
    return history
