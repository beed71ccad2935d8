"""The verdict: what the differences say, in words, by rules that anyone can recompute from report.json."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from learn_rank.report.checks import (
    content_of,
    control_sentences,
    lifts_of_control,
    raw_text_sentences,
)
from learn_rank.report.enough import widest_words
from learn_rank.report.once import without_equal_buckets
from learn_rank.report.shipping import Shipping, shipping_of
from learn_rank.report_kit.rules import Delta, TaskVerdict, judge_task, mark, outcome, versus_baseline
from learn_rank.report_kit.words import (
    SHUFFLED,
    bucket_words,
    joined,
    ordered,
    points_words,
    said,
    task_words,
    undefined_words,
)

TASK_ORDER = ("CTR", "CVR", "CTCVR")


@dataclass(frozen=True)
class Verdict:
    """The answer of a run: a key for the machine, a headline, an action; findings and checks to read."""

    answer: str  # yes | mixed | partly | none | unclear | worse | untrusted | unknown
    headline: str
    shipping: Shipping
    sentences: tuple[str, ...]  # what was found, for whom
    checks: tuple[str, ...]  # raw text and the shuffled control: why to believe it
    tasks: tuple[TaskVerdict, ...]
    control: str  # quiet | lift | missing

    def as_dict(self) -> dict[str, Any]:
        """What report.json tells of it: answer, headline, control, and what to ship with a line per head."""
        return {
            "answer": self.answer,
            "headline": self.headline,
            "control": self.control,
            "ship": asdict(self.shipping),
        }


def verdict_of(deltas: Sequence[Delta], about: Mapping[str, Any] | None = None) -> Verdict:
    """Answer "would LLM knowledge help this ranker, and for whom?" from the differences of a report.

    Definition: a task gains where the difference LEARN - baseline over all rows, in UAUC (see
    `headline_metric`), is better also after correction (`mark`); it is harmed where any metric over all rows
    is worse (`judge_task`). Harm decides: `worse`, or `mixed` where another metric or task gains. Else
    `untrusted` where shuffled vectors, which carry no knowledge, gain over all rows in any metric, also after
    correction. Else `yes`; `unclear` where an interval over all rows could hide 5 points (`could_hide`);
    `partly` where only buckets gain; `none`; and `unknown` where nothing could be compared.

    Args:
        deltas: rows with the keys of `DELTA_KEYS`.
        about: of the report: its seeds and precision say what would be enough, its equal buckets which ones
            are looked at once.

    Returns:
        The verdict; every number of points in its sentences is one of the given deltas.
    """
    told: Mapping[str, Any] = {} if about is None else about
    deltas = without_equal_buckets(deltas, told)
    names = ordered((row["task"] for row in deltas), TASK_ORDER)
    tasks = tuple(judge_task(deltas, task) for task in names)
    tasks = tuple(task for task in tasks if task.delta is not None)
    controls = [versus_baseline(deltas, SHUFFLED, task) for task in tasks]
    known = [row for row in controls if outcome(row) != "missing"]
    lifted = lifts_of_control(deltas, tasks)
    control = "lift" if lifted else "quiet" if tasks and len(known) == len(tasks) else "missing"
    answer, headline = _answer(tasks, control)
    state = "says nothing" if all(row is not None for row in controls) else "is missing"
    if control == "missing" and answer in ("yes", "mixed", "partly"):
        headline += f" But the control with shuffled vectors {state}."
    elif answer == "yes":
        headline += _doubt(deltas, tasks)
    sentences = [sentence for task in tasks for sentence in _task_sentences(task)]
    sentences += _bucket_sentences(tasks)
    checks = raw_text_sentences(deltas, tasks)
    checks += control_sentences(deltas, tasks, control) if tasks else []
    shipping = shipping_of(deltas, tasks, control, told)
    return Verdict(answer, headline, shipping, tuple(sentences), tuple(checks), tasks, control)


def _answer(tasks: Sequence[TaskVerdict], control: str) -> tuple[str, str]:  # noqa: PLR0911 - one per answer
    gained = joined(task_words(task.task) for task in tasks if task.is_gain)
    harmed = joined(task_words(task.task) for task in tasks if task.harms)
    if harmed:
        return _harm(tasks, gained, harmed, control)
    if all(task.outcome == "missing" for task in tasks):
        return "unknown", "Not known: LEARN could not be compared with the baseline."
    if control == "lift":
        return "untrusted", "This result cannot be trusted: vectors without knowledge gained as well."
    wide = joined(task_words(task.task) for task in tasks if task.wide)
    if gained:
        return "yes", f"Yes, for {gained}.{f' Too few seeds or users to say for {wide}.' if wide else ''}"
    if wide:
        widest = widest_words([row for task in tasks for row in task.wide])
        return "unclear", f"Too few seeds or users to say for {wide}: {widest}."
    gains = dict.fromkeys(
        bucket_words(row["bucket_kind"], row["bucket"]) for task in tasks for row in task.gains
    )
    if gains:
        return "partly", f"Only in parts: not overall, but for {joined(gains)}."
    hints = joined(task_words(task.task) for task in tasks if task.outcome == "better")
    if hints:
        return "none", f"No clear difference: better for {hints}, but not after correction."
    return "none", "No detectable difference."


def _harm(tasks: Sequence[TaskVerdict], gained: str, harmed: str, control: str) -> tuple[str, str]:
    """The worst of the harms stands in the headline; what gained is told only where it can be believed."""
    worst = min((row for task in tasks for row in task.harms), key=lambda row: row["delta"])
    n_harms = sum(len(task.harms) for task in tasks)
    most = f"{'most ' if n_harms > 1 else ''}{worst['task']} {worst['metric']}, {said(worst)} points"
    if gained and control != "lift":
        return "mixed", f"Mixed: better for {gained}, worse for {harmed}: {most}."
    control_words = " Vectors without knowledge gained, so no gain counts." if control == "lift" else ""
    return "worse", f"No: it made {harmed} worse: {most}.{control_words}"


def _doubt(deltas: Sequence[Delta], tasks: Sequence[TaskVerdict]) -> str:
    doubtful = [task.task for task in tasks if task.is_gain and content_of(deltas, task) != "yes"]
    return f" Whether the content does it in {joined(doubtful)} is not clear." if doubtful else ""


def _task_sentences(task: TaskVerdict) -> list[str]:
    what = task_words(task.task)
    found = [_deciding_sentence(task, what)]
    others = [row for row in task.harms if row["metric"] != task.metric]
    if others:
        numbers = joined(f"{row['metric']} {said(row)}" for row in others)
        found.append(f"Worse in {task.task}, after correction: {numbers} points.")
    return found


def _deciding_sentence(task: TaskVerdict, what: str) -> str:
    if task.delta is None or task.outcome == "missing":
        reason = f" ({undefined_words({**task.delta, 'metric': task.metric})})" if task.delta else ""
        return f"For {what} no difference could be judged{reason}."
    numbers = f"{said(task.delta)} points of {task.metric}"
    if task.delta in task.wide:
        return f"For {what} there are too few seeds or users to say: {numbers}."
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
