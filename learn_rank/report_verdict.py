"""The verdict: what the differences say, in words, by rules that anyone can recompute from report.json."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from learn_rank.report_words import (
    BASELINE,
    HEADLINE_METRICS,
    LEARN,
    RAW_TEXT,
    SHUFFLED,
    SIGNIFICANT,
    bucket_words,
    interval_words,
    joined,
    ordered,
    points_words,
    task_words,
    undefined_words,
)

Delta = Mapping[str, Any]
TASK_ORDER = ("CTR", "CVR", "CTCVR")


@dataclass(frozen=True)
class TaskVerdict:
    """What the run says of one task: the outcome over all rows, and the buckets that gain or lose."""

    task: str
    metric: str
    outcome: str  # better | worse | none | missing
    delta: Delta | None
    gains: tuple[Delta, ...]
    losses: tuple[Delta, ...]
    doubtful: tuple[Delta, ...]  # buckets where the shuffled control gains too, so no gain is claimed


@dataclass(frozen=True)
class Verdict:
    """The answer of a run: a key for the machine, a headline and sentences for the reader."""

    answer: str  # yes | mixed | partly | none | worse | untrusted | unknown
    headline: str
    sentences: tuple[str, ...]
    tasks: tuple[TaskVerdict, ...]
    control: str  # quiet | lift | missing


def outcome(delta: Delta | None) -> str:
    """Reads one difference by its interval alone: `better`, `worse`, `none` or `missing`.

    Definition: better if low > 0, worse if high < 0, none if the interval contains 0, missing if the
    difference or its interval is undefined.
    """
    if delta is None or delta["delta"] is None or delta["low"] is None or delta["high"] is None:
        return "missing"
    if delta["low"] > 0:
        return "better"
    return "worse" if delta["high"] < 0 else "none"


def mark(delta: Delta | None) -> str:
    """The key of `report_words.MARKS` for one difference: its outcome, or a hint where the adjusted p is .05 or more.

    A table of buckets makes many comparisons, and some intervals exclude 0 by chance; a hint is a difference
    that its own interval shows and the correction for the number of comparisons does not.
    """
    result = outcome(delta)
    if delta is None or result not in ("better", "worse"):
        return result
    adjusted = delta["p_adjusted"]
    return result if adjusted is None or adjusted < SIGNIFICANT else f"hint-{result}"


def find(deltas: Iterable[Delta], **wanted: str) -> Delta | None:
    """The one difference whose names equal the wanted ones, or None."""
    return next((delta for delta in deltas if all(delta[key] == value for key, value in wanted.items())), None)


def headline_metric(deltas: Iterable[Delta], task: str) -> str:
    """The metric that decides a task: UAUC, or AUC and then WUAUC where it is undefined over all rows."""
    own = [row for row in deltas if (row["model"], row["baseline"], row["task"]) == (LEARN, BASELINE, task)]
    for metric in HEADLINE_METRICS:
        if outcome(find(own, metric=metric, bucket_kind="all", bucket="all")) != "missing":
            return metric
    return HEADLINE_METRICS[0]


def judge(deltas: Sequence[Delta]) -> Verdict:
    """Answers "would LLM knowledge help this ranker, and for whom?" from the differences of a report.

    Definition: per task the difference LEARN - baseline over all rows, in UAUC (see `headline_metric`), is
    better, worse or none by its interval (`outcome`); a bucket gains or loses where also its adjusted p is
    below .05 (`mark`). Shuffled vectors carry no knowledge, so if their interval lies above 0 over all rows
    in any task, the lift of LEARN cannot be told from added capacity or a leak: the answer is `untrusted`.
    Otherwise: `yes` (better somewhere, worse nowhere), `mixed`, `worse`, `partly` (only buckets gain), `none`.

    Args:
        deltas: rows with the keys of `report_data.DELTA_KEYS`.

    Returns:
        The verdict; every number in its sentences is one of the given deltas, in points.
    """
    names = ordered((row["task"] for row in deltas), TASK_ORDER)
    tasks = tuple(_judge_task(deltas, task) for task in names)
    tasks = tuple(task for task in tasks if task.delta is not None)
    controls = [_versus_baseline(deltas, SHUFFLED, task) for task in tasks]
    lifted = [row for row in controls if row is not None and outcome(row) == "better"]
    known = [row for row in controls if outcome(row) != "missing"]
    control = "lift" if lifted else "quiet" if tasks and len(known) == len(tasks) else "missing"
    answer, headline = _answer(tasks, control)
    sentences = [_task_sentence(task) for task in tasks]
    sentences += _bucket_sentences(tasks) + _raw_text_sentences(deltas, tasks)
    sentences.append(_control_sentence(tasks, controls, control))
    return Verdict(answer, headline, tuple(sentence for sentence in sentences if sentence), tasks, control)


def _judge_task(deltas: Sequence[Delta], task: str) -> TaskVerdict:
    metric = headline_metric(deltas, task)
    own = [row for row in deltas if (row["task"], row["metric"]) == (task, metric)]
    learn = [row for row in own if (row["model"], row["baseline"]) == (LEARN, BASELINE)]
    whole = find(learn, bucket_kind="all", bucket="all")
    buckets = [row for row in learn if row["bucket_kind"] != "all"]
    control = [row for row in own if (row["model"], row["baseline"]) == (SHUFFLED, BASELINE)]
    lifted = {(row["bucket_kind"], row["bucket"]) for row in control if mark(row) == "better"}
    doubtful = tuple(row for row in buckets if (row["bucket_kind"], row["bucket"]) in lifted)
    gains = tuple(row for row in buckets if mark(row) == "better" and row not in doubtful)
    losses = tuple(row for row in buckets if mark(row) == "worse")
    return TaskVerdict(task, metric, outcome(whole), whole, gains, losses, doubtful)


def _versus_baseline(deltas: Sequence[Delta], model: str, task: TaskVerdict) -> Delta | None:
    names = {"task": task.task, "metric": task.metric, "bucket_kind": "all", "bucket": "all"}
    return find(deltas, model=model, baseline=BASELINE, **names)


def _answer(tasks: Sequence[TaskVerdict], control: str) -> tuple[str, str]:
    better = joined(task_words(task.task) for task in tasks if task.outcome == "better")
    worse = joined(task_words(task.task) for task in tasks if task.outcome == "worse")
    if all(task.outcome == "missing" for task in tasks):
        return "unknown", "Not known: LEARN could not be compared with the baseline."
    if control == "lift":
        return "untrusted", "This result cannot be trusted: vectors without knowledge gained as well."
    unchecked = " But the control with shuffled vectors is missing." if control == "missing" else ""
    if better and worse:
        return "mixed", f"Mixed: better for {better}, worse for {worse}.{unchecked}"
    if better:
        return "yes", f"Yes, for {better}.{unchecked}"
    if worse:
        return "worse", f"No: it made {worse} worse."
    gains = dict.fromkeys(
        bucket_words(row["bucket_kind"], row["bucket"]) for task in tasks for row in task.gains
    )
    if gains:
        return "partly", f"Only in parts: not overall, but for {joined(gains)}.{unchecked}"
    return "none", "No detectable difference."


def _said(delta: Delta) -> str:
    return f"{points_words(delta['delta'])} {interval_words(delta['low'], delta['high'], True)}"


def _task_sentence(task: TaskVerdict) -> str:
    what = task_words(task.task)
    if task.delta is None or task.outcome == "missing":
        reason = f" ({undefined_words({**task.delta, 'metric': task.metric})})" if task.delta else ""
        return f"For {what} no difference could be computed{reason}."
    numbers = f"{_said(task.delta)} points of {task.metric}"
    if task.outcome == "none":
        return f"For {what} no difference could be detected: {numbers}."
    hint = mark(task.delta).startswith("hint")
    reserve = ", though not after correction for the number of comparisons" if hint else ""
    return f"LEARN ranks {what} {task.outcome} than the same ranker without it: {numbers}{reserve}."


def _bucket_sentences(tasks: Sequence[TaskVerdict]) -> list[str]:
    def listed(task: TaskVerdict, rows: Iterable[Delta], with_points: bool) -> str:
        named = [
            bucket_words(row["bucket_kind"], row["bucket"])
            + (f" {points_words(row['delta'])}" if with_points else "")
            for row in rows
        ]
        return f"in {task.task}, {joined(named)}"

    sentences = []
    gains = [listed(task, task.gains, True) for task in tasks if task.gains]
    losses = [listed(task, task.losses, True) for task in tasks if task.losses]
    doubtful = [listed(task, task.doubtful, False) for task in tasks if task.doubtful]
    if gains:
        sentences.append(f"Who gains: {'; '.join(gains)}.")
    if losses:
        sentences.append(f"Who loses: {'; '.join(losses)}.")
    if not gains and not losses and any(task.outcome != "missing" for task in tasks):
        sentences.append("No single bucket of users or items moves clearly.")
    if doubtful:
        sentences.append(f"Shuffled vectors gain here too, so no gain is claimed: {'; '.join(doubtful)}.")
    return sentences


def _raw_text_sentences(deltas: Sequence[Delta], tasks: Sequence[TaskVerdict]) -> list[str]:
    parts, compared = [], []
    for task in tasks:
        raw = _versus_baseline(deltas, RAW_TEXT, task)
        if raw is not None and outcome(raw) != "missing":
            parts.append(f"{_said(raw)} in {task.task}")
        names = {"task": task.task, "metric": task.metric, "bucket_kind": "all", "bucket": "all"}
        against = find(deltas, model=LEARN, baseline=RAW_TEXT, **names)
        if against is not None and outcome(against) != "missing":
            words = {"better": "ahead of", "worse": "behind", "none": "level with"}[outcome(against)]
            compared.append(f"{words} raw text in {task.task} ({_said(against)})")
    sentences = []
    if parts:
        sentences.append(f"Raw text through the same fusion, without the towers: {joined(parts)}.")
    if compared:
        sentences.append(f"LEARN is {joined(compared)}.")
    return sentences


def _control_sentence(tasks: Sequence[TaskVerdict], controls: Sequence[Delta | None], control: str) -> str:
    if not tasks:
        return ""
    said = [
        f"{_said(row)} in {task.task}"
        for task, row in zip(tasks, controls, strict=True)
        if row is not None and outcome(row) != "missing"
    ]
    if control == "lift":
        return (
            f"The control with shuffled vectors, which carry no knowledge, shows a lift: {joined(said)}. "
            "So the gain may come from added capacity or from a leak; find out which before deciding anything."
        )
    if control == "quiet":
        return (
            f"The control with shuffled vectors shows no lift ({joined(said)}), so it is the content of the "
            "vectors that counts, not the added capacity."
        )
    return (
        "The control with shuffled vectors was not run for every task, so added capacity cannot be ruled out "
        "as the cause."
    )
