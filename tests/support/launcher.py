"""torchrun in the test's own process, its workers forked from the tests' server."""

import os
import runpy
import sys
from pathlib import Path
from uuid import uuid4

import children  # noqa: F401  the server that has imported everything
import torch
from torch.distributed.elastic.rendezvous import dynamic_rendezvous
from torch.distributed.launcher.api import elastic_launch
from torch.distributed.run import config_from_args, parse_args

# it reads the source of every frame to put a name into a log line: seconds, where many modules are loaded
dynamic_rendezvous.get_method_name = lambda depth=2: "a method"


def torchrun(arguments: list[str], log: Path) -> str:
    """What the first worker of a torchrun command prints; raises where a worker fails.

    Args:
        arguments: those of torchrun, a script last but for its own arguments.
        log: folder for the workers' output.
    """
    asked = parse_args(["--redirects", "1", "--log-dir", str(log), *arguments])
    if asked.standalone:  # as torchrun's own `run`
        asked.rdzv_backend, asked.rdzv_endpoint, asked.rdzv_id = "c10d", "localhost:0", str(uuid4())
    config, _, _ = config_from_args(asked)
    config.start_method = "forkserver"
    elastic_launch(config, _run_script)(asked.training_script, asked.training_script_args, os.getcwd())
    (printed,) = log.rglob("0/stdout.log")
    return printed.read_text(encoding="utf-8")


def _run_script(script: str, arguments: list[str], folder: str) -> None:
    os.chdir(folder)
    torch.set_num_threads(1)
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(Path(script).resolve().parent))
    runpy.run_path(script, run_name="__main__")
