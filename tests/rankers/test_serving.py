"""A ranker leaves training: what is loaded scores as what was exported, and refuses what is not its own."""

import copy
import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from small_fusions import tables
from small_rankers import N_CODES, batch, host_alone
from small_rankers import fused_ranker as ranker_of
from torch import nn
from torch.nn import functional
from torchrec import EmbeddingBagCollection, EmbeddingBagConfig, KeyedJaggedTensor, PoolingType

from learn_rank import FrozenEmbedding, FusionConfig, LearnFeatureFusion
from learn_rank.fusion.kinds import FUSIONS
from learn_rank.rankers.by_head import RankerByHead
from learn_rank.serving import ExportError, VectorSource, export_ranker, load_exported, swap_vectors
from learn_rank.serving.tensor_ranker import ServingRanker, rows_as_inputs
from learn_recall.store import EmbeddingStore, write_store


def fused_ranker(*shape, **settings):
    """One that compares with four items of the histories, which have up to five: a small program."""
    return ranker_of(*shape, **{"history_length": 4, **settings})


def exported(ranker, folder, rows=None, **settings):
    rows = batch(seed=3) if rows is None else rows
    return load_exported(export_ranker(ranker.eval(), folder / "export", rows.sparse, rows.dense, **settings))


def assert_same_scores(ranker, served, *, sizes=(1, 2, 50, 131)):
    for n in sizes:
        rows = batch(n, seed=n)
        with torch.no_grad():
            expected = ranker(rows.sparse, rows.dense)
        found = served(rows.sparse, rows.dense)
        assert list(found) == ["ctr_logit", "cvr_logit"]
        for name, score in found.items():
            if ranker.fusion is None:
                assert torch.equal(score, getattr(expected, name))
            # eager similarities are summed a few rows at a time, which may round the last bit otherwise
            torch.testing.assert_close(score, getattr(expected, name), rtol=0, atol=2e-6)
        assert n == 1 or expected.ctr_logit.std() > 0


#: one export of every kind, and of every other choice among them
EXPORTS = {
    "learn": ({"entry": "beside"}, {"torchscript": True}),
    "gate": ({"entry": "widened"}, {"dtype": "float16"}),
    "experts": ({"entry": "logit", "layers": "ple", "passes_vectors": True}, {"dtype": "int8"}),
    "similarity": ({"entry": "concat", "layers": "mmoe", "auxiliary_task": "both"}, {}),
}


def kinds(*quick):
    """All kinds of fusion; exports of the others are long tests, since each takes seconds."""
    return [pytest.param(kind, marks=() if kind in quick else pytest.mark.long) for kind in FUSIONS]


def narrow_rows(n=50):
    """Rows of users and items that are all known, each with one item of history, a known one too."""
    rows = batch(n, seed=3)
    features = plain_tensors(rows)
    for name, first in (("learn_user", 100), ("learn_item", 200)):
        values, one_each = features[name]
        features[name] = values % 6 + first, one_each
    features["learn_history"] = features["learn_item"][0].flip(0), one_each
    sparse = KeyedJaggedTensor(
        keys=list(features),
        values=torch.cat([values for values, _ in features.values()]),
        lengths=torch.cat([lengths for _, lengths in features.values()]),
    )
    return dataclasses.replace(rows, sparse=sparse)


@pytest.fixture(scope="module", params=kinds("learn", "gate"))
def pair(request, tmp_path_factory):
    """A ranker of each kind, its export, and the settings of the export.

    That of the kind "learn" is made with rows that need no fallback and have histories of one length.
    """
    settings, how = EXPORTS[request.param]
    ranker = fused_ranker(kind=request.param, **settings)
    with torch.no_grad():
        for parameter in ranker.parameters():  # nothing stays at zero
            parameter.add_(torch.randn_like(parameter) * 0.1)
        if request.param == "learn":
            ranker.fusion.user_fallback.add_(5.0), ranker.fusion.item_fallback.add_(-5.0)
    rows = example_rows_of(request.param)
    return ranker.eval(), exported(ranker, tmp_path_factory.mktemp("served"), rows, **how), how


def example_rows_of(kind):
    return narrow_rows() if kind == "learn" else batch(seed=3)


def of_kind(kind):
    """The one pair of that kind."""
    return pytest.mark.parametrize("pair", [kind], indirect=True)


