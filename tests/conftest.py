"""Shared fixtures: where the real data lies, and how many threads torch may take."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

# OpenMP's threads wait for each other in busy loops: beside another job two of them take many times as long
# as one, long enough for a test's time limit
os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("learn", deadline=None)  # a slow machine is no failure
settings.load_profile("learn")
gc.disable()  # until all is imported
_n_imported = [0]
_MANY_MODULES = 100
_ROOT = Path(__file__).resolve().parents[1]
# of one worker, whose server (support/children.py) imports torch and what lies on it once for all of them
_WITH_CHILDREN = (
    "test_examples.py",
    "test_pipeline.py",
    "test_engine.py",
    "test_encode_job.py",
    "test_tower_training.py",
    "test_export.py",
    "test_metric_ranks.py",
)
# first, so that no worker is left alone with one of them at the end
_FIRST = (*_WITH_CHILDREN, "test_serving.py")


class _ByFile(LoadFileScheduling):
    """A file's tests on one worker, and those of all files with children on the same."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "children" if Path(file).name in _WITH_CHILDREN else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling | None:
    """Give tests to workers by file, unless another way is asked for."""
    return _ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first; the others keep their order."""
    items.sort(key=lambda item: item.path.name not in _FIRST)


def pytest_collection_finish() -> None:
    """Let the garbage collector begin."""
    _freeze_what_was_imported()
    gc.enable()


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Freeze anew behind a file whose tests imported much."""
    is_last = nextitem is None or nextitem.path != item.path
    if is_last and len(sys.modules) > _n_imported[0] + _MANY_MODULES:
        _freeze_what_was_imported()


def _freeze_what_was_imported() -> None:
    """Take it out of the sight of the garbage collector: it is large, and it stays."""
    gc.collect()
    gc.freeze()
    _n_imported[0] = len(sys.modules)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets: environment variable LEARN_DATA, else ../shared/data; skips without."""
    named = os.environ.get("LEARN_DATA")
    folder = Path(named) if named is not None else _ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data: expected a folder at {folder}, got none; set LEARN_DATA to where it lies")
    return folder


@pytest.fixture(scope="module")
def without_plots() -> Iterator[None]:
    """For files whose tests look at no plot of a report: drawing takes longer than all else of a page."""
    with pytest.MonkeyPatch.context() as patch:
        for plot in ("page.forest_plot", "page.training_plot", "between.reliability_plot"):
            patch.setattr(f"learn_rank.report.{plot}", lambda *_: "")
        yield


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Keep torch on one thread where a test has loaded it; this fixture never loads it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > 1:
        torch.set_num_threads(1)
