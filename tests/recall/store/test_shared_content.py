"""A finished content store serves another run: the same vectors, or a refusal that names what differs."""

import numpy as np
import pandas as pd
import pytest
from tiny_models import save_tiny_model
from tower_world import content_store

from learn_recall.convert.shared_content import check_shared, take_content, template_of
from learn_recall.encode import encode_items
from learn_recall.store import EmbeddingStore, StoreError
from learn_recall.store.content_shards import known_texts
from learn_recall.text.word_vectors import WordVectors, add_words, texts_of

ITEMS = pd.DataFrame({"item_id": [7, 3, 5, 9], "title": ["red ring", "blue pin", None, "nail polish"]})
SETTINGS = {"encoder": None, "template": "short", "dtype": "auto"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def store(tmp_path_factory, model):
    out = tmp_path_factory.mktemp("content") / "store"
    return encode_items(
        ITEMS, out, encoder=model, template="short", dtype="float32", device="cpu", progress=False
    )


def test_all_items_or_some_in_any_order_get_the_vectors_that_encoding_gave_them(store, model, tmp_path):
    for number, rows in enumerate(([0, 1, 2, 3], [3, 0], [2, 1, 0])):
        items = ITEMS.iloc[rows]
        taken = take_content(store, items, tmp_path / str(number))
        assert taken.ids.tolist() == items["item_id"].tolist()
        np.testing.assert_array_equal(taken.present, store.present[rows])
        np.testing.assert_array_equal(taken.vectors, store.vectors[rows])
        assert EmbeddingStore.open(taken.path).card.encoder_sha256 == store.card.encoder_sha256
    again = take_content(taken, items, tmp_path / "again")  # what was taken over can be taken over
    np.testing.assert_array_equal(again.vectors, taken.vectors)
    assert "items_sha256" not in taken.card.extra
    new = pd.concat([items, pd.DataFrame({"item_id": [1], "title": ["blue ring"]})])
    later = encode_items(
        new, taken.path, encoder=model, template="short", dtype="float32", device="cpu", progress=False
    )
    np.testing.assert_array_equal(later.vectors[:3], taken.vectors)  # and goes on as any store does


def test_items_that_the_store_lacks_or_knows_by_another_text_are_told_by_the_first_one(store, tmp_path):
    items = pd.concat([ITEMS, pd.DataFrame({"item_id": [11], "title": ["pin"]})], ignore_index=True)
    items.loc[1, "title"] = "red pin"
    with pytest.raises(StoreError) as error:
        take_content(store, items, tmp_path / "out")
    assert "1 of 5 not in it, first item_id 11" in str(error.value)
    assert "1 that had another text, first item_id 3, now 'Title: red pin'" in str(error.value)
    assert "Remedy: bring it up to date with `learn-recall encode" in str(error.value)
    assert not (tmp_path / "out").exists()


def test_settings_that_are_named_must_be_those_of_the_store(store, model, tmp_path):
    found = check_shared(store, **SETTINGS)
    assert found == check_shared(store, encoder=str(model), template="short", dtype="float32")
    assert found["vectors.npy"] == store.card.files["vectors.npy"]
    other = save_tiny_model(tmp_path / "bert", "bert")
    with pytest.raises(StoreError) as error:
        check_shared(store, encoder=str(other), template="{title}", dtype="int8")
    for words in (
        "bert, whose files hash otherwise now",
        "template: short there, {title} now",
        "encoder dtype: float32 there, int8 now",
        "Remedy: leave them out",
    ):
        assert words in str(error.value)


def test_stores_that_encode_did_not_write_are_refused_with_the_one_to_name(store, tmp_path):
    assert template_of(store) == "short"
    with pytest.raises(StoreError, match="one of content from elsewhere"):
        check_shared(content_store(tmp_path / "own"), **SETTINGS)
    texts = texts_of(store, ITEMS)
    both = add_words(store, texts, tmp_path / "both", WordVectors.fit(texts, 2))
    with pytest.raises(StoreError, match=r"one with word vectors\. Remedy: .*content-lm"):
        check_shared(both, **SETTINGS)


def test_a_store_whose_texts_are_damaged_is_refused(store, tmp_path):
    taken = take_content(store, ITEMS, tmp_path / "store")
    path = known_texts(taken).digests.path
    path.write_bytes(path.read_bytes()[:-1] + b"\7")
    with pytest.raises(StoreError, match=r"texts.safetensors\), got none"):
        check_shared(EmbeddingStore.open(taken.path), **SETTINGS)
