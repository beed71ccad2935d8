"""From a variant to scores: content stores, training, and the scorers that learn nothing.

U users, N items, V words, D embedding.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.preprocessing import normalize
from torch import Tensor
from torch.nn import functional as F

from learn_recall.columns import ITEM_ID, USER_ID
from learn_recall.comparison.judgement import Scores
from learn_recall.comparison.variants import VARIANTS, Variant
from learn_recall.comparison.world import RecallWorld
from learn_recall.datasets import read_amazon
from learn_recall.encode.job import encode_items
from learn_recall.store import EmbeddingStore, write_store
from learn_recall.text.reading import reading_rule, words_of
from learn_recall.text.word_vectors import WordVectors, add_words, texts_of
from learn_recall.towers.checkpoint import LAST, load_checkpoint
from learn_recall.towers.config import RecallConfig
from learn_recall.towers.content_table import ContentTable
from learn_recall.towers.inference import item_vectors, user_vectors
from learn_recall.towers.whitening import Whitening
from learn_recall.train.loop import train_towers

_WIDTH = 384
_BM25_K1, _BM25_B = 1.2, 0.75


class Bench:
    """What the variants share: the world, its content stores (made once, kept in ``work``), histories.

    Args:
        world: the question.
        work: folder for stores and trainings.
        encoder: as for `encode_items`.
        pretrain: other folders, whose events the "zero_shot" and "finetuned" variants start from.
        device: where encoder and towers train; None is the GPU where there is one.
    """

    def __init__(
        self,
        world: RecallWorld,
        work: Path,
        encoder: str | None = None,
        pretrain: tuple[Path, ...] = (),
        device: str | None = None,
    ):
        self.world, self.work, self.encoder, self.pretrain = world, work, encoder, pretrain
        self.device = device

    def content(self, kind: str) -> EmbeddingStore:
        """Open the content store of a kind, made where it is not there yet.

        Args:
            kind: see `Variant.content`.

        Raises:
            ValueError: an unknown kind.
        """
        path = self.work / (f"content-{kind}-{reading_rule()}" if "words" in kind else f"content-{kind}")
        if kind == "text":
            return self._encoded(self.world.items, path)
        if (path / "card.json").is_file():
            return EmbeddingStore.open(path)
        if kind == "text_words":
            content = self.content("text")
            texts = texts_of(content, self.world.items)
            return add_words(content, texts, path, WordVectors.fit(texts))
        n_items = len(self.world.items)
        if kind == "none":
            vectors = np.ones((n_items, 1), np.float32)
        elif kind == "random":
            vectors = np.random.default_rng(0).normal(size=(n_items, _WIDTH)).astype(np.float32)
        elif kind == "words":
            vectors = WordVectors.fit(self.world.texts)(self.world.texts)
        else:
            raise ValueError(f"content: expected text, words, text_words, none or random; got {kind!r}")
        return write_store(
            path,
            ids=self.world.items[ITEM_ID].to_numpy(),
            vectors=vectors,
            kind="content",
            encoder=kind,
            encoder_sha256=kind,
            prompt="paper",
            pooling="mean",
            max_tokens=1,
        )

    def scores(self, name: str, variant: Variant, config: RecallConfig | None, folder: Path) -> Scores:
        """Make what scores all items for a slice of the U users: slice -> (b, N).

        Args:
            name: of the model.
            variant: what it is.
            config: settings of its training; None for a scorer without training.
            folder: where it is trained.

        Raises:
            ValueError: a variant that starts elsewhere, and no other folders.
        """
        if config is not None:
            return self._towers(variant, config, folder)
        return {
            "popularity": self._popularity,
            "frozen": self._frozen,
            "tfidf": self._tfidf,
            "bm25": self._bm25,
        }[variant.scorer]()

    def _towers(self, variant: Variant, config: RecallConfig, folder: Path) -> Scores:
        content = self.content(variant.content)
        start = None if variant.scorer == "towers" else self._pretrained(config.train.seed)
        if variant.scorer == "zero_shot" and start is not None:
            return self.of_checkpoint(start, content)
        train_towers(self.world.history, content, folder, config, start=start, device=self.device)
        (folder / LAST).unlink(missing_ok=True)  # it is finished: what is left is the model
        return self.of_checkpoint(folder, content)

    def _pretrained(self, seed: int) -> Path:
        """Train towers on the text of the other folders, once a seed, and keep them.

        Raises:
            ValueError: there are no other folders.
        """
        if not self.pretrain:
            raise ValueError("--pretrain: expected a folder for zero_shot and finetuned; got none")
        names = "-".join(path.resolve().name for path in self.pretrain)
        items, events = [], []
        for path in self.pretrain:
            data = read_amazon(path)
            key = {name: f"{path.resolve().name}:" for name in (ITEM_ID, USER_ID)}
            items.append(data.items.assign(**{ITEM_ID: key[ITEM_ID] + data.items[ITEM_ID].astype(str)}))
            both = {name: prefix + data.interactions[name].astype(str) for name, prefix in key.items()}
            events.append(data.interactions.assign(**both))
        content = self._encoded(pd.concat(items, ignore_index=True), self.work / f"content-{names}")
        config = VARIANTS["text_lm"].config(seed, fit="all")
        folder = self.work / f"pretrained-{names}-{seed}"
        return train_towers(pd.concat(events, ignore_index=True), content, folder, config, device=self.device)

    def _encoded(self, items: pd.DataFrame, path: Path) -> EmbeddingStore:
        return encode_items(
            items, path, encoder=self.encoder, device=self.device, console=Console(stderr=True)
        )

    def of_checkpoint(self, folder: Path, content: EmbeddingStore) -> Scores:
        """Make scores by trained towers; items without a vector are never shown.

        Args:
            folder: of `train_towers`.
            content: the store that they read.
        """
        trained = load_checkpoint(folder)
        table = ContentTable(content, trained.towers.whitening)
        rows = content.positions(self.world.items[ITEM_ID].to_numpy())
        item_ND, embedded_NH = item_vectors(
            trained.towers, table, rows, trained.known_rows(content.ids[rows])
        )
        history_UH = _newest(self.world.histories, trained.config.sampling.history_length)
        return _dot(user_vectors(trained.towers, embedded_NH, history_UH), item_ND)

    def _popularity(self) -> Scores:
        count_N = np.zeros(len(self.world.items))
        rows = pd.Index(self.world.items[ITEM_ID]).get_indexer(self.world.history[ITEM_ID])
        np.add.at(count_N, rows, 1)
        count_1N = torch.from_numpy(count_N).float()[None]
        return lambda part: count_1N.repeat(part.stop - part.start, 1)

    def _frozen(self) -> Scores:
        content = self.content("text")
        rows = content.positions(self.world.items[ITEM_ID].to_numpy())
        is_trained = np.flatnonzero(self.world.train_counts > 0)
        whitening = Whitening(content.card.dimension).fit(content.vectors, np.sort(rows[is_trained]))
        item_ND = F.normalize(whitening(torch.from_numpy(content.vectors[rows].astype(np.float32))), dim=-1)
        mean_UN = self._history_counts(is_distinct=False)
        user_UD = F.normalize(torch.from_numpy(mean_UN @ item_ND.numpy()).float(), dim=-1)
        return _dot(user_UD, item_ND)

    def _tfidf(self) -> Scores:
        return self._words(self._history_counts(is_distinct=True) @ self._tfidf_NV, self._tfidf_NV)

    def _bm25(self) -> Scores:
        count_NV = (
            CountVectorizer(analyzer=words_of, dtype=np.float64).fit_transform(self.world.texts).tocsr()
        )
        n_items = count_NV.shape[0]
        in_items_V = np.bincount(count_NV.indices, minlength=count_NV.shape[1])
        idf_V = np.log(1 + (n_items - in_items_V + 0.5) / (in_items_V + 0.5))
        length_N = np.asarray(count_NV.sum(1)).ravel()
        norm_N = _BM25_K1 * (1 - _BM25_B + _BM25_B * length_N / length_N.mean())
        coo = count_NV.tocoo()
        weight = coo.data * (_BM25_K1 + 1) / (coo.data + norm_N[coo.row]) * idf_V[coo.col]
        weight_NV = sparse.csr_matrix((weight, (coo.row, coo.col)), shape=count_NV.shape)
        is_there_NV = (count_NV > 0).astype(np.float64)
        return self._words(self._history_counts(is_distinct=True) @ is_there_NV, weight_NV)

    def _words(self, query_UV: sparse.csr_matrix, item_NV: sparse.csr_matrix) -> Scores:
        item_VN = item_NV.T.tocsr()

        def scores(part: slice) -> Tensor:
            found = (normalize(query_UV[part]) @ item_VN).toarray()
            # sums of equal numbers in another order differ in the last bits, which would break ties
            return torch.from_numpy(found).float()

        return scores

    @cached_property
    def _tfidf_NV(self) -> sparse.csr_matrix:
        counter = TfidfVectorizer(analyzer=words_of, sublinear_tf=True, dtype=np.float64)
        return counter.fit_transform(self.world.texts).tocsr()

    def _history_counts(self, *, is_distinct: bool) -> sparse.csr_matrix:
        """(U, N) how often each user had each item."""
        row, column = np.nonzero(self.world.histories >= 0)
        item = self.world.histories[row, column]
        shape = (len(self.world.histories), len(self.world.items))
        counts_UN = sparse.csr_matrix((np.ones(len(row)), (row, item)), shape=shape)
        return (counts_UN > 0).astype(np.float64) if is_distinct else counts_UN


def _dot(user_UD: Tensor, item_ND: Tensor) -> Scores:
    """Dot products; bitwise equal items get bitwise equal scores."""
    distinct, inverse = np.unique(item_ND.numpy(), axis=0, return_inverse=True)
    if len(distinct) == len(item_ND):
        return lambda part: user_UD[part] @ item_ND.T
    distinct_ND, spread_N = torch.from_numpy(distinct), torch.from_numpy(inverse.reshape(-1))
    return lambda part: (user_UD[part] @ distinct_ND.T)[:, spread_N]


def _newest(history_UH: np.ndarray, length: int) -> np.ndarray:
    """The newest ``length`` items of each row, padded on the right."""
    n_items = (history_UH >= 0).sum(1)
    column = np.arange(min(length, history_UH.shape[1])) + np.maximum(n_items - length, 0)[:, None]
    inside = np.minimum(column, history_UH.shape[1] - 1)
    return np.where(column < n_items[:, None], np.take_along_axis(history_UH, inside, 1), -1)


__all__ = ["Bench"]
