"""Checks of single settings; they tell what was expected, what came and where the defaults stand."""

import dataclasses
import math
from typing import Any

_KINDS: dict[str, Any] = {
    "int": int,
    "float": (int, float),
    "bool": bool,
    "str": str,
    "int | None": (int, type(None)),
    "float | None": (int, float, type(None)),
}


def setting_error(name: str, expected: str, got: object, remedy: str) -> ValueError:
    """The error of a setting, to be raised."""
    told = "`learn-recall settings` prints every setting with its default"
    return ValueError(f"{name}: expected {expected}; got {got!r}. Remedy: {remedy}; {told}")


def check_choice(owner: object, name: str, choices: tuple[str, ...]) -> None:
    """Refuse a word that is none of the choices."""
    value = getattr(owner, name)
    if value not in choices:
        raise setting_error(_named(owner, name), f"one of {', '.join(choices)}", value, "choose one")


def check_kinds(owner: Any) -> None:
    """Every field has the type that it is declared with; settings may come from JSON or a command line."""
    for each in dataclasses.fields(owner):
        value = getattr(owner, each.name)
        is_flag = each.type == "bool"
        if not isinstance(value, _KINDS[str(each.type)]) or isinstance(value, bool) != is_flag:
            raise setting_error(_named(owner, each.name), str(each.type), value, "give it as such")


def check_within(
    owner: object, name: str, low: float, high: float = math.inf, *, open_low: bool = False
) -> None:
    """Refuse a number out of range, and with it what is infinite or no number."""
    value = getattr(owner, name)
    is_high_enough = value > low if open_low else value >= low
    if not (is_high_enough and value <= high and value != math.inf):
        expected = f"a finite number {'above' if open_low else 'of at least'} {low}"
        expected += "" if high == math.inf else f" and at most {high}"
        raise setting_error(_named(owner, name), expected, value, "choose one in that range")


def _named(owner: object, name: str) -> str:
    return f"{type(owner).__name__}.{name}"


__all__ = ["check_choice", "check_kinds", "check_within", "setting_error"]
