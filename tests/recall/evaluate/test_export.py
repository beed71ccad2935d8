"""Export: blocks, presence, cards, refusals, new items, and the same bytes after a kill."""

import signal

import numpy as np
import pandas as pd
import pytest
import torch
import tower_world as world
from children import exit_code_of_killed
from torch.nn import functional as F
from tower_victim import export_and_wait

from learn_recall.export.vectors import export_embeddings
from learn_recall.files.whole_files import sha256_of_file
from learn_recall.store import Block, EmbeddingStore, StoreError, write_store
from learn_recall.towers.checkpoint import load_checkpoint
from learn_recall.towers.whitening import Whitening
from learn_recall.train.loop import train_towers
from learn_recall.train.sequences import build_sequences


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    content = world.content_store(folder / "content", n_items=66)  # i60 .. i65 are new: no event has them
    table = world.interactions(60)
    config = world.small_config(
        train={"n_epochs": 2}, sampling={"history_length": 6}, id_residual=True, position_embedding="learned"
    )
    return train_towers(table, content, folder / "towers", config, progress=False), content, table


def contexts_of(*histories):
    names = [f"c{n}" for n in range(len(histories))]
    return pd.DataFrame({"context_id": names, "user_id": 0, "history": [list(each) for each in histories]})


def export(trained, folder, **options):
    out, content, table = trained
    options = {"interactions": table, "content_dimension": 4, "dtype": "float32", **options}
    return export_embeddings(out, content, items_out=folder / "items", users_out=folder / "users", **options)


def blocks_of(store):
    return {block.name: np.asarray(store.vectors[:, block.start : block.stop]) for block in store.card.blocks}


def test_every_block_of_every_present_vector_has_length_one(trained, tmp_path):
    for store in export(trained, tmp_path):
        assert [(block.name, block.start, block.stop) for block in store.card.blocks] == [
            ("tower", 0, 8), ("content", 8, 12)
        ]  # fmt: skip
        for block in blocks_of(store).values():
            np.testing.assert_allclose(np.linalg.norm(block[store.present], axis=1), 1, atol=1e-5)


def test_items_and_users_are_what_the_towers_give_one_at_a_time(trained, tmp_path):
    out, content, table = trained
    items, users = export(trained, tmp_path)
    checkpoint = load_checkpoint(out)
    towers = checkpoint.towers
    assert items.ids.tolist() == content.ids.tolist()
    known = torch.from_numpy(checkpoint.known_rows(content.ids))
    plain_items, plain_users = export(trained, tmp_path / "plain", centers=False)
    with torch.no_grad():
        raw = torch.from_numpy(np.array(content.vectors))
        whitened = towers.whitening(raw)
        embedded = towers.embed_items(whitened, known)
        reduced = F.normalize(towers.whitening.reduce(raw, 4), dim=-1).numpy()
        singles = torch.stack(
            [towers.items(whitened[row][None, None], embedded[row][None, None])[0, 0] for row in range(66)]
        )
        np.testing.assert_allclose(blocks_of(plain_items)["tower"], singles, atol=1e-5)
        mean = singles[known >= 0].mean(dim=0)
        np.testing.assert_allclose(blocks_of(items)["tower"], F.normalize(singles - mean, dim=1), atol=1e-5)
        np.testing.assert_allclose(blocks_of(items)["content"], reduced, atol=1e-5)
        sequences = build_sequences(table, content)
        assert users.ids.tolist() == sequences.user_ids.tolist()
        for index in range(0, sequences.n_users, 7):
            history = sequences.rows[sequences.offsets[index] : sequences.offsets[index + 1]][-6:]
            vector = towers.users(embedded[history][None])[0, -1]
            np.testing.assert_allclose(blocks_of(plain_users)["tower"][index], vector, atol=1e-5)
            centred = F.normalize(vector - mean, dim=0)
            np.testing.assert_allclose(blocks_of(users)["tower"][index], centred, atol=1e-5)
            of_text = F.normalize(torch.from_numpy(reduced[history].mean(axis=0)), dim=-1)
            np.testing.assert_allclose(blocks_of(users)["content"][index], of_text, atol=1e-5)


