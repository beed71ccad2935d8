"""`learn-rank ab --experiment-column`: many tests of one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from learn_rank.commands.ab.options import pairs_of
from learn_recall.terminal.consoles import result_console


def judge_series(
    path: Path, given: Mapping[str, Any], outputs: tuple[Path | None, Path | None], *, command: str
) -> int:
    """Judge, write and print many tests of one file; give the exit code of `learn-rank ab`.

    Args:
        path: the tests, one row an arm.
        given: the values of the options by their names.
        outputs: the JSON file and the page, None for those that are not wanted.
        command: for the report.

    Raises:
        ValueError: an option that many tests have no use for.
    """
    from learn_rank.ab.series.page import series_html
    from learn_rank.ab.series.result import run_series, write_series
    from learn_rank.ab.series.terminal import print_series
    from learn_recall.files.whole_files import atomic_path

    json_out, html_out = outputs
    unused = (
        "pre_period",
        "primary",
        "guardrail",
        "metric",
        "covariate",
        "row_is_user",
        "control",
        "treatment_share",
    )
    wrong = [f"--{name.replace('_', '-')}" for name in unused if given[name]]
    if wrong:
        raise ValueError(
            f"{wrong[0]}: expected no such option with --experiment-column, got one. Remedy: leave it out; "
            "arms of equal shares are compared with each other in clicks over impressions, and --json and "
            "--html hold all tests."
        )
    result = run_series(
        path,
        given["experiment_column"],
        columns=pairs_of(given["column"] or (), "--column", "clicks=YOURS"),
        buckets=tuple(given["bucket"] or ()),
        level=given["level"],
        about={"title": path.name, "command": command},
    )
    if json_out is not None:
        write_series(json_out, result)
    if html_out is not None:
        page = series_html(result)
        with atomic_path(html_out) as temporary:
            temporary.write_text(page, encoding="utf-8")
    print_series(result, result_console())
    return 0
