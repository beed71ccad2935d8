"""What a reader is shown once: `auto` where it scores as another arm does, and buckets with the same rows."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from learn_rank.report.data import Report
from learn_rank.report_kit import words

Row = TypeVar("Row", bound=Mapping[str, Any])
Place = tuple[str, str, str]  # task, kind and name of a bucket


def shown_once(report: Report) -> Report:
    """The report without what its reader has seen already, or what is empty; report.json holds it all.

    Definition: `about["equal_buckets"]` are left out, and buckets without a row in a task; and of
    `about["equal_arms"]` the arm `auto`, which is a choice between arms and no arm of its own.
    """
    hidden, arms = {*_twin_buckets(report.about), *_empty(report.rows)}, _twin_arms(report.about)
    rows, deltas = (_of_others(_elsewhere(table, hidden), arms) for table in (report.rows, report.deltas))
    about = dict(report.about)
    for name in {"calibration", "ties"} & {*about}:
        about[name] = _of_others(_elsewhere(about[name] or [], hidden), arms)
    for name in {"auc_parts", "reliability"} & {*about}:
        about[name] = _of_others(about[name] or [], arms)
    return Report(rows, deltas, about)


def without_equal_buckets(rows: Sequence[Row], about: Mapping[str, Any]) -> list[Row]:
    """The rows but those of buckets that hold the rows of an earlier bucket."""
    return _elsewhere(rows, set(_twin_buckets(about)))


def equal_words(report: Report) -> list[str]:
    """What is not shown again, or not at all, and why, a sentence each: `Other users are all rows, ...`."""
    all_tasks = list(dict.fromkeys(row["task"] for row in report.rows))
    said: dict[tuple[str, str], list[str]] = {}
    for row in report.about.get("equal_arms") or []:
        if row["model"] == words.AUTO:
            names = f"{words.short_model_words(row['model'])} = {words.short_model_words(row['same_as'])}"
            key = names, ": the same scores in every seed, to the bit, shown once"
            said.setdefault(key, []).append(row["task"])
    for (task, kind, bucket), same in _twin_buckets(report.about).items():
        key = f"{words.bucket_words(kind, bucket)} are {words.bucket_words(*same)}", ", shown once"
        said.setdefault(key, []).append(task)
    empty: dict[str, list[str]] = {}
    for task, kind, bucket in _empty(report.rows):
        empty.setdefault(words.bucket_words(kind, bucket), []).append(task)
    by_tasks: dict[tuple[str, ...], list[str]] = {}
    for name, tasks in empty.items():
        by_tasks.setdefault(tuple(tasks), []).append(name)
    for own, names_of in by_tasks.items():
        said.setdefault((f"{words.joined(names_of)} have no rows", ""), []).extend(own)
    return [
        words.capitalised(f"{what}{'' if tasks == all_tasks else f' in {words.joined(tasks)}'}{why}.")
        for (what, why), tasks in said.items()
    ]


def hidden_words(report: Report, task: str, kind: str, bucket: str) -> str | None:
    """Why a bucket of a task is not shown: `as all rows`, `no rows`; None where it is."""
    same = _twin_buckets(report.about).get((task, kind, bucket))
    if same is not None:
        return f"as {words.bucket_words(*same)}"
    return "no rows" if (task, kind, bucket) in _empty(report.rows) else None


def _twin_arms(about: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {
        (row["task"], row["model"]) for row in about.get("equal_arms") or [] if row["model"] == words.AUTO
    }


def _twin_buckets(about: Mapping[str, Any]) -> dict[Place, tuple[str, str]]:
    return {_place(row): (row["same_kind"], row["same_bucket"]) for row in about.get("equal_buckets") or []}


def _empty(rows: Sequence[Mapping[str, Any]]) -> list[Place]:
    """Buckets that hold no row of a task; all rows are always shown."""
    places = dict.fromkeys(_place(row) for row in rows if row["bucket_kind"] != "all")
    filled = {_place(row) for row in rows if row["n_rows"]}
    return [place for place in places if place not in filled]


def _place(row: Mapping[str, Any]) -> Place:
    return row["task"], row["bucket_kind"], row["bucket"]


def _elsewhere(rows: Sequence[Row], hidden: set[Place]) -> list[Row]:
    return [row for row in rows if _place(row) not in hidden]


def _of_others(rows: Sequence[Row], twins: set[tuple[str, str]]) -> list[Row]:
    return [row for row in rows if (row["task"], row["model"]) not in twins]


__all__ = ["equal_words", "hidden_words", "shown_once", "without_equal_buckets"]
