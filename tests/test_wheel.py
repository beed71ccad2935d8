"""The built package holds what runs: every module, every template and the marks of its types."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("learn_rank", "learn_recall")


def wanted() -> set[str]:
    """Every file of the two packages but what Python compiled."""
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The names in a wheel, built without a network from a copy, so that no build folder is left here."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(built).namelist())


def test_the_wheel_holds_every_file_of_the_packages(wheel):
    assert wanted() - wheel == set()


def test_the_wheel_holds_the_templates_and_the_marks_of_the_types(wheel):
    assert {f"{package}/py.typed" for package in PACKAGES} <= wheel
    for folder in ("report_kit", "report", "ab/report", "uauc"):
        assert any(name.startswith(f"learn_rank/{folder}/templates/") for name in wheel), folder


def test_the_wheel_holds_no_tests_and_no_benchmarks(wheel):
    assert not [name for name in wheel if name.split("/")[0] in ("tests", "benchmarks", "examples")]
