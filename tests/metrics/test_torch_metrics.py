"""The torchmetrics object: whatever the batches, the digits of the exact function; and what it refuses."""

import copy
import io
import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from torchmetrics import MetricCollection

from learn_rank.metrics.auc import AUC, PCOC, UAUC, WUAUC
from learn_rank.metrics.streaming import row_buffer as kept_rows
from learn_rank.metrics.streaming.torchmetrics_auc import StreamedAUC

METRICS = (AUC(), UAUC(), UAUC(min_rows=3), WUAUC(), WUAUC("positives"))
quick = settings(max_examples=60, deadline=None)


@st.composite
def split_rows(draw, max_rows=24):
    """Rows with ties, one-class users and weights of 0, and where to cut them into batches."""
    n_rows = draw(st.integers(1, max_rows))
    columns = (st.integers(0, 1), st.integers(-4, 4), st.integers(0, 6), st.integers(0, 3))
    labels, scores, users, weights = (
        np.array(draw(st.lists(c, min_size=n_rows, max_size=n_rows)), dtype=np.int64) for c in columns
    )
    cuts = sorted(draw(st.lists(st.integers(0, n_rows), max_size=5)))
    return (labels, scores / 7, users + 2**24, weights / 3), cuts


def fed(metric, columns, cuts=(), has_weights=False):
    labels, scores, users, weights = columns
    for rows in np.split(np.arange(len(labels)), cuts):
        weight = torch.as_tensor(weights[rows]) if has_weights else None
        metric.update(*(torch.as_tensor(column[rows]) for column in (scores, labels, users)), weight)
    return metric


def judged(metric, columns, chosen=slice(None), has_weights=False):
    labels, scores, users, weights = (column[chosen] for column in columns)
    return metric(labels, scores, users, weights if has_weights else None).as_dict()


def some_rows(n_rows=400, seed=0):
    rng = np.random.default_rng(seed)
    labels = (rng.random(n_rows) < 0.3).astype(np.int64)
    scores = np.round(rng.normal(size=n_rows) + 0.5 * labels, 1)
    return labels, scores, rng.integers(0, 40, n_rows) + 2**24, rng.random(n_rows)


# the same digits


def test_a_user_split_over_batches_gives_the_value_derived_by_hand():
    metric = StreamedAUC(WUAUC())
    metric.update(torch.tensor([0.9, 0.2]), torch.tensor([1, 1]), torch.tensor([7, 8]))
    metric.update(torch.tensor([0.1, 0.9, 0.3]), torch.tensor([0, 0, 0]), torch.tensor([7, 7, 8]))
    metric.update(torch.tensor([0.5]), torch.tensor([1]), torch.tensor([9]))
    user_7 = (1 + 1 / 2) / 2  # .9 above .1, tied with .9
    user_8 = 0.0
    assert metric.compute().item() == (3 * user_7 + 2 * user_8) / (3 + 2)
    result = metric.result()
    assert (result.n_rows, result.n_users, result.n_skipped_users, result.covered_rows) == (6, 3, 1, 5 / 6)


@quick
@given(split_rows(), st.sampled_from(METRICS), st.booleans(), st.sampled_from([1, 3, 8, 1 << 16]))
def test_batches_of_any_size_give_the_same_digits_and_counts(split, metric, has_weights, block):
    columns, cuts = split
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_rows, "_BLOCK", block)
        streamed = fed(StreamedAUC(metric), columns, cuts, has_weights)
        assert streamed.result().as_dict() == judged(metric, columns, has_weights=has_weights)
        value = streamed.compute()
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(streamed.result().value, abs=0, nan_ok=True)


@quick
@given(split_rows(), st.integers(1, 12), st.sampled_from([1, 3, 8]))
def test_a_window_judges_the_last_rows(split, max_rows, block):
    columns, cuts = split
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_rows, "_BLOCK", block)
        streamed = fed(StreamedAUC(max_rows=max_rows), columns, cuts, has_weights=True)
    assert streamed.result().as_dict() == judged(UAUC(), columns, slice(-max_rows, None), has_weights=True)


def test_each_user_is_scored_as_scikit_learn_does():
    labels, scores, users, _ = columns = some_rows()
    aucs = [
        roc_auc_score(labels[users == user], scores[users == user])
        for user in np.unique(users)
        if 0 < labels[users == user].mean() < 1
    ]
    assert fed(StreamedAUC(), columns, [100, 300]).compute().item() == pytest.approx(np.mean(aucs), abs=1e-14)


def test_ids_above_two_to_the_24_and_53_do_not_fall_together():
    users = torch.tensor([2**24, 2**24, 2**24 + 1, 2**24 + 1, 2**53, 2**53, 2**53 + 1, 2**53 + 1])
    metric = StreamedAUC()
    scores, labels = torch.tensor([2.0, 1, 1, 2, 2, 1, 1, 2]), torch.tensor([1, 0] * 4)
    for rows in (slice(0, 3), slice(3, 6), slice(6, 8)):
        metric.update(scores[rows], labels[rows], users[rows])
    assert (metric.result().n_users, metric.compute().item()) == (4, 0.5)


