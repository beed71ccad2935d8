"""The report of a run: report.json for machines, report.html for people, tables for the terminal."""

from learn_rank.report.files import (
    DELTA_KEYS,
    ROW_KEYS,
    Report,
    ReportError,
    Verdict,
    print_report,
    read_report,
    report_html,
    verdict_of,
    write_report,
)

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
