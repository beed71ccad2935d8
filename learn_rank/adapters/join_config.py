"""The choices of `join_vectors`."""

from __future__ import annotations

from dataclasses import dataclass

from learn_recall.columns import ITEM_ID, TIMESTAMP, USER_ID

LAYOUTS = ("columns", "torcheasyrec", "torcheasyrec_text")


@dataclass(frozen=True)
class JoinConfig:
    """Which columns are read, and what is added.

    Attributes:
        user_column: ids of the user store: users, or the contexts that its vectors were made for.
        item_column: ids of the item store.
        history_column: lists of the user's recent item ids at the time of the row, oldest first; None leaves
            out the similarities to them and keeps the cosines of user and item.
        converted_column: lists of true or false beside the history: the user converted on that item. Those
            items are compared apart as well; None = not known.
        timestamp_column: unix seconds, or a timestamp type (without a zone it is read as UTC); no row may be
            older than the newest event that a vector has seen. None where the rows have no time, or where
            they are the very rows that the towers learned from: then nothing is checked.
        allows_unknown_time: accept stores that do not say what they have seen.
        history_length: at most that many of the most recent history items are compared.
        prefix: of the names of all new columns.
        layout: "columns", plain columns for any framework; "torcheasyrec", lists for its RawFeature;
            "torcheasyrec_text", the same as delimited text for csv and MaxCompute.
        dtype: "float32", or "float16" in the layout "columns".
        has_vectors: False leaves the vectors out and keeps presence and similarities.
        scales_vectors: multiply the vectors by the square root of their dimension, so that components are of
            order 1, as `LearnFeatureFusion` does; without it Adam hardly uses them.
        rows_at_once: rows that are in memory at once, and rows of a row group that is written.
    """

    user_column: str = USER_ID
    item_column: str = ITEM_ID
    history_column: str | None = None
    converted_column: str | None = None
    timestamp_column: str | None = TIMESTAMP
    allows_unknown_time: bool = False
    history_length: int = 80
    prefix: str = "learn_"
    layout: str = "columns"
    dtype: str = "float32"
    has_vectors: bool = True
    scales_vectors: bool = True
    rows_at_once: int = 8192

    def __post_init__(self) -> None:
        if self.converted_column is not None and self.history_column is None:
            raise ValueError(
                f"converted_column: expected a history_column, got none beside {self.converted_column!r}. "
                "Remedy: name the column of the history that it stands beside."
            )
        for name in ("history_length", "rows_at_once"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name}: expected at least 1, got {getattr(self, name)}. Remedy: choose one."
                )
        if self.layout not in LAYOUTS:
            raise ValueError(
                f"layout: expected one of {', '.join(LAYOUTS)}, got {self.layout!r}. Remedy: choose one."
            )
        dtypes = ("float32", "float16") if self.layout == "columns" else ("float32",)
        if self.dtype not in dtypes:
            raise ValueError(
                f"dtype: expected one of {', '.join(dtypes)} in the layout {self.layout!r}, "
                f"got {self.dtype!r}."
            )

    @property
    def columns(self) -> list[str]:
        """Those that are read from the rows to look vectors up."""
        return [
            column
            for column in (self.user_column, self.item_column, self.history_column, self.converted_column)
            if column is not None
        ]


__all__ = ["LAYOUTS", "JoinConfig"]
