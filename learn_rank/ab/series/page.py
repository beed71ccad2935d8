"""The page of many tests: the answer, the guard by bucket, the tests that differ most, and every test."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from learn_rank.ab import words
from learn_rank.ab.report.page import TEMPLATES, facts
from learn_rank.ab.series.judge import DIFFERS, INVALID, LEVEL, STATUSES, UNJUDGED, WINNER
from learn_rank.ab.series.plots import MOST_DRAWN, best_plot, p_plot
from learn_rank.ab.series.result import MODE, SeriesResult
from learn_rank.ab.series.terminal import answer, group_name
from learn_rank.report_kit.provenance import provenance_lines
from learn_rank.report_kit.render import render
from learn_rank.report_kit.words import NBSP, interval_name, unbroken

__all__ = ["series_content", "series_html"]

MOST_LISTED = 10_000
MARKS = {WINNER: "better", DIFFERS: "hint-better", LEVEL: "none", INVALID: "flagged", UNJUDGED: "missing"}
MEANINGS = {
    "better": "winner: the arms differ, and the best one beats each other one",
    "hint-better": "arms differ, and no single one beats all others",
    "none": "no detectable difference",
    "flagged": "invalid: the sample-ratio guard fired",
    "missing": "not judged: one arm, or too few clicks",
}


def series_html(result: SeriesResult) -> str:
    """Render the page: style, script and plots are inside, given texts are escaped, nothing is fetched.

    Every test is a line that can be sorted and filtered by status; beyond ``MOST_LISTED`` those that differ
    least are left to the JSON file, and the page says so.
    """
    return render("series.html.j2", series_content(result), TEMPLATES, style="ab.css")


def series_content(result: SeriesResult) -> dict[str, Any]:
    """Everything that the template shows, in the order of the page."""
    about = dict(result.about)
    drawn = (
        (best_plot(result.tests), "The tests that differ most"),
        (p_plot(result.tests), "How p is spread"),
    )
    listed = result.tests[:MOST_LISTED]
    return {
        "ab": words,
        "title": about["title"],
        "started": about.get("started"),
        "mode": MODE,
        "mode_name": words.MODE_NAMES[MODE],
        "mode_words": words.MODE_WORDS[MODE],
        "sentences": answer(result),
        "notices": about["notices"],
        "groups": [(group_name(row), row) for row in result.groups],
        "statuses": STATUSES,
        "plots": [(Markup(svg), name) for svg, name in drawn if svg],
        "n_drawn": MOST_DRAWN,
        "tests": [(row, MARKS[row["status"]], row["status"].replace(" ", NBSP)) for row in listed],
        "n_left_out": len(result.tests) - len(listed),
        "filters": [
            status.replace(" ", NBSP) for status in STATUSES if any(row["status"] == status for row in listed)
        ],
        "buckets": [row["bucket_kind"] for row in result.groups[1:] if row["bucket_kind"] in listed[0]],
        "meanings": MEANINGS,
        "interval_name": unbroken(interval_name(about["level"])),
        "counts": facts(about["counts"]),
        "settings": facts(about["config"]),
        "provenance": provenance_lines(about, facts(about["source"])),
    }
