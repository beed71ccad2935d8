"""The verdict: what the differences say, in words, by rules that anyone can recompute from report.json."""

from collections.abc import Sequence
from dataclasses import dataclass

from learn_rank.report_kit.rules import (
    Delta,
    TaskVerdict,
    find,
    judge_task,
    mark,
    outcome,
    says_nothing,
    versus_baseline,
)
from learn_rank.report_kit.words import (
    LEARN,
    RAW_TEXT,
    SHUFFLED,
    bucket_words,
    interval_words,
    joined,
    ordered,
    points_words,
    task_words,
    undefined_words,
)

TASK_ORDER = ("CTR", "CVR", "CTCVR")


@dataclass(frozen=True)
class Verdict:
    """The answer of a run: a key for the machine, a headline, findings and checks for the reader."""

    answer: str  # yes | mixed | partly | none | worse | untrusted | unknown
    headline: str
    sentences: tuple[str, ...]  # what was found, for whom
    checks: tuple[str, ...]  # raw text and the shuffled control: why to believe it
    tasks: tuple[TaskVerdict, ...]
    control: str  # quiet | lift | missing


def verdict_of(deltas: Sequence[Delta]) -> Verdict:
    """Answer "would LLM knowledge help this ranker, and for whom?" from the differences of a report.

    Definition: per task the difference LEARN - baseline over all rows, in UAUC (see `headline_metric`), is
    better, worse or none by its interval (`outcome`); a bucket gains or loses where also its adjusted p is
    below .05 (`mark`). Shuffled vectors carry no knowledge, so if their interval lies above 0 over all rows
    in any task, the lift of LEARN cannot be told from added capacity or a leak: the answer is `untrusted`.
    Otherwise: `yes` (better somewhere, worse nowhere), `mixed`, `worse`, `partly` (only buckets gain) or
    `none`; `unknown` where nothing could be compared.

    Args:
        deltas: rows with the keys of `DELTA_KEYS`.

    Returns:
        The verdict; every number in its sentences is one of the given deltas, in points.
    """
    names = ordered((row["task"] for row in deltas), TASK_ORDER)
    tasks = tuple(judge_task(deltas, task) for task in names)
    tasks = tuple(task for task in tasks if task.delta is not None)
    controls = [versus_baseline(deltas, SHUFFLED, task) for task in tasks]
    lifted = [row for row in controls if row is not None and outcome(row) == "better"]
    known = [row for row in controls if outcome(row) != "missing"]
    control = "lift" if lifted else "quiet" if tasks and len(known) == len(tasks) else "missing"
    has_run = all(row is not None for row in controls)
    answer, headline = _answer(tasks, control, has_run)
    sentences = [_task_sentence(task) for task in tasks]
    sentences += _bucket_sentences(tasks)
    checks = _raw_text_sentences(deltas, tasks)
    checks += [_control_sentence(tasks, controls, control)] if tasks else []
    return Verdict(answer, headline, tuple(sentences), tuple(checks), tasks, control)


def _answer(tasks: Sequence[TaskVerdict], control: str, has_run: bool) -> tuple[str, str]:  # noqa: PLR0911 - one per answer
    better = joined(task_words(task.task) for task in tasks if task.outcome == "better")
    worse = joined(task_words(task.task) for task in tasks if task.outcome == "worse")
    if all(task.outcome == "missing" for task in tasks):
        return "unknown", "Not known: LEARN could not be compared with the baseline."
    if control == "lift":
        return "untrusted", "This result cannot be trusted: vectors without knowledge gained as well."
    state = "says nothing" if has_run else "is missing"
    unchecked = f" But the control with shuffled vectors {state}." if control == "missing" else ""
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
    if all(says_nothing(task.delta) for task in tasks if task.outcome != "missing"):
        return "none", "This run says nothing: its intervals span half of what is possible or more."
    return "none", "No detectable difference."


def _said(delta: Delta) -> str:
    return f"{points_words(delta['delta'])} {interval_words(delta['low'], delta['high'], points_words)}"


