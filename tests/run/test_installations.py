"""README's kinds of installation: what each needs is enough, and what a smaller one lacks is told."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from learn_rank.doctor.checks import REQUIRED

ROOT = Path(__file__).parents[2]
ROW = re.compile(
    r"\| an analyst with score files \| `pip install --no-deps \.` beside ([^:]+): `learn-rank uauc`"
)
MODULES = {"scikit-learn": "sklearn"}


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
