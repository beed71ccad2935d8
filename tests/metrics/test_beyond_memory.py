"""Judging parquet files a partition at a time gives the digits of judging them in memory."""

import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn_rank.evaluation.beyond_memory import (
    Bucketing,
    Layout,
    MemoryLimits,
    ParquetRows,
    ScoreColumn,
    partitioned,
)
from learn_rank.evaluation.beyond_memory.spill import BY_USER
from learn_rank.evaluation.compare import Partition, compare_in_buckets, compare_models
from learn_rank.metrics.auc import AUC, ECE, PCOC, UAUC, WUAUC, LogLoss, NormalizedEntropy
from learn_rank.metrics.buckets import bucket_codes
from learn_rank.metrics.calibration import mass_edges
from learn_rank.metrics.labelled_rows import LabelledRows
from learn_rank.metrics.pooled_auc import ScoreRun, won_by_user
from learn_rank.uncertainty.intervals import Bootstrap, ClosedForm

METRICS = (AUC(), UAUC(), WUAUC(), WUAUC("clicks", min_rows=3))
CALIBRATION = (PCOC(), NormalizedEntropy(), LogLoss(), ECE(bins=7))
SMALL = {"chunk_rows": 700, "partition_rows": 500}


def table(n_rows=3000, n_users=150, seed=0, ids="integer"):
    """Predictions of two models with ties, one-class users, a heavy user and ids that are not dense."""
    rng = np.random.default_rng(seed)
    user = np.where(rng.random(n_rows) < 0.2, 3, rng.integers(0, n_users, n_rows))
    click = (rng.random(n_rows) < 0.2 + 0.3 * (user % 3 == 0)).astype(np.int8)
    name = np.array([f"user-{(7 * u) % n_users}-ä" for u in user], dtype=object)
    return pd.DataFrame(
        {
            "user": user * 10**12 - 5 if ids == "integer" else name,
            "click": click,
            "p": np.round(rng.random(n_rows) * 0.8 + 0.2 * click, 2),
            "old": rng.random(n_rows).astype(np.float32),
            "clicks": rng.integers(0, 4, n_rows),
            "weight": rng.integers(0, 4, n_rows),
            "age": np.array(["new", "cold-start", "other"])[(user + click * (user > 100)) % 3],
            "shelf": rng.integers(1, 4, n_rows),
        }
    )


def write(frame, path, row_group_size=400):
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=row_group_size)
    return ParquetRows.at(path)


def layout(weight=None):
    return Layout("user", "click", weight, ("clicks",), (Bucketing("age", "age"), Bucketing("s", "shelf")))


def in_memory(frame, metrics, how, weight=None, old="old"):
    rows = LabelledRows.of(
        frame.click, frame.user, frame[weight] if weight else None, {"clicks": frame.clicks}
    )
    partitions = [Partition("age", frame.age), Partition("s", frame["shelf"])]
    scores = {"new": [frame.p], "old": [frame[old]]}
    return compare_models(
        rows, scores, partitions, task="t", metrics=metrics, baseline="old", uncertainty=how
    )


def on_disk(files, metrics, how, weight=None, limits=None, old=None):  # noqa: PLR0917
    models = {"new": ScoreColumn(files, "p"), "old": ScoreColumn(files if old is None else old, "old")}
    with partitioned(
        layout(weight), models, limits=MemoryLimits(**SMALL) if limits is None else limits
    ) as parts:
        return compare_in_buckets(
            parts.bucket_scores(), task="t", metrics=metrics, baseline="old", uncertainty=how
        )


@pytest.mark.parametrize("ids", ["integer", "string"])
@pytest.mark.parametrize("how", [ClosedForm(), Bootstrap(n_resamples=30, max_groups=40)], ids=repr)
def test_every_digit_is_that_of_memory(tmp_path, ids, how):
    frame = table(ids=ids)
    metrics = METRICS + CALIBRATION
    assert on_disk(write(frame, tmp_path / "f.parquet"), metrics, how) == in_memory(frame, metrics, how)


