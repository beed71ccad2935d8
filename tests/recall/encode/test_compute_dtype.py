"""Lower precision: the layers, attention of short texts, batches side by side, the choice of a dtype."""

import re

import numpy as np
import pytest
import torch
from tiny_models import save_tiny_model
from torch import nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from learn_recall.encoder import compute_dtype, short_attention
from learn_recall.encoder import text_encoder as encoder
from learn_recall.encoder.compute_dtype import (
    DtypeTrial,
    choice_among,
    choose_dtype,
    hardware_of,
    lowest_cosine,
)
from learn_recall.encoder.cpu_lanes import in_lanes
from learn_recall.encoder.low_precision import Int8Linear, in_low_precision
from learn_recall.encoder.text_encoder import EncoderError, TextEncoder

TEXTS = ["red ring", "blue pin for women set of nail polish", "men", "red", "nail polish for men"] * 4


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> dict[str, TextEncoder]:
    kinds = ("llama", "bert", "roberta", "t5")
    return {
        kind: TextEncoder.load(save_tiny_model(tmp_path_factory.mktemp(kind), kind), device="cpu")
        for kind in kinds
    }


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int8"])
@pytest.mark.parametrize("kind", ["llama", "bert", "roberta", "t5"])
def test_every_dtype_gives_nearly_the_vectors_of_float32_and_not_the_same(tiny, kind, dtype):
    exact = tiny[kind].encode(TEXTS)
    low = tiny[kind].with_dtype(dtype).encode(TEXTS)
    assert low.dtype == np.float32
    assert np.abs(low - exact).max() > 0
    assert lowest_cosine(low, exact) > (0.98 if dtype == "int8" else 0.997)
    np.testing.assert_array_equal(tiny[kind].encode(TEXTS), exact)  # the float32 model is untouched


def test_a_copy_in_low_precision_shares_what_it_does_not_replace(tiny):
    model = tiny["bert"].model
    low = in_low_precision(model, "bfloat16")
    assert low.embeddings.word_embeddings.weight is model.embeddings.word_embeddings.weight
    assert isinstance(model.encoder.layer[0].intermediate.dense, nn.Linear)
    assert not any(type(module) is nn.Linear for module in low.modules())


def test_int8_rounds_weights_per_output_and_inputs_per_token():
    linear = nn.Linear(2, 2)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.27, 0.504], [-0.0127, 0.0]]))
        linear.bias.copy_(torch.tensor([1.0, 0.0]))
    # steps of the rows: .01 and .0001, so the weights are (127, 50) and (-127, 0); of the tokens: 1 and .1
    tokens = torch.tensor([[127.0, 63.6], [0.0, 12.7]])
    expected = [[(127 * 127 + 50 * 64) * 0.01 + 1, -127 * 127 * 0.0001], [50 * 127 * 0.01 * 0.1 + 1, 0.0]]
    torch.testing.assert_close(Int8Linear(linear)(tokens), torch.tensor(expected))


