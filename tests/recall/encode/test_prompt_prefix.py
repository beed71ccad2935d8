"""A beginning that prompts share, computed once for causal models; and the parity check of every job."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import SHAPE, save_tiny_model
from transformers import GPT2Config, GPT2Model, Qwen2Config, Qwen2Model

from learn_recall.encoder import parity, prompt_prefix
from learn_recall.encoder.compute_dtype import lowest_cosine
from learn_recall.encoder.model_run import ModelRun
from learn_recall.encoder.parity import check_parity
from learn_recall.encoder.prompt_prefix import shared_prefix
from learn_recall.encoder.text_encoder import EncoderError, TextEncoder

PROMPT = "title of set for women :"
TEXTS = [f"{PROMPT} {text}" for text in ("red ring", "blue pin", "men", "nail polish for men", "red")] * 4
OTHERS = ["red", "blue ring of title", PROMPT]  # one that is nothing but the prefix
KINDS = ["llama", "qwen2", "gpt2"]


@pytest.fixture(scope="module")
def encoders(tmp_path_factory) -> dict[str, TextEncoder]:
    folders = {kind: save_tiny_model(tmp_path_factory.mktemp(kind), kind) for kind in ("llama", "bert")}
    found = {kind: TextEncoder.load(folder, device="cpu") for kind, folder in folders.items()}
    grouped = {**SHAPE, "num_key_value_heads": 2, "intermediate_size": 64, "max_position_embeddings": 64}
    models = {
        "qwen2": Qwen2Model(Qwen2Config(**grouped)),
        "gpt2": GPT2Model(GPT2Config(vocab_size=17, n_embd=32, n_layer=2, n_head=4, n_positions=64)),
    }
    for kind, model in models.items():
        for number, parameter in enumerate(model.parameters()):
            if parameter.dim() > 1:
                generator = torch.Generator().manual_seed(number)
                torch.nn.init.normal_(parameter, std=0.4, generator=generator)
        model.config.use_cache = False
        found[kind] = replace(found["llama"], model=model.eval().requires_grad_(False))
    return found


@pytest.fixture
def lengths(monkeypatch) -> list[int]:
    """Tokens a row of each batch that reaches the model."""
    seen = []
    original = ModelRun._batch

    def watched(self, rows, prefix=None):
        seen.extend(map(len, rows))
        return original(self, rows, prefix)

    monkeypatch.setattr(ModelRun, "_batch", watched)
    return seen


@pytest.mark.parametrize("pooling", ["mean", "last", "cls"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_shared_prefix_computed_once_gives_the_vectors_of_the_whole_texts(encoders, kind, pooling, lengths):
    encoder = replace(encoders[kind], pooling=pooling)
    whole = np.concatenate([encoder.encode([text]) for text in TEXTS + OTHERS])
    lengths.clear()
    together = encoder.encode(TEXTS + OTHERS, batch_tokens=40)
    np.testing.assert_allclose(together, whole, atol=2e-5)
    n_prefix = 7  # <s> and six words
    n_tokens = encoder.tokenize(TEXTS + OTHERS).n_tokens
    assert sum(lengths) == n_tokens.sum() - n_prefix * len(TEXTS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_prefix_is_used_in_half_precision_too(encoders, kind, lengths):
    encoder = encoders[kind].with_dtype("bfloat16")
    together = encoder.encode(TEXTS)
    assert max(lengths) <= 4
    assert lowest_cosine(together, encoder.with_dtype("float32").encode(TEXTS)) > 0.997


def test_a_prefix_is_never_cut_where_later_tokens_are_seen_or_padding_is_on_the_left(encoders, lengths):
    for encoder in (encoders["bert"], encoders["llama"].with_padding("left")):
        lengths.clear()
        encoder.encode(TEXTS)
        assert sum(lengths) == encoder.tokenize(TEXTS).n_tokens.sum()


@pytest.mark.parametrize(("kind", "expected"), [("llama", True), ("gpt2", True), ("bert", False)])
def test_a_run_tells_causal_models_from_others(encoders, kind, expected):
    assert encoders[kind].is_causal is expected


rows_of_tokens = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=5), min_size=1, max_size=30)


@given(rows_of_tokens)
def test_the_shared_prefix_is_the_longest_that_half_of_the_rows_go_on_from(rows):
    found = shared_prefix(rows)
    beginnings = [row[:length] for row in rows for length in range(2, len(row))]
    n_sharing = [sum(len(row) > len(one) and row[: len(one)] == one for row in rows) for one in beginnings]
    most = len(rows) // 2
    shared = [len(one) for one, n in zip(beginnings, n_sharing, strict=True) if n > most]
    if len(rows) // 2 < prompt_prefix.MIN_TEXTS:
        assert found == []
    else:
        assert len(found) >= max(shared, default=0)
        if found:
            assert sum(row[: len(found)] == found for row in rows) >= len(rows) // 2


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_a_sound_encoder_passes_the_parity_check(encoders, kind, dtype):
    found = check_parity(encoders[kind].with_dtype(dtype), TEXTS[:5])
    lowest = (found.single_against_batch, found.left_against_right, found.prefix_against_whole)
    assert min(lowest) > 0.999
    assert (found.dtype_against_float32 == 1.0) is (dtype == "float32")
    assert (found.is_causal, found.n_texts) == (kind == "llama", 5)


def wrong_mask(self, rows, prefix=None):
    longest = max(map(len, rows))
    return original_batch(self, [row + [self.pad_id] * (longest - len(row)) for row in rows], prefix)


def wrong_side(self, rows, prefix=None):
    return original_batch(self, rows, prefix) * (-1 if self.padding_side == "left" else 1)


def wrong_half(self, rows, prefix=None):
    vectors = original_batch(self, rows, prefix)
    return vectors if self.half is None else vectors.flip(1)


def wrong_prefix(self, rows, prefix=None):
    return original_batch(self, rows, prefix) + (0 if prefix is None else torch.arange(32) * 1.0)


original_batch = ModelRun._batch


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (wrong_mask, "single against batch: expected cosine >= 0.999 on 5 texts"),
        (wrong_side, "left against right"),
        (wrong_half, "dtype against float32.*Remedy: dtype='float32'"),
        (wrong_prefix, "prefix against whole"),
    ],
)
def test_each_fault_is_named_by_the_parity_check(encoders, monkeypatch, wrong, says):
    encoder = encoders["llama"].with_dtype("bfloat16")
    monkeypatch.setattr(ModelRun, "_batch", wrong)
    with pytest.raises(EncoderError, match=says):
        check_parity(encoder, TEXTS[:5])


def test_parity_without_texts_compares_nothing(encoders):
    assert check_parity(encoders["bert"], []).n_texts == 0
    assert parity.MIN_COSINE == 0.999
