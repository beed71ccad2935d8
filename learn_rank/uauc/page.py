"""The page of benchmarks/uauc.py: one self-contained HTML text, every given text escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from learn_rank.report_kit import words
from learn_rank.report_kit.provenance import provenance_lines
from learn_rank.report_kit.render import render
from learn_rank.report_kit.rules import find, mark
from learn_rank.report_kit.value_table import value_table
from learn_rank.report_kit.words import (
    bare_metric,
    bucket_words,
    count_words,
    interval_name,
    ordered_buckets,
    share_words,
    unbroken,
)
from learn_rank.uauc.plots import MAX_BUCKETS, bucket_plot, difference_plot, reliability_plot, user_plot
from learn_rank.uauc.users import FEW_ROWS
from learn_rank.uauc.verdict import ALL_ROWS, headline

TEMPLATES = Path(__file__).with_name("templates")
MEANINGS = {
    "within": "Within: only rows inside the bucket are compared with each other. For item buckets a user's "
    "AUC is that among the user's rows of such items, and a user counts in every bucket where these rows are "
    "of both kinds.",
    "attributed": "Attributed: a user's AUC over all of the user's rows counts in the user's bucket. No "
    "bucket here cuts through a user, so the meaning within would give the same digits.",
}

Row = Mapping[str, Any]


def page_html(found: Mapping[str, Any]) -> str:
    """Render a judgement of `judgement.compare` with details and provenance."""
    return render("uauc.html.j2", page_content(found), TEMPLATES)


def page_content(found: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the template shows."""
    about = found["about"]
    models = {about[role]: role for role in ("baseline", "candidate") if role in about}
    rows = [{**row, "model": models[row["model"]]} for row in found["rows"]]
    deltas = [{**row, "model": "candidate"} for row in found["deltas"]]
    significant = 1 - about["level"]
    ranking = [row for row in rows if row["metric"] in about["metrics"]]
    calibration = [row for row in rows if row["metric"] not in about["metrics"]]
    users = found["users"]
    return {
        "about": about,
        "files": {role: name for name, role in models.items()},
        "verdict": headline(found),
        "interval_name": unbroken(interval_name(about["level"])),
        "cards": [_card(metric, ranking, deltas, significant) for metric in about["metrics"]],
        "value_plots": [_value_plot(metric, ranking, at) for at, metric in enumerate(about["metrics"])],
        "delta_plots": [
            _delta_plot(metric, deltas, at, significant) for at, metric in enumerate(about["metrics"])
        ],
        "hidden_buckets": max(len(ordered_buckets(ranking)) - MAX_BUCKETS, 0),
        "deltas": [_delta_line(row, ranking, significant) for row in _in_order(deltas)],
        "metrics": [bare_metric(metric) for metric in about["metrics"]],
        "users": users,
        "user_words": [user_words(role, users[role], len(models)) for role in reversed(models.values())],
        "user_plots": user_plots(users),
        "n_few_rows": FEW_ROWS,
        "counts": [
            {**row, "name": bucket_words(row["bucket_kind"], row["bucket"])} for row in found["counts"]
        ],
        "values_table": _table(ranking, about["task"]),
        "calibration": _table(calibration, about["task"]) if calibration else None,
        "reliability_svg": Markup(reliability_plot(found["reliability"], "reliability")),
        "meaning": MEANINGS[about["bucket_meaning"]],
        "provenance": provenance_lines(about, own_lines(about)),
    }


def user_words(role: str, view: Row, n_models: int) -> str:
    """The distribution of one model in words, with its role where there are two models."""
    if not view["n_scored"]:
        return "No user can be scored."
    exact = [f"{share_words(view[key])} at exactly {text}" for key, text in EXACT]
    return (
        f"{f'{role.capitalize()}: ' if n_models > 1 else ''}{share_words(view['below_half'])} of the "
        f"{count_words(view['n_scored'])} scored users are below .5, where a coin would do better; "
        f"{words.joined(exact)}."
    )


EXACT = (("at_0", "0"), ("at_half", ".5"), ("at_1", "1"))


def user_plots(users: Mapping[str, Row]) -> list[dict[str, Any]]:
    """Up to four plots: AUCs and differences, by users and by weight."""
    drawn = [
        ("AUC of single users, each counted once; broken line: UAUC", user_plot(
            users, "share_of_users", "mean", "share of users", "users"
        )),
        ("The same, users weighted as in WUAUC; broken line: WUAUC", user_plot(
            users, "share_of_weight", "weighted_mean", "share of weight", "weights"
        )),
    ]  # fmt: skip
    if "difference" in users:
        difference = users["difference"]
        drawn += [
            ("Difference of single users, each counted once", difference_plot(
                difference, "share_of_users", "share of users", "moved"
            )),
            ("The same, users weighted as in WUAUC", difference_plot(
                difference, "share_of_weight", "share of weight", "moved-weights"
            )),
        ]  # fmt: skip
    return [{"title": title, "svg": Markup(svg)} for title, svg in drawn if svg]


def own_lines(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What this page alone tells of where its numbers come from."""
    lines = []
    for file in about.get("files", ()):
        size = "" if file["n_bytes"] is None else f"{count_words(file['n_bytes'])} bytes, "
        lines.append((file["name"], size + (file["note"] or f"sha256 {file['sha256']}")))
    options = about.get("options", {})
    return [
        *lines,
        ("intervals", about["uncertainty"]),
        ("adjustment", about["family"]),
        ("buckets", f"{about['bucket_meaning']}; " + "; ".join(about["buckets"].values())),
        ("options", ", ".join(f"{name} = {value}" for name, value in options.items())),
    ]


def _table(rows: Sequence[Row], task: str) -> dict[str, Any]:
    table = value_table(rows, task)
    return {**table, "heads": ["value"] if table["models"] == ["candidate"] else table["models"]}


def _card(metric: str, rows: Sequence[Row], deltas: Sequence[Row], significant: float) -> dict[str, Any]:
    delta = find(deltas, metric=metric, **ALL_ROWS)
    return {
        "metric": metric,
        "delta": delta,
        "mark": mark(delta, significant),
        "before": find(rows, metric=metric, model="baseline", **ALL_ROWS),
        "after": find(rows, metric=metric, model="candidate", **ALL_ROWS),
    }


def _value_plot(metric: str, rows: Sequence[Row], at: int) -> dict[str, Any]:
    own = [row for row in rows if row["metric"] == metric]
    svg = bucket_plot(own, "value", bare_metric(metric), f"value-{at}", lambda row: True)
    return {"metric": metric, "svg": Markup(svg)}


def _delta_plot(metric: str, deltas: Sequence[Row], at: int, significant: float) -> dict[str, Any]:
    own = [row for row in deltas if row["metric"] == metric]
    label = f"difference, points of {bare_metric(metric)}"
    svg = bucket_plot(
        own, "delta", label, f"delta-{at}", lambda row: mark(row, significant) in ("better", "worse")
    )
    return {"metric": metric, "svg": Markup(svg)}


def _delta_line(row: Row, values: Sequence[Row], significant: float) -> dict[str, Any]:
    place = {key: row[key] for key in ("metric", "bucket_kind", "bucket")}
    return {
        **row,
        "name": bucket_words(row["bucket_kind"], row["bucket"]),
        "short": bare_metric(row["metric"]),
        "mark": mark(row, significant),
        "before": find(values, model="baseline", **place),
        "after": find(values, model="candidate", **place),
    }


def _in_order(rows: Sequence[Row]) -> list[Row]:
    places = ordered_buckets(rows)
    return sorted(rows, key=lambda row: places.index((row["bucket_kind"], row["bucket"])))
