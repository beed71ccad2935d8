"""Which columns hold ids, text or lists, and how a reader is asked to take them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from learn_recall import columns as c

IdsAs = Literal["auto", "string"]
ID_COLUMNS = (c.USER_ID, c.ITEM_ID, c.CONTEXT_ID, c.REQUEST_ID)
TEXT_COLUMNS = (c.TITLE, c.CATEGORY, c.BRAND, c.KEYWORDS, c.ATTRIBUTES)
LIST_COLUMNS = (c.KEYWORDS, c.ATTRIBUTES, c.HISTORY, c.HISTORY_CONVERTED)


@dataclass(frozen=True)
class Rules:
    """How the columns of a file are taken.

    Args:
        ids: "auto" keeps integers and text as the file has them; "string" makes every id text.
        further_ids: columns that hold ids besides `ID_COLUMNS`.
        further_texts: columns that a csv must not interpret besides `TEXT_COLUMNS`.
        has_lists: whether the names of `LIST_COLUMNS` mean lists in a csv, as in the canonical tables.
    """

    ids: IdsAs = "auto"
    further_ids: Collection[str] = ()
    further_texts: Collection[str] = ()
    has_lists: bool = True

    def is_id(self, name: str) -> bool:
        """Whether a column holds ids."""
        return name in ID_COLUMNS or name in self.further_ids

    def is_text(self, name: str) -> bool:
        """Whether a column of a csv is text whatever its cells spell."""
        return name in TEXT_COLUMNS or name in self.further_texts


__all__ = ["ID_COLUMNS", "LIST_COLUMNS", "TEXT_COLUMNS", "IdsAs", "Rules"]
