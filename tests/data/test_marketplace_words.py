"""The words of the generated marketplace read like listings and tell all by meaning, nothing by name."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import normalized_mutual_info_score

from learn_rank.datasets.marketplace.config import MarketplaceConfig
from learn_rank.datasets.marketplace.generate import generate_marketplace
from learn_rank.datasets.marketplace.listing import Product, compose_listing, title_case
from learn_rank.datasets.marketplace.people import NEED_NAMES, PERSONAS, STYLE_NAMES, THEMES
from learn_rank.datasets.marketplace.vocabulary.needs import QUALITY_CLASS, VERDICTS, met_needs, need_lines
from learn_rank.datasets.marketplace.vocabulary.notation import KINDS, noun, phrases, vocabulary
from learn_rank.datasets.marketplace.vocabulary.styles import STYLES


@pytest.fixture(scope="module")
def market():
    return generate_marketplace(MarketplaceConfig(seed=1, n_users=200, n_impressions=8_000))


def test_the_vocabulary_is_as_large_as_promised_and_no_noun_or_line_stands_twice():
    assert len(THEMES) >= 16 and min(len(theme.nouns) for theme in THEMES) >= 30
    for part in ("nouns", "uses", "praises"):
        words = [getattr(word, "words", word) for theme in THEMES for word in getattr(theme, part)]
        assert len(words) == len(set(words))
    assert all(set(persona.themes) <= {theme.name for theme in THEMES} for persona in PERSONAS)
    assert {kind for kind in KINDS} == set(QUALITY_CLASS)


def test_every_theme_is_sold_in_five_departments_and_no_department_gives_the_theme_away(market):
    for theme in THEMES:
        assert len({product.department for product in theme.nouns}) >= 5
    assert normalized_mutual_info_score(market.items["category"], market.world.catalogue.theme) < 0.12
    assert normalized_mutual_info_score(market.items["brand"], market.world.catalogue.theme) < 0.25


def test_products_of_one_theme_share_hardly_any_word(market):
    small_words = {"for", "and", "the", "of", "a", "with", "by", "in", "to", "on", "set"}

    def overlap(texts, pairs):
        tokens = [set(re.findall(r"[a-z']{2,}", text.lower())) - small_words for text in texts]
        return np.mean([len(tokens[a] & tokens[b]) / len(tokens[a] | tokens[b]) for a, b in pairs])

    assert overlap(["red spade", "Red fork"], [(0, 1)]) == pytest.approx(1 / 3)
    theme = market.world.catalogue.theme
    pairs = np.random.default_rng(0).integers(0, len(theme), (60_000, 2))
    pairs = pairs[(theme[pairs[:, 0]] == theme[pairs[:, 1]]) & (pairs[:, 0] != pairs[:, 1])]
    page = market.items["title"] + " " + market.items["keywords"] + " " + market.items["attributes"]
    assert overlap(market.items["title"], pairs) < 0.025
    assert overlap(page, pairs) < 0.06


def test_no_page_names_the_theme_the_style_or_the_need_that_it_is_about(market):
    page = (
        market.items["title"] + "; " + market.items["keywords"] + "; " + market.items["attributes"]
    ).str.lower()
    for name in (*(theme.name for theme in THEMES), *STYLE_NAMES, *NEED_NAMES):
        assert not page.str.contains(rf"\b{name}\b").any(), name


def test_titles_read_like_listings(market):
    titles = market.items["title"]
    assert titles.is_unique
    assert titles.str.len().between(12, 100).all()
    assert not titles.str.contains(r"[{}<>;]|  |^[a-z]| ,|\bfor .* for\b").any()
    assert (
        title_case("oat-and-date bars for two sugars and no guilt")
        == "Oat-and-Date Bars for Two Sugars and No Guilt"
    )
    assert title_case("the GPS unit by {brand}, over-tub") == "The GPS Unit by {brand}, Over-Tub"
    pages = market.items["attributes"].str.split("; ")
    assert pages.map(len).between(4, 10).all()
    assert (pages.map(len) == pages.map(lambda lines: len(set(lines)))).mean() > 0.99
    assert not market.items["attributes"].str.contains(r"[{}]").any()
    assert (market.items["price"] > 0).all()


def test_words_kept_for_the_debut_stand_on_no_page_that_training_shows(market):
    config = MarketplaceConfig()
    kept = [line for theme in THEMES for line in vocabulary(theme.praises, config.debut_share, is_debut=True)]
    pattern = "|".join(re.escape(line) for line in kept)
    is_late = (market.items["first_day"] >= config.train_days).to_numpy()
    has_kept = market.items["attributes"].str.contains(pattern).to_numpy()
    assert not has_kept[~is_late].any()
    assert 0.6 < has_kept[is_late].mean() < 0.95
    nouns = market.world.catalogue.noun
    assert np.isin(nouns[is_late], nouns[~is_late]).mean() < 0.35


@given(st.lists(st.integers(), max_size=40, unique=True), st.floats(0, 0.9))
def test_the_two_vocabularies_share_nothing_unless_the_list_is_too_short_to_divide(options, share):
    first, later = (vocabulary(options, share, is_debut=is_debut) for is_debut in (False, True))
    n_later = int(np.floor(len(options) * share))
    if n_later == 0:
        assert list(first) == list(later) == options
    else:
        assert len(later) == n_later and set(first).isdisjoint(later)
        assert sorted([*first, *later]) == sorted(options)


def test_a_page_cannot_promise_what_such_a_product_cannot_do():
    flour = noun("strong white flour|7|Ff~")
    assert (flour.words, flour.price, flour.number, flour.adults_only) == (
        "strong white flour",
        7.0,
        "mass",
        False,
    )
    assert noun("bread lame|12|Tm!").adults_only
    assert "weatherproof" not in met_needs(flour)
    product = Product(flour, THEMES[0], STYLES[0], ("weatherproof",), 1, "Larkwell", 0.2, False)
    with pytest.raises(
        ValueError, match=r"needs: expected names of .*'strong white flour', got \['weatherproof'\]"
    ):
        compose_listing(product, np.random.default_rng(0))
    page = compose_listing(replace(product, needs=("gentle",), quality=2), np.random.default_rng(0))
    assert any(line in page.attributes for line in need_lines("gentle", flour))
    assert any(word in page.attributes for word in VERDICTS["consumables"][2].judgements)
    assert "compact" in met_needs(noun("spork|8|Tm")) and "compact" not in met_needs(noun("bike|800|Tm"))


@pytest.mark.parametrize(
    "entry", ["spade|45", "spade|cheap|Tm", "spade|45|Qm", "spade|45|Tq", "spade|45|Tm?"]
)
def test_a_misspelt_noun_is_refused_with_the_notation(entry):
    with pytest.raises(ValueError, match=r"noun entry: expected `words\|price.*correct the entry"):
        noun(entry)
    assert phrases(" a b;\n c\n  d ; ") == ("a b", "c d")