def quantised(ranker, dtype):
    """The same ranker with tables in another dtype."""
    copied = copy.deepcopy(ranker)
    for side in ("user_vectors", "item_vectors"):
        table = getattr(ranker.fusion, side)
        setattr(copied.fusion, side, FrozenEmbedding(table.keys, table.vectors[:-1], dtype=dtype))
    return copied


def test_what_is_loaded_scores_as_the_ranker_with_the_same_tables(pair):
    ranker, served, how = pair
    assert_same_scores(quantised(ranker, how.get("dtype")), served)


def test_an_export_says_by_how_much_storing_the_tables_moved_the_scores(pair):
    ranker, served, how = pair
    rows = example_rows_of("learn" if "torchscript" in how else None)
    found, own = served(rows.sparse, rows.dense), ranker(rows.sparse, rows.dense)
    moved = max((found[name] - getattr(own, name)).abs().max().item() for name in found)
    assert served.manifest.max_change == moved
    assert (moved > 1e-6) is ("dtype" in how)
    for table in served.manifest.tables.values():
        assert table.dtype == how.get("dtype", "float32")


def test_a_host_without_the_plugin_is_exported_alike(host):
    ranker, served = host
    assert_same_scores(ranker, served)
    assert served.manifest.tables == {} and served.manifest.fusions == {}


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """The host alone and its export."""
    ranker = host_alone().eval()
    return ranker, exported(ranker, tmp_path_factory.mktemp("served"))


class PlainHost(nn.Module):
    """A team's own ranker: sum pooling, another order of features, one score."""

    def __init__(self, plugin):
        super().__init__()
        self.bags = EmbeddingBagCollection(
            tables=[
                EmbeddingBagConfig(
                    name="both",
                    embedding_dim=4,
                    num_embeddings=9,
                    feature_names=["item_id", "user_id"],
                    pooling=PoolingType.SUM,
                ),
                EmbeddingBagConfig(
                    name="tags",
                    embedding_dim=4,
                    num_embeddings=4,
                    feature_names=["tags"],
                    pooling=PoolingType.MEAN,
                ),
            ]
        )
        self.plugin = plugin
        self.mlp = nn.Sequential(
            nn.Linear(12 + 3 + plugin.output_dim, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1)
        )

    def forward(self, sparse, dense):
        return self.mlp(torch.cat([self.bags(sparse).values(), dense, self.plugin(sparse).features], dim=1))[
            :, 0
        ]


@pytest.mark.long
def test_a_plain_module_of_a_team_is_exported_with_its_batch_statistics(tmp_path):
    torch.manual_seed(0)
    host = PlainHost(LearnFeatureFusion(*tables(), FusionConfig(dropout=0.0, history_length=2)))
    rows = batch()
    host.train()(rows.sparse, rows.dense)
    served = exported(host, tmp_path)
    for n in (1, 7, 60):
        rows = batch(n, seed=n)
        expected = host.eval()(rows.sparse, rows.dense)
        torch.testing.assert_close(served(rows.sparse, rows.dense)["score"], expected, rtol=0, atol=2e-6)


def plain_tensors(rows):
    return {name: (rows.sparse[name].values(), rows.sparse[name].lengths()) for name in rows.sparse.keys()}  # noqa: SIM118


def test_an_empty_batch_and_plain_tensors_are_scored(pair):
    _, served, _ = pair
    empty, rows = batch(0), batch(20)
    assert served(empty.sparse, empty.dense)["ctr_logit"].shape == (0,)
    one, other = served(plain_tensors(rows), rows.dense), served(rows.sparse, rows.dense)
    assert torch.equal(one["ctr_logit"], other["ctr_logit"])


OF_REQUEST = ("user_id", "learn_user", "learn_history", "tags")


def one_request(n: int, seed: int):
    """Rows of `batch` whose user, history and tags are those of its first row, and the same in short."""
    rows = batch(n, seed)
    of_row, short = {}, {}
    for name in rows.sparse.keys():  # noqa: SIM118 - a KJT is no mapping
        values, lengths = rows.sparse[name].values(), rows.sparse[name].lengths()
        if name in OF_REQUEST:
            width = int(lengths[0])
            short[name] = (values[:width], lengths[:1])
            values, lengths = values[:width].repeat(n), lengths[:1].repeat(n)
        of_row[name] = (values, lengths)
    sparse = KeyedJaggedTensor(
        keys=list(of_row),
        values=torch.cat([values for values, _ in of_row.values()]),
        lengths=torch.cat([lengths for _, lengths in of_row.values()]),
    )
    return sparse, {**of_row, **short}, rows.dense


