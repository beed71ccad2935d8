"""Codes of the text: by hand, against a loop, fitted on training items alone, the same after a checkpoint."""

import numpy as np
import pytest
import torch
from ranking_worlds import planted_dataset
from small_fusions import THREE, fusion, tables
from small_rankers import batch, config, fused_ranker

from learn_rank.data.encoded_rows import encode_dataset
from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.fusion import semantic_codes
from learn_rank.fusion.config import FusionConfig
from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion
from learn_rank.fusion.semantic_codes import SemanticCodes
from learn_rank.rankers.multi_task import MultiTaskRanker
from learn_rank.rankers.train import RankTrainConfig, train_ranker
from learn_rank.serving import export_ranker, load_exported
from learn_rank.testing import check_fusion

KNOWN = torch.tensor([200, 201, 202, 203])


def coded(**settings):
    made = fusion(**{"code_levels": 2, "codes_per_level": 3, "code_dim": 2, **settings})
    made.fit_codes(KNOWN)
    with torch.no_grad():
        for number, table in enumerate(made.codes.tables):
            table.weight.copy_(
                torch.arange(table.weight.numel()).reshape(table.weight.shape) + 100.0 * number
            )
    return made


def test_codes_by_hand_are_the_nearest_centre_and_that_of_what_it_leaves():
    codes = SemanticCodes(((0, 1),), n_levels=2, n_centres=2, dim=1)
    codes.centres.copy_(torch.tensor([[[0.0], [10.0]], [[-1.0], [1.0]]]))
    first, second = codes.ids(torch.tensor([[0.6], [9.5], [10.2]]))
    assert first.tolist() == [0, 1, 1]
    assert second.tolist() == [0 * 2 + 1, 1 * 2 + 0, 1 * 2 + 1]


def test_the_ids_are_those_of_a_loop_over_items_and_centres():
    made, (_, items) = coded(), tables()
    found = torch.stack(made.codes.ids(items.vectors), dim=1)
    for row, vector in enumerate(items.vectors):
        left, prefix = vector.clone(), 0
        for level, centres in enumerate(made.codes.centres):
            code = int(((centres - left) ** 2).sum(1).argmin())
            left, prefix = left - centres[code], prefix * 3 + code
            assert int(found[row, level]) == prefix


def test_the_features_are_the_embeddings_of_the_ids_and_zeros_without_a_vector():
    made, (_, items) = coded(), tables()
    with torch.no_grad():
        found = made(THREE).features[:, -4:]
    first, second = made.codes.ids(items(torch.tensor([200, 203]))[0])
    for at, row in enumerate((0, 2)):
        expected = [made.codes.tables[0].weight[first[at]], made.codes.tables[1].weight[second[at]]]
        torch.testing.assert_close(found[row], torch.cat(expected))
    assert found[1].tolist() == [0.0] * 4  # item 999


def test_they_begin_at_zero_and_leave_the_other_features_as_they_are():
    plain, made = fusion(), fusion(code_levels=1, codes_per_level=2, code_dim=3)
    made.fit_codes(KNOWN)
    made.load_state_dict(plain.state_dict(), strict=False)
    assert made.output_dim == plain.output_dim + 3
    torch.testing.assert_close(made(THREE).features[:, :-3], plain(THREE).features)
    assert not made(THREE).features[:, -3:].any()


def test_items_that_training_does_not_have_do_not_move_the_centres():
    items = tables()[1]
    moved = items.vectors[:6].clone()
    moved[4:] = torch.tensor([0.0, 0.0, 0.0, 1.0])
    changed = FrozenEmbedding(items.keys[:6], moved)
    found = []
    for table in (items, changed):
        codes = SemanticCodes(((0, 4),), n_levels=2, n_centres=3, dim=1)
        codes.fit(table, KNOWN)
        found.append(codes.centres)
    torch.testing.assert_close(*found)


