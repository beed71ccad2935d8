"""The frozen text's own blocks of an exported vector: one for each block of the content store.

A content store has one block, the language model's, or two, the words' besides. Each keeps a block of its
own in what is exported, so that a ranker compares and reads meaning and words apart. n vectors, C content
coordinates, K exported ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from learn_recall.store.card import Block
from learn_recall.towers.whitening import Whitening
from learn_recall.train.sequences import offsets_of


class TextBlocks:
    """Content vectors to the frozen blocks r(x) that stand behind the tower's.

    Definition: the first ``dimension`` principal coordinates of every block, whitened as in the towers and
    L2-normalised; a block that is narrower is taken whole. A block of zeros, of a text without a known word
    say, stays zeros.

    Args:
        whitening: of the towers, fitted on the whole content vector.
        blocks: of the content store's card, together the whole vector.
        dimension: width of each, 0 for none.

    Attributes:
        names: of the blocks; widths: theirs; dimension: K, their sum.

    Raises:
        ValueError: a dimension beyond the widest block.
    """

    def __init__(self, whitening: Whitening, blocks: Sequence[Block], dimension: int):
        widest = max(block.stop - block.start for block in blocks)
        if not 0 <= dimension <= widest:
            raise ValueError(
                f"content_dimension: expected 0..{widest} (the width of the content's widest block); got "
                f"{dimension}"
            )
        used = blocks if dimension else ()
        self._parts = [
            (slice(block.start, block.stop), whitening.of_part(block.start, block.stop)) for block in used
        ]
        self.names = tuple(block.name for block in used)
        self.widths = tuple(min(dimension, block.stop - block.start) for block in used)
        self.dimension = sum(self.widths)

    def after(self, start: int) -> tuple[Block, ...]:
        """The blocks as they lie in a vector behind its first ``start`` coordinates."""
        blocks = []
        for name, width in zip(self.names, self.widths, strict=True):
            blocks.append(Block(name, start, start + width))
            start += width
        return tuple(blocks)

    def __call__(self, content_NC: Tensor) -> Tensor:
        """(n, C) -> (n, K)."""
        reduced = [content_NC[:, :0].to(torch.float32)]
        for width, (part, whitening) in zip(self.widths, self._parts, strict=True):
            own = content_NC[:, part]
            has_text = own.ne(0).any(dim=-1, keepdim=True)
            reduced.append(functional.normalize(whitening.reduce(own, width), dim=-1) * has_text)
        return torch.cat(reduced, dim=-1)

    @torch.inference_mode()
    def mean_over(self, history: np.ndarray, text_NK: Tensor) -> Tensor:
        """(n, L) rows of `text_NK`, negative = none -> (n, K): the mean of these, its blocks of length 1.

        Zeros for an empty history.
        """
        if not self.dimension:
            return torch.zeros(len(history), 0, device=text_NK.device)
        index = torch.from_numpy(history[history >= 0]).to(text_NK.device)
        offsets = torch.from_numpy(offsets_of((history >= 0).sum(axis=1))[:-1]).to(text_NK.device)
        return self.normalized(functional.embedding_bag(index, text_NK, offsets, mode="sum"))

    def normalized(self, vector_NK: Tensor) -> Tensor:
        """(n, K) -> (n, K) with every block of length 1, or 0 where it is zeros."""
        return torch.cat(
            [functional.normalize(part, dim=-1) for part in vector_NK.split(self.widths, dim=-1)], dim=-1
        )