def _task_sentence(task: TaskVerdict) -> str:
    what = task_words(task.task)
    if task.delta is None or task.outcome == "missing":
        reason = f" ({undefined_words({**task.delta, 'metric': task.metric})})" if task.delta else ""
        return f"For {what} no difference could be judged{reason}."
    numbers = f"{_said(task.delta)} points of {task.metric}"
    if says_nothing(task.delta):
        return f"For {what} this run says nothing: {numbers}. It has too few users or seeds."
    if task.outcome == "none":
        return f"For {what} no difference could be detected: {numbers}."
    hint = mark(task.delta).startswith("hint")
    reserve = ", though not after correction for the number of comparisons" if hint else ""
    return f"LEARN ranks {what} {task.outcome} than the same ranker without it: {numbers}{reserve}."


def _bucket_sentences(tasks: Sequence[TaskVerdict]) -> list[str]:
    sentences = []
    for verb, chosen in (("gains", "gains"), ("loses", "losses")):
        moved = [(task, getattr(task, chosen)) for task in tasks if getattr(task, chosen)]
        if moved:
            said = "; ".join(f"in {task.task} {_places(rows, task.n_buckets)}" for task, rows in moved)
            sentences.append(f"Who {verb}: {said}.")
    if not sentences and any(task.outcome != "missing" for task in tasks):
        sentences.append("No single bucket of users or items moves clearly.")
    doubtful = [f"in {task.task} {joined(map(_place, task.doubtful))}" for task in tasks if task.doubtful]
    if doubtful:
        sentences.append(f"Shuffled vectors gain here too, so no gain is claimed: {'; '.join(doubtful)}.")
    return sentences


def _place(delta: Delta) -> str:
    return bucket_words(delta["bucket_kind"], delta["bucket"])


def _places(deltas: Sequence[Delta], n_buckets: int) -> str:
    """The buckets by size of the difference; where every bucket moved, only the two ends."""
    largest = sorted(deltas, key=lambda delta: -abs(delta["delta"]))
    named = [f"{_place(delta)} ({points_words(delta['delta'])})" for delta in largest]
    if len(named) == n_buckets > 2:
        return f"every bucket of users and of items, most {named[0]}, least {named[-1]}"
    return joined(named)


def _raw_text_sentences(deltas: Sequence[Delta], tasks: Sequence[TaskVerdict]) -> list[str]:
    parts: list[str] = []
    compared: dict[str, list[str]] = {"better": [], "none": [], "worse": []}
    for task in tasks:
        raw = versus_baseline(deltas, RAW_TEXT, task)
        if raw is not None and outcome(raw) != "missing":
            parts.append(f"{_said(raw)} in {task.task}")
        names = {"task": task.task, "metric": task.metric, "bucket_kind": "all", "bucket": "all"}
        against = find(deltas, model=LEARN, baseline=RAW_TEXT, **names)
        if against is not None and outcome(against) != "missing":
            compared[outcome(against)].append(f"{task.task} ({_said(against)})")
    sentences = []
    if parts:
        sentences.append(f"Raw text through the same fusion, without the towers, gives {joined(parts)}.")
    places = {"better": "ahead of", "none": "level with", "worse": "behind"}
    said = [f"{places[key]} raw text in {joined(listed)}" for key, listed in compared.items() if listed]
    if said:
        sentences.append(f"LEARN is {joined(said)}.")
    return sentences


def _control_sentence(tasks: Sequence[TaskVerdict], controls: Sequence[Delta | None], control: str) -> str:
    said = [
        f"{_said(row)} in {task.task}"
        for task, row in zip(tasks, controls, strict=True)
        if row is not None and outcome(row) != "missing"
    ]
    if control == "lift":
        return (
            f"The control with shuffled vectors, which carry no knowledge, shows a lift: {joined(said)}. "
            "So the gain may come from added capacity or from a leak; find out which before deciding."
        )
    if control == "quiet":
        weight = _control_weight(tasks, controls)
        return f"The control with shuffled vectors shows no lift ({joined(said)}){weight}."
    not_run = [task.task for task, row in zip(tasks, controls, strict=True) if row is None]
    unknown = [
        f"{task.task} ({undefined_words({**row, 'metric': task.metric})})"
        for task, row in zip(tasks, controls, strict=True)
        if row is not None and outcome(row) == "missing"
    ]
    found = [f"was not run for {joined(not_run)}"] if not_run else []
    found += [f"has no value with an interval for {joined(unknown)}"] if unknown else []
    why = joined(found)
    return f"The control with shuffled vectors {why}, so added capacity cannot be ruled out as the cause."


def _control_weight(tasks: Sequence[TaskVerdict], controls: Sequence[Delta | None]) -> str:
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
