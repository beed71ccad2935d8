"""What an encode job is asked for: items, encoder and settings, checked before anything is read or loaded."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from learn_recall.encode.identity import ContentIdentity, EncodeError
from learn_recall.encode.item_source import Items, ItemSource
from learn_recall.encoder.text_encoder import COMPUTE_DTYPES, TextEncoder
from learn_recall.store.card import DTYPES
from learn_recall.text.prompt import Template


@dataclass(frozen=True)
class EncodeRequest:
    """What a job was asked for; made by `EncodeRequest.of`.

    Args:
        source: The items.
        target: The store to be.
        template: Of the texts.
        load: Loads the encoder.
        dtype, store_dtype, batch_tokens, shard_size, overwrite: As in `learn_recall.encode.encode_items`.
    """

    source: ItemSource
    target: Path
    template: Template
    load: Callable[[], TextEncoder]
    dtype: str
    store_dtype: str
    batch_tokens: int
    shard_size: int
    overwrite: bool

    @classmethod
    def of(
        cls,
        items: Items,
        out: str | Path,
        *,
        encoder: str | Path | None = None,
        template: str | Template = "paper",
        pooling: str | None = None,
        max_tokens: int | None = None,
        dtype: str = "auto",
        batch_tokens: int = 2048,
        shard_size: int = 4096,
        store_dtype: str = "float16",
        trust_remote_code: bool = False,
        overwrite: bool = False,
        device: str | None = None,
    ) -> "EncodeRequest":
        """Check the settings; arguments as in `learn_recall.encode.encode_items`.

        Raises:
            EncodeError, PromptError: A setting that cannot be met, or no such files.
        """
        for name, got, allowed in (
            ("dtype", dtype, ("auto", *COMPUTE_DTYPES)),
            ("store_dtype", store_dtype, DTYPES),
        ):
            if got not in allowed:
                raise EncodeError(f"{name}: expected one of {allowed}, got {got!r}. Remedy: choose one")
        for name, number in (("batch_tokens", batch_tokens), ("shard_size", shard_size)):
            if number < 1:
                raise EncodeError(f"{name}: expected at least 1, got {number}. Remedy: leave it out")

        def load() -> TextEncoder:
            return TextEncoder.load(
                encoder,
                pooling=pooling,
                max_tokens=max_tokens,
                trust_remote_code=trust_remote_code,
                device=local_device() if device is None else device,
            )

        return cls(
            source=ItemSource.of(items),
            target=Path(out).absolute(),
            template=Template.of(template),
            load=load,
            dtype=dtype,
            store_dtype=store_dtype,
            batch_tokens=batch_tokens,
            shard_size=shard_size,
            overwrite=overwrite,
        )

    def identity(self, encoder: TextEncoder) -> ContentIdentity:
        """Give the identity as asked for; its compute dtype may still be "auto"."""
        return ContentIdentity(
            encoder_sha256=encoder.sha256,
            template=self.template.text,
            pooling=encoder.pooling,
            max_tokens=encoder.max_tokens,
            compute_dtype=self.dtype,
            store_dtype=self.store_dtype,
            dimension=encoder.dimension,
        )


def local_device() -> str | None:
    """Give the GPU that is this process's under torchrun; None leaves the choice to the encoder."""
    rank = os.environ.get("LOCAL_RANK")
    if rank is None or not torch.cuda.is_available():
        return None
    return f"cuda:{int(rank) % torch.cuda.device_count()}"


__all__ = ["EncodeRequest", "local_device"]
