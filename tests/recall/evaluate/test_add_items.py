"""New items after the training: the vectors that an export would give, and readers undisturbed."""

import dataclasses

import numpy as np
import pytest
from tower_world import CARD, CONTENT, content_store, interactions, small_config
from typer.testing import CliRunner

from learn_recall.cli import app
from learn_recall.export.new_items import add_items, version_of
from learn_recall.export.vectors import export_embeddings
from learn_recall.store import Block, EmbeddingStore, StoreError, write_store
from learn_recall.train.loop import train_towers

N_OLD, N_ALL = 48, 60


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    content = content_store(folder / "content", n_items=N_OLD)
    config = small_config(train={"n_epochs": 1}, id_residual=True)
    return train_towers(interactions(n_items=N_OLD), content, folder / "towers", config, progress=False)


def contents(folder, *, without=()):
    """All items, and the first of them, with the same vectors."""
    every = content_store(folder / "every", n_items=N_ALL)
    parts = {}
    for name, n_items in (("old", N_OLD), ("all", N_ALL)):
        present = ~np.isin(every.ids[:n_items], without if name == "old" else [])
        card = {
            field: getattr(every.card, field) for field in ("kind", "encoder", "encoder_sha256", "prompt")
        }
        parts[name] = write_store(
            folder / name,
            ids=every.ids[:n_items],
            vectors=np.array(every.vectors[:n_items]),
            present=present,
            pooling=every.card.pooling,
            max_tokens=every.card.max_tokens,
            **card,
        )
    return parts["old"], parts["all"]


def exported(trained, content, folder, **options):
    options = {"content_dimension": 4, **options}
    paths = {"items_out": folder / "items", "users_out": folder / "users"}
    return export_embeddings(trained, content, interactions=interactions(n_items=N_OLD), **paths, **options)[
        0
    ]


@pytest.mark.parametrize("options", [{"content_dimension": 4}, {"content_dimension": 0, "dtype": "float32"}])
def test_added_items_get_the_vectors_that_an_export_of_all_would_give(trained, tmp_path, options):
    old, every = contents(tmp_path)
    before = exported(trained, old, tmp_path, **options)
    bits = np.array(before.vectors)
    after = add_items(trained, every, tmp_path / "items")
    whole = exported(trained, every, tmp_path / "whole", **options)
    assert after.ids.tolist() == every.ids.tolist()
    np.testing.assert_array_equal(after.vectors[:N_OLD], bits)
    np.testing.assert_allclose(
        after.vectors, whole.vectors, atol=2e-3 if after.card.dtype == "float16" else 1e-6
    )
    assert after.card.blocks == before.card.blocks
    assert (after.card.tower, after.card.as_of) == (before.card.tower, before.card.as_of)


def test_a_reader_of_the_old_version_goes_on_and_the_next_one_sees_the_new(trained, tmp_path):
    old, every = contents(tmp_path)
    exported(trained, old, tmp_path)
    reader = EmbeddingStore.open(tmp_path / "items")
    add_items(trained, every, tmp_path / "items")
    vectors, has_vector = reader.lookup(["i3", "i59"])
    assert has_vector.tolist() == [True, False]
    later = EmbeddingStore.open(tmp_path / "items")
    assert later.lookup(["i3", "i59"])[1].tolist() == [True, True]
    np.testing.assert_array_equal(later.lookup(["i3"])[0], vectors[:1])
    assert (version_of(reader), version_of(later)) == (1, 2)
    assert later.card.extra["appended_to"] == reader.card.files["vectors.npy"]
    assert later.card.extra["n_appended"] == N_ALL - N_OLD


def test_nothing_new_writes_nothing(trained, tmp_path):
    old, every = contents(tmp_path)
    exported(trained, old, tmp_path)
    add_items(trained, every, tmp_path / "items")
    card = tmp_path / "items" / "card.json"
    before = card.stat().st_mtime_ns, card.read_bytes()
    assert version_of(add_items(trained, every, tmp_path / "items")) == 2
    assert version_of(add_items(trained, old, tmp_path / "items")) == 2
    assert (card.stat().st_mtime_ns, card.read_bytes()) == before


def test_an_item_that_was_known_without_a_vector_is_filled_in_its_place(trained, tmp_path):
    old, every = contents(tmp_path, without=["i5"])
    before = exported(trained, old, tmp_path)
    assert not before.lookup(["i5"])[1][0]
    after = add_items(trained, every, tmp_path / "items")
    assert after.positions(["i5"])[0] == 5
    whole = exported(trained, every, tmp_path / "whole")
    np.testing.assert_allclose(after.lookup(["i5"])[0], whole.lookup(["i5"])[0], atol=2e-3)
    assert after.card.extra["n_filled"] == 1


def test_other_towers_another_encoder_and_a_user_store_are_refused(trained, tmp_path):
    old, every = contents(tmp_path)
    store = exported(trained, old, tmp_path)
    card = {
        name: value
        for name, value in dataclasses.asdict(store.card).items()
        if name not in ("files", "format_version", "n_ids", "n_present", "dimension", "blocks")
    }
    write_store(
        tmp_path / "others", ids=store.ids, vectors=np.array(store.vectors), **{**card, "tower": "other"}
    )
    with pytest.raises(StoreError, match=r"tower: expected '[0-9a-f]{64}', got 'other'"):
        add_items(trained, every, tmp_path / "others")
    with pytest.raises(StoreError, match="kind: expected 'item', got 'user'"):
        add_items(trained, every, tmp_path / "users")
    foreign = content_store(tmp_path / "foreign", n_items=N_ALL, encoder_sha256="xyz")
    with pytest.raises(StoreError, match="encoder_sha256"):
        add_items(trained, foreign, tmp_path / "items")


def worded(store, folder):
    """The same content with its last four coordinates named as the words' block."""
    blocks = (Block("content", 0, CONTENT - 4), Block("words", CONTENT - 4, CONTENT))
    return write_store(
        folder, ids=store.ids, vectors=np.array(store.vectors), kind="content", blocks=blocks, **CARD
    )


def test_words_come_to_new_items_in_a_block_of_their_own(trained, tmp_path):
    old, every = (worded(store, tmp_path / f"worded {len(store)}") for store in contents(tmp_path))
    before = exported(trained, old, tmp_path, content_dimension=6)
    assert [block.name for block in before.card.blocks] == ["tower", "content", "words"]
    after = add_items(trained, every, tmp_path / "items")
    whole = exported(trained, every, tmp_path / "whole", content_dimension=6)
    assert after.card.blocks == before.card.blocks
    np.testing.assert_allclose(after.vectors, whole.vectors, atol=2e-3)


def test_a_store_whose_blocks_an_export_would_not_give_is_not_added_to(trained, tmp_path):
    old, every = contents(tmp_path)
    exported(trained, old, tmp_path)
    with pytest.raises(
        StoreError, match=r"expected the text's blocks content 8:12, words 12:16, as an export"
    ):
        add_items(trained, worded(every, tmp_path / "worded"), tmp_path / "items")


def test_the_command_says_how_many_items_came(trained, tmp_path):
    old, _ = contents(tmp_path)
    exported(trained, old, tmp_path)
    arguments = [
        "--towers",
        str(trained),
        "--content",
        str(tmp_path / "all"),
        "--items",
        str(tmp_path / "items"),
    ]
    result = CliRunner().invoke(app, ["add-items", *arguments])
    assert result.exit_code == 0, result.output
    assert "version 2: 12 items appended; 60 of 60 have a vector" in result.output
