"""The report of a run: one JSON file for machines, one page for people, one table for the terminal."""

import os
from pathlib import Path

from learn_rank.report.data import DELTA_KEYS, ROW_KEYS, Report, ReportError
from learn_rank.report.page import report_html
from learn_rank.report.terminal import print_report
from learn_rank.report.verdict import Verdict, verdict_of
from learn_recall.files.whole_files import atomic_path, read_json, write_json

JSON_NAME, HTML_NAME = "report.json", "report.html"


def write_report(report: Report, out_dir: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write report.json and report.html into a folder, each whole or not at all.

    Args:
        report: what was found.
        out_dir: the folder; made if it is not there. Older reports in it are replaced.

    Returns:
        The paths of report.json (keys `rows`, `deltas`, `about`, and `verdict`, which follows from them;
        undefined values are null) and report.html (self-contained: opens offline and without scripts).
    """
    page = report_html(report)  # first, so that a page that cannot be made leaves the old report as it was
    folder = Path(out_dir)
    json_path, html_path = folder / JSON_NAME, folder / HTML_NAME
    verdict = verdict_of(report.deltas, report.about)
    write_json(json_path, {**report.as_dict(), "verdict": verdict.as_dict()})
    with atomic_path(html_path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return json_path, html_path


def read_report(path: str | os.PathLike[str]) -> Report:
    """Read a report back, so that its page and table can be made anew.

    Args:
        path: a report.json or the folder that holds it.

    Raises:
        FileNotFoundError: there is no such file.
        ReportError: the file lacks one of the three keys, or its rows do not fit (see `Report`).
    """
    place = Path(path)
    place = place / JSON_NAME if place.is_dir() else place
    if not place.is_file():
        raise FileNotFoundError(
            f"{place}: expected the report of a run, found none. Remedy: make it with `learn-rank report`."
        )
    content = read_json(place)
    if not isinstance(content, dict) or not {"rows", "deltas", "about"} <= set(content):
        got = sorted(content) if isinstance(content, dict) else type(content).__name__
        raise ReportError(
            f"{place}: expected the keys rows, deltas and about, got {got}. "
            "Remedy: give a report.json that `learn-rank run` wrote"
        )
    return Report(content["rows"], content["deltas"], content["about"])


__all__ = [
    "DELTA_KEYS",
    "ROW_KEYS",
    "Report",
    "ReportError",
    "Verdict",
    "print_report",
    "read_report",
    "report_html",
    "verdict_of",
    "write_report",
]
