"""A message of a command names what was typed; the same message in Python names the argument."""

import ast
import inspect

import pytest
import typer
from typer.testing import CliRunner

import learn_rank.cli
import learn_recall.cli
from learn_recall.commands.option_names import ALIASES, as_typed, options_of
from learn_recall.commands.plain_errors import plain_errors

COMMANDS = {
    f"{which} {name}": command
    for which, app in (("learn-rank", learn_rank.cli.app), ("learn-recall", learn_recall.cli.app))
    for name, command in typer.main.get_command(app).commands.items()
}
OPTIONS = {
    "days": "--days",
    "drops_unknown_items": "--drop-unknown-items",
    "fusion": "--fusion",
    "metrics": "--metrics",
    "no_fusion": "--no-fusion",
    "treatment_share": "--treatment-share",
}


@pytest.mark.parametrize(
    ("said", "typed"),
    [
        ("fusion_kind: expected one of a", "--fusion: expected one of a"),
        ("metrics, n_days: expected", "--metrics, --days: expected"),
        ("log.csv\n 1. treatment_share: no", "log.csv\n 1. --treatment-share: no"),
        ("Remedy: drops_unknown_items=True", "Remedy: --drop-unknown-items"),
        ("Remedy: n_days=9, or 'n_days=9'", "Remedy: --days 9, or 'n_days=9'"),
        ("or pass fusion_kind=None, metrics=None", "or pass --no-fusion, no --metrics"),
        ("with --drop-unknown-items (drop_unknown_items), which", "with --drop-unknown-items, which"),
        *((text, text) for text in (
            "MarketplaceConfig(n_days=9)",
            "call drop_unknown_items(items, tables)",
            "the column 'treatment_share'",
            "config.treatment_share",
            "the metrics of days",
            "drops_unknown_items=False",
            "n_slots: expected one",  # there is no such option here
        )),
    ],
)  # fmt: skip
def test_arguments_are_named_as_they_were_typed_and_nothing_else_is_touched(said, typed):
    assert as_typed(said, OPTIONS) == typed


def test_a_command_translates_and_a_call_does_not():
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    @plain_errors()
    def verb(days: int = 1) -> None:
        raise ValueError(f"n_days: expected more, got {days}. Remedy: n_days=9")

    assert "\n--days: expected more, got 1. Remedy: --days 9\n" in CliRunner().invoke(app, []).stderr
    with pytest.raises(typer.Exit):
        verb()


def handed_on(command):
    """(argument, parameter) of every call in a command's file that names one of its parameters otherwise."""
    tree = ast.parse(inspect.getsource(inspect.getmodule(inspect.unwrap(command.callback))))
    parameters = options_of(command)
    for call in ast.walk(tree):
        for keyword in call.keywords if isinstance(call, ast.Call) else ():
            if isinstance(keyword.value, ast.Name) and keyword.arg and keyword.value.id in parameters:
                yield keyword.arg, keyword.value.id


@pytest.mark.parametrize("name", COMMANDS)
def test_whatever_a_command_hands_on_under_another_name_is_translated_back(name):
    options = options_of(COMMANDS[name])
    wrong = {
        (argument, parameter)
        for argument, parameter in handed_on(COMMANDS[name])
        if as_typed(f"{argument}: expected", options) != f"{options[parameter]}: expected"
    }
    assert wrong == set()


def test_every_alias_is_an_option_of_some_command():
    known = {parameter for command in COMMANDS.values() for parameter in options_of(command)}
    assert set(ALIASES.values()) <= known