@pytest.fixture(scope="module", params=kinds("learn"))
def of_one_request(request, tmp_path_factory):
    """A ranker of each kind and its export that takes one request a call."""
    ranker = fused_ranker("widened", kind=request.param).eval()
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    folder, is_traced = tmp_path_factory.mktemp("served"), request.param == "learn"
    return ranker, exported(ranker, folder, per_request=OF_REQUEST, torchscript=is_traced)


def test_an_export_of_one_request_scores_its_candidates_as_the_ranker_does(of_one_request):
    ranker, served = of_one_request
    assert served.manifest.per_request == OF_REQUEST
    for n in (1, 2, 3, 40):
        sparse, short, dense = one_request(n, seed=n)
        with torch.no_grad():
            expected = ranker(sparse, dense)
        for given in (sparse, short):
            found = served(given, dense)
            for name, score in found.items():
                torch.testing.assert_close(score, getattr(expected, name), rtol=0, atol=2e-6)
        assert n == 1 or expected.ctr_logit.std() > 0


@of_kind("learn")
def test_example_rows_with_one_item_of_history_each_fix_no_length_in_the_export(pair):
    ranker, served, _ = pair
    assert set(narrow_rows().sparse["learn_history"].lengths().tolist()) == {1}
    assert batch(40, seed=7).sparse["learn_history"].lengths().max() > 1
    assert_same_scores(ranker, served)


@of_kind("learn")
def test_a_fallback_that_the_example_rows_do_not_need_is_in_the_export(pair):
    ranker, served, _ = pair
    sparse = narrow_rows().sparse
    for feature, table in (
        ("learn_user", ranker.fusion.user_vectors),
        ("learn_item", ranker.fusion.item_vectors),
    ):
        assert table(sparse[feature].values())[1].all()
    assert_same_scores(ranker, served)


@pytest.mark.parametrize("of_one_request", ["learn"], indirect=True)
def test_rows_of_several_requests_and_unknown_features_of_a_request_are_refused(of_one_request, tmp_path):
    ranker, served = of_one_request
    rows = batch(20, seed=1)
    with pytest.raises(ExportError, match="user_id: expected one request"):
        served(rows.sparse, rows.dense)
    with pytest.raises(ExportError, match=r"fewer values of \['tags'\].*one of them with two values"):
        short = KeyedJaggedTensor(
            keys=["user_id", "tags"],
            values=torch.zeros(3, dtype=torch.int64),
            lengths=torch.tensor([1, 1, 1, 0]),
        )
        export_ranker(ranker, tmp_path / "short", short, rows.dense[:2], per_request=("user_id", "tags"))
    with pytest.raises(ExportError, match=r"per_request.*\['city'\]"):
        exported(ranker, tmp_path, per_request=("city",))


def test_the_auxiliary_head_is_not_in_the_export_and_the_ranker_keeps_it(pair):
    ranker, served, _ = pair
    names = set(served.program.state_dict())
    assert any("fusion.mlp.0.weight" in name for name in names)
    assert not any("auxiliary_head" in name for name in names)
    rows = batch()
    assert ranker(rows.sparse, rows.dense).fusion.auxiliary_logit.abs().sum() > 0


def test_the_copy_that_is_exported_shares_the_frozen_tables():
    ranker = fused_ranker("concat")
    serving = ServingRanker(ranker)
    assert not any(
        tensor.shape == ranker.fusion.item_vectors.vectors.shape for tensor in serving.state_dict().values()
    )
    given = rows_as_inputs(ranker.fusion.item_vectors.rows)
    assert given["vectors"] is ranker.fusion.item_vectors.vectors


@of_kind("learn")
def test_the_torchscript_program_scores_the_same_for_any_number_of_rows(pair):
    _, served, _ = pair
    file, _ = served.manifest.torchscript
    with pytest.warns(DeprecationWarning, match=r"torch\.jit\.load"):
        program = torch.jit.load(str(served.folder / file))
    for n in (1, 9, 140):
        rows = batch(n, seed=n)
        given = {
            f"{name}.{part}": tensor
            for name, parts in plain_tensors(rows).items()
            for part, tensor in zip(("values", "lengths"), parts, strict=True)
        }
        given["dense"] = rows.dense
        for name, parts in served.tables.items():
            given |= {f"{name}.{part}": tensor for part, tensor in parts.items()}
        scores = program(*(given[name] for name in served.manifest.torchscript_inputs))
        for one, other in zip(scores, served(rows.sparse, rows.dense).values(), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=2e-6)