@settings(max_examples=8, deadline=None)
@given(
    st.integers(0, 10**6),
    st.tuples(st.integers(1, 250), st.integers(1, 50)),
    st.tuples(st.integers(20, 300), st.integers(10, 90)),
    st.integers(10, 90),
)
def test_no_cut_of_the_rows_changes_a_digit(seed, size, cut, row_group_size):
    frame = table(*size, seed)
    limits = MemoryLimits(chunk_rows=cut[0], partition_rows=cut[1])
    metrics = METRICS + CALIBRATION
    with tempfile.TemporaryDirectory() as folder:
        files = write(frame, Path(folder) / "f.parquet", row_group_size)
        assert on_disk(files, metrics, ClosedForm(), limits=limits) == in_memory(frame, metrics, ClosedForm())


def test_a_user_larger_than_a_partition_leaves_partitions_without_rows(tmp_path):
    frame = table()
    limits = MemoryLimits(chunk_rows=700, partition_rows=200)
    assert (frame.user == frame.user.mode()[0]).sum() > 2 * limits.partition_rows
    files = write(frame, tmp_path / "f.parquet")
    with partitioned(layout(), {"new": ScoreColumn(files, "p")}, limits=limits) as parts:
        shelf = parts.shelves[BY_USER]
        kept = [shelf.read(at, ["code"]) for at in range(shelf.n_partitions)]
        assert any(not columns for columns in kept)
        codes = [set(columns["code"].tolist()) for columns in kept if columns]
        assert len(codes) > 2
        assert sum(map(len, codes)) == len(set.union(*codes)) == frame.user.nunique()
        assert all(max(low) < min(high) for low, high in pairwise(codes))


@pytest.mark.parametrize("how", [ClosedForm(), Bootstrap(n_resamples=20)], ids=["closed form", "bootstrap"])
def test_a_bucket_without_rows_is_a_row_without_value_as_in_memory(tmp_path, how):
    frame = table()
    names = ("none", "cold-start", "other", "new")
    rows = LabelledRows.of(frame.click, frame.user, columns={"clicks": frame.clicks})
    expected = compare_models(
        rows,
        {"new": [frame.p]},
        [Partition("age", frame.age, names)],
        task="t",
        metrics=METRICS + CALIBRATION,
        uncertainty=how,
    )
    bucketing = Bucketing("age", "age", lambda values, n_rows: bucket_codes(values, len(n_rows), names))
    own = Layout("user", "click", None, ("clicks",), (bucketing,))
    models = {"new": ScoreColumn(write(frame, tmp_path / "f.parquet"), "p")}
    with partitioned(own, models, limits=MemoryLimits(**SMALL)) as parts:
        found = compare_in_buckets(
            parts.bucket_scores(), task="t", metrics=METRICS + CALIBRATION, uncertainty=how
        )
    assert found == expected
    assert {row["n_rows"] for row in found[0] if row["bucket"] == "none"} == {0}


@pytest.mark.parametrize(
    "scores",
    [
        lambda n, rng: np.full(n, 0.5),
        lambda n, rng: 0.5 + rng.integers(0, 3, n) * 2.0**-53,
        lambda n, rng: rng.integers(-(2**62), 2**62, n),
        lambda n, rng: rng.normal(size=n).astype(np.float16),
        lambda n, rng: rng.random(n) < 0.5,
        lambda n, rng: rng.choice([-0.0, 0.0, 1.0], n),
    ],
    ids=["all tied", "last bit", "large integers", "float16", "bool", "two zeros"],
)
@pytest.mark.parametrize("how", [ClosedForm(), Bootstrap(n_resamples=20)], ids=["closed form", "bootstrap"])
def test_scores_of_every_kind_give_the_digits_of_memory(tmp_path, scores, how):
    frame = table(1500)
    frame["p"] = scores(1500, np.random.default_rng(1))
    assert on_disk(write(frame, tmp_path / "f.parquet"), METRICS, how) == in_memory(frame, METRICS, how)