def test_float64_scores_keep_their_last_bit_and_logits_are_not_squashed():
    low, high = 0.1, np.nextafter(0.1, 1)
    metric = StreamedAUC(AUC())
    metric.update(torch.tensor([low], dtype=torch.float64), torch.tensor([0]), torch.tensor([1]))
    metric.update(torch.tensor([high], dtype=torch.float64), torch.tensor([1]), torch.tensor([1]))
    assert metric.compute().item() == 1.0
    metric.reset()
    metric.update(torch.tensor([20.0, 21.0]), torch.tensor([0, 1]), torch.tensor([1, 1]))
    assert metric.compute().item() == 1.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.int64, torch.float32, torch.float16])
def test_every_kind_of_score_and_label_is_taken_without_loss(dtype, kind):
    labels, scores, users, _ = some_rows(60)
    score = torch.as_tensor(scores).to(dtype)
    metric = StreamedAUC(AUC())
    metric.update(score, torch.as_tensor(labels).to(kind), torch.as_tensor(users))
    assert metric.result().as_dict() == AUC()(labels, score.double().numpy(), users).as_dict()


def test_users_with_one_class_only_leave_the_value_undefined():
    metric = StreamedAUC()
    metric.update(torch.tensor([0.1, 0.2]), torch.tensor([1, 0]), torch.tensor([1, 2]))
    assert math.isnan(metric.compute().item())
    assert (metric.result().n_users, metric.result().n_skipped_users) == (2, 2)


# the torchmetrics interface


def test_forward_gives_the_batch_and_keeps_the_rows():
    columns = some_rows()
    metric = StreamedAUC(max_rows=250)
    for start in range(0, 400, 100):
        labels, scores, users, _ = (torch.as_tensor(column[start : start + 100]) for column in columns)
        alone = metric(scores, labels, users).item()
        assert alone == judged(UAUC(), columns, slice(start, start + 100))["value"]
    assert metric.result().as_dict() == judged(UAUC(), columns, slice(150, None))


def test_more_rows_after_a_value_change_it_and_reset_forgets_them():
    metric = fed(StreamedAUC(), some_rows())
    metric.compute()
    fed(metric, some_rows(seed=1))
    both = [np.concatenate(pair) for pair in zip(some_rows(), some_rows(seed=1), strict=True)]
    assert metric.result().as_dict() == judged(UAUC(), both)
    metric.reset()
    assert fed(metric, some_rows(seed=2)).result().as_dict() == judged(UAUC(), some_rows(seed=2))


def test_pickles_copies_and_state_dicts_go_on_where_they_were():
    before, after = some_rows(), some_rows(seed=1)
    both = [np.concatenate(pair) for pair in zip(before, after, strict=True)]
    metric = fed(StreamedAUC(WUAUC()), before, has_weights=True)
    metric.persistent(True)
    stream = io.BytesIO()
    torch.save(metric.state_dict(), stream)
    stream.seek(0)
    loaded = fed(StreamedAUC(WUAUC()), some_rows(seed=3), has_weights=True)
    loaded.compute()
    loaded.load_state_dict(torch.load(stream))
    for other in (pickle.loads(pickle.dumps(metric)), copy.deepcopy(metric), metric.clone(), loaded):
        assert other.result().as_dict() == judged(WUAUC(), before, has_weights=True)
        fed(other, after, has_weights=True)
        assert other.result().as_dict() == judged(WUAUC(), both, has_weights=True)
    assert metric.result().as_dict() == judged(WUAUC(), before, has_weights=True)


def test_the_state_is_not_saved_unless_asked_for():
    assert not fed(StreamedAUC(), some_rows()).state_dict()


def test_a_collection_keeps_the_rows_once_and_is_never_stale():
    streamed = {str(metric): StreamedAUC(metric) for metric in METRICS}
    collection = MetricCollection({**streamed, "UAUC in a window": StreamedAUC(max_rows=150)})
    for part in (slice(0, 200), slice(200, 400)):
        labels, scores, users, _ = (torch.as_tensor(column[part]) for column in some_rows())
        collection.update(scores, labels, users)
        values = collection.compute()
        seen = slice(0, part.stop)
        for metric in METRICS:
            assert values[str(metric)].item() == judged(metric, some_rows(), seen)["value"]
        last = slice(part.stop - 150, part.stop)
        assert values["UAUC in a window"].item() == judged(UAUC(), some_rows(), last)["value"]
    groups = {frozenset(group) for group in collection.compute_groups.values()}
    assert groups == {frozenset(map(str, METRICS)), frozenset({"UAUC in a window"})}


