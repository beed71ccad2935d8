"""How the tests judge the generated marketplace: joins by id, an encoder that must fail, a quick ranker."""

import re

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from learn_rank.datasets.marketplace.config import MarketplaceConfig
from learn_rank.datasets.marketplace.generate import generate_marketplace
from learn_rank.datasets.marketplace.traffic import DAY_SECONDS, FIRST_SECOND


def all_rows(market):
    return pd.concat([market.train, market.valid, market.test], ignore_index=True)


def day_of(rows):
    return ((rows["timestamp"] - FIRST_SECOND) // DAY_SECONDS).to_numpy()


def positions(market, rows):
    users, items = pd.Index(market.world.user_ids), pd.Index(market.world.item_ids)
    return users.get_indexer(rows["user_id"]), items.get_indexer(rows["item_id"])


def unit(vectors):
    centred = vectors - vectors.mean(axis=0)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


def random_token_vectors(items):
    """A random encoder: the mean of one random vector per word, so that it knows spelling and no meaning."""
    generator, words, pages = np.random.default_rng(1), {}, []
    for page in (items["title"] + " " + items["keywords"] + " " + items["attributes"]).str.lower():
        tokens = re.findall(r"[a-z']+", page)
        pages.append(
            np.mean([words.setdefault(token, generator.normal(size=384)) for token in tokens], axis=0)
        )
    return unit(np.array(pages))


def separation(vectors, labels):
    """AUC of the cosine for "same label" over all pairs."""
    first, second = np.triu_indices(len(labels), k=1)
    cosine = (vectors @ vectors.T)[first, second]
    return roc_auc_score(labels[first] == labels[second], cosine)


def click_auc(market, vectors=None):
    """Test AUC of a logistic regression on rates and price, and the cosine to what the user clicked before.

    Everything is counted on the days of the interactions; it is fitted on the training days after them.
    """
    config = market.description["config"]
    early = day_of(market.train) < config["interaction_days"]
    user, item = positions(market, market.train[early])
    click = market.train["click"].to_numpy()[early]
    category = market.items["category"].astype("category").cat.codes.to_numpy().astype(int)
    price = np.log(market.items["price"].to_numpy())
    n_users, n_items = len(market.world.user_ids), len(market.items)

    def rate(keys, n_keys, prior, weight):
        return (np.bincount(keys, click, n_keys) + weight * prior) / (
            np.bincount(keys, minlength=n_keys) + weight
        )

    mean = click.mean()
    user_rate, item_rate = rate(user, n_users, mean, 20), rate(item, n_items, mean, 20)
    n_categories = category.max() + 1
    pair_rate = rate(user * n_categories + category[item], n_users * n_categories, mean, 5)
    seen = np.log1p(np.bincount(item, minlength=n_items))

    if vectors is not None:
        clicks = sparse.csr_array((click, (user, item)), shape=(n_users, n_items), dtype=vectors.dtype)
        history = clicks @ vectors
        norm = np.linalg.norm(history, axis=1)
        similarity = (history @ vectors.T) / np.maximum(norm, 1e-9)[:, None]

    def features(rows):
        u, i = positions(market, rows)
        columns = [
            user_rate[u],
            item_rate[i],
            pair_rate[u * n_categories + category[i]],
            seen[i],
            price[i],
            rows["slot"],
        ]
        if vectors is not None:
            columns += [similarity[u, i], norm[u] > 0]
        return np.column_stack(columns).astype(float)

    fit_rows, test = market.train[~early], market.test
    table = features(fit_rows)
    centre, spread = table.mean(axis=0), table.std(axis=0) + 1e-9
    model = LogisticRegression(C=1.0).fit((table - centre) / spread, fit_rows["click"])
    score = model.predict_proba((features(test) - centre) / spread)[:, 1]
    is_new = (
        test["item_id"].map(market.items.set_index("item_id")["first_day"]) >= config["train_days"]
    ).to_numpy()
    label = test["click"].to_numpy()
    return roc_auc_score(label, score), roc_auc_score(label[is_new], score[is_new])


def _table(seed: int = 0) -> None:
    """Print the numbers of docs/marketplace.md, at the default size."""
    from learn_recall.encoder.text_encoder import TextEncoder

    market = generate_marketplace(MarketplaceConfig(seed=seed))
    items, theme = market.items, market.world.catalogue.theme
    texts = (items["title"] + ". " + items["keywords"] + ". " + items["attributes"]).tolist()
    content = unit(TextEncoder.load().encode(texts))
    encoders = {
        "none (rates, department, price)": None,
        "MiniLM": content,
        "a random vector per word": random_token_vectors(items),
        "MiniLM, shuffled among the items": content[np.random.default_rng(0).permutation(len(content))],
    }
    for name, vectors in encoders.items():
        themes = "" if vectors is None else f"{separation(vectors, theme):.3f}"
        every, new = click_auc(market, vectors)
        print(f"| {name} | {themes} | {every:.4f} | {new:.4f} |")
    truth, test = market.truth[market.truth["split"] == "test"].reset_index(drop=True), market.test
    is_new = ~test["item_id"].isin(market.train["item_id"].unique())
    aucs = [roc_auc_score(test["click"][rows], truth["p_click"][rows]) for rows in (is_new | True, is_new)]
    print(f"| the truth | 1.000 | {aucs[0]:.4f} | {aucs[1]:.4f} |")


if __name__ == "__main__":
    _table()
