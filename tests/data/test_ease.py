"""EASE: the regression of items on items, and its features for the rows of a dataset."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from learn_rank.data.dataset import RankingDataset
from learn_rank.data.ease import Ease, EaseConfig, ease_weights, fit_ease
from learn_rank.data.ease_features import EASE_FEATURES, NEAR, OWN, EaseFeatures
from learn_rank.data.ease_rows import cross_fitted, with_ease
from learn_rank.data.encoded_rows import encode_dataset
from learn_recall.store import write_store

SMALL = EaseConfig(ridge=1.0, min_events=2, n_neighbours=1, n_folds=2)


def log_of(n_users=40, n_items=7, seed=0):
    rng = np.random.default_rng(seed)
    met = rng.random((n_users, n_items)) < 0.4
    return (*np.nonzero(met), met.astype(float))


def test_a_column_of_weights_is_the_ridge_regression_of_its_item_on_the_others():
    users, items, met = log_of()
    found = ease_weights(users, items, 7, ridge=2.5)
    for item in range(7):
        others = np.delete(np.arange(7), item)
        x, y = met[:, others], met[:, item]
        expected = np.linalg.solve(x.T @ x + 2.5 * np.eye(6), x.T @ y)
        np.testing.assert_allclose(found[others, item], expected, atol=1e-5)
        assert found[item, item] == 0


def test_an_item_that_a_user_met_twice_counts_once():
    users, items, _ = log_of()
    twice = np.concatenate([users, users[:9]]), np.concatenate([items, items[:9]])
    np.testing.assert_array_equal(ease_weights(*twice, 7, 1.0), ease_weights(users, items, 7, 1.0))


def test_features_sum_the_weights_between_the_history_and_the_item():
    weights = np.array([[0, 0.5, -0.25], [0.1, 0, 0.75], [0.3, 0.2, 0]], np.float32)
    # catalogue: three regressed items and a new one, whose neighbours are the first two, half and half
    near_place = np.array([[1, 1], [0, 0], [1, 1], [0, 1]])
    ease = Ease(np.array(list("abcn")), np.array([0, 1, 2, -1]), weights, near_place, np.full((4, 2), 0.5))
    history = np.array([[0, 1], [0, 1], [3, -1], [0, -1]])
    found = ease.features(history, np.array([2, 3, 1, -1]))
    np.testing.assert_allclose(found[0], [0.5, 0.75, 0.5, -0.25, 1, 0.5, 0.5, 0.5], atol=1e-6)
    # of the new item: half of what is said of a (0 from a itself, .1 from b) and of b (.5 from a, 0 from b)
    np.testing.assert_allclose(found[1], [0, 0, 0, 0, 0, 0.3, 0.25, 0.3], atol=1e-6)
    np.testing.assert_array_equal(found[2], [0, 0, 0, 0, 1, 0, 0, 0])  # no known item in the history
    np.testing.assert_array_equal(found[3], np.zeros(8))  # not in the catalogue


def test_the_neighbours_are_the_nearest_known_texts_and_never_the_item_itself():
    text = np.array([[1, 0], [0.8, 0], [0, 1], [0, 0.7], [0.1, 1.2], [0, 0]], np.float32)
    users, items = [0, 1, 0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 2, 2, 3, 3]
    ease = fit_ease(users, items, np.arange(6), text, SMALL)
    assert ease.place.tolist() == [0, 1, 2, 3, -1, -1]
    assert ease.near_place[:5, 0].tolist() == [1, 0, 3, 2, 2]
    np.testing.assert_allclose(ease.near_share.sum(1), [1, 1, 1, 1, 1, 0])  # the last one has no text
    none = fit_ease(users, items, np.arange(6), np.zeros((6, 2)), SMALL)
    assert none.near_share.shape == (6, 0)
    assert none.features(np.array([[0]]), np.array([1])).shape == (1, 8)


def dataset_of(tmp_path, n_users=12):
    """a and b are met together by everybody; user 0 alone also met x, which two others met without a or b."""
    items = pd.DataFrame({"item_id": ["a", "b", "x", "n"], "title": list("abxn")})
    log = [(user, item) for user in range(n_users) for item in "ab"] + [(0, "x"), (90, "x"), (91, "x")]
    interactions = pd.DataFrame(log, columns=["user_id", "item_id"])
    train, contexts = [], []
    for at, (user, item) in enumerate(log):
        history = [other for who, other in log if who == user and other != item]
        contexts.append((f"t{at}", user, history, True))
        train.append((f"t{at}", user, item, 1.0, 1.0))
        train.append((f"t{at}", user, "n" if item != "n" else "a", 0.0, np.nan))
    later = []
    for user, history in ((100, ["a"]), (101, ["b"])):
        contexts.append((f"c{user}", user, history, False))
        later += [(f"c{user}", user, item, float(item == "x"), 1.0) for item in "abxn"]
    columns = ["context_id", "user_id", "item_id", "click", "conversion"]
    part = pd.DataFrame(later, columns=columns)
    vectors = np.array([[1, 0], [0.9, 0.3], [0, 1], [0.8, 0.1]], np.float32)
    store = write_store(
        tmp_path / "content",
        ids=items["item_id"].to_numpy(),
        vectors=vectors,
        kind="content",
        encoder="test",
        encoder_sha256="0" * 64,
        prompt="title",
        pooling="mean",
        max_tokens=8,
    )
    dataset = RankingDataset(
        name="small",
        items=items,
        interactions=interactions,
        train=pd.DataFrame(train, columns=columns),
        valid=part,
        test=part,
        contexts=pd.DataFrame(contexts, columns=["context_id", "user_id", "history", "is_learned"]),
    )
    return dataset, store


def test_a_training_row_is_scored_without_its_own_click_and_a_later_row_with_all(tmp_path):
    dataset, store = dataset_of(tmp_path)
    features, _ = cross_fitted(dataset, store, SMALL)
    train = dataset.train.reset_index(drop=True)
    row = train.index[(train["user_id"] == 0) & (train["item_id"] == "x")][0]
    # nobody but user 0 met x with a or b: without that click x is no better than unconnected
    log = dataset.interactions
    is_own = (log["user_id"] == 0) & (log["item_id"] == "x")
    ids = dataset.items["item_id"].to_numpy()
    text = store.lookup(ids)[0]
    history = np.array([[0, 1]])
    full = fit_ease(log["user_id"], log["item_id"], ids, text, SMALL)
    assert full.features(history, np.array([2]))[0, 0] > 0.02
    assert is_own.sum() == 1
    assert features["train"]["ease_sum"][row] <= 0
    # a row of validation: by the regression on everything
    of_b = full.features(np.array([[0]]), np.array([1]))[0, 0]
    of_x = full.features(np.array([[0]]), np.array([2]))[0, 0]
    assert features["valid"]["ease_sum"][2] / features["valid"]["ease_sum"][1] == pytest.approx(
        of_x / of_b, rel=1e-4
    )


def test_every_click_of_a_fold_is_left_out_and_no_other(tmp_path, monkeypatch):
    dataset, store = dataset_of(tmp_path)
    seen = []
    from learn_rank.data import ease_rows

    def spy(users, items, *rest, **more):
        seen.append(set(zip(users, items, strict=True)))
        return fit_ease(users, items, *rest, **more)

    monkeypatch.setattr(ease_rows, "fit_ease", spy)
    cross_fitted(dataset, store, replace(SMALL, n_folds=4, min_events=1))
    everything = set(zip(dataset.interactions["user_id"], dataset.interactions["item_id"], strict=True))
    assert seen[-1] == everything
    held = [everything - each for each in seen[:-1]]
    assert set().union(*held) == everything
    assert sum(len(each) for each in held) == len(everything)


def test_simulated_newness_takes_what_only_a_known_item_has(tmp_path):
    dataset, store = dataset_of(tmp_path)
    features, _ = cross_fitted(dataset, store, SMALL)
    plain = encode_dataset(dataset)
    data = with_ease(plain, features)
    assert data.n_dense == plain.n_dense + len(EASE_FEATURES)
    every = next(
        data.train.batches(len(data.train), generator=np.random.default_rng(0), newness_rate=0.999)
    ).dense.numpy()
    before = data.train.dense[np.random.default_rng(0).permutation(len(data.train))]
    own = slice(plain.n_dense, plain.n_dense + len(OWN))
    assert np.abs(before[:, own]).sum() > 0
    assert np.abs(every[:, own]).sum() == 0
    np.testing.assert_array_equal(every[:, own.stop :], before[:, own.stop :])
    assert every[:, own.stop :].shape[1] == len(NEAR)
    assert features["valid"].loc[features["valid"].index % 4 == 3, list(OWN)].to_numpy().sum() == 0


def test_what_cannot_be_regressed_is_told(tmp_path):
    dataset, store = dataset_of(tmp_path)
    with pytest.raises(ValueError, match="at least 2, got 1"):
        EaseConfig(n_folds=1)
    with pytest.raises(ValueError, match="ridge: expected more than 0"):
        EaseConfig(ridge=0.0)
    with pytest.raises(ValueError, match="lower min_events"):
        cross_fitted(dataset, store, EaseConfig(min_events=1000))
    with pytest.raises(ValueError, match="expected equal lengths"):
        fit_ease([1, 2], ["a"], np.array(["a"]), np.ones((1, 2)))
    with pytest.raises(ValueError, match="context_id of train, 2 are missing"):
        cross_fitted(replace(dataset, contexts=dataset.contexts.iloc[1:]), store, SMALL)
    features, _ = cross_fitted(dataset, store, SMALL)
    with pytest.raises(ValueError, match="features: expected"):
        with_ease(encode_dataset(dataset), features | {"test": features["test"].iloc[:3]})


def test_a_host_may_have_the_features_of_the_item_alone(tmp_path):
    dataset, store = dataset_of(tmp_path)
    features = {name: frame[list(OWN)] for name, frame in cross_fitted(dataset, store, SMALL)[0].items()}
    plain = encode_dataset(dataset)
    data = with_ease(plain, features)
    assert data.n_dense == plain.n_dense + len(OWN)
    np.testing.assert_array_equal(data.test.dense[:, plain.n_dense :], features["test"].to_numpy())
    with pytest.raises(ValueError, match=r"columns among .* got 'price'"):
        with_ease(plain, {name: frame.rename(columns={OWN[0]: "price"}) for name, frame in features.items()})


def test_a_request_gets_the_columns_of_the_rows_from_the_saved_file(tmp_path):
    dataset, store = dataset_of(tmp_path)
    features, served = cross_fitted(dataset, store, SMALL)
    served.save(tmp_path / "ease.npz")
    loaded = EaseFeatures.load(tmp_path / "ease.npz")
    history = dataset.contexts.set_index("context_id")["history"]
    rows = dataset.test
    found = loaded.of(list(history[rows["context_id"]]), rows["item_id"])
    pd.testing.assert_frame_equal(found, features["test"])
    assert np.abs(found.to_numpy()).sum() > 1
    unheard = loaded.of([["a", "nowhere"], []], ["b", "nowhere"])
    pd.testing.assert_series_equal(unheard.iloc[0], loaded.of([["a"]], ["b"]).iloc[0])
    assert (unheard.iloc[1] == 0).all()
    with pytest.raises(ValueError, match="expected one for each of 2 items, got 1"):
        loaded.of([["a"]], ["a", "b"])


@pytest.mark.parametrize("content", [b"", b"half a file", None])
def test_a_file_that_is_something_else_is_refused_with_a_remedy(tmp_path, content):
    path = tmp_path / "ease.npz"
    if content is None:
        np.savez(path, item_ids=np.arange(3))
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="Remedy: make it anew"):
        EaseFeatures.load(path)
