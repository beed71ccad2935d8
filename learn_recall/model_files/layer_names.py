"""Names of a model's layers: "last", "12", "9..12".

Layer 0 is what goes into the first block, layer N what the N-th block gives, as `hidden_states` of
transformers
counts them; "last" is the last block's output after the model's final norm. Layers below it carry no final
norm.
"""

import re
from dataclasses import dataclass

from learn_recall.errors import EncoderError

LAST = "last"
LAYER = re.compile(rf"{LAST}|\d+|\d+\.\.\d+")
MIDDLE = 0.4  # of the blocks: measured with one decoder of 30 on one data set (docs/encoders.md)
FEWEST_FOR_MIDDLE = 12  # blocks; nothing was measured of models with fewer


@dataclass(frozen=True)
class Layers:
    """The layers that are read; their mean is the state of a token.

    Args:
        first, last: both are read, 0 <= first <= last.
        n_blocks: of the whole model.

    Example:
        >>> Layers.of("9..12", 30), str(Layers.of("30", 30)), list(Layers.of("0..1", 2).numbers)
        (Layers(first=9, last=12, n_blocks=30), 'last', [0, 1])
    """

    first: int
    last: int
    n_blocks: int

    @classmethod
    def of(cls, text: str, n_blocks: int) -> "Layers":
        """Read "last", "N" or "A..B" for a model of that many blocks.

        Raises:
            EncoderError: another text, or a layer that the model lacks.
        """
        check_layer(text)
        if text == LAST:
            return cls(n_blocks, n_blocks, n_blocks)
        first, _, last = text.partition("..")
        found = cls(int(first), int(last or first), n_blocks)
        if found.first > found.last or found.last > n_blocks:
            raise EncoderError(
                f"layer: expected {LAST}, a number from 0 to {n_blocks}, or a range of them such as "
                f"{n_blocks // 2}..{n_blocks}, got {text}. Remedy: choose among the model's {n_blocks} blocks"
            )
        return found

    def __str__(self) -> str:
        if self.first == self.last:
            return LAST if self.last == self.n_blocks else str(self.last)
        return f"{self.first}..{self.last}"

    @property
    def numbers(self) -> range:
        """The layers, lowest first."""
        return range(self.first, self.last + 1)


def check_layer(text: str) -> None:
    """Raise `EncoderError` unless a text is "last", "N" or "A..B"; no model is asked."""
    if not LAYER.fullmatch(text):
        raise EncoderError(
            f"layer: expected {LAST}, a number, or a range such as 9..12, got {text!r}. Remedy: choose one"
        )


def middle_layer(n_blocks: int) -> str:
    """The layer that a decoder without settings of its own is read at: two fifths of the way up.

    Example:
        >>> middle_layer(30), middle_layer(6)
        ('12', 'last')
    """
    return str(round(MIDDLE * n_blocks)) if n_blocks >= FEWEST_FOR_MIDDLE else LAST


__all__ = ["LAST", "LAYER", "Layers", "check_layer", "middle_layer"]