def test_a_module_in_half_precision_leaves_the_rows_alone():
    module = torch.nn.Module()
    module.metric = fed(StreamedAUC(), some_rows())
    module.half().bfloat16()
    assert module.metric.result().as_dict() == judged(UAUC(), some_rows())


def test_later_changes_of_the_callers_tensors_do_not_matter():
    labels, scores, users, weights = (torch.as_tensor(column) for column in some_rows())
    metric = StreamedAUC()
    metric.update(scores.requires_grad_(), labels, users, weights)
    with torch.no_grad():
        for column in (scores, labels, users, weights):
            column.zero_()
    assert metric.result().as_dict() == judged(UAUC(), some_rows(), has_weights=True)
    assert not metric.scores[0].requires_grad


def test_small_batches_are_joined_so_that_tensors_stay_few():
    metric = fed(StreamedAUC(), some_rows(), cuts=range(1, 400))
    assert [len(getattr(metric, name)) for name in kept_rows.COLUMNS] == [1, 1, 1, 0]


# refusals

ONES = torch.ones(2)
IDS = torch.tensor([1, 2])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((ONES, IDS, ["ann", "bob"]), "users: expected a tensor, got list. Remedy: .*id_keys"),
        ((ONES, IDS, np.array(["ann", "bob"])), "users: expected a tensor, got ndarray"),
        ((ONES, IDS, ONES), "users: expected integer ids up to int64, got torch.float32"),
        ((ONES, IDS, IDS.bool()), "users: expected integer ids up to int64, got torch.bool"),
        ((ONES, IDS, IDS[:1]), r"users: expected one id for each row, shape \(2,\), got \(1,\)"),
        (([0.1, 0.2], IDS, IDS), "preds: expected a tensor, got list. Remedy: torch.as_tensor"),
        ((IDS, IDS, IDS), r"preds: expected floating point, got torch.int64. Remedy: preds.double\(\)"),
        ((ONES[:, None], IDS[:, None], IDS[:1]), r"preds: expected shape \(N,\), got \(2, 1\)"),
        ((ONES, IDS[:1], IDS), r"target: expected shape \(2,\), as preds, got \(1,\)"),
        ((ONES, IDS, IDS, ONES[:1]), r"weights: expected shape \(2,\), as preds, got \(1,\)"),
        ((ONES.sum(), IDS.sum(), IDS.sum()), "users: expected one id for each row"),
    ],
)
def test_a_batch_that_would_lose_something_is_refused_and_not_kept(columns, message):
    metric = StreamedAUC()
    with pytest.raises(ValueError, match=message):
        metric.update(*columns)
    assert not metric.users


def test_weights_in_some_batches_only_are_refused():
    metric = StreamedAUC()
    metric.update(ONES, torch.tensor([0, 1]), IDS)
    with pytest.raises(ValueError, match="weights: expected in every batch or in none"):
        metric.update(ONES, torch.tensor([0, 1]), IDS, ONES)


@pytest.mark.parametrize("bad", [0.5, 2.0, -1.0, math.nan, 255.0, 256.0])
def test_labels_other_than_0_and_1_are_refused_when_the_value_is_asked_for(bad):
    metric = StreamedAUC()
    metric.update(ONES, torch.tensor([0.0, bad]), IDS)
    with pytest.raises(ValueError, match=r"labels: expected only 0 and 1, got 1 other row\(s\) among 2"):
        metric.compute()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_scores_and_weights_that_are_no_numbers_are_refused_when_the_value_is_asked_for(bad):
    for columns in ([torch.tensor([0.1, bad]), IDS - 1, IDS], [ONES, IDS - 1, IDS, torch.tensor([1.0, bad])]):
        metric = StreamedAUC()
        metric.update(*columns)
        with pytest.raises(ValueError, match=r"expected finite numbers.* in row 1"):
            metric.compute()


@pytest.mark.parametrize("metric", [PCOC(), "uauc", WUAUC("clicks")], ids=str)
def test_metrics_that_need_more_than_the_kept_columns_are_refused(metric):
    with pytest.raises(ValueError, match="metric: expected"):
        StreamedAUC(metric)


@pytest.mark.parametrize("max_rows", [0, -1, 2.5])
def test_a_window_without_rows_is_refused(max_rows):
    with pytest.raises(ValueError, match="max_rows: expected an integer of at least 1"):
        StreamedAUC(max_rows=max_rows)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_the_exact_functions_take_tensors_of_any_precision_and_those_with_gradients(dtype):
    scores = torch.tensor([0.5, 0.25, 0.125, 0.75], dtype=dtype, requires_grad=True)
    labels, users = torch.tensor([1, 0, 1, 0], dtype=torch.bfloat16), torch.tensor([7, 7, 8, 8])
    assert UAUC()(labels, scores, users=users).value == 0.5
    assert AUC()(labels, scores).value == AUC()([1, 0, 1, 0], [0.5, 0.25, 0.125, 0.75]).value
