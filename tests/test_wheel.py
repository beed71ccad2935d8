"""The built package holds what runs, and runs where it is installed as the README says."""

import shutil
import subprocess
import sys
import sysconfig
import venv
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
def built(tmp_path_factory):
    """A wheel, built without a network from a copy, so that no build folder is left here."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def wheel(built):
    """The names in it."""
    return set(zipfile.ZipFile(built).namelist())


def test_the_wheel_holds_every_file_of_the_packages(wheel):
    assert wanted() - wheel == set()


def test_the_wheel_holds_the_templates_and_the_marks_of_the_types(wheel):
    assert {f"{package}/py.typed" for package in PACKAGES} <= wheel
    for folder in ("report_kit", "report", "ab/report", "uauc"):
        assert any(name.startswith(f"learn_rank/{folder}/templates/") for name in wheel), folder


def test_the_wheel_holds_no_tests_and_no_benchmarks(wheel):
    assert not [name for name in wheel if name.split("/")[0] in ("tests", "benchmarks", "examples")]


@pytest.fixture(scope="module")
def own_environment(built, tmp_path_factory):
    """An environment of one's own, README's third row: the packages are there, ours comes without its own."""
    folder = tmp_path_factory.mktemp("own")
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    # a path in a .pth file is searched, and the .pth files in it are not read: no editable installation
    (packages / "beside.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    install = ["install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(built)]
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), *install]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def in_environment(folder, *command):
    """What a console script of the environment prints, far from this checkout."""
    script = folder / "bin" / command[0]
    done = subprocess.run(
        [script, *command[1:]], cwd=folder, capture_output=True, text=True, check=False, env={"PATH": ""}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
def test_in_an_environment_of_one_s_own_the_doctor_finds_that_everything_fits(own_environment):
    assert in_environment(own_environment, "learn-rank", "doctor").endswith("Everything fits together.\n")


@pytest.mark.long
def test_in_an_environment_of_one_s_own_both_commands_run_from_there(own_environment):
    (own_environment / "scores.csv").write_text("user_id,click,pctr\n1,0,.1\n1,1,.2\n2,1,.3\n2,0,.4\n")
    assert "UAUC" in in_environment(own_environment, "learn-rank", "uauc", "scores.csv")
    assert '"tower"' in in_environment(own_environment, "learn-recall", "settings")
    where = "import learn_rank, learn_recall; print(learn_rank.__file__, learn_recall.__file__)"
    files = in_environment(own_environment, "python", "-c", where).split()
    assert all(Path(file).is_relative_to(own_environment) for file in files)
