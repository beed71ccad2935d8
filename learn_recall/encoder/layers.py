"""Which layers of a model are read, and a forward pass that ends behind them and hands out what they give."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from learn_recall.encoder.files import EncoderFolder
from learn_recall.encoder.pooling import ECHO
from learn_recall.errors import EncoderError
from learn_recall.model_files.layer_names import LAST, Layers, check_layer, middle_layer

_STATES = threading.local()  # batches run side by side in threads


@dataclass(frozen=True)
class Reading:
    """How the states of a model become vectors.

    Args:
        name: of the encoder, with "@12" where it is not read at the last layer.
        pooling: "mean", "last", "cls" or "echo".
        layers: that are read.
        chosen: one sentence where something was chosen that neither the user nor the folder named; else "".
    """

    name: str
    pooling: str
    layers: Layers
    chosen: str = ""


def asked_layer(folder: EncoderFolder, layer: str | None) -> str | None:
    """The layer by its argument or by NAME@LAYER; None where neither names one.

    Raises:
        EncoderError: no name of a layer, or two that differ.
    """
    for text in (folder.layer, layer):
        if text is not None:
            check_layer(text)
    if layer is not None and folder.layer not in (None, layer):
        raise EncoderError(
            f"layer: expected one, got {layer} and, in the encoder's name, {folder.layer}. Remedy: name it "
            f"once"
        )
    return folder.layer if layer is None else layer


def reading_of(
    folder: EncoderFolder, pooling: str | None, layer: str | None, *, is_causal: bool, n_blocks: int
) -> Reading:
    """What is asked for; where nothing is, what the folder asks for, or else what was measured to be best.

    Definition: a folder with pooling settings, and any model that is not causal, is read at its last layer.
    A causal model without settings was trained to guess the next token: by the mean (which is taken where no
    pooling is named) it is read two fifths of the way up, by any other pooling at the last layer.

    Args:
        folder: the encoder.
        pooling: asked for, or None.
        layer: of `asked_layer`.
        is_causal: whether no token sees a later one.
        n_blocks: of the model.

    Raises:
        EncoderError: A layer that the model lacks, or "echo" of a model that is not causal.
    """
    if pooling == ECHO and not is_causal:
        raise EncoderError(
            f"pooling: expected echo for a causal model only, got {folder.name}, whose tokens see the "
            f"whole text "
            "already. Remedy: pooling='mean'"
        )
    is_plain = folder.pooling is None and is_causal
    taken = pooling or folder.pooling or "mean"
    at = (middle_layer(n_blocks) if is_plain and taken == "mean" else LAST) if layer is None else layer
    layers = Layers.of(at, n_blocks)
    name = folder.name if str(layers) == LAST else f"{folder.name}@{layers}"
    if not is_plain or pooling not in (None, "mean") or (pooling is not None and layer is not None):
        return Reading(name, taken, layers)
    named = [name for name, asked in (("pooling", pooling), ("layer", layer)) if asked is None]
    why = "its middle layers, whitened, know more of behaviour than its last one" if layer is None else ""
    return Reading(
        name,
        taken,
        layers,
        f"{folder.name}: a decoder whose folder says nothing of {' and '.join(named)}, so the mean over "
        f"its tokens "
        f"at layer {layers} of {n_blocks} is taken{': ' + why if why else ''} (docs/encoders.md). "
        f"Others are named by {' and '.join(named)}",
    )


def count_blocks(model: Any) -> int:
    """How many blocks a model has, by its config."""
    config = model.config.get_text_config()
    return int(getattr(config, "num_hidden_layers", None) or config.num_layers)


def read_at(model: Any, layers: Layers) -> None:
    """Make a model end behind the last of the layers, and hand out what they give while `states_of` runs.

    Definition: blocks beyond are taken out of the model, config included, so they take neither time nor
    memory; where only layer 0 is read, block 1 stays and is run, since something must take the input.
    Nothing is done for "last" alone.

    Args:
        model: A base model, changed in place.
        layers: of that model.

    Raises:
        EncoderError: the model's blocks are not found.
    """
    if str(layers) == LAST:
        return
    blocks = blocks_of(model, layers.n_blocks)
    del blocks[max(layers.last, 1) :]
    config = model.config.get_text_config()
    for name in ("num_hidden_layers", "num_layers"):
        if getattr(config, name, None) is not None:
            setattr(config, name, len(blocks))
    if getattr(config, "layer_types", None) is not None:
        config.layer_types = list(config.layer_types)[: len(blocks)]
    for number in layers.numbers:
        if number == layers.n_blocks:
            continue  # the model's own output, after the final norm
        if number == 0:
            blocks[0].register_forward_pre_hook(_keeper_of_input(), with_kwargs=True)
        else:
            blocks[number - 1].register_forward_hook(_keeper_of_output(number))


def states_of(model: Any, layers: Layers, inputs: dict[str, Any]) -> tuple[Any, list[Tensor]]:
    """Run a model that `read_at` has prepared.

    Args:
        model: the model, or a copy of it.
        layers: as given to `read_at`.
        inputs: of the model's forward.

    Returns:
        Its output, and (B, L, C) states of each layer, lowest first.
    """
    with _kept() as kept:
        output = model(**inputs)
    return output, [
        output.last_hidden_state if number == layers.n_blocks else kept[number] for number in layers.numbers
    ]


@contextmanager
def _kept() -> Iterator[dict[int, Tensor]]:
    kept: dict[int, Tensor] = {}
    _STATES.kept = kept
    try:
        yield kept
    finally:
        _STATES.kept = None


def _keep(number: int, state: Tensor) -> None:
    kept = getattr(_STATES, "kept", None)
    if kept is not None:
        kept[number] = state


def _keeper_of_output(number: int) -> Callable[..., None]:
    def keep(block: nn.Module, inputs: Any, output: Any) -> None:
        _keep(number, output[0] if isinstance(output, tuple) else output)

    return keep


def _keeper_of_input() -> Callable[..., None]:
    def keep(block: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        _keep(0, inputs[0] if inputs else named["hidden_states"])

    return keep


def blocks_of(model: Any, n_blocks: int) -> nn.ModuleList:
    """The list of the model's blocks: the outermost list of so many modules of one kind."""
    found = [
        (name.count("."), module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList)
        and len(module) == n_blocks
        and len({type(block) for block in module}) == 1
    ]
    depth = min((depth for depth, _ in found), default=0)
    outermost = [module for here, module in found if here == depth]
    if len(outermost) != 1:
        raise EncoderError(
            f"layer: expected one list of {n_blocks} blocks in {type(model).__name__}, got {len(outermost)}. "
            f"Remedy: layer='{LAST}'"
        )
    return outermost[0]


__all__ = ["Reading", "asked_layer", "blocks_of", "count_blocks", "read_at", "reading_of", "states_of"]
