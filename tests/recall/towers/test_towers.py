"""PAL, the item towers and whitening: shapes, causality, equivalence of the towers, size, new items."""

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learn_recall.towers.config import TowerConfig
from learn_recall.towers.double_tower import DoubleTower
from learn_recall.towers.pal import CausalBlock, PreferenceAlignment
from learn_recall.towers.presets import preset
from learn_recall.towers.whitening import Whitening

SMALL = {"hidden": 16, "n_layers": 2, "n_heads": 2, "dimension": 8, "max_length": 12, "id_residual": False}


def towers(seed=0, content=10, counts=None, **fields):
    torch.manual_seed(seed)
    made = DoubleTower(content, TowerConfig(**{**SMALL, **fields}), counts).eval()
    with torch.no_grad():  # far from the tiny initial weights, so that every part matters
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made


PAL = towers().pal


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("length", [1, 4])
def test_a_causal_block_equals_loops_over_positions_and_heads(length, norm_first):
    torch.manual_seed(0)
    block = CausalBlock(8, 2, 12, dropout=0.1, norm_first=norm_first).double().eval()
    x = torch.randn(3, length, 8, dtype=torch.float64)
    weights = {name: value.detach().numpy() for name, value in block.named_parameters()}
    with torch.no_grad():
        fast = block(x).numpy()
    for row in range(3):
        slow = reference.causal_transformer(x[row].numpy(), weights, 2, norm_first)
        np.testing.assert_allclose(fast[row], slow, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("position_embedding", ["none", "learned"])
def test_a_user_vector_depends_on_earlier_items_and_never_on_later_ones(position_embedding):
    pal = towers(position_embedding=position_embedding).pal
    content = torch.randn(3, 6, 10)
    changed = content.clone()
    changed[:, 4] += 1.0
    before, after = pal(content), pal(changed)
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4], after[:, 4])
    assert not torch.allclose(before[:, 5], after[:, 5])


@settings(max_examples=20, deadline=None)
@given(length=st.integers(1, 6), padding=st.integers(0, 6), seed=st.integers(0, 99))
def test_right_padding_does_not_change_real_positions(length, padding, seed):
    pal = PAL
    content = torch.randn(2, length, 10, generator=torch.Generator().manual_seed(seed))
    padded = torch.cat([content, torch.full((2, padding, 10), 1e3)], dim=1)
    torch.testing.assert_close(pal(padded)[:, :length], pal(content), rtol=1e-4, atol=1e-5)


def test_user_vectors_have_length_one_at_every_position():
    norm = towers().pal(torch.randn(3, 6, 10)).norm(dim=-1)
    torch.testing.assert_close(norm, torch.ones(3, 6))


def test_a_sequence_longer_than_the_limit_is_refused():
    with pytest.raises(ValueError, match="max_length = 12"):
        towers().pal(torch.randn(1, 13, 10))


@pytest.mark.parametrize(
    "fields", [{}, {"norm_first": True, "adaptor": "mlp"}, {"position_embedding": "learned"}]
)
def test_tower_a_on_single_items_equals_tower_b_exactly(fields):
    tower_a, tower_b = towers(item_tower="seq_to_seq", **fields), towers(item_tower="seq_to_item", **fields)
    tower_b.load_state_dict(tower_a.state_dict())
    whitened = torch.randn(7, 10)
    embedded = tower_a.embed_items(whitened)
    single_a, single_b = tower_a.single_items(whitened, embedded), tower_b.single_items(whitened, embedded)
    sequence_b = tower_b.items(whitened[None], embedded[None])[0]
    assert torch.equal(single_a, single_b)
    assert torch.equal(single_a, sequence_b)
    assert not torch.allclose(tower_a.items(whitened[None], embedded[None])[0, 1:], sequence_b[1:])


def test_tower_a_at_the_first_position_is_the_single_item():
    tower = towers(item_tower="seq_to_seq")
    whitened = torch.randn(5, 10)
    embedded = tower.embed_items(whitened)
    first = tower.items(whitened[None], embedded[None])[0, 0]
    torch.testing.assert_close(first, tower.single_items(whitened, embedded)[0], rtol=1e-5, atol=1e-6)


def test_tower_c_is_the_content_vector_itself_and_users_live_in_its_space():
    tower = towers(item_tower="rec_to_llm")
    whitened = torch.randn(5, 10)
    item = tower.single_items(whitened, tower.embed_items(whitened))
    torch.testing.assert_close(item, torch.nn.functional.normalize(whitened, dim=-1))
    assert tower.dimension == 10
    assert tower.users(tower.embed_items(whitened)[None]).shape == (1, 5, 10)
    with pytest.raises(ValueError, match="rec_to_llm"):
        TowerConfig(item_tower="rec_to_llm", id_residual=True)


