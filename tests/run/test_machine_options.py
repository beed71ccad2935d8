"""`--device` and `--threads`: one definition for every command, checked before anything else is looked at."""

import os
import sys
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

import learn_rank.cli
import learn_recall.cli
from learn_recall.commands.common import compute_device, use_threads

VERBS = {
    f"{app.info.name} {name}": (app, name, command)
    for app in (learn_recall.cli.app, learn_rank.cli.app)
    for name, command in typer.main.get_command(app).commands.items()
}


def with_option(option):
    return [
        verb for verb, (_, _, command) in VERBS.items() if any(option in each.opts for each in command.params)
    ]


def refused(verb, *arguments):
    """The words and the exit code of a verb whose other arguments name nothing that is there."""
    app, name, command = VERBS[verb]
    asked = [name]
    for each in command.params:
        if each.required:
            asked += ["nowhere"] if each.param_type_name == "argument" else [each.opts[0], "nowhere"]
    found = CliRunner().invoke(app, [*asked, *arguments])
    return found.exit_code, found.stderr


@pytest.mark.parametrize("option", ["--device", "--threads"])
def test_every_verb_explains_the_option_in_the_same_words(option):
    words = {
        each.help for verb in with_option(option) for each in VERBS[verb][2].params if option in each.opts
    }
    assert len(words) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("verb", with_option("--device"))
def test_a_gpu_that_is_not_there_is_refused_before_anything_is_looked_at(verb):
    code, words = refused(verb, "--device", "cuda")
    assert code == 2
    assert "--device cuda: expected a GPU" in words and "got none. Remedy:" in words


@pytest.mark.parametrize("verb", with_option("--threads"))
def test_no_thread_at_all_is_refused_before_anything_is_looked_at(verb):
    code, words = refused(verb, "--threads", "0")
    assert code == 2
    assert "--threads: expected 1 or more, got 0. Remedy: leave it out" in words


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:-1", "CPU", ""])
def test_a_device_of_another_name_is_refused(device):
    with pytest.raises(ValueError, match=r"--device: expected cpu, cuda or cuda:NUMBER, got"):
        compute_device(device)


def test_the_gpu_of_a_process_is_taken_where_there_are_some(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [compute_device(None), compute_device("cpu")] == ["cpu", "cpu"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [compute_device(each) for each in (None, "cpu", "cuda:1")] == ["cuda", "cpu", "cuda:1"]
    with pytest.raises(ValueError, match=r"--device cuda:2: .* got 2 of them"):
        compute_device("cuda:2")
    monkeypatch.setenv("LOCAL_RANK", "3")  # torchrun, more processes than GPUs
    assert compute_device(None) == "cuda:1"


def test_more_threads_than_cores_are_told_and_given(monkeypatch, capsys):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    try:
        use_threads(None)
        assert torch.get_num_threads() == 1
        use_threads(1)
        assert capsys.readouterr().err == ""
        use_threads(2)
        assert "--threads 2: more than the 1 core here" in capsys.readouterr().err
        assert torch.get_num_threads() == 2
        assert os.environ["OMP_NUM_THREADS"] == "2"  # for what is loaded later
    finally:
        use_threads(1)


def test_a_command_that_needs_no_torch_does_not_load_it_for_its_threads(monkeypatch):
    import subprocess

    code = (
        "import sys; from learn_recall.commands.common import use_threads; use_threads(1); "
        "sys.exit('torch' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
