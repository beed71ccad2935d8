"""Trying heavy imports in another process, so that one that crashes in native code stops nothing."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TIMEOUT_SECONDS = 180.0
NO_CUDA = "this torch is a build without CUDA"
# In this order: each builds on those before it. The text that a probe prints becomes `Probed.text`.
PROBES = {
    "torch": "import torch",
    "cpu": "import torch; text = torch.backends.cpu.get_cpu_capability()",
    "cuda": (
        "import torch\n"
        f"if torch.version.cuda is None: raise RuntimeError({NO_CUDA!r})\n"
        "if not torch.cuda.is_available(): raise RuntimeError('torch finds no usable GPU')\n"
        "device = torch.cuda.get_device_properties(0)\n"
        "text = f'{device.name}, {device.total_memory / 2**30:.0f} GiB'"
    ),
    "fbgemm_gpu": (
        "import torch, fbgemm_gpu\n"
        "total = torch.ops.fbgemm.asynchronous_complete_cumsum(torch.tensor([1, 2]))\n"
        "if total.tolist() != [0, 1, 3]: raise RuntimeError(f'wrong sums {total.tolist()}')"
    ),
    "torchrec": "from torchrec import KeyedJaggedTensor",
    "transformers": "from transformers import AutoModel",
    "safetensors": "import safetensors.torch",
    "numpy": "import numpy",
    "pandas": "import pandas",
    "pyarrow": "import pyarrow.parquet",
    "scipy": "import scipy.stats",
    "sklearn": "from sklearn.metrics import roc_auc_score",
    "statsmodels": "import statsmodels.stats.api",
    "typer": "import typer",
    "rich": "import rich.console",
    "jinja2": "import jinja2",
    "matplotlib": "import matplotlib.figure",
    "duckdb": "import duckdb; duckdb.sql('SELECT 1').fetchall()",
    "ibis": "import ibis",
    "pyarrow_hotfix": "import pyarrow_hotfix",
    "sqlglot": "import sqlglot",
}
_RUNNER = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for name, code in json.loads(sys.argv[1]):
    found = {"text": ""}
    try:
        exec(code, found)
        result = [name, True, str(found["text"])]
    except BaseException as error:
        result = [name, False, f"{type(error).__name__}: {error}"]
    print(json.dumps(result), file=out, flush=True)
out.flush()
os._exit(0)
"""


@dataclass(frozen=True)
class Probed:
    """Whether a probe ended well, and what it had to say: a finding, or its first line of error."""

    ok: bool
    text: str


def run_probes(
    probes: Mapping[str, str] | None = None, timeout_seconds: float = TIMEOUT_SECONDS
) -> dict[str, Probed]:
    """Run pieces of Python in another process, in order; a crash counts for the piece that was running.

    Args:
        probes: name -> code; code may set `text`. None runs `PROBES`.
        timeout_seconds: for each process; a piece that takes longer counts as not loading.

    Returns:
        One result per probe. After a crash the remaining pieces run in a fresh process.
    """
    waiting = list((PROBES if probes is None else probes).items())
    found: dict[str, Probed] = {}
    while waiting:
        results, ending = _run_once(waiting, timeout_seconds)
        found |= results
        waiting = waiting[len(results) :]
        if waiting:
            name, _ = waiting.pop(0)
            found[name] = Probed(False, ending)
    return found


def _run_once(probes: Sequence[tuple[str, str]], timeout_seconds: float) -> tuple[dict[str, Probed], str]:
    command = [sys.executable, "-c", _RUNNER, json.dumps(list(probes))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        output, _ = process.communicate(timeout=timeout_seconds)
        ending = f"its process ended with code {process.returncode}"
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        ending = f"took longer than {timeout_seconds:g} seconds"
    results = {}
    for line in output.splitlines():
        name, ok, text = json.loads(line)
        results[name] = Probed(ok, (text.strip().splitlines() or [""])[0][:200])
    return results, ending