def test_weighted_rows_agree_to_the_last_digits(tmp_path):
    frame, how = table(), ClosedForm()
    found = on_disk(write(frame, tmp_path / "f.parquet"), METRICS + CALIBRATION, how, weight="weight")
    expected = in_memory(frame, METRICS + CALIBRATION, how, weight="weight")
    for mine, memory in zip(found[0] + found[1], expected[0] + expected[1], strict=True):
        assert {k: v for k, v in mine.items() if not isinstance(v, float)} == {
            k: v for k, v in memory.items() if not isinstance(v, float)
        }
        for name, value in mine.items():
            if isinstance(value, float):
                assert value == pytest.approx(memory[name], rel=1e-9, abs=1e-12), (memory, name)


def test_ids_kept_as_a_dictionary_give_the_digits_of_plain_ids(tmp_path):
    frame = table(ids="string")
    backwards = sorted(frame.user.unique(), reverse=True)
    coded = frame.assign(user=pd.Categorical(frame.user, backwards), age=frame.age.astype("category"))
    found = on_disk(write(coded, tmp_path / "f.parquet"), METRICS, ClosedForm())
    assert found == in_memory(frame, METRICS, ClosedForm())


def test_a_baseline_cut_into_other_files_is_compared_row_by_row(tmp_path):
    frame = table()
    new = write(frame.drop(columns="old"), tmp_path / "new.parquet")
    (tmp_path / "old").mkdir()
    for start in range(0, 3000, 1100):
        part = frame.iloc[start : start + 1100].drop(columns="p")
        write(part, tmp_path / "old" / f"part-{start:04}.parquet", 57)
    (tmp_path / "old" / "_SUCCESS").write_text("")
    for path in (tmp_path / "old", tmp_path / "old" / "part-*.parquet"):
        old = ParquetRows.at(path)
        assert (old.n_rows, len(old.files)) == (3000, 3)
        assert on_disk(new, METRICS, ClosedForm(), old=old) == in_memory(frame, METRICS, ClosedForm())


@pytest.mark.parametrize("column", ["user", "click", "clicks", "age", "shelf"])
def test_a_baseline_with_other_rows_is_refused_with_the_row(tmp_path, column):
    frame = table()
    new = write(frame, tmp_path / "new.parquet")
    frame.loc[2345, column] = {"age": "none", "click": 1 - frame.click[2345]}.get(column, 77)
    old = write(frame, tmp_path / "old.parquet")
    with pytest.raises(
        ValueError, match=f"old: expected the candidate's rows, got {column} = .* in row 2345"
    ):
        on_disk(new, METRICS, ClosedForm(), old=old)
    short = write(frame.iloc[:-1], tmp_path / "short.parquet")
    with pytest.raises(ValueError, match="old: expected the candidate's 3000 rows, got 2999"):
        on_disk(new, METRICS, ClosedForm(), old=short)


BAD = {
    "a score that is not finite": ("p", np.nan, r"new: expected finite numbers, got 1 .*: nan in row 2345"),
    "an infinite baseline score": ("old", np.inf, r"old: expected finite .*: inf in row 2345"),
    "a label that is no label": ("click", 2, r"labels: expected only 0 and 1, got 1 .*: 2 in row 2345"),
    "a label that is missing": ("click", None, r"labels: expected only 0 and 1, got 1 .*: nan in row 2345"),
    "a user that is missing": ("user", None, r"users: expected an id in every row, got 1 .* at row 2345"),
    "a bucket that is missing": ("age", None, r"expected a bucket \(age\) in every row, got 1 .* row 2345"),
    "a negative weight": ("weight", -1, r"weights: expected finite numbers >= 0, got 1 .*: -1.0 in row 2345"),
    "a negative column": ("clicks", -1, r"clicks: expected finite numbers >= 0, got 1 .* in row 2345"),
}


@pytest.mark.parametrize("change", BAD)
def test_bad_rows_are_refused_with_their_row_in_the_whole_file(tmp_path, change):
    column, value, message = BAD[change]
    frame = table(ids="string").astype({column: object})
    frame.loc[2345, column] = value
    files = write(frame, tmp_path / "f.parquet")
    with pytest.raises(ValueError, match=message):
        on_disk(files, METRICS, ClosedForm(), weight="weight")


