"""Word vectors: the formula by hand, the same transform for new texts, and the store of both blocks."""

import math

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from learn_recall.cli import app
from learn_recall.store import EmbeddingStore, StoreError, write_store
from learn_recall.text.word_vectors import WordVectors, add_words

TEXTS = ["red shoe", "red red lamp", "blue shoe", "blue lamp", "green chair"]


def by_hand(text, texts=TEXTS):
    """TF-IDF of a text, word by word, as a dictionary of unit length."""
    n_with = {
        word: sum(word in other.split() for other in texts) for other in texts for word in other.split()
    }
    own = text.split()
    weight = {
        word: (1 + math.log(own.count(word))) * (1 + math.log((1 + len(texts)) / (1 + n_with[word])))
        for word in set(own)
        if word in n_with
    }
    length = math.sqrt(sum(value**2 for value in weight.values()))
    return {word: value / length for word, value in weight.items()}


def test_with_all_directions_the_products_of_vectors_are_those_of_the_formula():
    words = WordVectors.fit(TEXTS)
    vectors = words(TEXTS)
    assert words.dimension == min(len(TEXTS), 6) - 1
    exact = np.array(
        [[sum(a[w] * b.get(w, 0.0) for w in a) for b in map(by_hand, TEXTS)] for a in map(by_hand, TEXTS)]
    )
    lost = np.linalg.eigvalsh(exact)[0]  # the one direction that was left out
    assert np.linalg.norm(vectors @ vectors.T - exact) == pytest.approx(lost, rel=1e-4)


def test_a_new_text_gets_the_identical_transform_and_unknown_words_give_nothing():
    words = WordVectors.fit(TEXTS, dimension=3)
    weight_V = np.zeros(len(words.vocabulary))
    for word, value in by_hand("red red chair").items():
        weight_V[words.vocabulary.index(word)] = value
    np.testing.assert_allclose(words(["red red unheard chair"])[0], weight_V @ words.directions, rtol=1e-5)
    assert words(["never heard"]).tolist() == [[0.0] * 3]
    np.testing.assert_array_equal(words(TEXTS[2:3])[0], words(TEXTS)[2])


def test_sizes_and_versions_of_one_letter_or_digit_are_words():
    texts = ["shirt size S", "shirt size M", "shirt size L", "phone 7", "phone 8", "Ω mug, 6' wide"]
    words = WordVectors.fit(texts)
    assert set("sml78ω6") <= set(words.vocabulary)
    product = words(texts) @ words(texts).T
    lengths = np.sqrt(np.diag(product))
    cosine = product / np.outer(lengths, lengths)
    assert cosine[0, 2] < 0.9
    assert cosine[3, 4] < 0.9


def test_the_letter_of_an_apostrophe_is_no_word_and_no_size():
    assert WordVectors.fit(["men's shirt", "l'eau d’or", "5'7 _ 'S'"]).vocabulary == (
        "5", "7", "eau", "men", "or", "s", "shirt",
    )  # fmt: skip


def test_words_that_were_learned_without_single_letters_give_the_vectors_that_they_gave():
    words = WordVectors.fit(["red shoe", "blue shoe", "red lamp"])
    np.testing.assert_array_equal(words(["red shoe size S 7"]), words(["red shoe size"]))
    single = WordVectors.fit(["red shoe S", "blue shoe", "red lamp"])
    assert single.sha256 != words.sha256


def test_saved_words_are_the_same_words(tmp_path):
    words = WordVectors.fit(TEXTS, dimension=2)
    words.save(tmp_path / "words.safetensors")
    again = WordVectors.load(tmp_path / "words.safetensors")
    assert again.sha256 == words.sha256 != WordVectors.fit(TEXTS, dimension=3).sha256
    np.testing.assert_array_equal(again(TEXTS), words(TEXTS))


