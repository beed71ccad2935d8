"""Words in any script: by hand, the same as before in English, and near where a word is shared."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn_recall.errors import StoreError
from learn_recall.files.tensor_files import read_tensors, write_tensors
from learn_recall.text.compounds import Compounds
from learn_recall.text.reading import FIRST_READING, WORD, words_of
from learn_recall.text.word_vectors import WordVectors, has_two_words


def cosine(one, other, texts):
    """Cosine of two texts by words that were learned of `texts`."""
    vectors = WordVectors.fit(texts)([one, other]).astype(np.float64)
    return float(vectors[0] @ vectors[1] / np.prod(np.linalg.norm(vectors, axis=1)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("红色连衣裙 S", ["红色", "色连", "连衣", "衣裙", "s"]),
        ("iPhone手机壳 500毫升 红", ["iphone", "手机", "机壳", "500", "毫升", "红"]),
        ("ワイヤレス・イヤホン", ["ワイ", "イヤ", "ヤレ", "レス", "イヤ", "ヤホ", "ホン"]),
        ("ｲﾔﾎﾝ ㍿", ["イヤ", "ヤホ", "ホン", "株式", "式会", "会社"]),  # half width, and a square of four
        ("무선 이어폰", ["무선", "이어", "어폰"]),
        ("หมวก", ["หมว", "มวก"]),
        ("เสื้อ", ["เสื้อ"]),  # five code points, three characters: one triple
        ("ผู้ชาย ๑๒", ["ผู้ชา", "ชาย", "๑๒"]),  # a mark goes with its letter, a number is a word
        ("हिन्दी शर्ट", ["हिन्दी", "शर्ट"]),
        ("кружка Ω", ["кружка", "ω"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("cafe\u0301 café", ["café", "café"]),
        ("می\u200cخواهم", ["میخواهم"]),  # an invisible joiner
        ("Ｓ m² Nike™ 1\ufe0f\u20e3", ["s", "m2", "nike", "1"]),
        ("Men’s l’été 'S' ❤️‍🔥", ["men", "été", "s"]),
        ("👩‍👩‍👧 ❤️‍👨 __ - !", []),
        ("", []),
    ],
)
def test_a_text_is_read_as_these_words(text, words):
    assert words_of(text) == words


@settings(max_examples=50)
@given(st.text(st.characters(max_codepoint=127)))
def test_plain_english_is_read_as_it_was_before(text):
    before = [word for word in re.findall(WORD, text.lower()) if word.strip("_")]
    assert words_of(text) == before
    assert words_of(text + " Ω") == [*before, "ω"]  # and so it is where another letter stands in the text


@settings(max_examples=30)
@given(st.text(), st.text())
def test_a_blank_ends_every_word(one, other):
    assert words_of(f"{one} {other}") == words_of(one) + words_of(other)


def test_sizes_of_one_letter_differ_beside_every_script():
    for title in ("shirt size {}", "连衣裙 尺码{}", "เสื้อยืด {}", "शर्ट {}", "Hemd Größe {}"):
        texts = [title.format(size) for size in "SML"]
        assert all(
            cosine(one, other, [*texts, "红色 mug"]) < 0.95 for one, other in itertools.combinations(texts, 2)
        )


@pytest.mark.parametrize(
    ("title", "kin", "stranger"),
    [
        ("红色连衣裙", "夏季连衣裙女", "蓝牙耳机"),
        ("ワイヤレスイヤホン", "有線イヤホン", "日焼け止め"),
        ("เสื้อยืดผู้ชาย", "กางเกงผู้ชาย", "หม้อหุงข้าว"),
        ("무선이어폰", "유선 이어폰", "여름 원피스"),
        ("सूती शर्ट", "लाल शर्ट", "नीली टोपी"),
    ],
)
def test_titles_that_share_a_word_are_nearer_than_those_that_do_not(title, kin, stranger):
    texts = [title, kin, stranger]
    assert cosine(title, kin, texts) > 0.1
    assert abs(cosine(title, stranger, texts)) < 1e-6


def test_a_compound_has_its_parts_learned_or_not():
    texts = ["Winterjacke Herren", "Jacke Damen", "Winter Stiefel", "Hose Damen", "Kinder Sonne", "Brille"]
    words = WordVectors.fit(texts)
    assert cosine("Winterjacke", "Jacke", texts) > 0.4
    assert words(["Sonnenbrille"]).any()  # no text has this word: its parts are known
    np.testing.assert_allclose(
        words(["Sonnenbrille"])[0] / np.linalg.norm(words(["Sonnenbrille"])),
        words(["Sonne Brille"])[0] / np.linalg.norm(words(["Sonne Brille"])),
        atol=1e-6,
    )
    assert not words(["Sonnenhut"]).any()  # "hut" is not known, and a part alone is no reading


def slow_parts(word, rarity):
    """All cuts into two or three, tried one by one."""
    fillers = ("", "s", "es", "n", "en", "e")
    found = []
    for n_parts in (2, 3):
        for parts in itertools.product([w for w in rarity if len(w) >= 4], repeat=n_parts):
            for between in itertools.product(fillers, repeat=n_parts - 1):
                if word == parts[0] + "".join(f + p for f, p in zip(between, parts[1:], strict=True)):
                    found.append((sum(rarity[p] for p in parts) / n_parts, n_parts, parts))
    best = min(found, default=None)
    return best[2] if best is not None and best[0] <= rarity.get(word, float("inf")) else ()


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["anna", "nann", "sann", "esse", "nase"]), min_size=1, max_size=3), st.data())
def test_the_parts_of_a_compound_are_those_of_trying_every_cut(pieces, data):
    word = "".join(piece + data.draw(st.sampled_from(["", "s", "en"])) for piece in pieces)
    known = ["anna", "nann", "sann", "esse", "nase", word]
    rarity = {each: data.draw(st.integers(1, 4)) * 1.0 for each in known}
    assert Compounds(rarity).parts(word) == slow_parts(word, rarity)


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_the_items_does_not_matter(seed):
    texts = ["红色连衣裙", "Winterjacke winter", "winter jacke", *["红色 jacke"] * 2, *["连衣裙 winter"] * 3]
    shuffled = [texts[row] for row in np.random.default_rng(seed).permutation(len(texts))]
    first, other = WordVectors.fit(texts, dimension=3), WordVectors.fit(shuffled, dimension=3)
    assert other.vocabulary == first.vocabulary
    np.testing.assert_array_equal(other.inverse_frequency, first.inverse_frequency)
    np.testing.assert_allclose(other(texts) @ other(texts).T, first(texts) @ first(texts).T, atol=1e-5)


def test_words_of_before_are_read_as_before_and_are_never_taken_for_new_ones(tmp_path):
    texts = ["红色连衣裙", "红色 mug", "hairspray", "hair spray"]
    now = WordVectors.fit(texts)
    now.save(tmp_path / "words.safetensors")
    header, tensors = read_tensors(tmp_path / "words.safetensors")
    assert WordVectors.load(tmp_path / "words.safetensors").reading == header["reading"] == 2
    write_tensors(tmp_path / "old.safetensors", tensors, {"vocabulary": header["vocabulary"]})
    old = WordVectors.load(tmp_path / "old.safetensors")
    assert old.reading == FIRST_READING
    assert old.sha256 != now.sha256  # so towers of the one refuse a store of the other
    assert not old(["连衣裙"]).any()
    assert now(["连衣裙"]).any()
    write_tensors(tmp_path / "new.safetensors", tensors, {**header, "reading": 3})
    with pytest.raises(StoreError, match=r"read in way 1 or 2, got 3. Remedy: the version"):
        WordVectors.load(tmp_path / "new.safetensors")
    with pytest.raises(ValueError, match=r"reading: expected 1 or 2; got 7. Remedy"):
        words_of("red", 7)


def test_one_chinese_title_has_two_words_and_one_of_marks_alone_has_none():
    assert has_two_words(["连衣裙"])
    assert not has_two_words(["红色", "红色"])
    with pytest.raises(ValueError, match="texts: expected two distinct words or more; got 0"):
        WordVectors.fit(["👩‍👩‍👧", "❤️", "__"])
