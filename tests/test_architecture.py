"""Which folder may import which, what lies at the top of a package, how large a folder and a file may be."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = ("learn_recall", "learn_rank")
ORDER = {  # lowest first; names in one line do not know each other
    "learn_recall": """
        columns errors
        files terminal engines
        store model_files
        tables text encoder towers
        convert datasets encode train
        export evaluate comparison
        commands
        cli entry
    """,
    "learn_rank": """
        metrics report_kit doctor
        uncertainty data frozen report buckets torch_metrics rec_metrics
        evaluation fusion datasets
        rankers uauc testing adapters
        engine run
        ab ablation
        pipeline
        serving
        commands
        cli entry
    """,
    "learn_rank.ab": """
        words candidates progress
        simulation hierarchy
        statistics
        fitted_environment
        report worlds
        about
        run
        logged marketplace experiment
        series plan
        sources
    """,
    "learn_rank.datasets": """
        splits arithmetic learned_part
        own movielens steam forward_part
        ebnerd kuairand marketplace
        known
    """,
}
# what learn_rank may import of learn_recall: what loads no model
LIGHT = {"columns", "engines", "entry", "errors", "files", "store", "tables", "terminal", "old_doors"}
# who may import more of it, and why
HEAVY = {
    # it runs those jobs
    "learn_rank.pipeline": {"text", "encoder", "convert", "encode", "towers", "train", "export", "evaluate"},
    "learn_rank.ablation": {"towers", "train", "export"},  # some variants have towers of their own
    # it reads the run's items with other encoders
    "learn_rank.ablation.encoder_text": {"encode", "encoder", "text"},
    "learn_rank.ab.marketplace.open_rankers": {"export"},  # each day's histories become vectors
    "learn_rank.cli": {"commands"},
    "learn_rank.commands": {"commands"},  # the options and the plain errors that both commands share
}
DOORS = {
    "learn_recall": {
        "__init__.py",
        "cli.py",
        "columns.py",
        "entry.py",
        "errors.py",
        "old_doors.py",
        "py.typed",
    },
    "learn_rank": {
        "__init__.py",
        "cli.py",
        "entry.py",
        "buckets.py",  # these three stay because analysts and training loops type them
        "torch_metrics.py",
        "rec_metrics.py",
        "old_doors.py",
        "py.typed",
    },
}
MOST_MODULES, MOST_LINES = 15, 300


def modules_of(root: Path) -> dict[str, Path]:
    """The file of each module of the house; a folder's face has the folder's name."""
    found = {}
    for path in sorted(path for package in HOUSE for path in (root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(path: Path, modules: Iterable[str]) -> Iterator[str]:
    """Every module that a file imports, at its top, in a function or for its types only."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}:{node.lineno}: expected an absolute import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in modules else node.module


def edges_of(root: Path) -> list[tuple[str, str]]:
    modules = modules_of(root)
    return sorted({(name, other) for name, path in modules.items() for other in imports_of(path, modules)})


def floors(folder: str) -> dict[str, int]:
    lines = ORDER[folder].split("\n")
    return {f"{folder}.{name}": floor for floor, line in enumerate(lines) for name in line.split()}


def child_of(folder: str, module: str) -> str | None:
    """The file or folder right below a folder in which a module lies; None outside and for the face."""
    return ".".join(module.split(".")[: folder.count(".") + 2]) if module.startswith(f"{folder}.") else None


def is_within(module: str, folder: str) -> bool:
    return module == folder or module.startswith(f"{folder}.")