def store(folder, table, *, n_new=0, **card) -> EmbeddingStore:
    """A table as a store, with `n_new` ids more, 300, 301, .."""
    generator = torch.Generator().manual_seed(9)
    new = functional.normalize(torch.randn(n_new, table.dimension, generator=generator), dim=1)
    settings = {"kind": "item", "encoder": "e", "encoder_sha256": "1" * 64, "prompt": "p", "pooling": "mean"}
    return write_store(
        folder,
        ids=np.concatenate([table.keys.numpy(), 300 + np.arange(n_new)]),
        vectors=torch.cat([table.vectors[:-1], new]).numpy(),
        max_tokens=8,
        dtype="float32",
        **{**settings, **card},
    )


@pytest.mark.long
def test_one_program_serves_new_items_by_one_ranker_and_those_of_training_by_another(tmp_path):
    base, fused = host_alone().eval(), fused_ranker("concat", kind="similarity").eval()
    # the last code is of an item that only histories name: the choice was made without a row of it
    ranker = RankerByHead(base, fused, click="new", conversion="known", n_known=N_CODES["item_id"] - 2)
    served = exported(ranker, tmp_path)
    assert served(batch(1).sparse, batch(1).dense)["ctr_logit"].shape == (1,)
    rows = batch(131, seed=131)
    codes, last = rows.sparse["item_id"].values(), N_CODES["item_id"] - 1
    assert (codes == 0).any() and (codes == last).any()
    is_new = (codes == 0) | (codes == last)
    scores, (old, new) = (
        served(rows.sparse, rows.dense),
        (each(rows.sparse, rows.dense) for each in (base, fused)),
    )
    close = {"rtol": 0, "atol": 2e-6}
    click = torch.where(is_new, new.ctr_logit, old.ctr_logit)
    torch.testing.assert_close(scores["ctr_logit"], click.detach(), **close)
    conversion = torch.where(is_new, old.cvr_logit, new.cvr_logit)
    torch.testing.assert_close(scores["cvr_logit"], conversion.detach(), **close)
    with pytest.raises(ValueError, match="conversion: expected one of"):
        RankerByHead(base, fused, click="new", conversion="old")


@pytest.fixture(scope="module")
def from_store(tmp_path_factory):
    """A ranker whose item vectors came from a store, exported with it."""
    folder = tmp_path_factory.mktemp("served")
    ranker = fused_ranker("concat", history_feature=None).eval()
    own = store(folder / "items", ranker.fusion.item_vectors)
    ranker.fusion.item_vectors = FrozenEmbedding.from_store(own)
    rows = batch(seed=3)
    export_ranker(
        ranker, folder / "export", rows.sparse, rows.dense, sources={"fusion.item_vectors": VectorSource(own)}
    )
    return folder, ranker, own


def test_vectors_of_new_items_are_swapped_in_and_score_without_a_new_export(from_store):
    folder, ranker, _ = from_store
    newer = store(folder / "newer", ranker.fusion.item_vectors, n_new=40)
    before = load_exported(folder / "export")
    swap_vectors(folder / "export", "fusion.item_vectors", VectorSource(newer))
    after = load_exported(folder / "export")
    rows = batch(30)
    assert torch.equal(
        before(rows.sparse, rows.dense)["ctr_logit"], after(rows.sparse, rows.dense)["ctr_logit"]
    )
    ids = rows.sparse.values()
    shown = KeyedJaggedTensor(
        rows.sparse.keys(), torch.where(ids >= 200, ids + 100, ids), lengths=rows.sparse.lengths()
    )
    assert not torch.equal(before(shown, rows.dense)["ctr_logit"], after(shown, rows.dense)["ctr_logit"])
    ranker_of_today = fused_ranker("concat", history_feature=None).eval()
    ranker_of_today.fusion.item_vectors = FrozenEmbedding.from_store(newer)
    expected = ranker_of_today(shown, rows.dense).ctr_logit
    assert torch.equal(after(shown, rows.dense)["ctr_logit"], expected)
    table = after.manifest.tables["fusion.item_vectors"]
    assert table.n_ids == 46 and table.trained_with != table.identity
    assert table.trained_with == before.manifest.tables["fusion.item_vectors"].identity


