"""Tokens of the next shard made while this one is encoded: the same store, errors said, one shard ahead."""

import threading
import time
from functools import partialmethod
from pathlib import Path

import encode_victim
import numpy as np
import pandas as pd
import pytest
from tiny_models import WORDS, save_tiny_model

from learn_recall.encode import shards as encode_job
from learn_recall.encode.job import encode_items
from learn_recall.encode.tokens_ahead import TokensAhead
from learn_recall.encode.work_folder import WorkFolder
from learn_recall.encoder.text_encoder import TextEncoder
from learn_recall.encoder.token_rows import TokenRows
from learn_recall.files.claims import Claims
from learn_recall.store import EmbeddingStore

N_SHARDS = 6


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny-bert"), "bert")


def encoded(model: Path, out: Path) -> EmbeddingStore:
    generator = np.random.default_rng(5)
    n_items = N_SHARDS * encode_victim.SETTINGS["shard_size"]
    titles = [
        f"{' '.join(generator.choice(WORDS, size=1 + number % 7))} {number}" for number in range(n_items)
    ]
    items = pd.DataFrame({"item_id": np.arange(n_items), "title": titles})
    return encode_items(items, out, encoder=model, **encode_victim.SETTINGS)


def bytes_of(store: EmbeddingStore) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(store.path.iterdir())}


def _called(encoder, function, *args, **options):
    return function(encoder, *args, **options)


class Shards:
    """Counts the shards that a job tokenises and encodes, and lets them fail, be slow or wait.

    Attributes:
        n_tokenized, n_encoded: Shards so far.
        most_ahead: Most shards that were ever tokenised and not yet encoded.
        fails_at: The shard whose tokens raise; None lets all pass.
        slow_seconds: What a shard's tokens take longer.
        waits: Whether a shard is encoded only when the next one's tokens are there, as if it took long.
    """

    def __init__(self, monkeypatch) -> None:
        self.n_tokenized = self.n_encoded = self.most_ahead = 0
        self.fails_at: int | None = None
        self.slow_seconds, self.waits = 0.0, False
        self._changed = threading.Condition()
        self._tokenize, self._encode_rows = TextEncoder.tokenize, TextEncoder.encode_rows
        for name, function in (("tokenize", self.tokenize), ("encode_rows", self.encode_rows)):
            monkeypatch.setattr(TextEncoder, name, partialmethod(_called, function))

    def tokenize(self, encoder, texts):
        if threading.current_thread() is threading.main_thread():
            return self._tokenize(encoder, texts)  # the parity check's
        time.sleep(self.slow_seconds)
        with self._changed:
            self.n_tokenized += 1
            self.most_ahead = max(self.most_ahead, self.n_tokenized - self.n_encoded)
            self._changed.notify_all()
        if self.n_tokenized == self.fails_at:
            raise RuntimeError("no more tokens")
        return self._tokenize(encoder, texts)

    def encode_rows(self, encoder, rows, *, progress=None, **options):
        if progress is None:
            return self._encode_rows(encoder, rows, **options)  # the parity check's
        with self._changed:
            following = min(self.n_encoded + 2, N_SHARDS)
            assert not self.waits or self._changed.wait_for(lambda: self.n_tokenized >= following, timeout=20)
        vectors = self._encode_rows(encoder, rows, progress=progress, **options)
        self.n_encoded += 1
        return vectors


@pytest.fixture
def shards(monkeypatch) -> Shards:
    return Shards(monkeypatch)


def test_the_next_shard_is_tokenized_while_this_one_is_encoded_and_none_beyond(model, tmp_path, shards):
    shards.waits = True
    encoded(model, tmp_path / "store")
    assert (shards.n_tokenized, shards.n_encoded) == (N_SHARDS, N_SHARDS)
    assert shards.most_ahead == 2  # the one that is encoded and the one after it


def test_the_store_has_the_same_bytes_whatever_comes_first(model, tmp_path, shards, monkeypatch):
    shards.waits = True
    overlapped = bytes_of(encoded(model, tmp_path / "overlapped"))
    shards.waits, shards.slow_seconds = False, 0.05  # the model waits for every shard's tokens
    assert bytes_of(encoded(model, tmp_path / "slow")) == overlapped
    monkeypatch.setattr(TokensAhead, "begin", lambda self, number: None)  # nothing is made ahead
    assert bytes_of(encoded(model, tmp_path / "in-turns")) == overlapped


def test_a_tokenizer_that_fails_stops_the_job_after_the_shard_before_it(model, tmp_path, shards):
    expected = bytes_of(encoded(model, tmp_path / "whole"))
    shards.n_tokenized, shards.fails_at = 0, 3
    with pytest.raises(RuntimeError, match="no more tokens"):
        encoded(model, tmp_path / "store")
    assert len(list((tmp_path / "store.work").glob("shard-*"))) == 2
    assert not list((tmp_path / "store.work").glob(".claims/*"))  # nor is a shard held by nobody
    shards.fails_at, shards.n_tokenized = None, 0
    assert bytes_of(encoded(model, tmp_path / "store")) == expected
    assert shards.n_tokenized == N_SHARDS - 2


def test_what_was_begun_and_not_taken_is_dropped_with_its_error():
    def read(number: int) -> list[str]:
        if number == 1:
            raise OSError("gone")
        return ["red"] * number

    with TokensAhead(read, lambda texts: TokenRows([[7]] * len(texts), np.zeros(len(texts), bool))) as ahead:
        ahead.begin(1)
        assert ahead.take(2).rows.ids == [[7], [7]]
        ahead.begin(1)
        with pytest.raises(OSError, match="gone"):
            ahead.take(1)
        assert ahead.take(3).texts == ["red"] * 3


class PlanOf:
    """The names of a plan's shards."""

    def __init__(self, *names: str) -> None:
        self.shards = [type("Shard", (), {"name": name}) for name in names]


def test_no_shard_is_claimed_ahead_that_another_worker_will_soon_ask_for(tmp_path):
    work, plan = WorkFolder(tmp_path / "store"), PlanOf("a", "b", "c", "d", "e")
    with work.claims(60) as ours, work.claims(60) as other:
        assert ours.take("a")
        assert encode_job._claim_next(plan, work, ours, [4]) == 4  # alone: the last one as well
        ours.release("e")
        assert other.take("b")
        assert encode_job._claim_next(plan, work, ours, [1, 2, 3, 4]) == 2  # b is taken, d or e is left
        ours.release("c")
        assert encode_job._claim_next(plan, work, ours, [4]) is None
        (work.path / "c").touch()
        assert encode_job._claim_next(plan, work, ours, [2, 3, 4]) == 3  # c is there
        assert encode_job._claim_next(plan, work, ours, []) is None
        assert isinstance(ours, Claims)