def test_ids_that_are_floats_and_columns_that_are_missing_are_refused(tmp_path):
    frame = table()
    with pytest.raises(ValueError, match="users: expected integer or string ids, got float64"):
        on_disk(write(frame.astype({"user": float}), tmp_path / "f.parquet"), METRICS, ClosedForm())
    with pytest.raises(ValueError, match=r"got no \['shelf'\]"):
        on_disk(write(frame.drop(columns="shelf"), tmp_path / "g.parquet"), METRICS, ClosedForm())


def test_a_bucket_that_is_not_a_number_is_missing(tmp_path):
    columns = {name: pa.array(values) for name, values in table().items() if name != "shelf"}
    shelf = np.where(np.arange(3000) == 2345, np.nan, 1.0)
    pq.write_table(pa.table({**columns, "shelf": shelf}), tmp_path / "f.parquet")
    with pytest.raises(
        ValueError, match=r"a bucket \(shelf\) in every row, got 1 missing, first at row 2345"
    ):
        on_disk(ParquetRows.at(tmp_path / "f.parquet"), METRICS, ClosedForm())


def test_files_of_different_types_are_refused(tmp_path):
    write(table(50), tmp_path / "a.parquet")
    write(table(50).astype({"p": str}), tmp_path / "b.parquet")
    with pytest.raises(
        ValueError, match=r"b\.parquet: expected p as double, as in .*a\.parquet, got large_st"
    ):
        on_disk(ParquetRows.at(tmp_path), METRICS, ClosedForm())


def test_files_whose_numbers_differ_in_width_alone_are_one_table(tmp_path):
    first, second = table(400).astype({"p": np.float32}), table(400, seed=1).astype({"click": np.int64})
    write(first, tmp_path / "a.parquet")
    write(second, tmp_path / "b.parquet")
    whole = pd.concat([first, second], ignore_index=True)
    found = on_disk(ParquetRows.at(tmp_path), METRICS, ClosedForm())
    assert found == on_disk(write(whole, tmp_path / "whole.parquet"), METRICS, ClosedForm())


def test_paths_without_parquet_rows_are_refused(tmp_path):
    table(50).iloc[:0].to_parquet(tmp_path / "empty.parquet")
    (tmp_path / "more.csv").write_text("a\n1\n")
    for path, message in (
        (tmp_path / "none.parquet", "got nothing there"),
        (tmp_path / "empty.parquet", "expected rows, got none"),
        (tmp_path / "*", "expected parquet files only"),
    ):
        with pytest.raises(ValueError, match=message):
            ParquetRows.at(path)


def test_the_spill_folder_is_empty_after_success_and_after_failure(tmp_path):
    spill = tmp_path / "spill"
    spill.mkdir()
    frame = table()
    limits = MemoryLimits(**SMALL, spill=spill)
    models = {"new": ScoreColumn(write(frame, tmp_path / "f.parquet"), "p")}
    with partitioned(layout(), models, limits=limits) as parts:
        assert list(spill.rglob("*.arrow"))
        compare_in_buckets(parts.bucket_scores(), task="t")
    assert list(spill.iterdir()) == []
    with pytest.raises(RuntimeError, match="while judging"), partitioned(layout(), models, limits=limits):
        raise RuntimeError("while judging")
    assert list(spill.iterdir()) == []
    broken = {"new": ScoreColumn(write(frame.assign(click=2), tmp_path / "g.parquet"), "p")}
    with pytest.raises(ValueError, match="labels"), partitioned(layout(), broken, limits=limits):
        pass
    assert list(spill.iterdir()) == []


def test_a_disk_that_is_too_small_is_refused_before_anything_is_read(tmp_path, monkeypatch):
    files = write(table(), tmp_path / "f.parquet")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: shutil._ntuple_diskusage(9, 0, 90_000))
    monkeypatch.setattr(ParquetRows, "chunks", lambda *_: pytest.fail("the file was read"))
    with pytest.raises(ValueError, match=r"--spill: expected 0\.0 GB free in .* for 3,000 rows"):
        on_disk(files, METRICS, ClosedForm(), limits=MemoryLimits(spill=tmp_path))


