"""What to ship: a line for the whole, and for each head an action with its reason and the next step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from learn_rank.report.checks import content_of, lifts_of_control
from learn_rank.report.enough import FEW_SEEDS, enough_words, widest_words
from learn_rank.report_kit.rules import Delta, TaskVerdict, mark, metrics_over_all, outcome
from learn_rank.report_kit.words import AUTO, LEARN, capitalised, joined, said

HEADS = {"clicks": ("CTR",), "conversions": ("CVR", "CTCVR")}
SHIP_LEARN, SHIP_AUTO, NOTHING, MORE = "ship LEARN", "ship auto", "ship nothing", "get more data"
#: the section of docs/report.md, and of the page, that says what to look at
UNTRUSTED_PAGE = "When a result cannot be trusted"
_ONLINE = "Play it offline (docs/ab.md), then give it a small share of traffic."


@dataclass(frozen=True)
class HeadAction:
    """What to do with one head of the ranker.

    Attributes:
        head: `clicks` or `conversions`.
        action: of `ship LEARN`, `ship nothing`, `get more data`; "nothing" means that your ranker stays.
        reason: with the numbers.
        next_step: what to do then.
    """

    head: str
    action: str
    reason: str
    next_step: str

    @property
    def words(self) -> str:
        """One line."""
        return f"{capitalised(self.head)}: {self.action}. {self.reason} Next: {self.next_step}"


@dataclass(frozen=True)
class Shipping:
    """The action of a run.

    Attributes:
        action: as in `HeadAction`, or `ship auto`.
        line: in one sentence.
        heads: clicks and, where they are judged, conversions.
    """

    action: str
    line: str
    heads: tuple[HeadAction, ...]


def shipping_of(
    deltas: Sequence[Delta], tasks: Sequence[TaskVerdict], control: str, about: Mapping[str, Any]
) -> Shipping:
    """Say what to ship, by rules.

    Definition, for each head, the first that holds: worse over all rows in any metric, nothing; the control
    gains anywhere, nothing; an interval that could hide 5 points, more data; better in a deciding metric,
    LEARN, if LEARN minus shuffled lies above 0 and there are three seeds, else more data; otherwise nothing.
    A head without a difference goes along with the other as one ranker unless its own difference is negative.
    For the whole: LEARN where every head is; `auto` where it serves exactly what the heads ask for, or where
    its own choice gains and harms nothing; else more data where any head asks for that, else nothing.

    Args:
        deltas: of the report.
        tasks: judged, LEARN against the baseline.
        control: `lift`, `quiet` or `missing`.
        about: of the report; seeds and precision are read.
    """
    heads = [_head(head, own, deltas, control, about) for head in HEADS if (own := _tasks_of(head, tasks))]
    if not heads:
        return Shipping(MORE, "Get more data: LEARN could not be compared with the baseline.", ())
    heads = _together(heads, tasks)
    shipped = [head.head for head in heads if head.action == SHIP_LEARN]
    if len(shipped) == len(heads):
        return Shipping(SHIP_LEARN, "Ship LEARN.", tuple(heads))
    served = {head.head: served_by_auto(deltas, HEADS[head.head]) for head in heads}
    wanted = {head.head: "learn" if head.head in shipped else "baseline" for head in heads}
    if not _auto_harms(deltas) and (
        (shipped and served == wanted) or _auto_gains(deltas, control, about, served)
    ):
        return Shipping(SHIP_AUTO, f"Ship auto: {served_words(served)}.", tuple(heads))
    action, line = _instead(heads, tasks, control, about)
    return Shipping(action, line, tuple(heads))


def _instead(
    heads: Sequence[HeadAction], tasks: Sequence[TaskVerdict], control: str, about: Mapping[str, Any]
) -> tuple[str, str]:
    """The line where neither LEARN nor `auto` is to be shipped."""
    shipped = [head.head for head in heads if head.action == SHIP_LEARN]
    harmed = [head.head for head in heads if any(task.harms for task in _tasks_of(head.head, tasks))]
    if harmed and shipped:
        alone = f"LEARN is for {joined(shipped)} alone, and `auto` does not serve that"
        return NOTHING, f"Ship nothing: LEARN makes {joined(harmed)} worse; {alone}."
    if harmed:
        return NOTHING, f"Ship nothing: LEARN makes {joined(harmed)} worse."
    if control == "lift":
        return NOTHING, f'Ship nothing: shuffled vectors gained as well; see "{UNTRUSTED_PAGE}".'
    more = [head for head in heads if head.action == MORE]
    if more:
        wide = [row for head in more for task in _tasks_of(head.head, tasks) for row in task.wide]
        steps = dict.fromkeys(head.next_step.rstrip(".") for head in more)
        needs = enough_words(wide, about) if wide else "; ".join(steps)
        gained = f" (LEARN gains for {joined(shipped)})" if shipped else ""
        places = joined(head.head for head in more)
        return MORE, f"Get more data for {places}: {_lowered(needs)}{gained}."
    if shipped:
        alone = f"LEARN gains for {joined(shipped)} alone, and `auto` does not serve that"
        return NOTHING, f"Ship nothing yet: {alone}."
    reasons = dict.fromkeys(head.reason.rstrip(".") for head in heads)
    return NOTHING, f"Ship nothing: {_lowered('; '.join(reasons))}."


def served_by_auto(deltas: Sequence[Delta], tasks: Sequence[str]) -> str | None:
    """What `auto` serves for a head, read from its differences.

    Returns:
        `learn` where they are those of LEARN, `baseline` where they are 0, `own` where it chose by seed or by
        kind of item, None where it was not judged.
    """
    for task in tasks:
        auto = [row for row in metrics_over_all(deltas, AUTO, task) if outcome(row) != "missing"]
        learn = {row["metric"]: row for row in metrics_over_all(deltas, LEARN, task)}
        if auto and all((row["delta"], row["low"], row["high"]) == (0, 0, 0) for row in auto):
            return "baseline"
        if auto:
            ends = ("delta", "low", "high")
            alike = (all(row[end] == learn[row["metric"]][end] for end in ends) for row in auto)
            return "learn" if learn and all(alike) else "own"
    return None


def served_words(served: Mapping[str, str | None]) -> str:
    """`LEARN for clicks, your ranker for conversions`."""
    words = {
        "learn": "LEARN for {}",
        "baseline": "your ranker for {}",
        "own": "LEARN for {} where validation supports it",
    }
    return ", ".join(words[how].format(head) for head, how in served.items() if how is not None)


def _head(
    head: str,
    tasks: Sequence[TaskVerdict],
    deltas: Sequence[Delta],
    control: str,
    about: Mapping[str, Any],
) -> HeadAction:
    harms = [row for task in tasks for row in task.harms]
    if harms:
        numbers = joined(f"{row['task']} {row['metric']} {said(row)}" for row in harms)
        step = "See which buckets lose, and whether the scores of new items are right on average."
        return HeadAction(head, NOTHING, f"LEARN is worse: {numbers} points.", step)
    if all(task.outcome == "missing" for task in tasks):
        return HeadAction(
            head, MORE, "No difference could be judged.", "Give test rows with both outcomes per user."
        )
    if control == "lift":
        numbers = joined(
            f"{row['task']} {row['metric']} {said(row)}" for row in lifts_of_control(deltas, tasks)
        )
        where = f" here ({numbers})" if numbers else ", if not here"
        reason = f"Shuffled vectors, which know nothing, gained as well{where}."
        return HeadAction(head, NOTHING, reason, f'Look at what "{UNTRUSTED_PAGE}" lists, in its order.')
    wide = [row for task in tasks for row in task.wide]
    if wide:
        return HeadAction(
            head, MORE, f"{capitalised(widest_words(wide))}.", f"{capitalised(enough_words(wide, about))}."
        )
    return _gain(head, tasks, deltas, about)


def _gain(
    head: str, tasks: Sequence[TaskVerdict], deltas: Sequence[Delta], about: Mapping[str, Any]
) -> HeadAction:
    gained = [task for task in tasks if task.is_gain and task.delta is not None]
    if not gained:
        parts = [task for task in tasks if task.gains]
        reason = "No gain over all rows" + (", only in some buckets." if parts else " could be shown.")
        step = (
            "Test LEARN for those alone." if parts else "Keep your ranker; richer item texts may change that."
        )
        return HeadAction(head, NOTHING, reason, step)
    numbers = joined(
        f"{task.task} {task.metric} {said(task.delta)}" for task in gained if task.delta is not None
    )
    contents = [content_of(deltas, task) for task in gained]
    n_seeds = len(about.get("seeds") or [])
    if "yes" not in contents:
        reason = f"LEARN gains {numbers}, but it is not clear that the content of the vectors does it."
        step = (
            "Train the arm `shuffled`, the control."
            if set(contents) == {"missing"}
            else "More seeds, or more users, until LEARN minus shuffled lies above 0."
        )
        return HeadAction(head, MORE, reason, step)
    if 0 < n_seeds < FEW_SEEDS:
        reason = f"LEARN gains {numbers}, but another training may not."
        return HeadAction(head, MORE, reason, f"{FEW_SEEDS} seeds (now {n_seeds}).")
    reason = f"LEARN gains {numbers} points, no metric is worse, and shuffled vectors do not do it."
    return HeadAction(head, SHIP_LEARN, reason, _ONLINE)


def _together(heads: Sequence[HeadAction], tasks: Sequence[TaskVerdict]) -> list[HeadAction]:
    """One ranker has both heads: one without a difference goes along, as in the choice of `auto`."""
    if all(head.action != SHIP_LEARN for head in heads):
        return list(heads)
    return [head if head.action != NOTHING else _along(head, tasks) for head in heads]


def _along(head: HeadAction, tasks: Sequence[TaskVerdict]) -> HeadAction:
    own = _tasks_of(head.head, tasks)
    first = next((task.delta for task in own if task.delta and task.outcome != "missing"), None)
    if first is None or any(task.harms for task in own):
        return head
    if first["delta"] >= 0:
        reason = f"No clear difference ({said(first)} points), so it goes along in one ranker."
        return replace(head, action=SHIP_LEARN, reason=reason, next_step=_ONLINE)
    reason = f"No clear difference ({said(first)} points), and what there is lies below 0."
    return replace(head, reason=reason, next_step="Keep your ranker for it, as `auto` can.")


def _tasks_of(head: str, tasks: Sequence[TaskVerdict]) -> list[TaskVerdict]:
    """The tasks that judge a head.

    Conversions per impression take the click scores as well: where those are worse and conversions after a
    click are judged, the harm is the click head's.
    """
    by_name = {task.task: task for task in tasks if task.task in HEADS[head]}
    clicks = next((task for task in tasks if task.task == "CTR"), None)
    if clicks is not None and clicks.harms and "CVR" in by_name:
        by_name.pop("CTCVR", None)
    return list(by_name.values())


def _auto_harms(deltas: Sequence[Delta]) -> bool:
    return any(mark(row) in ("worse", "hint-worse") for row in _rows_of_auto(deltas))


def _auto_gains(
    deltas: Sequence[Delta], control: str, about: Mapping[str, Any], served: Mapping[str, str | None]
) -> bool:
    """Whether the choice of `auto`, where it is neither arm, gains on the test rows."""
    if control != "quiet" or "own" not in served.values() or 0 < len(about.get("seeds") or []) < FEW_SEEDS:
        return False
    return any(mark(row) == "better" for row in _rows_of_auto(deltas))


def _rows_of_auto(deltas: Sequence[Delta]) -> list[Delta]:
    return [row for names in HEADS.values() for task in names for row in metrics_over_all(deltas, AUTO, task)]


def _lowered(text: str) -> str:
    """The text with a small first letter, unless a name begins it."""
    return text if text.startswith(("LEARN", "CTR", "CVR")) else text[:1].lower() + text[1:]
