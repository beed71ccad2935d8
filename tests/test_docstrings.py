"""Docstrings of the two packages: every example prints what it promises, and all speak with one voice."""

import ast
import doctest
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


PATHS = sorted([*(ROOT / "learn_rank").rglob("*.py"), *(ROOT / "learn_recall").rglob("*.py")])
# "Counts of the rows" is a noun, "Counts the rows" is not the house's voice: "Count the rows"
THIRD_PERSON = re.compile(
    r"(Adds|Checks|Chooses|Computes|Counts|Draws|Fills|Gives|Joins|Judges|Keeps|Makes|Maps|Prints|Puts|Raises|Reads"
    r"|Renders|Returns|Runs|Takes|Writes)\b(?! (of|in)\b)"
)


def module_names() -> list[str]:
    """The modules whose files hold an example, by walking the packages."""
    found = []
    for path in PATHS:
        if ">>> " in path.read_text(encoding="utf-8"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def run(module: ModuleType) -> doctest.TestResults:
    return doctest.testmod(module, optionflags=OPTIONS)


@pytest.mark.parametrize("name", module_names())
def test_every_example_of_a_docstring_is_true(name):
    result = run(import_module(name))
    assert result.attempted > 0 and result.failed == 0


def test_the_walk_finds_examples_in_both_packages():
    names = module_names()
    assert {"learn_rank.metrics.auc", "learn_rank.ab.fitted_environment.gate"} <= set(names)
    assert "learn_recall.store.ids" in names and "learn_rank.fusion" not in names


def test_an_example_that_prints_something_else_fails():
    module = ModuleType("planted")
    module.__doc__ = ">>> 0.1 + 0.2\n0.3\n"
    assert run(module).failed == 1


def third_person(source: str) -> list[str]:
    """First lines that tell of their function instead of saying, as a command would, what it does."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    firsts = [(ast.get_docstring(function) or "").split("\n")[0] for function in functions]
    return [first for first in firsts if THIRD_PERSON.match(first)]


def test_functions_say_what_they_do_as_a_command():
    found = {str(path): third_person(path.read_text(encoding="utf-8")) for path in PATHS}
    assert {path: firsts for path, firsts in found.items() if firsts} == {}


def test_a_function_that_tells_of_itself_is_seen():
    source = '"""Reads."""\ndef f():\n    """Returns 1."""\ndef g():\n    """Counts of rows."""\n'
    assert third_person(source) == ["Returns 1."]