def test_a_new_item_is_its_text_alone_whatever_else_is_exported(trained, tmp_path):
    out, content, table = trained
    items, _ = export(trained, tmp_path)
    checkpoint = load_checkpoint(out)
    assert checkpoint.known_rows(content.ids[60:]).tolist() == [-1] * 6
    alone = write_store(
        tmp_path / "alone", ids=["i63", "i1"], vectors=content.vectors[[63, 1]], kind="content", **world.CARD
    )
    part, _ = export((out, alone, table), tmp_path / "part")
    np.testing.assert_allclose(part.vectors, items.vectors[[63, 1]], atol=1e-6)
    with torch.no_grad():
        whitened = checkpoint.towers.whitening(torch.from_numpy(np.array(content.vectors[[63]])))
        text = checkpoint.towers.single_items(whitened, checkpoint.towers.pal.embed(whitened))
    np.testing.assert_allclose(blocks_of(items)["tower"][63], checkpoint.centred(text)[0], atol=1e-5)


def test_an_items_without_content_vector_is_kept_as_absent(trained, tmp_path):
    out, content, table = trained
    present = np.ones(66, dtype=bool)
    present[[2, 40]] = False
    holes = write_store(
        tmp_path / "holes",
        ids=content.ids,
        vectors=content.vectors,
        present=present,
        kind="content",
        **world.CARD,
    )
    items, users = export((out, holes, table), tmp_path, contexts=contexts_of(["i2"], ["i2", "i3"], ["i3"]))
    assert items.present.tolist() == present.tolist()
    assert users.present.tolist() == [False, True, True]
    np.testing.assert_array_equal(users.vectors[1], users.vectors[2])
    assert users.card.extra["n_events_left_out"] == 2


def test_contexts_keep_their_ids_and_order_and_empty_ones_are_absent(trained, tmp_path):
    histories = (
        ["i1", "i2"],
        [],
        ["i2", "i1"],
        ["i1", "i2"],
        ["nobody"],
        ["i5"] * 9 + ["i1", "i2", "i3", "i4", "i5", "i6"],
    )
    _, users = export(trained, tmp_path, contexts=contexts_of(*histories))
    assert users.ids.tolist() == [f"c{n}" for n in range(6)]
    assert users.present.tolist() == [True, False, True, True, False, True]
    assert users.card.extra["n_contexts_without_history"] == 2
    assert (np.asarray(users.vectors[1]) == 0).all()
    np.testing.assert_array_equal(users.vectors[0], users.vectors[3])
    assert not np.allclose(blocks_of(users)["tower"][0], blocks_of(users)["tower"][2])
    np.testing.assert_allclose(blocks_of(users)["content"][0], blocks_of(users)["content"][2], atol=1e-6)
    _, newest = export(trained, tmp_path / "newest", contexts=contexts_of(histories[5][-6:]))
    np.testing.assert_allclose(newest.vectors[0], users.vectors[5], atol=1e-6)


def test_all_contexts_may_be_empty(trained, tmp_path):
    _, users = export(trained, tmp_path, contexts=contexts_of([], []))
    assert users.present.tolist() == [False, False]


def test_interactions_and_equal_contexts_give_equal_vectors(trained, tmp_path):
    _, content, table = trained
    _, users = export(trained, tmp_path)
    sequences = build_sequences(table, content)
    stretch = zip(sequences.offsets, sequences.offsets[1:], strict=False)
    histories = [content.ids[sequences.rows[a:b]].tolist() for a, b in stretch]
    contexts = contexts_of(*histories).assign(context_id=sequences.user_ids)
    _, again = export(trained, tmp_path / "again", contexts=contexts.sample(frac=1, random_state=0))
    vectors, has_vector = again.lookup(users.ids)
    assert has_vector.all()
    np.testing.assert_allclose(vectors, users.vectors, atol=1e-6)


