"""Exit codes are a contract: whatever goes wrong in a command, 1 is left to a gate that says "worse"."""

import inspect
import os
import re

import pytest
import typer
from typer.testing import CliRunner

import learn_rank.cli
import learn_recall.cli
from learn_rank.commands.common import names_of
from learn_recall.commands.plain_errors import TRACEBACK, plain_errors


def ended(error):
    """What a command that raises `error` leaves: its result as the runner saw it."""
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    @plain_errors()
    def verb() -> None:
        raise error

    return CliRunner().invoke(app, [])


@pytest.mark.parametrize(
    "error",
    [KeyError("pctr"), TypeError("unhashable"), RuntimeError("a library"), AssertionError(), MemoryError()],
    ids=repr,
)
def test_an_exception_that_nobody_foresaw_ends_with_2_and_without_a_traceback(error):
    found = ended(error)
    assert found.exit_code == 2
    assert "Traceback" not in found.stderr
    assert f"error: {type(error).__name__}" in found.stderr
    assert "unexpected" in found.stderr and "Remedy:" in found.stderr


def test_words_that_were_written_for_the_user_are_printed_as_they_are():
    found = ended(ValueError("price: expected a number, got [b]x[/b]. Remedy: write one"))
    assert found.exit_code == 2
    assert found.stderr == "error: ValueError\nprice: expected a number, got [b]x[/b]. Remedy: write one\n"


@pytest.mark.parametrize(
    "act",
    [lambda at: at.mkdir(), lambda at: (at / "below").mkdir(), os.listdir],
    ids=["mkdir", "mkdir below", "list"],
)
def test_what_the_operating_system_refuses_names_its_place_what_was_expected_and_a_remedy(act, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError) as error:
        act(tmp_path / "file")
    found = ended(error.value)
    assert found.exit_code == 2
    assert re.search(r"file(/below)?: expected .+, got [a-z ]+. Remedy: name another place", found.stderr)


def test_an_unforeseen_error_of_the_house_names_its_place_and_shows_its_traceback_when_asked(monkeypatch):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(plain_errors()(lambda: names_of(None)))
    assert "unexpected (learn_rank/commands/common.py, line " in CliRunner().invoke(app, []).stderr
    monkeypatch.setenv(TRACEBACK, "1")
    found = CliRunner().invoke(app, [])
    assert found.exit_code == 2
    assert "Traceback (most recent call last)" in found.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [(BrokenPipeError(), 141), (SystemExit(1), 141), (KeyboardInterrupt(), 130), (typer.Abort(), 130)],
    ids=repr,
)
def test_a_reader_that_leaves_and_a_stop_from_the_keyboard_are_not_worse(error, code):
    assert ended(error).exit_code == code


def test_a_command_s_own_exit_code_passes():
    assert [ended(typer.Exit(code)).exit_code for code in (0, 1, 3)] == [0, 1, 3]


@pytest.mark.parametrize(
    "app", [learn_rank.cli.app, learn_recall.cli.app], ids=["learn-rank", "learn-recall"]
)
def test_every_verb_is_guarded(app):
    for command in app.registered_commands:
        wrapped = inspect.unwrap(command.callback)
        assert wrapped is not command.callback, command.callback.__name__
        assert command.callback.__code__ is plain_errors()(print).__code__
