"""Frozen vectors of the words themselves: TF-IDF in its principal directions, beside a language model's.

A language model that was trained on meaning blurs brands, sizes and codes, which shoppers stay with; the
words keep them. n texts, V words, K components.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import normalize

from learn_recall.columns import ITEM_ID
from learn_recall.errors import StoreError
from learn_recall.files.tensor_files import read_tensors, write_tensors
from learn_recall.store import EmbeddingStore, write_store
from learn_recall.store.card import Block
from learn_recall.text.compounds import Compounds
from learn_recall.text.prompt import render_items
from learn_recall.text.reading import FIRST_READING, READING, words_of

DEFAULT_DIMENSION = 384
_ROWS_AT_ONCE = 1 << 14


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Words to vectors, fitted once; a new text gets the identical transform, its unknown words nothing.

    Definition: ``x_w = (1 + log n_w) (1 + log((1 + n) / (1 + n with w)))`` of the text's words w, divided by
    the length of x, times the first K right singular directions of the fitted texts' matrix. Words are those
    of `learn_recall.text.reading`, in any script, and the known parts of those that are compounds
    (`learn_recall.text.compounds`); ``n with w`` counts w as it was written, not as a part.

    vocabulary: (V,) words, sorted. inverse_frequency: (V,) float32. directions: (V, K) float32.
    reading: how texts are read; 1, of files from before it was kept, knows neither scripts without blanks nor
    compounds.
    """

    vocabulary: tuple[str, ...]
    inverse_frequency: np.ndarray
    directions: np.ndarray
    reading: int = READING

    @classmethod
    def fit(cls, texts: Sequence[str], dimension: int = DEFAULT_DIMENSION) -> WordVectors:
        """Learn words, their rarity and the directions from texts.

        Args:
            texts: (n,), best those of all items at hand.
            dimension: K; fewer where the texts span fewer.

        Raises:
            ValueError: texts with less than two distinct words, or a dimension below 1.
        """
        if dimension < 1:
            raise ValueError(f"dimension: expected at least 1; got {dimension}")
        counter = CountVectorizer(analyzer=words_of, dtype=np.float64)
        try:
            count_NV = counter.fit_transform(texts).tocsr()
        except ValueError:
            count_NV = sparse.csr_matrix((len(texts), 0))
        if count_NV.shape[1] < 2:
            raise ValueError(
                f"texts: expected two distinct words or more; got {count_NV.shape[1]} in "
                f"{len(texts)} texts. Remedy: give fields with more words, or go on without word vectors"
            )
        n_with_V = np.bincount(count_NV.indices, minlength=count_NV.shape[1])
        inverse_V = (1 + np.log((1 + len(texts)) / (1 + n_with_V))).astype(np.float32)
        vocabulary = tuple(counter.get_feature_names_out())
        read = cls(vocabulary, inverse_V, np.zeros((len(vocabulary), 0), np.float32))
        weight_NV = read._weights(texts)
        size = min(dimension, min(weight_NV.shape) - 1)
        svd = TruncatedSVD(max(size, 1), random_state=0).fit(weight_NV)
        return replace(read, directions=svd.components_.T.astype(np.float32))

    @property
    def dimension(self) -> int:
        """K."""
        return self.directions.shape[1]

    @cached_property
    def sha256(self) -> str:
        """Hash of all that the vectors depend on."""
        read = "" if self.reading == FIRST_READING else f"reading {self.reading}\n"
        digest = hashlib.sha256((read + "\n".join(self.vocabulary)).encode())
        digest.update(self.inverse_frequency.tobytes() + np.ascontiguousarray(self.directions).tobytes())
        return digest.hexdigest()

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors (n, K) float32; zeros for a text without a known word."""
        return np.asarray(self._weights(texts) @ self.directions, dtype=np.float32)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one safetensors file, atomically."""
        tensors = {
            "inverse_frequency": torch.from_numpy(self.inverse_frequency),
            "directions": torch.from_numpy(np.ascontiguousarray(self.directions)),
        }
        write_tensors(Path(path), tensors, {"vocabulary": list(self.vocabulary), "reading": self.reading})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> WordVectors:
        """Read back what `save` wrote.

        Raises:
            StoreError: a file that is none, or whose texts are read in a way that this version does not know.
        """
        header, tensors = read_tensors(Path(path))
        reading = header.get("reading", FIRST_READING)
        if reading not in (FIRST_READING, READING):
            raise StoreError(
                f"{path}: expected words that are read in way {FIRST_READING} or {READING}, got {reading!r}. "
                "Remedy: the version of this package that wrote them, or words that are learned anew"
            )
        return cls(
            tuple(header["vocabulary"]),
            tensors["inverse_frequency"].numpy(),
            tensors["directions"].numpy(),
            reading,
        )

    @cached_property
    def _compounds(self) -> Compounds:
        return Compounds(dict(zip(self.vocabulary, self.inverse_frequency.tolist(), strict=True)))

    def _read(self, text: str) -> list[str]:
        """The words of a text and the parts of its compounds."""
        words = words_of(text, self.reading)
        if self.reading == FIRST_READING:
            return words
        return [each for word in words for each in (word, *self._compounds.parts(word))]

    def _weights(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Texts -> (n, V) word counts, damped, weighted by rarity, rows of length 1."""
        counter = CountVectorizer(vocabulary=self.vocabulary, analyzer=self._read, dtype=np.float64)
        weight_NV = counter.transform(texts).tocsr()
        weight_NV.data = (1 + np.log(weight_NV.data)) * self.inverse_frequency[weight_NV.indices]
        return normalize(weight_NV)


def has_two_words(texts: Sequence[str]) -> bool:
    """Whether there are two distinct words, which `WordVectors.fit` needs."""
    found: set[str] = set()
    for text in texts:
        found.update(words_of(text))
        if len(found) > 1:
            return True
    return False


def add_words(
    content: EmbeddingStore,
    texts: Sequence[str],
    out: str | os.PathLike[str],
    words: WordVectors,
    *,
    overwrite: bool = False,
) -> EmbeddingStore:
    """Write a content store of ``[language model | words]``, each block of length 1.

    Args:
        content: store of the language model's vectors.
        texts: (N,) of its ids, in their order.
        out: folder of the new store.
        words: fitted before; the same for new items.
        overwrite: replace a store that is there.

    Returns:
        The new store; towers that were trained on it refuse one of other words.

    Raises:
        ValueError: more or fewer texts than ids.
        StoreError: as in `write_store`.
    """
    if len(texts) != len(content):
        raise ValueError(f"texts: expected one for each of {len(content)} ids; got {len(texts)}")
    card = content.card
    width = card.dimension

    def chunks() -> Iterator[np.ndarray]:
        for start in range(0, len(texts), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            yield np.hstack(
                [normalize(np.asarray(content.vectors[part], np.float32)), normalize(words(texts[part]))]
            )

    return write_store(
        out,
        ids=content.ids,
        vectors=chunks(),
        present=content.present,
        kind="content",
        encoder=f"{card.encoder} + words",
        encoder_sha256=hashlib.sha256(f"{card.encoder_sha256} {words.sha256}".encode()).hexdigest(),
        prompt=card.prompt,
        pooling=card.pooling,
        max_tokens=card.max_tokens,
        dtype=card.dtype,
        blocks=(Block("content", 0, width), Block("words", width, width + words.dimension)),
        overwrite=overwrite,
    )


def texts_of(content: EmbeddingStore, items: pd.DataFrame) -> list[str]:
    """The text of each id of a content store, in its order, written by the store's own template.

    Args:
        content: the store.
        items: item_id and fields, more or other items are fine.

    Raises:
        ValueError: an id of the store is no item.
        PromptError: as in `render_items`.
    """
    texts = np.full(len(content), None, dtype=object)
    row = content.positions(items[ITEM_ID].to_numpy())
    rendered = np.array(render_items(items, content.card.prompt), dtype=object)
    texts[row[row >= 0]] = rendered[row >= 0]
    missing = [content.ids[n] for n, text in enumerate(texts) if text is None]
    if missing:
        raise ValueError(
            f"items: expected every id of the store {content.path}; got none for {len(missing)} of them, "
            f"such as {missing[0]!r}. Remedy: bring the table that was encoded."
        )
    return texts.tolist()