def test_no_content_block_and_half_precision_are_options(trained, tmp_path):
    items, users = export(trained, tmp_path, content_dimension=0, dtype="float16")
    assert [block.name for block in items.card.blocks] == ["tower"]
    assert items.card.dimension == users.card.dimension == 8
    assert items.vectors.dtype == np.float16
    full, _ = export(trained, tmp_path / "full")
    np.testing.assert_allclose(items.vectors, blocks_of(full)["tower"], atol=1e-3)
    with pytest.raises(ValueError, match=r"content_dimension: expected 0\.\.12"):
        export(trained, tmp_path, content_dimension=13)


def test_the_words_keep_a_block_of_their_own_whitened_as_if_they_were_alone(tmp_path):
    plain = world.content_store(tmp_path / "plain")
    vectors = np.array(plain.vectors)
    vectors[5, 8:] = 0  # a text without a known word
    content = write_store(
        tmp_path / "content",
        ids=plain.ids,
        vectors=vectors,
        kind="content",
        blocks=(Block("content", 0, 8), Block("words", 8, world.CONTENT)),
        **world.CARD,
    )
    table = world.interactions()
    config = world.small_config(train={"n_epochs": 1})
    towers = train_towers(table, content, tmp_path / "towers", config, progress=False)
    made = towers, content, table
    items, users = export(made, tmp_path, content_dimension=6)
    for store in (items, users):
        assert [(block.name, block.start, block.stop) for block in store.card.blocks] == [
            ("tower", 0, 8), ("content", 8, 14), ("words", 14, 18)
        ]  # fmt: skip
    whitening = load_checkpoint(towers).towers.whitening
    known = load_checkpoint(towers).known_rows(content.ids) >= 0
    for name, part, width in (("content", slice(0, 8), 6), ("words", slice(8, world.CONTENT), 4)):
        own = vectors[:, part].astype(np.float32)
        alone = Whitening(own.shape[1], whitening.kind, whitening.ridge, whitening.strength)
        alone.fit(own, np.flatnonzero(known))
        expected = F.normalize(alone.reduce(torch.from_numpy(own), width), dim=1).numpy()
        if name == "words":
            expected[5] = 0
        np.testing.assert_allclose(blocks_of(items)[name], expected, atol=1e-4)
        mean = np.stack([expected[np.flatnonzero(content.ids == "i7")[0]], expected[9]]).mean(axis=0)
        _, one = export(
            made, tmp_path / "one", contexts=contexts_of(["i7", content.ids[9]]), content_dimension=6
        )
        np.testing.assert_allclose(blocks_of(one)[name][0], mean / np.linalg.norm(mean), atol=1e-4)
    with pytest.raises(ValueError, match=r"content_dimension: expected 0\.\.8 \(the width"):
        export(made, tmp_path, content_dimension=9)


def test_the_card_says_what_the_vectors_are(trained, tmp_path):
    out, _, table = trained
    items, users = export(trained, tmp_path)
    for store, kind in ((items, "item"), (users, "user")):
        assert store.card.kind == kind
        assert store.card.tower == sha256_of_file(out / "model.safetensors")
        assert {name: getattr(store.card, name) for name in world.CARD} == world.CARD
        assert store.card.as_of == table.timestamp.max()
    _, timed = export(trained, tmp_path, contexts=contexts_of(["i1"]))
    assert timed.card.as_of == table.timestamp.max()  # the training has seen no later event
    later = float(table.timestamp.max()) + 100
    _, later_users = export(trained, tmp_path, contexts=contexts_of(["i1"]), as_of=later)
    assert later_users.card.as_of == later
    _, never_earlier = export(trained, tmp_path, contexts=contexts_of(["i1"]), as_of=5.0)
    assert never_earlier.card.as_of == table.timestamp.max()
    _, without_time = export(
        trained, tmp_path, interactions=table.rename(columns={"timestamp": "position"}), contexts=None
    )
    assert without_time.card.as_of is None


