"""README's kinds of installation: what each needs is enough, and what a smaller one lacks is told."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from packaging.requirements import Requirement

from learn_rank.doctor.checks import FBGEMM, REQUIRED, fits

ROOT = Path(__file__).parents[2]
ROW = re.compile(
    r"\| an analyst with score files \| `pip install --no-deps \.` beside ([^:]+): `learn-rank uauc`"
)
MODULES = {"scikit-learn": "sklearn", "ibis-framework": "ibis", "pyarrow-hotfix": "pyarrow_hotfix"}


def packages_of_an_analyst() -> list[str]:
    (named,) = ROW.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    return re.split(r", | and ", named)


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """A file of scores, one row an impression."""
    random = np.random.default_rng(0)
    click = (random.random(600) < 0.3).astype(int)
    columns = {
        "user_id": random.integers(0, 30, 600),
        "click": click,
        "pctr": random.random(600) + 0.3 * click,
    }
    path = tmp_path_factory.mktemp("scores") / "scores.parquet"
    pd.DataFrame(columns).to_parquet(path)
    return path


def with_packages(packages: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`learn-rank` where no other package of the installation can be imported."""
    missing = [MODULES.get(name, name) for name in REQUIRED if name not in packages]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({[*missing, 'fbgemm_gpu']!r})); "
        f"sys.argv = {['learn-rank', *arguments]!r}; from learn_rank.entry import main; main()"
    )
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_an_analyst_judges_score_files_with_the_packages_that_readme_names(scores):
    packages = packages_of_an_analyst()
    assert set(packages) <= set(REQUIRED) - {"torch", "torchrec", "transformers"}
    done = with_packages(packages, "uauc", str(scores), "--baseline", str(scores))
    assert done.returncode == 0, done.stderr
    assert "UAUC" in done.stdout


@pytest.mark.parametrize("package", packages_of_an_analyst())
def test_each_package_that_readme_names_for_an_analyst_is_needed(scores, package):
    packages = [name for name in packages_of_an_analyst() if name != package]
    assert with_packages(packages, "uauc", str(scores), "--baseline", str(scores)).returncode == 2


def test_a_page_without_its_packages_names_the_first_one_and_sends_to_the_doctor(scores, tmp_path):
    done = with_packages(packages_of_an_analyst(), "uauc", str(scores), "--html", str(tmp_path / "page.html"))
    assert done.returncode == 2
    assert "jinja2: expected to be installed" in done.stderr and "learn-rank doctor" in done.stderr


README = (ROOT / "README.md").read_text(encoding="utf-8")
PINNED = dict(
    re.fullmatch(r"([\w.-]+)==(\S+)", line).groups()
    for line in (ROOT / "requirements" / "cpu.txt").read_text().splitlines()
    if line and not line.startswith(("#", "-"))
)


def same(name):
    """A package's name as an index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def asked():
    """What setup.py asks for: package -> bounds, of the installation ("") and of each extra."""
    found = {}
    for text in metadata.requires("learn-rank"):
        requirement = Requirement(text)
        extra = re.search(r'extra == "(\w+)"', text)
        of = found.setdefault(extra[1] if extra else "", {})
        of[same(requirement.name)] = requirement.specifier
    return found


def test_the_list_for_a_cpu_holds_all_that_the_package_asks_for_in_versions_that_fit(asked):
    assert "requirements/cpu.txt" in README
    pinned = {same(name): version for name, version in PINNED.items()}
    for extra in ("", "cpu", "minilm", "dev"):
        for name, bounds in asked[extra].items():
            assert name in pinned, (extra, name)
            assert bounds.contains(pinned[name], prereleases=True), (extra, name, pinned[name])
    assert {"gguf", "accelerate"} <= set(pinned)  # of the extra llm, so that the tests of GGUF files run
    assert "fbgemm-gpu" not in pinned  # the CUDA build, which lies in the same folder


def test_the_list_for_a_cpu_is_closed_under_what_its_packages_ask_for():
    """It is installed with --no-deps, so that nothing else would bring what is missing."""
    pinned = {same(name) for name in PINNED}
    pinned |= {"fbgemm-gpu", "sentence-transformers"}  # the CUDA build; of a folder that is never imported
    here = {"extra": ""}
    for name in PINNED:
        asked = [Requirement(text) for text in metadata.requires(name) or ()]
        needed = {same(each.name) for each in asked if each.marker is None or each.marker.evaluate(here)}
        assert needed <= pinned, (name, needed - pinned)


def test_the_extras_and_versions_of_the_readme_are_those_of_the_package(asked):
    (extras,) = re.findall(r'pip install "\.\[([\w,]+)\]"', README)
    assert set(extras.split(",")) <= set(asked)
    for name, version in re.findall(r"\b(torch|torchrec|fbgemm) (\d\.\d+)", README):
        bounds = FBGEMM if name == "fbgemm" else REQUIRED[name]
        assert fits(version, bounds), (name, version)


def test_the_doctor_asks_for_what_the_package_asks_for(asked):
    assert {same(name): bounds for name, bounds in REQUIRED.items()} == {
        name: ",".join(sorted(str(bounds).split(","), reverse=True)) for name, bounds in asked[""].items()
    }