def test_the_paper_preset_has_88_to_89_million_parameters():
    with torch.device("meta"):
        pal = PreferenceAlignment(4096, preset("paper").tower)
    n_parameters = sum(parameter.numel() for parameter in pal.parameters())
    layers = 12 * (4 * (768 * 768 + 768) + 2 * 768 * 3072 + 3072 + 768 + 4 * 768)
    assert n_parameters == layers + (4096 * 768 + 768) + (768 * 64 + 64) + 80 * 768
    assert 88e6 < n_parameters < 89e6


def test_shared_towers_hold_their_parameters_once():
    names = [name for name, _ in towers(item_tower="seq_to_seq").named_parameters()]
    assert not [name for name in names if name.startswith("item_tower")]


def test_an_id_weighs_n_over_n_plus_shrinkage_and_nothing_for_new_items():
    tower = towers(item_tower="projection", counts=np.array([5, 0, 20]), id_residual=True, id_shrinkage=5.0)
    whitened = torch.randn(4, 10)
    text = tower.pal.embed(whitened)
    got = tower.embed_items(whitened, torch.tensor([0, 1, 2, -1])) - text
    weight = tower.id_embedding.weight
    expected = torch.stack([0.5 * weight[0], 0 * weight[0], 0.8 * weight[2], 0 * weight[0]])
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(tower.embed_items(whitened, torch.tensor([-1, 0, 1, -1]))[[0, 3]], text[[0, 3]])
    assert torch.equal(tower.embed_items(whitened), text)


def test_id_dropout_drops_whole_ids_in_training_only():
    tower = towers(item_tower="projection", counts=np.full(200, 5), id_residual=True, id_dropout=0.5).train()
    whitened = torch.zeros(200, 10)
    text = tower.pal.embed(whitened)
    has_id = (tower.embed_items(whitened, torch.arange(200)) != text).any(dim=1)
    assert 60 < has_id.sum() < 140
    tower.eval()
    assert (tower.embed_items(whitened, torch.arange(200)) != text).any(dim=1).all()


def anisotropic(n=400, c=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, c)) @ rng.normal(size=(c, c)) + 5.0


def test_zca_without_ridge_makes_the_training_covariance_the_identity():
    x = anisotropic()
    white = Whitening(6, "zca", ridge=0.0).double().fit(x)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(white.T @ white / len(x), np.eye(6), atol=1e-5)


def test_zca_is_the_symmetric_root_of_the_ridged_inverse_covariance():
    x = anisotropic()
    covariance = np.cov(x.T, bias=True)
    values, vectors = np.linalg.eigh(covariance + 0.1 * np.trace(covariance) / 6 * np.eye(6))
    expected = (x - x.mean(axis=0)) @ (vectors / np.sqrt(values)) @ vectors.T
    got = Whitening(6, "zca", ridge=0.1).double().fit(x)(torch.from_numpy(x)).numpy()
    ratio = got / expected
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-5)


def test_the_strength_of_whitening_is_the_exponent_of_the_variances():
    # variances s come out as s^(1 - a): of strength 1/2 as their square roots, up to one common scale
    x = anisotropic()
    half = Whitening(6, "zca", ridge=0.0, strength=0.5).double().fit(x)(torch.from_numpy(x)).numpy()
    found = np.linalg.eigvalsh(np.cov(half.T, bias=True))
    expected = np.sqrt(np.linalg.eigvalsh(np.cov(x.T, bias=True)))
    np.testing.assert_allclose(found / found[-1], expected / expected[-1], rtol=1e-4)
    none = Whitening(6, "zca", strength=0.0).double().fit(x)(torch.from_numpy(x))
    torch.testing.assert_close(none, Whitening(6, "center").double().fit(x)(torch.from_numpy(x)))


@pytest.mark.parametrize("kind", ["none", "center", "zca"])
def test_training_vectors_come_out_with_mean_square_one(kind):
    x = anisotropic()
    out = Whitening(6, kind, ridge=0.05).double().fit(x)(torch.from_numpy(x))
    assert float((out**2).mean()) == pytest.approx(1.0, rel=1e-5)


def test_no_whitening_keeps_directions_and_centring_keeps_differences():
    x = torch.from_numpy(anisotropic())
    none = Whitening(6, "none").double().fit(x.numpy())(x)
    centred = Whitening(6, "center").double().fit(x.numpy())(x)
    torch.testing.assert_close(torch.nn.functional.normalize(none), torch.nn.functional.normalize(x))
    ratio = (centred[0] - centred[1]) / (x[0] - x[1])
    torch.testing.assert_close(ratio, ratio[:1].expand(6))


