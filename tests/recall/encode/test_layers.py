"""Which layers are read: transformers' states, nothing run beyond, names, defaults, identity; echo."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import SHAPE, save_tiny_model
from transformers import LlamaConfig, LlamaModel

from learn_recall.convert.shared_content import check_shared
from learn_recall.encode.identity import EncodeError
from learn_recall.encode.job import encode_items
from learn_recall.encoder.files import find_encoder, sha256_of_encoder, split_layer
from learn_recall.encoder.parity import check_parity
from learn_recall.encoder.pooling import echo_pool
from learn_recall.encoder.prompt_prefix import MIN_TEXTS
from learn_recall.encoder.text_encoder import EncoderError, TextEncoder
from learn_recall.encoder.token_batches import pad_rows
from learn_recall.errors import StoreError
from learn_recall.model_files.layer_names import Layers, middle_layer
from learn_recall.store import EmbeddingStore

TEXTS = ["red ring", "blue pin for women set of nail polish", "men", "red blue ring pin set of men", "red"]
KINDS = ["llama", "bert", "roberta", "t5"]
ITEMS = pd.DataFrame({"item_id": range(5), "title": TEXTS})


def close(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal up to the rounding of float32 sums; middle layers have components of some tens."""
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> dict[str, Path]:
    return {kind: save_tiny_model(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


@pytest.fixture(scope="module")
def deep(tmp_path_factory) -> Path:
    """A decoder of fifteen blocks, so that a middle layer is taken by itself."""
    folder = save_tiny_model(tmp_path_factory.mktemp("deep"), "llama")
    config = LlamaConfig(
        **{**SHAPE, "num_hidden_layers": 15}, intermediate_size=64, max_position_embeddings=64
    )
    generator = torch.Generator().manual_seed(3)
    model = LlamaModel(config)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    model.save_pretrained(folder)
    return folder


def states_by_transformers(folder: Path, texts: list[str]) -> list[list[np.ndarray]]:
    """All hidden states of the whole model by its own option, text by text: [text][layer] (L, C)."""
    whole = TextEncoder.load(folder, pooling="mean", layer="last", device="cpu")
    found = []
    for ids in whole.tokenize(texts).ids:
        with torch.no_grad():
            output = whole.model(input_ids=torch.tensor([ids]), output_hidden_states=True)
        found.append([state[0].numpy() for state in output.hidden_states])
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_each_layer_is_the_hidden_state_that_transformers_gives(tiny, kind):
    states = states_by_transformers(tiny[kind], TEXTS)
    for layer in (0, 1, 2):
        encoder = TextEncoder.load(tiny[kind], pooling="mean", layer=str(layer), device="cpu")
        expected = [of_text[layer].mean(axis=0) for of_text in states]
        close(encoder.encode(TEXTS), expected)
    layers = np.stack([[state.mean(axis=0) for state in of_text] for of_text in states])  # (text, layer, C)
    assert np.abs(layers[:, 0] - layers[:, 1]).max() > 0.05  # or agreeing would mean nothing


@pytest.mark.parametrize(("layer", "numbers"), [("0..2", [0, 1, 2]), ("1..1", [1]), ("1..2", [1, 2])])
def test_a_range_is_the_mean_over_its_layers(tiny, layer, numbers):
    states = states_by_transformers(tiny["llama"], TEXTS)
    encoder = TextEncoder.load(tiny["llama"], pooling="last", layer=layer, device="cpu")
    expected = [np.mean([of_text[number][-1] for number in numbers], axis=0) for of_text in states]
    close(encoder.encode(TEXTS), expected)


def test_the_forward_pass_ends_at_the_layer_and_the_rest_of_the_model_is_gone(deep):
    whole = TextEncoder.load(deep, pooling="mean", layer="last", device="cpu")
    cut = TextEncoder.load(deep, pooling="mean", layer="4", device="cpu")
    assert (len(whole.model.layers), len(cut.model.layers)) == (15, 4)
    assert cut.model.config.num_hidden_layers == 4
    low, run = cut.with_dtype("bfloat16"), []
    for number, block in enumerate(low.run.model.layers):
        block.register_forward_hook(lambda *_, number=number: run.append(number))
    low.encode(["red ring"])
    assert run == [0, 1, 2, 3]


def test_a_middle_layer_is_the_same_alone_in_a_batch_on_either_side_after_a_prefix_and_in_bfloat16(deep):
    prompt = "title of set for women"
    texts = [f"{prompt} {text}" for text in TEXTS] * (MIN_TEXTS // 2)
    for layer in ("0", "3..6", "13..15"):
        encoder = TextEncoder.load(deep, pooling="mean", layer=layer, device="cpu")
        together = encoder.encode(texts)
        close(np.concatenate([encoder.encode([text]) for text in texts[:5]]), together[:5])
        close(encoder.with_padding("left").encode(texts), together)
        assert encoder.run.prefix([2, 15, 12]) is not None  # it was used
    assert check_parity(encoder.with_dtype("bfloat16"), texts[:5]).is_causal


def test_batches_side_by_side_do_not_mix_their_states(deep):
    encoder = TextEncoder.load(deep, pooling="mean", layer="3..6", device="cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        in_four_lanes = encoder.encode(TEXTS * 8, batch_tokens=4)
    finally:
        torch.set_num_threads(threads)
    close(in_four_lanes[:5], np.concatenate([encoder.encode([text]) for text in TEXTS]))
    close(in_four_lanes[35:], in_four_lanes[:5])


def test_layers_side_by_side_are_those_one_by_one(deep):
    encoder = TextEncoder.load(deep, pooling="mean", layer="0..15", device="cpu")
    apart = encoder.encode_layers(TEXTS)
    assert apart.shape == (5, 16, 32)
    for number in (0, 7, 15):
        alone = TextEncoder.load(deep, pooling="mean", layer=str(number), device="cpu").encode(TEXTS)
        close(apart[:, number], alone)
    close(apart.mean(axis=1), encoder.encode(TEXTS))


# -------------------------------------------------------------------------------------- names and defaults


@given(n_blocks=st.integers(1, 40), data=st.data())
def test_a_name_of_layers_reads_back_as_itself(n_blocks, data):
    first = data.draw(st.integers(0, n_blocks))
    last = data.draw(st.integers(first, n_blocks))
    layers = Layers.of(f"{first}..{last}", n_blocks)
    assert Layers.of(str(layers), n_blocks) == layers
    assert (layers.numbers[0], layers.numbers[-1]) == (first, last)


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (
            "3",
            r"layer: expected last, a number from 0 to 2, .* got 3\. Remedy: choose among the model's 2 "
            r"blocks",
        ),
        ("1..3", r"got 1\.\.3"),
        ("2..1", r"got 2\.\.1"),
        ("-1", r"layer: expected last, a number, or a range such as 9\.\.12, got '-1'"),
        ("middle", "got 'middle'"),
    ],
)
def test_a_layer_that_the_model_lacks_is_refused(tiny, layer, says):
    with pytest.raises(EncoderError, match=says):
        TextEncoder.load(tiny["llama"], layer=layer, device="cpu")


def test_a_name_and_its_layer_come_apart_and_two_that_differ_are_refused(tiny, tmp_path):
    assert split_layer("intfloat/e5@9..12") == ("intfloat/e5", "9..12")
    assert split_layer("me@home") == ("me@home", None)
    there = tmp_path / "model@2"
    there.mkdir()
    assert split_layer(there) == (there, None)  # a folder of that name
    named = f"{tiny['llama']}@1"
    assert find_encoder(named).path == tiny["llama"]
    assert TextEncoder.load(named, layer="1", device="cpu").layer == "1"
    with pytest.raises(EncoderError, match="layer: expected one, got 2 and, in the encoder's name, 1"):
        TextEncoder.load(named, layer="2", device="cpu")


def test_a_plain_decoder_is_read_two_fifths_of_the_way_up_and_says_so(deep, tmp_path, capfd):
    encoder = TextEncoder.load(deep, device="cpu")
    assert (encoder.pooling, encoder.layer, len(encoder.model.layers)) == ("mean", "6", 6)
    assert "says nothing of pooling and layer, so the mean over its tokens at layer 6 of 15" in encoder.chosen
    store = encode_items(ITEMS, tmp_path / "store", encoder=deep, template="short", device="cpu")
    assert "at layer 6 of 15 is taken" in capfd.readouterr().err
    assert store.card.extra["chosen"] == encoder.chosen
    assert middle_layer(11) == "last"  # nothing was measured of so few


@pytest.mark.parametrize(
    ("asked", "layer", "is_said"),
    [
        ({"pooling": "mean", "layer": "3"}, "3", False),
        ({"pooling": "mean"}, "6", True),
        ({"layer": "last"}, "last", True),
        ({"pooling": "last"}, "last", False),
        ({"pooling": "echo"}, "last", False),
    ],
)
def test_what_is_named_is_taken_and_only_what_was_chosen_is_said(deep, asked, layer, is_said):
    encoder = TextEncoder.load(deep, device="cpu", **asked)
    assert (encoder.layer, bool(encoder.chosen)) == (layer, is_said)


@pytest.mark.parametrize("kind", ["bert", "t5"])
def test_a_model_that_sees_both_ways_or_has_settings_is_read_at_its_last_layer(tiny, deep, tmp_path, kind):
    assert (TextEncoder.load(tiny[kind], device="cpu").layer) == "last"
    folder = tmp_path / "st"
    (folder / "1_Pooling").mkdir(parents=True)
    for file in deep.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_lasttoken": True}))
    encoder = TextEncoder.load(folder, device="cpu")
    assert (encoder.pooling, encoder.layer, encoder.chosen) == ("last", "last", "")


def test_the_one_word_prompt_is_pooled_at_its_last_token(deep, tmp_path):
    store = encode_items(ITEMS, tmp_path / "one", encoder=deep, template="one_word", device="cpu")
    assert (store.card.pooling, store.card.extra["identity"]["layer"]) == ("last", "last")
    by_mean = encode_items(
        ITEMS, tmp_path / "two", encoder=deep, template="one_word", pooling="mean", device="cpu"
    )
    assert by_mean.card.pooling == "mean"


# ------------------------------------------------------------------------------------------------ identity


def test_the_hash_is_another_at_another_layer_and_what_it_was_at_the_last(tiny):
    folder = find_encoder(tiny["llama"])
    plain = sha256_of_encoder(folder, trust_remote_code=False)
    by_layer = {
        layer: TextEncoder.load(tiny["llama"], layer=layer, device="cpu").sha256
        for layer in ("last", "2", "1", "0..1")
    }
    assert by_layer["last"] == by_layer["2"] == plain
    assert len(set(by_layer.values())) == 3


def test_stores_of_two_layers_are_not_mixed(tiny, tmp_path):
    out = tmp_path / "store"
    settings = {"template": "short", "device": "cpu", "progress": False, "dtype": "float32"}
    encode_items(ITEMS, out, encoder=tiny["llama"], layer="1", **settings)
    with pytest.raises(EncodeError, match=r"layer: '1' there, 'last' now"):
        encode_items(ITEMS, out, encoder=tiny["llama"], layer="last", **settings)
    again = encode_items(ITEMS, out, encoder=f"{tiny['llama']}@1", **settings)
    assert (again.card.encoder, again.card.extra["identity"]["layer"]) == (f"{tiny['llama'].name}@1", "1")


def test_a_store_from_before_layers_had_names_is_one_of_the_last(tiny, tmp_path):
    out = tmp_path / "store"
    settings = {"template": "short", "device": "cpu", "progress": False, "dtype": "float32"}
    encode_items(ITEMS, out, encoder=tiny["llama"], **settings)
    card = json.loads((out / "card.json").read_text())
    assert card["extra"]["identity"].pop("layer") == "last"
    (out / "card.json").write_text(json.dumps(card))
    old = (out / "card.json").read_bytes()
    encode_items(ITEMS, out, encoder=tiny["llama"], **settings)
    assert (out / "card.json").read_bytes() == old  # nothing to do, nothing written


def test_a_run_takes_over_a_store_of_its_layer_and_refuses_one_of_another(tiny, tmp_path):
    settings = {"template": "short", "device": "cpu", "progress": False, "dtype": "float32"}
    encode_items(ITEMS, tmp_path / "store", encoder=tiny["llama"], layer="1", **settings)
    store = EmbeddingStore.open(tmp_path / "store")
    for encoder in (f"{tiny['llama']}@1", str(tiny["llama"]), None):
        assert check_shared(store, encoder=encoder, template="short", dtype="auto")
    with pytest.raises(StoreError, match=r"layer: 1 there, last now"):
        check_shared(store, encoder=f"{tiny['llama']}@last", template="short", dtype="auto")


# ---------------------------------------------------------------------------------------------------- echo


@given(
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    n_apart=st.integers(0, 2),
    side=st.sampled_from(["left", "right"]),
)
def test_the_second_copy_alone_is_pooled(lengths, n_apart, side):
    ids, flags = pad_rows([[7] * (n_apart + 2 * length) for length in lengths], pad_id=1, padding_side=side)
    has_token = torch.from_numpy(flags)
    hidden = torch.randn(*ids.shape, 3, generator=torch.Generator().manual_seed(len(lengths)))
    hidden[~has_token] = float("nan")
    for row, length in enumerate(lengths):
        real = [state for state, flag in zip(hidden[row], flags[row], strict=True) if flag]
        second = real[len(real) - length :] if length else []
        expected = torch.stack(second).mean(dim=0) if second else torch.zeros(3)
        torch.testing.assert_close(echo_pool(hidden, has_token, n_apart)[row], expected)


def test_echo_reads_the_text_twice_and_its_first_token_has_seen_the_last(deep):
    encoder = TextEncoder.load(deep, pooling="echo", device="cpu")
    (row,) = encoder.tokenize(["red ring"]).ids
    assert row == [2, 4, 6, 4, 6]  # <s>, twice red ring; a line break is no token here
    with torch.no_grad():
        states = encoder.model(input_ids=torch.tensor([row])).last_hidden_state[0]
    close(encoder.encode(["red ring"])[0], states[3:].mean(dim=0).numpy())
    found = check_parity(encoder, [f"title of set {text}" for text in TEXTS])
    assert found.prefix_against_whole > 0.999


def test_echo_cuts_both_copies_within_max_tokens_and_counts_the_cut(deep):
    encoder = TextEncoder.load(deep, pooling="echo", max_tokens=8, device="cpu")
    rows = encoder.tokenize(["red ring pin", "red ring pin set", ""])
    assert [len(row) for row in rows.ids] == [7, 7, 1]
    assert rows.is_truncated.tolist() == [False, True, False]
    with pytest.raises(EncoderError, match="max_tokens: expected more than the 2 special"):
        replace(encoder, max_tokens=2)


def test_echo_of_a_model_that_sees_both_ways_is_refused(tiny):
    with pytest.raises(EncoderError, match=r"echo for a causal model only.*Remedy: pooling='mean'"):
        TextEncoder.load(tiny["bert"], pooling="echo", device="cpu")


# ------------------------------------------------------------------------------------------- sharded folders


def sharded(folder: Path, source: Path) -> Path:
    model = TextEncoder.load(source, layer="last", device="cpu").model
    save_tiny_model(folder, "llama")
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    return folder


def test_a_model_in_several_files_is_read_and_one_that_is_missing_is_named(tiny, tmp_path):
    folder = sharded(tmp_path / "shards", tiny["llama"])
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 1
    whole = TextEncoder.load(tiny["llama"], layer="last", device="cpu").encode(TEXTS)
    close(TextEncoder.load(folder, layer="last", device="cpu").encode(TEXTS), whole)
    shards[1].unlink()
    with pytest.raises(
        EncoderError, match=rf"expected the {len(shards)} weight files .*got none called {shards[1].name}"
    ):
        TextEncoder.load(folder, device="cpu")
    (folder / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(EncoderError, match="expected a weight_map from weights to files"):
        TextEncoder.load(folder, device="cpu")
