"""What several verbs share: the words of their options, the line they print, the threads they use."""

from __future__ import annotations

from rich.console import Console

CONTENT_HELP = "Folder of the content store that `encode` wrote."
TOWERS_HELP = "Folder that `train` wrote."
INTERACTIONS_HELP = (
    "user_id, item_id, and timestamp (unix seconds) or position (0 = oldest of the user); parquet, "
    "csv(.gz), jsonl(.gz)."
)


def say(text: str) -> None:
    """Print one line as it is."""
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


def set_threads(threads: int) -> None:
    """Give torch that many threads; 0 leaves it to torch."""
    if threads > 0:
        import torch

        torch.set_num_threads(threads)
