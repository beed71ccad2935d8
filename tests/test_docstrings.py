"""Every example in a docstring of the two packages prints what it promises."""

import doctest
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def module_names() -> list[str]:
    """The modules whose files hold an example, by walking the packages."""
    found = []
    for path in sorted([*(ROOT / "learn_rank").rglob("*.py"), *(ROOT / "learn_recall").rglob("*.py")]):
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