def test_singular_and_constant_vectors_stay_finite():
    x = anisotropic()
    x[:, 3] = x[:, 2]
    assert np.isfinite(Whitening(6, "zca").fit(x)(torch.from_numpy(x)).numpy()).all()
    same = np.ones((5, 6))
    assert np.isfinite(Whitening(6, "zca").fit(same)(torch.from_numpy(same)).numpy()).all()


def test_a_stored_whitening_gives_a_new_item_the_identical_bits():
    fitted = Whitening(6, "zca").fit(anisotropic())
    fitted(torch.zeros(1, 6))
    restored = Whitening(6, "zca")
    restored(torch.zeros(1, 6))  # a cached matrix of the unfitted transform must not survive
    restored.load_state_dict(fitted.state_dict())
    new = torch.from_numpy(anisotropic(seed=9)).float()
    assert torch.equal(fitted(new), restored(new))
    assert torch.equal(fitted.reduce(new, 3), restored.reduce(new, 3))


def test_reduced_coordinates_are_the_leading_principal_ones():
    x = anisotropic()
    whitening = Whitening(6, "center").double().fit(x)
    reduced = whitening.reduce(torch.from_numpy(x), 2).numpy()
    singular = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[1]
    np.testing.assert_allclose((reduced**2).sum(axis=0), singular[:2] ** 2, rtol=1e-4)
    white = Whitening(6, "zca", ridge=0.0).double().fit(x).reduce(torch.from_numpy(x), 6).numpy()
    np.testing.assert_allclose(white.T @ white / len(x), np.eye(6), atol=1e-5)
    with pytest.raises(ValueError, match="dimension"):
        whitening.reduce(torch.from_numpy(x), 7)


@pytest.mark.parametrize("kind", ["none", "center", "zca"])
def test_the_whitening_of_a_part_is_what_a_fit_on_the_part_alone_gives(kind):
    x = anisotropic()
    whole = Whitening(6, kind, ridge=0.05, strength=0.7).double().fit(x)
    for start, stop in ((0, 2), (2, 6)):
        own = x[:, start:stop]
        alone = Whitening(stop - start, kind, ridge=0.05, strength=0.7).double().fit(own)
        part = whole.of_part(start, stop)
        torch.testing.assert_close(part(torch.from_numpy(own)), alone(torch.from_numpy(own)))
        torch.testing.assert_close(
            part.reduce(torch.from_numpy(own), 2), alone.reduce(torch.from_numpy(own), 2)
        )
    assert whole.of_part(0, 6) is whole
    with pytest.raises(ValueError, match=r"expected 0 <= start < stop <= 6; got 4, 4"):
        whole.of_part(4, 4)


def test_fitting_on_some_rows_in_chunks_equals_fitting_on_a_copy_of_them(monkeypatch):
    x, rows = anisotropic(), np.arange(0, 400, 3)
    whole = Whitening(6, "zca").double().fit(x[rows])
    monkeypatch.setattr("learn_recall.towers.whitening._ROWS_AT_ONCE", 17)
    chunked = Whitening(6, "zca").double().fit(x, rows)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(chunked.state_dict()[name], value)


def test_vectors_that_cannot_be_fitted_are_refused():
    with pytest.raises(ValueError, match="expected shape"):
        Whitening(6).fit(np.ones((3, 5)))
    with pytest.raises(ValueError, match="finite"):
        Whitening(2).fit(np.array([[1.0, np.nan]]))
    with pytest.raises(ValueError, match="zca"):
        Whitening(2, "pca")


def test_a_tower_of_ones_own_is_named_in_the_config_and_a_taken_name_is_refused():
    from learn_recall.towers import item_towers

    names = list(item_towers.NAMES)
    try:
        item_towers.register_item_tower("mine", item_towers.ProjectionTower)
        config = TowerConfig(item_tower="mine", id_residual=False, hidden=8, n_heads=2, dimension=4)
        assert isinstance(DoubleTower(6, config).item_tower, item_towers.ProjectionTower)
        with pytest.raises(ValueError, match="expected one that is free, got 'mine'"):
            item_towers.register_item_tower("mine", item_towers.SeqToSeqTower)
    finally:
        item_towers.NAMES[:] = names
        item_towers.ITEM_TOWERS.pop("mine", None)
    with pytest.raises(ValueError, match="item_tower"):
        TowerConfig(item_tower="mine")
