"""The encode job: the right vectors, no text twice, nothing finished lost, no two identities mixed."""

import errno
import io
import shutil
from pathlib import Path

import encode_victim
import numpy as np
import pandas as pd
import pytest
import torch
from children import exit_codes_of
from rich.console import Console
from tiny_models import save_tiny_model

from learn_recall.encode import (
    disk_space as encode_room,
)
from learn_recall.encode import (
    finish as encode_finish,
)
from learn_recall.encode import (
    identity as encode_identity,
)
from learn_recall.encode import (
    shards as encode_job,
)
from learn_recall.encode import (
    work_folder as encode_work,
)
from learn_recall.encode.job import EncodeError, encode_items
from learn_recall.encoder import token_rows
from learn_recall.encoder.compute_dtype import DtypeCheck
from learn_recall.encoder.parity import Parity
from learn_recall.encoder.text_encoder import TextEncoder
from learn_recall.store import EmbeddingStore, StoreError, write_store
from learn_recall.store.content_shards import ShardError, open_shard, write_shard
from learn_recall.text.digests import text_digests
from learn_recall.text.prompt import render_items

WORDS = ["red", "blue", "ring", "pin", "for", "women", "men", "set", "of", "nail", "polish"]


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny-llama"), "llama")


def many_items(n: int = 40) -> pd.DataFrame:
    generator = np.random.default_rng(3)
    titles = [" ".join(generator.choice(WORDS, size=1 + number % 9)) for number in range(n)]
    brands = [None if number % 3 == 0 else f"{WORDS[number % 5]}" for number in range(n)]
    return pd.DataFrame({"item_id": np.arange(n) * 10, "title": titles, "brand": brands})