def test_what_is_spilled_is_no_more_than_was_asked_of_the_disk(tmp_path, monkeypatch):
    frame = table(20_000)
    files = write(frame, tmp_path / "f.parquet")
    limits = MemoryLimits(chunk_rows=20_000, partition_rows=5_000, spill=tmp_path)
    models = {"new": ScoreColumn(files, "p"), "old": ScoreColumn(files, "old")}
    with partitioned(layout("weight"), models, limits=limits):
        spilled = sum(file.stat().st_size for file in tmp_path.rglob("*.arrow"))
    monkeypatch.setattr("shutil.disk_usage", lambda folder: shutil._ntuple_diskusage(9, 0, spilled - 1))
    with pytest.raises(ValueError, match="--spill"):
        on_disk(files, METRICS, ClosedForm(), weight="weight", limits=limits)


def test_a_bucket_that_cuts_through_a_user_cannot_be_attributed(tmp_path):
    frame = table()
    for column, is_whole in (("age", False), ("side", True)):
        frame["side"] = np.where(frame.user % 2, "left", "right")
        own = Layout("user", "click", bucketings=(Bucketing(column, column),))
        files = write(frame, tmp_path / f"{column}.parquet")
        with partitioned(own, {"new": ScoreColumn(files, "p")}, limits=MemoryLimits(**SMALL)) as parts:
            if is_whole:
                parts.check_attributed()
            else:
                with pytest.raises(ValueError, match="age: buckets: 'attributed' expects all rows"):
                    parts.check_attributed()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 5)), min_size=1, max_size=40))
def test_won_pairs_by_runs_are_those_counted_pair_by_pair(rows):
    codes, labels, scores = np.array(rows).T
    expected = np.zeros(4)
    for one in range(len(rows)):
        for other in range(len(rows)):
            if labels[one] == 1 and labels[other] == 0:
                won = (scores[one] > scores[other]) + (scores[one] == scores[other]) / 2
                expected[codes[one]] += won
                expected[codes[other]] += won
    for edges in ([], [2], [1, 3, 5], [9]):
        run_of_row = np.searchsorted(edges, scores, side="right")
        runs = [
            ScoreRun(codes[at], labels[at].astype(np.uint8), None, scores[at])
            for at in (np.flatnonzero(run_of_row == run) for run in range(len(edges) + 1))
        ]
        assert won_by_user(runs, 4, float(labels.sum())).tolist() == expected.tolist()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=60),
    st.integers(1, 6),
    st.integers(1, 9),
)
def test_the_bins_of_ece_by_runs_are_those_of_all_rows(rows, bins, edge):
    prob, weight = (np.array(rows, float).reshape(-1, 2) / [10, 1]).T
    whole = mass_edges(bins, [(prob, weight)], weight.sum())
    is_low = prob < edge / 10
    runs = [(prob[is_low], weight[is_low]), (prob[~is_low], weight[~is_low])]
    assert mass_edges(bins, runs, weight.sum()) == whole
    for value, held in zip(prob, weight, strict=True):
        below = weight[prob < value].sum()
        place = 0 if weight.sum() == 0 else min(int(bins * below / weight.sum()), bins - 1)
        assert np.searchsorted(whole, value, side="right") - 1 == place, held


def test_ece_with_edges_of_another_number_is_refused():
    with pytest.raises(ValueError, match="edges: expected 20, as many as bins, got 2"):
        ECE(edges=(0.0, 0.5))


def test_progress_is_told_of_every_step(tmp_path):
    seen = []

    def track(steps, what, n_steps):
        found = list(steps)
        seen.append((what, n_steps, len(found)))
        return found

    models = {"new": ScoreColumn(write(table(), tmp_path / "f.parquet"), "p")}
    with partitioned(layout(), models, limits=MemoryLimits(**SMALL), track=track) as parts:
        compare_in_buckets(parts.bucket_scores(), task="t")
    assert seen[:2] == [("checking rows", 5, 5), ("partitioning rows", 5, 5)]
    assert all(n_steps == n_found for _, n_steps, n_found in seen)
    assert {what for what, *_ in seen} >= {"AUC of each user", "pairs across users", "age new: users"}