def test_a_checkpoint_brings_the_centres_along_and_they_are_no_parameters():
    made, other = coded(), fusion(code_levels=2, codes_per_level=3, code_dim=2)
    other.load_state_dict(made.state_dict())
    torch.testing.assert_close(other(THREE).features, made(THREE).features)
    assert "codes.centres" not in dict(made.named_parameters())


def test_a_table_takes_the_prefixes_of_a_deep_level_by_their_hash(monkeypatch):
    monkeypatch.setattr(semantic_codes, "MOST_ROWS", 8)
    made = coded(code_levels=3)
    assert [table.num_embeddings for table in made.codes.tables] == [3, 8, 8]
    deepest = made.codes.ids(tables()[1].vectors)[-1]
    assert set(deepest.tolist()) <= set(range(8))


def test_they_keep_the_contract_of_a_fusion_and_are_off_by_default():
    check_fusion(coded())
    assert fusion().codes is None


def test_codes_that_cannot_be_are_refused():
    with pytest.raises(
        ValueError, match=r"expected codes that were fitted, got none\. Remedy: fusion\.fit_codes"
    ):
        fusion(code_levels=1, codes_per_level=2)(THREE)
    with pytest.raises(ValueError, match="codes_per_level: expected at most as many as training items"):
        fusion(code_levels=1, codes_per_level=9).fit_codes(KNOWN)
    with pytest.raises(ValueError, match="code_levels, codes_per_level, code_dim: expected at least"):
        FusionConfig(code_levels=-1)


def test_items_of_one_text_share_their_codes():
    vectors = torch.nn.functional.normalize(torch.from_numpy(np.eye(4, dtype=np.float32)), dim=1)
    table = FrozenEmbedding(torch.arange(8), vectors.repeat(2, 1))
    codes = SemanticCodes(((0, 4),), n_levels=2, n_centres=3, dim=1)
    codes.fit(table, torch.arange(4))
    for ids in codes.ids(table.vectors):
        assert ids[:4].tolist() == ids[4:8].tolist()


def test_training_fits_them_on_the_items_of_its_rows_before_the_first_step(tmp_path):
    dataset, _, vectors = planted_dataset(n_rows=400)
    data = encode_dataset(dataset, history_length=5)
    items = FrozenEmbedding(torch.arange(len(vectors)), torch.from_numpy(vectors).float())
    users = FrozenEmbedding(torch.from_numpy(np.unique(data.train.user_key)[:1]), torch.ones(1, 8))
    settings = FusionConfig(code_levels=1, codes_per_level=3, dropout=0.0)
    how = RankTrainConfig(n_epochs=1, batch_size=64)

    def build():
        plugin = LearnFeatureFusion(users, items, settings)
        return MultiTaskRanker(data.n_codes, data.n_dense, config(), plugin)

    trained, _ = train_ranker(build, data, how, tmp_path)
    alone = LearnFeatureFusion(users, items, settings)
    alone.fit_codes(torch.from_numpy(data.train.item_key.copy()))
    torch.testing.assert_close(trained.fusion.codes.centres, alone.codes.centres)
    assert trained.fusion.codes.tables[0].weight.any()


@pytest.mark.long
def test_an_exported_ranker_has_the_codes_and_scores_new_items_by_them(tmp_path):
    ranker = fused_ranker("concat", code_levels=2, codes_per_level=3, code_dim=2).eval()
    ranker.fusion.fit_codes(ranker.fusion.item_vectors.keys[:4])
    with torch.no_grad():
        for table in ranker.fusion.codes.tables:
            table.weight.normal_(0, 3)
    rows = batch(seed=3)
    served = load_exported(export_ranker(ranker, tmp_path / "export", rows.sparse, rows.dense))
    later = batch(7, seed=5)
    with torch.no_grad():
        expected = ranker(later.sparse, later.dense)
        ranker.fusion.codes.tables[0].weight.zero_()
        assert not torch.allclose(ranker(later.sparse, later.dense).ctr_logit, expected.ctr_logit, atol=1e-4)
    found = served(later.sparse, later.dense)
    torch.testing.assert_close(found["ctr_logit"], expected.ctr_logit, rtol=0, atol=2e-6)