@pytest.mark.parametrize(
    "card", [{"encoder_sha256": "2" * 64}, {"prompt": "q"}, {"tower": "3" * 64}], ids=str
)
def test_vectors_that_something_else_made_are_refused_by_what_differs(card, from_store, tmp_path):
    folder, ranker, _ = from_store
    other = store(tmp_path / "other", ranker.fusion.item_vectors, **card)
    with pytest.raises(ExportError, match=f"fusion.item_vectors: {next(iter(card))}: expected .* got"):
        swap_vectors(folder / "export", "fusion.item_vectors", VectorSource(other))


def test_a_table_of_unknown_origin_and_an_unknown_name_are_not_swapped(from_store):
    folder, _, own = from_store
    with pytest.raises(ExportError, match="knows what made its vectors"):
        swap_vectors(folder / "export", "fusion.user_vectors", VectorSource(own))
    with pytest.raises(ExportError, match="expected one of"):
        swap_vectors(folder / "export", "item_vectors", VectorSource(own))


def test_a_source_that_is_not_the_rankers_is_refused(from_store, tmp_path):
    _, ranker, _ = from_store
    rows = batch()
    other = store(tmp_path / "other", ranker.fusion.item_vectors, n_new=1)
    for sources, words in (
        ({"fusion.item_vectors": VectorSource(other)}, "that the ranker was trained with"),
        ({"fusion.vectors": VectorSource(other)}, "expected names among"),
    ):
        with pytest.raises(ExportError, match=words):
            export_ranker(ranker, tmp_path / "export", rows.sparse, rows.dense, sources=sources)
    assert not (tmp_path / "export").exists()


def test_a_changed_file_a_missing_file_and_a_missing_export_are_refused_by_name(host, tmp_path):
    folder = tmp_path / "export"
    shutil.copytree(host[1].folder, folder)
    program = folder / "program.pt2"
    kept = program.read_bytes()
    program.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(ExportError, match=r"program.pt2: expected sha256 \w+, got"):
        load_exported(folder)
    program.unlink()
    with pytest.raises(ExportError, match=r"program.pt2: .* got no file"):
        load_exported(folder)
    with pytest.raises(ExportError, match="expected an export"):
        load_exported(tmp_path)
    saved = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**saved, "format_version": 99}))
    with pytest.raises(ExportError, match="format_version 2"):
        load_exported(folder)


def test_an_export_of_before_there_was_a_choice_opens_as_one_that_chose_nothing(host, tmp_path):
    older = shutil.copytree(host[1].folder, tmp_path / "older")
    manifest = json.loads((older / "manifest.json").read_text(encoding="utf-8"))
    assert manifest.pop("choice") is None
    (older / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert load_exported(older).manifest == host[1].manifest


def test_rows_that_do_not_fit_are_refused_in_words(host):
    _, served = host
    rows = batch(5)
    plain = plain_tensors(rows)
    for change, dense, words in (
        ({}, rows.dense[:, :2], r"dense: expected float32 of shape \(B, 3\)"),
        ({}, rows.dense.double(), "dense: expected float32"),
        ({}, rows.dense[:4], "user_id: expected lengths of 4 rows"),
        ({"tags": (plain["tags"][0].int(), plain["tags"][1])}, rows.dense, "tags: expected values int64"),
    ):
        with pytest.raises(ExportError, match=words):
            served({**plain, **change}, dense)
    del plain["tags"]
    with pytest.raises(ExportError, match=r"lacking \['tags'\]"):
        served(plain, rows.dense)


def test_example_rows_that_are_too_few_are_refused(tmp_path):
    rows = batch(1)
    with pytest.raises(ExportError, match="at least two rows"):
        export_ranker(host_alone(), tmp_path / "export", rows.sparse, rows.dense)


def test_a_host_whose_scores_are_random_is_refused_and_leaves_nothing(tmp_path):
    class Random(type(host_alone())):
        def forward(self, sparse, dense):
            scores = super().forward(sparse, dense)
            return scores._replace(ctr_logit=scores.ctr_logit + torch.rand_like(scores.ctr_logit))

    host = host_alone()
    host.__class__ = Random
    rows = batch()
    with pytest.raises(ExportError, match="ctr_logit: expected the ranker's scores"):
        export_ranker(host, tmp_path / "export", rows.sparse, rows.dense)
    assert not list(tmp_path.iterdir())