def test_the_store_holds_both_blocks_at_length_one_under_an_identity_of_its_own(tmp_path):
    rng = np.random.default_rng(0)
    plain = write_store(
        tmp_path / "plain",
        ids=list("abcde"),
        vectors=7 * rng.normal(size=(5, 4)),
        present=[True, True, True, True, False],
        kind="content",
        encoder="any",
        encoder_sha256="0",
        prompt="short",
        pooling="mean",
        max_tokens=8,
    )
    words = WordVectors.fit(TEXTS, dimension=3)
    store = add_words(plain, TEXTS, tmp_path / "both", words)
    assert [(block.name, block.start, block.stop) for block in store.card.blocks] == [
        ("content", 0, 4),
        ("words", 4, 7),
    ]
    for block in (slice(0, 4), slice(4, 7)):
        np.testing.assert_allclose(np.linalg.norm(store.vectors[:4, block], axis=1), 1.0, rtol=1e-6)
    cosine = store.vectors[:4, :4] @ store.vectors[:4, :4].T
    unit = plain.vectors[:4] / np.linalg.norm(plain.vectors[:4], axis=1, keepdims=True)
    np.testing.assert_allclose(cosine, unit @ unit.T, atol=1e-6)
    assert store.present.tolist() == plain.present.tolist()
    other = add_words(plain, TEXTS, tmp_path / "other", WordVectors.fit(TEXTS, dimension=2))
    assert len({each.card.encoder_sha256 for each in (plain, store, other)}) == 3
    with pytest.raises(ValueError, match="texts: expected one for each of 5 ids; got 4"):
        add_words(plain, TEXTS[:4], tmp_path / "third", words)
    with pytest.raises(StoreError):
        add_words(plain, TEXTS, tmp_path / "both", words)


def test_what_has_no_words_is_refused_in_words():
    with pytest.raises(ValueError, match="texts: expected two distinct words or more; got 1"):
        WordVectors.fit(["", "a"])
    with pytest.raises(ValueError, match="dimension: expected at least 1; got 0"):
        WordVectors.fit(TEXTS, dimension=0)


def test_the_command_learns_the_words_once_and_gives_new_items_the_same(tmp_path):
    pd.DataFrame({"item_id": list("abcde"), "title": TEXTS}).to_csv(tmp_path / "items.csv", index=False)
    pd.DataFrame({"item_id": ["e", "new"], "title": [TEXTS[4], "red chair"]}).to_csv(
        tmp_path / "later.csv", index=False
    )
    for name, ids in (("first", list("edcba")), ("second", ["new", "e"])):
        write_store(
            tmp_path / name,
            ids=ids,
            vectors=np.ones((len(ids), 2)),
            kind="content",
            encoder="any",
            encoder_sha256="0",
            prompt="{title}",
            pooling="mean",
            max_tokens=8,
        )
    stores = []
    for items, content in (("items.csv", "first"), ("later.csv", "second"), ("later.csv", "first")):
        names = {
            "--items": items,
            "--content": content,
            "--words": "words.safetensors",
            "--out": f"{content}-both",
        }
        arguments = [text for name, path in names.items() for text in (name, str(tmp_path / path))]
        stores.append(CliRunner().invoke(app, ["words", *arguments]))
    assert [result.exit_code for result in stores] == [0, 0, 2], stores[0].output
    assert "got none for 4 of them" in stores[2].output
    first, second = (EmbeddingStore.open(tmp_path / f"{name}-both") for name in ("first", "second"))
    assert first.card.encoder_sha256 == second.card.encoder_sha256
    np.testing.assert_array_equal(first.vectors[0], second.vectors[1])
    chair, new = second.vectors[1, 2:], second.vectors[0, 2:]
    assert 0.1 < chair @ new < 0.99
    expected = WordVectors.fit(TEXTS)(["blue lamp"])[0]
    np.testing.assert_allclose(first.vectors[1, 2:], expected / np.linalg.norm(expected), atol=1e-6)