@pytest.mark.parametrize("n_key_heads", [4, 2])
@pytest.mark.parametrize("is_causal", [False, True])
def test_short_attention_equals_the_fused_kernel(is_causal, n_key_heads):
    module = nn.Module()
    module.num_key_value_groups = 4 // n_key_heads
    generator = torch.Generator().manual_seed(1)
    for length in (1, 7, 15, 16, 128, 129):
        query = torch.randn(3, 4, length, 8, generator=generator)
        key, value = torch.randn(2, 3, n_key_heads, length, 8, generator=generator)
        has_token = torch.arange(length) < torch.tensor([length, 1 + length // 2, 1])[:, None]
        is_seen = has_token[:, None, None, :].expand(3, 1, length, length)
        for mask in (None, is_seen.tril() if is_causal else is_seen):
            options = {"scaling": 0.4, "is_causal": is_causal and mask is None}
            got, _ = short_attention.short_attention(module, query, key, value, mask, **options)
            expected, _ = sdpa_attention_forward(module, query, key, value, mask, **options)
            torch.testing.assert_close(got, expected, atol=2e-6, rtol=1e-5)


def test_a_token_that_sees_none_gets_numbers_and_not_nan():
    query = torch.randn(1, 2, 3, 4)
    mask = torch.tensor([[[[True, False, False], [True, True, False], [False, False, False]]]])
    got, _ = short_attention.short_attention(nn.Module(), query, query, query, mask)
    assert got.isfinite().all()  # as zero times NaN it would reach the others in the next layer
    torch.testing.assert_close(got[0, 0], query[0, :, 0])


def test_short_attention_is_used_for_short_texts_and_only_there(tiny, monkeypatch):
    lengths = []
    original = short_attention.sdpa_attention_forward

    def seen(module, query, key, value, attention_mask, **options):
        lengths.append(query.shape[2])
        return original(module, query, key, value, attention_mask, **options)

    monkeypatch.setattr(short_attention, "sdpa_attention_forward", seen)
    half = tiny["bert"].with_dtype("bfloat16")
    half.encode(["red ring", "blue"])
    assert lengths == []
    monkeypatch.setattr(short_attention, "_MAX_TOKENS", 4)
    half.encode(["red ring", "blue pin set"])
    assert lengths == [5, 5]  # once per layer: three words and two special tokens


def test_the_bytes_do_not_depend_on_how_many_batches_are_computed_side_by_side(tiny, monkeypatch):
    exact = {}
    for n_lanes in (1, 3):
        monkeypatch.setattr(encoder, "cpu_lanes", lambda n_lanes=n_lanes: n_lanes)
        threads = torch.get_num_threads()
        torch.set_num_threads(n_lanes)
        exact[n_lanes] = tiny["bert"].encode(TEXTS, batch_tokens=16)
        assert torch.get_num_threads() == n_lanes
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(exact[1], exact[3])


def test_lanes_give_results_in_order_and_pass_an_error_on():
    assert list(in_lanes(lambda number: number**2, range(20), n_lanes=3)) == [n**2 for n in range(20)]

    def fail(number: int) -> int:
        raise ZeroDivisionError(str(number))

    with pytest.raises(ZeroDivisionError, match="0"):
        list(in_lanes(fail, range(5), n_lanes=2))


def trial(dtype: str, speed: float, cosine: float) -> DtypeTrial:
    return DtypeTrial(dtype, speed, cosine)


@pytest.mark.parametrize(
    ("others", "chosen", "says"),
    [
        ([trial("bfloat16", 19, 0.9999), trial("int8", 30, 0.995)], "bfloat16", "int8 does not .*0.99500"),
        ([trial("bfloat16", 19, 0.9999), trial("int8", 30, 0.9991)], "int8", "int8 .*keeps"),
        ([trial("bfloat16", 10.9, 0.9999)], "float32", "bfloat16 does and is no faster"),
        ([trial("float16", 50, 0.0)], "float32", "nothing faster keeps"),
        ([], "float32", "nothing faster"),
    ],
)
def test_the_fastest_dtype_that_keeps_the_vectors_is_chosen(others, chosen, says):
    check = choice_among([trial("float32", 10, 1.0), *others], {"bfloat16": "a", "int8": "b"}, 32)
    assert (check.dtype, check.n_texts) == (chosen, 32)
    assert re.search(says, check.reason)


def test_the_choice_rests_on_a_run_of_the_sample(tiny, monkeypatch):
    monkeypatch.setattr(compute_dtype, "hardware_of", lambda device: {})
    assert choose_dtype(tiny["bert"], TEXTS).dtype == "float32"
    monkeypatch.setattr(compute_dtype, "hardware_of", lambda device: {"bfloat16": "here"})
    monkeypatch.setattr(compute_dtype, "MIN_SPEED_UP", 0.0)
    chosen = choose_dtype(tiny["bert"], TEXTS)
    assert (chosen.dtype, chosen.n_texts) == ("bfloat16", 20)
    assert 0.999 <= chosen.min_cosine < 1
    monkeypatch.setattr(compute_dtype, "MIN_COSINE", 0.9999999)
    assert choose_dtype(tiny["bert"], TEXTS).dtype == "float32"
    assert choose_dtype(tiny["bert"], []).dtype == "float32"


def test_a_dtype_that_overflows_is_not_chosen(tiny, monkeypatch):
    monkeypatch.setattr(compute_dtype, "hardware_of", lambda device: {"float16": "here"})
    monkeypatch.setattr(compute_dtype, "MIN_SPEED_UP", 0.0)
    huge = TextEncoder.load(tiny["bert"].folder.path, device="cpu")
    huge.model.encoder.layer[0].intermediate.dense.weight *= 1e5
    assert np.isfinite(huge.encode(TEXTS)).all()
    with pytest.raises(EncoderError, match="got NaN or infinity in float16"):
        huge.with_dtype("float16").encode(TEXTS)
    assert choose_dtype(huge, TEXTS).dtype == "float32"


def test_the_hardware_is_named_or_absent():
    found = hardware_of(torch.device("cpu"))
    assert set(found) <= {"bfloat16", "float16", "int8"}
    assert found.get("bfloat16") in (None, "amx_bf16", "avx512_bf16")
    assert hardware_of(torch.device("meta")) == {}