def back_edges(folder: str, edges: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The imports between two children of a folder that do not go down its order."""
    floor, wrong = floors(folder), []
    for module, other in edges:
        start, end = child_of(folder, module), child_of(folder, other)
        if start and end and start != end and floor[end] >= floor[start]:
            wrong.append((module, other))
    return wrong


def circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def graph_of(edges: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for start, end in edges:
        if start != end:
            graph.setdefault(start, set()).add(end)
    return graph


MODULES = modules_of(ROOT)
EDGES = edges_of(ROOT)
FACES = [name for name, path in MODULES.items() if path.name == "__init__.py"]


# ------------------------------------------------------------------------------------------ who imports whom


@pytest.mark.parametrize("folder", ORDER)
def test_no_folder_imports_back(folder):
    assert back_edges(folder, EDGES) == []


@pytest.mark.parametrize("folder", ORDER)
def test_every_module_has_its_floor_and_no_floor_names_a_module_that_is_gone(folder):
    children = {child for name in MODULES if (child := child_of(folder, name))}
    assert children - {f"{folder}.old_doors"} == set(floors(folder))


def test_a_planted_back_edge_is_found_wherever_it_stands(tmp_path):
    for name in ("__init__", "metrics/__init__", "metrics/auc", "cli", "fusion/__init__", "fusion/kinds"):
        path = tmp_path / "learn_rank" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    auc = tmp_path / "learn_rank" / "metrics" / "auc.py"
    for source in (
        "import learn_rank.fusion.kinds",
        "from learn_rank.fusion import kinds",
        "def late():\n    from learn_rank.fusion.kinds import KINDS",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from learn_rank.fusion.kinds import KINDS",
    ):
        auc.write_text(source)
        edges = edges_of(tmp_path)
        assert back_edges("learn_rank", edges) == [("learn_rank.metrics.auc", "learn_rank.fusion.kinds")]
    auc.write_text("")
    (tmp_path / "learn_rank/cli.py").write_text("from learn_rank.fusion.kinds import KINDS")
    assert edges_of(tmp_path) and back_edges("learn_rank", edges_of(tmp_path)) == []


def test_learn_recall_knows_nothing_of_learn_rank():
    assert [
        edge for edge in EDGES if is_within(edge[0], "learn_recall") and is_within(edge[1], "learn_rank")
    ] == []


def heavy_edges(edges: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What learn_rank imports of learn_recall although it is neither light nor listed as an exception."""
    wrong = []
    for module, other in edges:
        if is_within(module, "learn_rank") and is_within(other, "learn_recall"):
            allowed = LIGHT.union(*(children for who, children in HEAVY.items() if is_within(module, who)))
            if not {*other.split(".")[1:2]} & allowed:
                wrong.append((module, other))
    return wrong


def test_learn_rank_imports_the_light_folders_of_learn_recall():
    assert heavy_edges(EDGES) == []
    planted = ("learn_rank.fusion.kinds", "learn_recall.train.loop")
    assert heavy_edges([planted, ("learn_rank.pipeline.stages", "learn_recall.train.loop")]) == [planted]


def test_every_exception_from_the_light_folders_is_used():
    used = {
        who: {
            other.split(".")[1]
            for name, other in EDGES
            if is_within(name, who) and is_within(other, HOUSE[0])
        }
        for who in HEAVY
    }
    assert {who: children - used[who] for who, children in HEAVY.items() if children - used[who]} == {}


def test_nothing_imports_the_benchmarks_or_the_tests():
    helpers = {path.stem for path in (ROOT / "tests/support").glob("*.py")}
    outside = {"benchmarks", "tests", "conftest", "examples", *helpers}
    assert [edge for edge in EDGES if edge[1].split(".")[0] in outside] == []


def test_the_root_of_a_package_is_imported_by_nobody_inside():
    assert [edge for edge in EDGES if edge[1] in HOUSE] == []


def test_no_file_imports_the_face_of_its_own_folder():
    assert [edge for edge in EDGES if edge[0] not in FACES and edge[0].rpartition(".")[0] == edge[1]] == []


def test_no_modules_import_each_other_in_a_circle():
    assert circle(graph_of(EDGES)) == []
    assert circle(graph_of([("a", "b"), ("b", "c"), ("c", "a")]))


@pytest.mark.parametrize("folder", [name for name in FACES if name not in HOUSE])
def test_no_folders_within_a_folder_import_each_other_in_a_circle(folder):
    pairs = [(child_of(folder, start), child_of(folder, end)) for start, end in EDGES]
    assert circle(graph_of((start, end) for start, end in pairs if start and end)) == []


def test_tables_and_progress_are_made_in_one_place():
    """Rich's own table cuts figures where it is too wide, and its own progress is silent in a log."""
    kept = ("rich.table.Table", "rich.progress.Progress", "rich.progress.track")
    folders = [*HOUSE, "benchmarks", "examples"]
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    paths = [path for path in paths if "rich." in path.read_text(encoding="utf-8")]
    found = {path.parent.name for path in paths if set(imports_of(path, kept)) & set(kept)}
    assert found == {"terminal"}


# --------------------------------------------------------------------------------------- how it is furnished


@pytest.mark.parametrize("package", HOUSE)
def test_only_doors_lie_at_the_top_of_a_package(package):
    assert {path.name for path in (ROOT / package).iterdir() if path.is_file()} <= DOORS[package]


def is_naming(node: ast.stmt) -> bool:
    """Whether a statement of a face hands on a name, says what the folder is or lists the names."""
    is_list = isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_list or is_text or isinstance(node, ast.ImportFrom)


@pytest.mark.parametrize("face", [name for name in FACES if name not in HOUSE])
def test_a_face_defines_nothing(face):
    body = ast.parse(MODULES[face].read_text(encoding="utf-8")).body
    assert [ast.unparse(node) for node in body if not is_naming(node)] == []


def test_a_definition_in_a_face_would_be_found():
    planted = ("def f(): ...", "class A: ...", "LIMIT = 3", "import torch", "f()")
    assert [is_naming(ast.parse(source).body[0]) for source in planted] == [False] * 5


def test_a_folder_has_at_most_fifteen_modules():
    inside: dict[str, int] = {}
    for name in set(MODULES) - set(FACES):
        inside[name.rpartition(".")[0]] = inside.get(name.rpartition(".")[0], 0) + 1
    assert {folder: n for folder, n in inside.items() if n > MOST_MODULES} == {}


def test_a_file_has_at_most_three_hundred_lines():
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: n for name, n in lines.items() if n > MOST_LINES} == {}


