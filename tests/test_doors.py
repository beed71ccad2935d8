"""Every name and file that a page, an example or the Makefile mentions is there; every old name opens."""

import ast
import importlib
import importlib.util
import re
import sys
from pathlib import Path

import pytest

import learn_rank
import learn_rank.old_doors
import learn_recall
import learn_recall.old_doors

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile")),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").rglob("*.py"),
    )
)
MOVED = {**learn_rank.old_doors.MOVED, **learn_recall.old_doors.MOVED}
DOTTED = re.compile(r"(?<![\w./-])(?:learn_rank|learn_recall|benchmarks)(?:\.\w+)+")
# from the root of the repository or, inside a page, from the page
FILES = re.compile(r"(?<![\w./<>*{-])(?:\.\./)*(?:[\w-]+/)+[\w-]+\.py(?!\w)")
IMPORTS = re.compile(
    r"^\s*(?:>>> )?from ((?:learn_rank|learn_recall)[\w.]*) import (?:\(([^)]*)\)|([^\n(#]+))", re.MULTILINE
)


def open_dotted(name: str) -> object:
    """What a dotted name means: a module, or what is found in one by its attributes."""
    parts = name.split(".")
    found: object = importlib.import_module(parts[0])
    for number, part in enumerate(parts[1:], start=2):
        try:
            found = importlib.import_module(".".join(parts[:number]))
        except ModuleNotFoundError as error:
            if error.name != ".".join(parts[:number]) and "not a package" not in str(error):
                raise
            found = getattr(found, part)
    return found


def dotted_names(text: str) -> set[str]:
    """The dotted names of a text and the names that its imports take, files (`benchmarks.md`) apart."""
    names = {name for name in DOTTED.findall(text) if not name.endswith((".py", ".md", ".json", ".egg"))}
    for module, lines, line in IMPORTS.findall(text):
        names |= {f"{module}.{name}" for name in re.findall(r"\w+", lines or line)}
    return names


@pytest.mark.parametrize("page", PAGES)
def test_every_dotted_name_of_a_page_opens_and_no_page_uses_an_old_one(page):
    names = dotted_names((ROOT / page).read_text(encoding="utf-8"))
    opened = {name: open_dotted(name) for name in sorted(names)}  # an old name warns, which is an error here
    assert opened.keys() == names


@pytest.mark.parametrize("page", PAGES)
def test_every_python_file_that_a_page_mentions_is_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    named = {re.sub("^[A-Z_]+/", "", name) for name in FILES.findall(text)}  # PLACEHOLDER/tests/...
    here = (ROOT / page).parent
    assert [name for name in sorted(named) if not ((ROOT / name).is_file() or (here / name).is_file())] == []


def test_a_name_or_an_old_name_on_a_page_would_be_seen():
    text = (
        "`learn_rank.metrics.NO`, learn_rank/no.py and\nfrom learn_recall.store import (nothing,\n    less)"
    )
    assert dotted_names(text) == {
        "learn_rank.metrics.NO",
        "learn_recall.store",
        "learn_recall.store.nothing",
        "learn_recall.store.less",
    }
    assert FILES.findall(text) == ["learn_rank/no.py"]
    with pytest.raises(AttributeError, match="NO"):
        open_dotted("learn_rank.metrics.NO")
    sys.modules.pop("learn_rank.rows", None)
    with pytest.raises(DeprecationWarning, match=r"learn_rank\.rows has moved"):
        open_dotted("learn_rank.rows")


@pytest.mark.parametrize("old", MOVED)
def test_an_old_door_opens_with_a_warning_that_names_the_new_place_and_the_version(old):
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=r"goes with version 0\.2") as warned:
        module = importlib.import_module(old)
    ours = [warning for warning in warned if str(warning.message).startswith(f"{old} has moved to ")]
    assert len(ours) == 1
    for home in MOVED[old].split():
        assert home in str(ours[0].message)
        new = importlib.import_module(home)
        public = {name: value for name, value in vars(new).items() if not name.startswith("_")}
        assert public and all(vars(module)[name] is value for name, value in public.items())


@pytest.mark.parametrize("old", MOVED)
def test_no_file_stands_where_an_old_door_is(old):
    path = ROOT / Path(*old.split("."))
    assert not path.with_suffix(".py").exists() and not (path / "__init__.py").exists()


def test_the_warning_points_at_the_line_that_imports_the_old_name():
    sys.modules.pop("learn_rank.rows", None)
    with pytest.warns(DeprecationWarning, match=r"learn_rank\.rows has moved") as warned:
        from learn_rank.rows import Rows
    assert Path(warned[0].filename).name == Path(__file__).name
    from learn_rank.metrics.labelled_rows import LabelledRows

    assert Rows is LabelledRows


def test_a_function_that_has_another_name_now_opens_by_the_old_one():
    sys.modules.pop("learn_rank.judge", None)
    with pytest.warns(DeprecationWarning, match=r"learn_rank\.judge has moved"):
        from learn_rank.judge import judge
    from learn_rank.evaluation.compare import compare_models

    assert judge is compare_models


def test_a_class_whose_module_was_cut_in_two_is_found_by_its_old_name():
    sys.modules.pop("learn_recall.item_towers", None)
    with pytest.warns(DeprecationWarning, match=r"learn_recall\.item_towers has moved"):
        from learn_recall.item_towers import DoubleTower, ItemTower
    assert (DoubleTower, ItemTower) == (learn_recall.DoubleTower, learn_recall.ItemTower)


def test_a_name_that_never_was_is_still_not_found():
    with pytest.raises(ModuleNotFoundError, match=r"learn_rank\.never"):
        importlib.import_module("learn_rank.never")
    assert importlib.util.find_spec("learn_recall.never") is None


# ------------------------------------------------------------------------------------ what the packages offer


def names_for_types(package: str) -> dict[str, str]:
    """The names of a package's block for type checkers and where each comes from."""
    tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    return {alias.name: node.module for node in block.body for alias in node.names}


@pytest.mark.parametrize("package", [learn_rank, learn_recall], ids=lambda package: package.__name__)
def test_the_types_the_list_and_the_table_of_a_package_offer_the_same_names(package):
    assert names_for_types(package.__name__) == package._HOME
    assert sorted(package._HOME) == sorted(package.__all__)
    for name, home in package._HOME.items():
        found = getattr(package, name)
        assert found is vars(importlib.import_module(home))[name] and found.__module__ == home
