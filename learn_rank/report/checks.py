"""Why a result may be believed: raw text, the control with shuffled vectors, and LEARN minus shuffled."""

from collections.abc import Sequence

from learn_rank.report_kit.rules import (
    Delta,
    TaskVerdict,
    find,
    mark,
    metrics_over_all,
    outcome,
    versus_baseline,
)
from learn_rank.report_kit.words import (
    LEARN,
    RAW_TEXT,
    SHUFFLED,
    joined,
    said,
    undefined_words,
)


def lifts_of_control(deltas: Sequence[Delta], tasks: Sequence[TaskVerdict]) -> list[Delta]:
    """Where shuffled vectors gain over all rows, in any metric: corrected, as the gains of LEARN are."""
    rows = [row for task in tasks for row in metrics_over_all(deltas, SHUFFLED, task.task)]
    return [row for row in rows if mark(row) == "better"]


def contrast(deltas: Sequence[Delta], other: str, task: TaskVerdict) -> Delta | None:
    """LEARN - other over all rows, in the headline metric of the task."""
    names = {"task": task.task, "metric": task.metric, "bucket_kind": "all", "bucket": "all"}
    return find(deltas, model=LEARN, baseline=other, **names)


def content_of(deltas: Sequence[Delta], task: TaskVerdict) -> str:
    """Is it the content of the vectors? `yes`, `no`, `unclear` or `missing`.

    Definition: LEARN minus shuffled decides, in the headline metric over all rows: yes if it lies above 0
    also after correction, no if below, else unclear. A report without that difference goes by the control's
    own: yes if its interval ends below the gain of LEARN.
    """
    row = contrast(deltas, SHUFFLED, task)
    if row is not None and outcome(row) != "missing":
        return "yes" if mark(row) == "better" else "no" if outcome(row) == "worse" else "unclear"
    control = versus_baseline(deltas, SHUFFLED, task)
    if control is None or task.delta is None or "missing" in (outcome(control), task.outcome):
        return "missing"
    return "yes" if control["high"] < task.delta["delta"] else "unclear"


def raw_text_sentences(deltas: Sequence[Delta], tasks: Sequence[TaskVerdict]) -> list[str]:
    """What the text alone gives, and whether LEARN is ahead of it."""
    parts = []
    compared: dict[str, list[str]] = {"better": [], "none": [], "worse": []}
    for task in tasks:
        raw = versus_baseline(deltas, RAW_TEXT, task)
        if raw is not None and outcome(raw) != "missing":
            parts.append(f"{said(raw)} in {task.task}")
        against = contrast(deltas, RAW_TEXT, task)
        if against is not None and outcome(against) != "missing":
            compared[outcome(against)].append(f"{task.task} ({said(against)})")
    sentences = []
    if parts:
        sentences.append(f"Raw text through the same fusion, without the towers, gives {joined(parts)}.")
    places = {"better": "ahead of", "none": "level with", "worse": "behind"}
    found = [f"{places[key]} raw text in {joined(listed)}" for key, listed in compared.items() if listed]
    if found:
        sentences.append(f"LEARN is {joined(found)}.")
    return sentences


def control_sentences(deltas: Sequence[Delta], tasks: Sequence[TaskVerdict], control: str) -> list[str]:
    """What the shuffled vectors did, and what LEARN minus shuffled says of the content."""
    rows = [versus_baseline(deltas, SHUFFLED, task) for task in tasks]
    if control == "lift":
        listed = joined(
            f"{said(row)} in {row['task']} {row['metric']}" for row in lifts_of_control(deltas, tasks)
        )
        first = (
            f"The control with shuffled vectors, which carry no knowledge, shows a lift: {listed}. "
            "So a gain may come from added capacity or from a leak; find out which before deciding."
        )
        return [first, *_content_sentences(deltas, tasks)]
    if control == "quiet":
        listed = joined(
            f"{said(row)} in {task.task}" for task, row in zip(tasks, rows, strict=True) if row is not None
        )
        first = f"The control with shuffled vectors shows no lift ({listed})"
        contents = _content_sentences(deltas, tasks)
        return [f"{first}.", *contents] if contents else [f"{first}{_weight(tasks, rows)}."]
    not_run = [task.task for task, row in zip(tasks, rows, strict=True) if row is None]
    unknown = [
        f"{task.task} ({undefined_words({**row, 'metric': task.metric})})"
        for task, row in zip(tasks, rows, strict=True)
        if row is not None and outcome(row) == "missing"
    ]
    found = [f"was not run for {joined(not_run)}"] if not_run else []
    found += [f"has no value with an interval for {joined(unknown)}"] if unknown else []
    why = joined(found)
    return [f"The control with shuffled vectors {why}, so added capacity cannot be ruled out as the cause."]


def _content_sentences(deltas: Sequence[Delta], tasks: Sequence[TaskVerdict]) -> list[str]:
    by_answer: dict[str, list[str]] = {"yes": [], "unclear": [], "no": []}
    for task in tasks:
        row = contrast(deltas, SHUFFLED, task)
        if row is not None and outcome(row) != "missing":
            by_answer[content_of(deltas, task)].append(f"{said(row)} in {task.task}")
    endings = {
        "yes": "that much is the content of the vectors",
        "unclear": "not told apart",
        "no": "the content does harm",
    }
    parts = [f"{joined(listed)} ({endings[key]})" for key, listed in by_answer.items() if listed]
    return [f"LEARN minus shuffled: {'; '.join(parts)}."] if parts else []


def _weight(tasks: Sequence[TaskVerdict], controls: Sequence[Delta | None]) -> str:
    """What a quiet control proves: it must be precise enough to tell its own lift from that of LEARN."""
    gained = [
        (task, task.delta["delta"], control["high"])
        for task, control in zip(tasks, controls, strict=True)
        if task.outcome == "better" and task.delta is not None and control is not None
    ]
    vague = [task.task for task, gain, high in gained if high >= gain]
    if vague:
        return (
            f", but its interval reaches the gain of LEARN in {joined(vague)}: more seeds or rows would tell"
        )
    if gained:
        return ", so it is the content of the vectors that counts, not the added capacity"
    return ", as it should"
