"""`EncodeConfig`: the settings of an encode job, checked when they are made."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from learn_recall.encode.identity import ContentIdentity, EncodeError
from learn_recall.encoder.text_encoder import COMPUTE_DTYPES, TextEncoder
from learn_recall.files.claims import EXPIRY_SECONDS
from learn_recall.model_files.layer_names import check_layer
from learn_recall.store.card import DTYPES
from learn_recall.text.prompt import ONE_WORD, Template


@dataclass(frozen=True)
class EncodeConfig:
    """How items are encoded.

    Args:
        encoder: as in `learn_recall.encoder.files.find_encoder`; None for the offline MiniLM.
        template: "paper", "short", "one_word", or an own text (`learn_recall.text.prompt`).
        pooling: "mean", "last", "cls", "echo"; None is "last" with the template "one_word", whose text ends
            where its word would begin, else as in `TextEncoder.load`.
        layer: "last", "12", "9..12"; None as in `TextEncoder.load`.
        max_tokens: length at which texts are cut; None as in `TextEncoder.load`.
        dtype: "float32", "bfloat16", "float16", "int8", or "auto": the fastest on this machine that keeps a
            sample's vectors (`learn_recall.encoder.compute_dtype`); later runs of the same store keep what it
            chose.
        batch_tokens: padded tokens in a batch.
        shard_size: texts in a shard: what a kill can cost.
        store_dtype: "float16" or "float32" of the stored vectors.
        trust_remote_code: run code that lies in the model's folder.
        overwrite: replace a store, and drop a work folder, of another identity. One of the same identity is
            always continued or brought up to date.
        device: "cpu", "cuda", "cuda:1"; None is this process's GPU of torchrun, or the first, or the CPU.
        claim_seconds: after so long without a sign of life a process counts as dead, and others do its shard.

    Raises:
        EncodeError, PromptError: A setting that cannot be met.
    """

    encoder: str | Path | None = None
    template: str | Template = "paper"
    pooling: str | None = None
    layer: str | None = None
    max_tokens: int | None = None
    dtype: str = "auto"
    batch_tokens: int = 2048
    shard_size: int = 4096
    store_dtype: str = "float16"
    trust_remote_code: bool = False
    overwrite: bool = False
    device: str | None = None
    claim_seconds: float = EXPIRY_SECONDS

    def __post_init__(self) -> None:
        for name, allowed in (("dtype", ("auto", *COMPUTE_DTYPES)), ("store_dtype", DTYPES)):
            got = getattr(self, name)
            if got not in allowed:
                raise EncodeError(f"{name}: expected one of {allowed}, got {got!r}. Remedy: choose one")
        for name in ("batch_tokens", "shard_size"):
            number = getattr(self, name)
            if number < 1:
                raise EncodeError(f"{name}: expected at least 1, got {number}. Remedy: leave it out")
        Template.of(self.template)
        if self.layer is not None:
            check_layer(self.layer)

    def load(self) -> TextEncoder:
        """Load the encoder."""
        return TextEncoder.load(
            self.encoder,
            pooling=self._pooling,
            layer=self.layer,
            max_tokens=self.max_tokens,
            trust_remote_code=self.trust_remote_code,
            device=local_device() if self.device is None else self.device,
        )

    def identity(self, encoder: TextEncoder) -> ContentIdentity:
        """The identity as asked for; its compute dtype may still be "auto"."""
        return ContentIdentity(
            encoder_sha256=encoder.sha256,
            template=Template.of(self.template).text,
            pooling=encoder.pooling,
            max_tokens=encoder.max_tokens,
            compute_dtype=self.dtype,
            store_dtype=self.store_dtype,
            dimension=encoder.dimension,
            layer=encoder.layer,
        )

    @property
    def _pooling(self) -> str | None:
        is_one_word = Template.of(self.template).name == ONE_WORD
        return "last" if self.pooling is None and is_one_word else self.pooling


def local_device() -> str | None:
    """The GPU that is this process's under torchrun; None leaves the choice to the encoder."""
    rank = os.environ.get("LOCAL_RANK")
    if rank is None or not torch.cuda.is_available():
        return None
    return f"cuda:{int(rank) % torch.cuda.device_count()}"


__all__ = ["EncodeConfig", "local_device"]