@pytest.fixture
def job(model, tmp_path):
    """Run the job with small shards in one thread; `job(items, out=..., **options)`."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def run(items: pd.DataFrame, out: Path = tmp_path / "store", **options) -> EmbeddingStore:
        return encode_items(items, out, encoder=model, **{**encode_victim.SETTINGS, **options})

    yield run
    torch.set_num_threads(threads)


@pytest.fixture
def encoded(monkeypatch) -> list[int]:
    """Rows of each batch that a model was asked to encode, those of the parity check aside."""
    monkeypatch.setattr(encode_identity, "check_parity", lambda *_: Parity(1.0, 1.0, 1.0, 1.0, True, 0))
    batches: list[int] = []
    original = TextEncoder._encode_batch

    def counted(self, rows):
        batches.append(len(rows))
        return original(self, rows)

    monkeypatch.setattr(TextEncoder, "_encode_batch", counted)
    return batches


def content_bytes(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_every_item_gets_the_vector_of_its_own_text(job, model):
    items = pd.DataFrame(
        {
            "item_id": ["b", "a", "c", "d", "e", "f"],
            "title": ["red <b>ring</b>", "pin &amp; set", "red ring", "", "Müller 東京 \u200bring", np.nan],
            "brand": [None, "blue", np.nan, None, "", "men"],
            "price": [np.nan, 1.5, 2.0, np.nan, np.nan, np.nan],
        }
    )
    store = job(items)
    texts = render_items(items, "short")
    assert texts[3:] == ["", "Title: Müller 東京 ring", "Brand: men"]
    assert store.ids.tolist() == items["item_id"].tolist()
    assert store.present.tolist() == [True, True, True, False, True, True]
    expected = TextEncoder.load(model, device="cpu").encode([text for text in texts if text])
    np.testing.assert_allclose(store.vectors[store.present], expected, atol=2e-5)
    np.testing.assert_array_equal(store.vectors[0], store.vectors[2])  # equal texts, equal vectors
    assert not store.lookup(["d"])[1][0]


def test_the_card_says_what_made_the_vectors(job, model):
    items = pd.DataFrame({"item_id": [1, 2, 3, 4], "title": ["red", "red", "blue " * 20, None]})
    card = job(items, max_tokens=6, pooling="last", store_dtype="float16").card
    assert (card.kind, card.pooling, card.max_tokens, card.dtype) == ("content", "last", 6, "float16")
    assert (card.prompt, card.blocks[0].name, card.blocks[0].stop) == ("short", "content", 32)
    assert card.encoder_sha256 == TextEncoder.load(model, device="cpu").sha256
    extra = card.extra
    assert extra["identity"]["template"] == "[Title: {title}][ Brand: {brand}][ Category: {category}]"
    assert (extra["n_texts"], extra["n_duplicates"], extra["n_without_text"]) == (2, 1, 1)
    # "<s> Title: red" and six of "<s> Title: blue blue ..."
    assert (extra["n_tokens"], extra["n_truncated"], extra["truncation_rate"]) == (3 + 6, 1, 0.5)
    assert extra["dtype_check"]["reason"] == "asked for"
    assert extra["dtype_check"]["parity"]["n_texts"] == 2


def test_duplicates_are_encoded_once_and_an_unchanged_table_not_at_all(job, encoded, tmp_path):
    items = many_items()
    items.loc[[3, 30, 31], ["title", "brand"]] = ["red pin", None]
    n_texts = len(set(render_items(items, "short")))
    assert n_texts < len(items)
    job(items)
    assert sum(encoded) == n_texts
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").iterdir()}
    encoded.clear()
    job(items)
    assert encoded == []
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "store").iterdir()} == before
    assert not (tmp_path / "store.work").exists()


def test_only_new_and_changed_texts_are_encoded_and_the_rest_keeps_its_bytes(job, encoded):
    items = many_items()
    before = job(items)
    kept = dict(zip(before.ids.tolist(), np.array(before.vectors), strict=True))
    encoded.clear()
    changed = items.iloc[::-1].drop(index=[5, 6]).reset_index(drop=True)
    changed.loc[0, "title"] = "nail polish for nail polish"
    changed = pd.concat([changed, pd.DataFrame({"item_id": [999], "title": ["red set of polish men"]})])
    after = job(changed)
    assert sum(encoded) == 2
    assert after.ids.tolist() == changed["item_id"].tolist()
    for item in changed["item_id"].tolist()[1:-1]:
        np.testing.assert_array_equal(after.vectors[after.positions([item])[0]], kept[item])
    encoded.clear()
    fewer = changed.iloc[:10]
    assert job(fewer).ids.tolist() == fewer["item_id"].tolist()
    swapped = fewer.assign(item_id=fewer["item_id"].to_numpy()[::-1])  # the same texts under other ids
    np.testing.assert_array_equal(
        job(swapped).lookup(swapped["item_id"])[0], job(fewer).lookup(fewer["item_id"])[0]
    )
    turned = fewer.assign(title=fewer["title"].to_numpy()[::-1], brand=fewer["brand"].to_numpy()[::-1])
    np.testing.assert_array_equal(job(turned).vectors, np.array(job(fewer).vectors)[::-1])
    assert encoded == []


def test_an_update_that_stops_when_its_store_is_in_place_loses_nothing(job, encoded, tmp_path):
    items = many_items()
    job(items.iloc[:30])
    with pytest.MonkeyPatch.context() as patch:
        fail_on_call(patch, encode_work.WorkFolder, "remove", 1, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            job(items)
    encoded.clear()
    assert (tmp_path / "store.work").exists()
    assert len(job(items)) == 40
    assert encoded == []
    assert not (tmp_path / "store.work").exists()


DEATHS = [place for place in encode_victim.PLACES if place != "nowhere"]
MOMENTS = [f"random-{number}" for number in range(4)]
SIDE_BY_SIDE = [
    "nowhere+nowhere",
    "first-batch+nowhere",
    "first-batch+first-batch",  # both die with a claim, a third takes both over
    "before-store+nowhere",
]


@pytest.fixture(scope="module")
def played(model, tmp_path_factory) -> dict[str, dict[str, bytes]]:
    """The bytes of the store of each scenario of `encode_victim`; one process plays them all."""
    folder = tmp_path_factory.mktemp("played")
    scenarios = ["nowhere", *DEATHS, *MOMENTS, *SIDE_BY_SIDE]
    many_items().to_parquet(folder / "items.parquet")
    played = (str(model), str(folder / "items.parquet"), str(folder / "out"), *scenarios)
    assert exit_codes_of(encode_victim.main, played) == [0]
    assert sorted(path.name for path in (folder / "out").iterdir()) == sorted(scenarios)  # nothing else left
    return {name: content_bytes(folder / "out" / name) for name in scenarios}


def test_a_job_killed_anywhere_ends_with_the_bytes_of_an_undisturbed_run(played):
    assert set(played["nowhere"]) == {
        "card.json", "ids.parquet", "present.npy", "texts.safetensors", "vectors.npy"
    }  # fmt: skip
    for scenario in [*DEATHS, *MOMENTS]:
        assert played[scenario] == played["nowhere"], scenario


def test_many_workers_make_the_store_of_one_and_take_over_from_the_dead(played):
    for scenario in SIDE_BY_SIDE:
        assert played[scenario] == played["nowhere"], scenario


def fail_on_call(monkeypatch, owner, name: str, call: int, error: BaseException) -> None:
    original, calls = getattr(owner, name), []

    def failing(*args, **options):
        calls.append(1)
        if len(calls) == call:
            raise error
        return original(*args, **options)

    monkeypatch.setattr(owner, name, failing)


def test_a_full_disk_loses_no_finished_shard(job, encoded, tmp_path):
    undisturbed = content_bytes(job(many_items(), tmp_path / "whole").path)
    n_rows, n_batches = sum(encoded), len(encoded)
    encoded.clear()
    with pytest.MonkeyPatch.context() as patch:
        full = OSError(errno.ENOSPC, "No space left on device")
        fail_on_call(patch, Path, "write_bytes", 4, full)  # each shard is written so
        with pytest.raises(EncodeError, match=r"No space left.*kept: 3 of 6 shards.*same command again"):
            job(many_items())
    left = sorted(path.name.split("-")[0] for path in (tmp_path / "store.work").iterdir())
    assert left == ["manifest.json", "plan", *["shard"] * 3]  # nothing half-written
    first = sum(encoded)
    encoded.clear()
    assert content_bytes(job(many_items()).path) == undisturbed
    assert sum(encoded) == n_rows - 3 * 7
    assert first == 4 * 7
    assert n_batches > 6


def test_a_disk_that_fills_up_while_the_store_is_written_keeps_every_shard(job, encoded, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        fail_on_call(
            patch, encode_finish, "write_store_stream", 1, OSError(errno.ENOSPC, "No space left on device")
        )
        with pytest.raises(EncodeError, match="kept: every shard"):
            job(many_items())
    encoded.clear()
    assert len(job(many_items())) == 40
    assert encoded == []
    assert not (tmp_path / "store.work").exists()


def test_too_little_room_is_said_before_the_first_batch(job, encoded, monkeypatch):
    monkeypatch.setattr(encode_room.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 100))
    with pytest.raises(EncodeError, match=r"bytes of room, got 100"):
        job(many_items())
    assert encoded == []


def interrupted(job, items: pd.DataFrame, n_shards: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fail_on_call(patch, encode_job, "write_shard", n_shards + 1, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            job(items)


def test_a_damaged_shard_is_noticed_and_encoded_again(job, encoded, tmp_path):
    undisturbed = content_bytes(job(many_items(), tmp_path / "whole").path)
    interrupted(job, many_items(), 4)
    flipped, cut, *rest = sorted((tmp_path / "store.work").glob("*.safetensors"))
    assert len(rest) == 2
    data = bytearray(flipped.read_bytes())
    data[-5] ^= 8
    flipped.write_bytes(data)
    cut.write_bytes(cut.read_bytes()[:-1])
    encoded.clear()
    assert content_bytes(job(many_items()).path) == undisturbed
    assert sum(encoded) == len(set(render_items(many_items(), "short"))) - 2 * 7


def test_shards_of_a_job_whose_items_changed_meanwhile_are_still_used(job, encoded):
    items = many_items()
    interrupted(job, items, 3)
    encoded.clear()
    more = pd.concat([pd.DataFrame({"item_id": [7], "title": ["polish polish"]}), items], ignore_index=True)
    n_texts = len(set(render_items(more, "short")))
    interrupted(job, more, 1)
    store = job(more)
    assert sum(encoded) == n_texts - 3 * 7 + 7  # the last 7: the shard whose writing was interrupted
    assert store.present.all()


def test_the_batch_settings_of_a_rerun_may_differ(job, encoded):
    interrupted(job, many_items(), 3)
    encoded.clear()
    store = job(many_items(), batch_tokens=64, shard_size=100)
    assert sum(encoded) == len(set(render_items(many_items(), "short"))) - 3 * 7
    assert len(store) == 40


OTHERS = [
    ({"pooling": "last"}, "pooling: 'mean' there, 'last' now"),
    ({"max_tokens": 9}, "max_tokens: 64 there, 9 now"),
    ({"template": "{title}"}, "template: .* now"),
    ({"store_dtype": "float16"}, "store_dtype: 'float32' there, 'float16' now"),
    ({"dtype": "bfloat16"}, "compute_dtype: 'float32' there, 'bfloat16' now"),
]


@pytest.mark.parametrize(("other", "says"), OTHERS)
def test_another_identity_is_refused_by_store_and_work_folder_alike(job, encoded, tmp_path, other, says):
    job(many_items(9))
    before = content_bytes(tmp_path / "store")
    with pytest.raises(EncodeError, match=rf"store: expected the same encoder.*{says}.*--overwrite"):
        job(many_items(9), **other)
    assert content_bytes(tmp_path / "store") == before
    shutil.rmtree(tmp_path / "store")
    interrupted(job, many_items(), 2)
    with pytest.raises(EncodeError, match=rf"store\.work: expected the same encoder.*{says}"):
        job(many_items(), **other)
    assert len(list((tmp_path / "store.work").glob("*.safetensors"))) == 2


def test_overwrite_replaces_another_identity_and_continues_the_same_one(job, encoded, tmp_path):
    job(many_items())
    n_texts = sum(encoded)
    expected = content_bytes(job(many_items(), tmp_path / "other", pooling="last").path)
    interrupted(job, many_items(41), 0)  # leaves a work folder of pooling "mean" too
    encoded.clear()
    store = job(many_items(), pooling="last", overwrite=True)
    assert sum(encoded) == n_texts
    assert content_bytes(store.path) == expected
    encoded.clear()
    job(many_items(), pooling="last", overwrite=True)
    assert encoded == []


def test_another_encoder_is_another_identity(job, tmp_path):
    job(many_items(5))
    bert = save_tiny_model(tmp_path / "bert", "bert")
    with pytest.raises(EncodeError, match="encoder_sha256"):
        encode_items(many_items(5), tmp_path / "store", encoder=bert, **encode_victim.SETTINGS)


def test_what_auto_chose_is_kept_by_later_runs(job, encoded, tmp_path, monkeypatch):
    def choose(dtype):
        return lambda encoder, sample: DtypeCheck(dtype, "because", 0.9999, len(sample))

    monkeypatch.setattr(encode_identity, "choose_dtype", choose("bfloat16"))
    interrupted(lambda items: job(items, dtype="auto"), many_items(), 2)
    monkeypatch.setattr(encode_identity, "choose_dtype", choose("float32"))
    card = job(many_items(), dtype="auto").card
    assert card.extra["identity"]["compute_dtype"] == "bfloat16"
    assert {name: card.extra["dtype_check"][name] for name in DtypeCheck.__dataclass_fields__} == {
        "dtype": "bfloat16",
        "reason": "because",
        "min_cosine": 0.9999,
        "n_texts": 32,
    }
    encoded.clear()
    job(many_items(), dtype="auto")
    assert encoded == []
    assert job(many_items(), tmp_path / "new", dtype="auto").card.extra["dtype_check"]["dtype"] == "float32"


def test_a_store_whose_texts_file_was_lost_or_damaged_is_encoded_again(job, encoded, tmp_path):
    undisturbed = content_bytes(job(many_items()).path)
    n_texts = sum(encoded)
    for damage in (Path.unlink, lambda path: path.write_bytes(b"other")):
        damage(tmp_path / "store" / "texts.safetensors")
        encoded.clear()
        assert content_bytes(job(many_items()).path) == undisturbed
        assert sum(encoded) == n_texts


def test_a_damaged_store_is_refused_and_replaced_only_when_asked(job, tmp_path):
    undisturbed = content_bytes(job(many_items()).path)
    vectors = tmp_path / "store" / "vectors.npy"
    vectors.write_bytes(vectors.read_bytes()[:-1])
    with pytest.raises(StoreError, match="not whole"):
        job(many_items())
    assert content_bytes(job(many_items(), overwrite=True).path) == undisturbed


def test_a_content_store_from_elsewhere_is_not_taken_for_ours(job, tmp_path):
    fields = {"encoder": "x", "encoder_sha256": "0", "prompt": "short", "pooling": "mean", "max_tokens": 9}
    write_store(tmp_path / "store", ids=[1], vectors=np.ones((1, 4)), kind="content", **fields)
    with pytest.raises(EncodeError, match="encoder_sha256: None there"):
        job(many_items())


@pytest.mark.parametrize(
    ("items", "options", "says"),
    [
        (pd.DataFrame({"title": ["a"]}), {}, r"a column 'item_id', got \['title'\]"),
        (
            pd.DataFrame({"item_id": [1, 2, 1], "title": "a"}),
            {},
            r"each id once, got 1 repeated, first \[1\]",
        ),
        (
            pd.DataFrame({"item_id": [1], "title": [None]}),
            {},
            "expected text in the fields.*got none in 1 rows",
        ),
        (pd.DataFrame({"item_id": [], "title": []}), {}, "got none in 0 rows"),
        (many_items(2), {"dtype": "int4"}, "dtype: expected one of .*got 'int4'"),
        (many_items(2), {"store_dtype": "bfloat16"}, "store_dtype: expected one of"),
        (many_items(2), {"batch_tokens": 0}, "batch_tokens: expected at least 1, got 0"),
        (many_items(2), {"shard_size": 0}, "shard_size: expected at least 1, got 0"),
    ],
)
def test_wrong_items_and_options_are_refused_before_a_model_is_loaded(job, monkeypatch, items, options, says):
    monkeypatch.setattr(TextEncoder, "load", lambda *args, **options: pytest.fail("loaded a model"))
    with pytest.raises(EncodeError, match=says):
        job(items, **options)


def test_what_lies_in_the_way_is_left_alone(job, tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "holiday.txt").write_text("mine")
    with pytest.raises(EncodeError, match="expected a free path or a store"):
        job(many_items(), overwrite=True)
    (tmp_path / "store").rename(tmp_path / "store.work")
    with pytest.raises(EncodeError, match="expected the work folder of an encode job"):
        job(many_items(), overwrite=True)
    assert (tmp_path / "store.work" / "holiday.txt").read_text() == "mine"


def test_vectors_too_large_for_float16_are_an_error_with_the_remedy(job, monkeypatch, tmp_path):
    original = TextEncoder._encode_batch
    monkeypatch.setattr(TextEncoder, "_encode_batch", lambda self, rows: original(self, rows) * 1e6)
    with pytest.raises(EncodeError, match=r"float16 can hold.*store_dtype='float32'"):
        job(many_items(), store_dtype="float16")
    assert job(many_items(), tmp_path / "wide", store_dtype="float32").present.all()


def test_a_text_without_a_token_is_not_present(job, model, monkeypatch):
    original = token_rows._token_ids

    def nothing_for_pin(tokenizer, texts, **options):
        return [
            [] if text == "Title: pin" else row
            for text, row in zip(texts, original(tokenizer, texts, **options), strict=True)
        ]

    monkeypatch.setattr(token_rows, "_token_ids", nothing_for_pin)
    store = job(pd.DataFrame({"item_id": [1, 2], "title": ["pin", "ring"]}))
    assert store.present.tolist() == [False, True]


def test_progress_shows_texts_tokens_and_the_share_that_was_cut(job):
    screen = io.StringIO()
    job(
        many_items(),
        progress=True,
        max_tokens=4,
        console=Console(file=screen, force_terminal=True, width=120),
    )
    n_texts = len(set(render_items(many_items(), "short")))
    assert f"{n_texts}/{n_texts} texts" in screen.getvalue()
    assert "tokens/s" in screen.getvalue()
    assert "0.0% cut" not in screen.getvalue().rsplit("texts", 1)[-1]


def test_nothing_is_printed_without_progress(job, capfd):
    job(many_items())
    assert capfd.readouterr() == ("", "")


def test_a_shard_reads_back_what_was_written_and_refuses_other_files(tmp_path):
    arrays = {
        "digests": np.arange(48, dtype=np.uint8).reshape(3, 16),
        "n_tokens": np.array([1, 0, 5], dtype=np.int32),
        "is_truncated": np.array([False, True, False]),
        "vectors": np.array([[0.5, -2], [0, 0], [7, 8]], dtype=np.float16),
    }
    write_shard(tmp_path / "one.safetensors", **arrays)
    shard = open_shard(tmp_path / "one.safetensors")
    for name, array in arrays.items():
        np.testing.assert_array_equal(getattr(shard, name).read(0, 3), array)
    for content in (b"", b"\xff" * 100, b"{}"):
        (tmp_path / "bad.safetensors").write_bytes(content)
        with pytest.raises(ShardError):
            open_shard(tmp_path / "bad.safetensors")


def test_digests_follow_the_text_and_nothing_else():
    found = text_digests(["b", "a", "", "b", "東京"])
    assert found.shape == (5, 16)
    np.testing.assert_array_equal(found[0], found[3])
    assert len(np.unique(found, axis=0)) == 4
    assert not found[2].any()
    np.testing.assert_array_equal(found[[1, 4]], text_digests(["a", "東京"]))