@pytest.mark.parametrize("change", [{"encoder_sha256": "another"}, {"prompt": "paper"}, {"pooling": "last"}])
def test_content_of_another_making_is_refused_by_name(trained, tmp_path, change):
    out, _, table = trained
    other = world.content_store(tmp_path / "other", **change)
    with pytest.raises(StoreError, match=next(iter(change))):
        export((out, other, table), tmp_path)
    assert not (tmp_path / "items").exists()


def test_contexts_that_do_not_fit_are_refused(trained, tmp_path):
    good = contexts_of(["i1"])
    with pytest.raises(ValueError, match="'history'"):
        export(trained, tmp_path, contexts=good.drop(columns="history"))
    with pytest.raises(ValueError, match="list of item ids"):
        export(trained, tmp_path, contexts=good.assign(history="i1 i2"))
    with pytest.raises(StoreError, match="repeated"):
        export(trained, tmp_path, contexts=pd.concat([good, good]))
    with pytest.raises(ValueError, match="neither"):
        export(trained, tmp_path, interactions=None)


def test_tower_c_exports_content_sized_vectors(trained, tmp_path):
    _, content, table = trained
    config = world.small_config("dense_all_action", item_tower="rec_to_llm", train={"n_epochs": 1})
    out = train_towers(table, content, tmp_path / "c", config, progress=False)
    items, users = export((out, content, table), tmp_path, content_dimension=0)
    assert items.card.dimension == users.card.dimension == world.CONTENT


def test_a_killed_export_leaves_no_store_and_the_same_command_gives_the_same_bytes(trained, tmp_path):
    out, content, table = trained
    straight = export(trained, tmp_path / "straight")
    killed, reached = tmp_path / "killed", tmp_path / "reached"
    given = (table, content.path, out, killed, reached)
    assert exit_code_of_killed(export_and_wait, *given, when=reached.exists) == -signal.SIGKILL
    assert (tmp_path / "killed" / "items").exists()
    assert not (tmp_path / "killed" / "users").exists()
    again = export(trained, tmp_path / "killed")
    for one, other in zip(straight, again, strict=True):
        assert one.card.files == other.card.files
        assert EmbeddingStore.open(other.path).card == one.card
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == ["items", "users"]


def test_a_context_that_the_towers_learned_from_has_its_tower_block_left_out(trained, tmp_path):
    contexts = contexts_of(["i1", "i2"], ["i1", "i2"], [])
    plain = export(trained, tmp_path / "a", contexts=contexts)[1]
    marked = export(trained, tmp_path / "b", contexts=contexts.assign(is_learned=[True, False, True]))[1]
    assert not blocks_of(marked)["tower"][0].any()
    np.testing.assert_array_equal(blocks_of(marked)["content"], blocks_of(plain)["content"])
    np.testing.assert_array_equal(blocks_of(marked)["tower"][1], blocks_of(plain)["tower"][1])
    assert marked.present.tolist() == [True, True, False]
    alone = export(
        trained, tmp_path / "c", contexts=contexts.assign(is_learned=[True, False, True]), content_dimension=0
    )[1]
    assert alone.present.tolist() == [False, True, False]


def test_a_context_of_which_nothing_is_left_has_no_vector(tmp_path):
    halves = np.array([[1.0, 0.0, 2.0, 0.0], [0.0, 1.0, 0.0, 2.0]], np.float32)
    content = write_store(
        tmp_path / "content", ids=[f"i{n}" for n in range(60)], vectors=halves[np.arange(60) % 2],
        kind="content", **world.CARD,
    )  # fmt: skip
    config = world.small_config(train={"n_epochs": 1})
    out = train_towers(world.interactions(300), content, tmp_path / "towers", config, progress=False)
    contexts = contexts_of(["i0", "i1"], ["i0", "i2"], ["i0", "i1"]).assign(is_learned=[True, True, False])
    users = export((out, content, None), tmp_path, contexts=contexts)[1]
    assert users.present.tolist() == [False, True, True]
    assert not blocks_of(users)["content"][2].any()
