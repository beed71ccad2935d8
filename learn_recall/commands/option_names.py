"""Messages in the words of the command line: what Python calls `n_days=9` was typed as `--days 9`.

The libraries name their arguments, as who calls them needs it. A command translates once, where it turns an
error into words, by the options that it has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

#: argument of the libraries -> parameter of a command, where the two are not called alike; a command without
#: such a parameter leaves the name
ALIASES = {
    "allows_unknown_time": "allow_unknown_time",
    "buckets": "bucket",
    "conversion_delay_days": "delay_days",
    "converted_column": "converted",
    "count_buckets": "count_bucket",
    "drop_unknown_items": "drops_unknown_items",
    "families": "family",
    "fusion_kind": "fusion",
    "has_vectors": "no_vectors",
    "history_column": "history",
    "is_quick": "quick",
    "item_column": "item",
    "kind": "ranker",
    "ks": "k",
    "meaning": "bucket_meaning",
    "n_candidates": "candidates",
    "n_days": "days",
    "n_epochs": "epochs",
    "n_pre_days": "pre_days",
    "n_queries": "queries",
    "n_replicas": "replicas",
    "n_requests_per_day": "requests",
    "n_resamples": "bootstrap",
    "n_seeds": "seeds",
    "n_slots": "slots",
    "retrains": "retrain_daily",
    "scales_vectors": "unscaled",
    "timestamp_column": "timestamp",
    "user_column": "user",
    "with_ablation": "ablation",
    "with_transfer": "pretrain",
    "word_dimension": "words",
}
_HEAD = re.compile(r"(?m)^(\w+(?:, \w+)*)(?=: expected)")
_GIVEN = re.compile(r"(?<![\w.(=/'\"-])(\w+)=([\w.'\"-]*[\w'\"])")
_NAMED = re.compile(r"(?<![\w.=/'\"-])([a-z]+(?:_[a-z]+)+)(?![\w.(=/'\"]*[(='\"/])\b")

_TWICE = re.compile(r"(--[\w-]+) \(\1\)")  # an option and, in brackets, the function that it stands for


def as_typed(text: str, options: Mapping[str, str]) -> str:
    """A message whose arguments are named as the options of a command.

    Definition: a name is translated at the head of a line (``name: expected ..``), where a value is given
    (``name=value``) and, if it has an underscore, anywhere else. What is called, quoted or inside a call is
    left as it is.

    Args:
        text: of an error.
        options: parameter -> option as typed, of `options_here`.

    Example:
        >>> as_typed("n_days: expected 1 or more, got 0. Remedy: n_days=9", {"days": "--days"})
        '--days: expected 1 or more, got 0. Remedy: --days 9'
    """

    def option(name: str) -> str | None:
        return options.get(name, options.get(ALIASES.get(name, "")))

    def head(found: re.Match[str]) -> str:
        names = found[1].split(", ")
        return ", ".join(option(name) or name for name in names)

    def given(found: re.Match[str]) -> str:
        typed, value = option(found[1]), found[2]
        if typed is None or value == "False":
            return found[0]
        if value == "None":
            name = found[1] if found[1] in options else ALIASES[found[1]]
            return options.get(f"no_{name}", f"no {typed}")
        return typed if value == "True" else f"{typed} {value.strip(chr(39) + chr(34))}"

    text = _GIVEN.sub(given, _HEAD.sub(head, text))
    text = _NAMED.sub(lambda found: option(found[1]) or found[1], text)
    return _TWICE.sub(r"\1", text)


def options_here() -> dict[str, str]:
    """Parameter -> long option of the command that is running; empty outside of one."""
    try:
        from typer.main import get_current_context  # type: ignore[attr-defined]
    except ImportError:  # an older typer leaves it to click
        from click import get_current_context  # type: ignore[no-redef]
    context = get_current_context(silent=True)
    return {} if context is None else options_of(context.command)


def options_of(command: object) -> dict[str, str]:
    """Parameter -> long option of a command."""
    found = {}
    for parameter in getattr(command, "params", ()):
        long = [text for text in parameter.opts if text.startswith("--")]
        if parameter.param_type_name == "option" and long and parameter.name is not None:
            found[parameter.name] = long[0]
    return found


__all__ = ["ALIASES", "as_typed", "options_here", "options_of"]
