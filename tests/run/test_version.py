"""The version stands in setup.py alone; whoever asks is told what is installed."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

import learn_rank.cli
import learn_recall.cli
from learn_recall.files.package_version import UNKNOWN, package_version

ROOT = Path(__file__).parents[2]


def test_both_packages_have_the_version_of_what_is_installed():
    assert learn_rank.__version__ == learn_recall.__version__ == metadata.version("learn-rank")


def test_a_source_that_is_not_installed_says_that_its_version_is_unknown(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("learn_recall.files.package_version.version", missing)
    assert package_version() == learn_rank.__version__ == learn_recall.__version__ == UNKNOWN == "0+unknown"


def test_no_module_spells_the_version():
    said = re.search(r'version="([^"]+)"', (ROOT / "setup.py").read_text(encoding="utf-8"))[1]
    modules = [path for house in ("learn_rank", "learn_recall") for path in (ROOT / house).rglob("*.py")]
    assert [path for path in modules if f'"{said}"' in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("package", ["learn_rank", "learn_recall"])
def test_importing_a_package_does_not_look_its_version_up(package):
    code = f"import sys, {package}; print('learn_recall.files.package_version' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("command", [learn_rank.cli, learn_recall.cli], ids=lambda module: module.__name__)
def test_both_command_lines_print_it(command):
    done = CliRunner().invoke(command.app, ["--version"])
    assert (done.exit_code, done.output.strip()) == (0, package_version())