def repeats_its_folder(module: str) -> bool:
    """Whether the last two parts are as `frozen.frozen_rows`, `rankers.ranker_base` or `report.report`."""
    folder, file = (name.removesuffix("s") for name in module.split(".")[-2:])
    return file == folder or file.startswith(f"{folder}_")


def test_the_name_of_a_file_does_not_repeat_its_folder():
    assert [name for name in MODULES if name.count(".") > 1 and repeats_its_folder(name)] == []
    assert all(map(repeats_its_folder, ("a.frozen.frozen_rows", "a.report.report", "a.rankers.ranker_base")))


# --------------------------------------------------------------------------------------- what stays unloaded

HEAVY_LIBRARIES = {
    "torch",
    "torchrec",
    "transformers",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
    "statsmodels",
}
HEAVY_LIBRARIES |= {"matplotlib", "jinja2", "duckdb", "ibis"}


def loaded_by(code: str) -> set[str]:
    """Which of the heavy libraries a fresh process has loaded after a line of code."""
    asks = f"import sys; {code}; print(*set({sorted(HEAVY_LIBRARIES)}) & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, check=True, text=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import learn_rank, learn_recall", ""),
        ("import learn_recall.columns, learn_recall.files", ""),
        ("import learn_recall; learn_recall.EmbeddingStore", "pyarrow"),
        ("import learn_recall.tables", "pyarrow pandas"),
        ("import learn_recall.cli", "pyarrow pandas"),
        ("import learn_rank.cli", "pyarrow pandas"),
        ("import learn_rank.buckets, learn_rank.metrics", "pyarrow pandas"),
        ("import learn_rank.uncertainty", "pyarrow pandas"),
        ("import learn_rank.evaluation", "pyarrow pandas"),
        ("import learn_rank.ab, learn_rank.ab.simulation.simulate", "pyarrow pandas"),
        ("import learn_rank.adapters.fuxictr", "pyarrow pandas"),
        ("import learn_rank.adapters.join", "pyarrow pandas torch"),
    ],
)
def test_a_light_module_loads_no_more_than_it_must(code, allowed):
    assert loaded_by(code) <= set(allowed.split())


@pytest.mark.parametrize("code", ["import scipy", "import learn_rank; learn_rank.LearnFeatureFusion"])
def test_the_test_of_what_stays_unloaded_can_fail(code):
    assert loaded_by(code) & {"scipy", "torch"}
