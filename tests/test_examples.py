"""The examples and the code of the pages run as they are printed."""

import ast
import re
import runpy
import shlex
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from launcher import torchrun
from pages import ROOT, blocks_of
from run_victim import PLOTS
from typer.testing import CliRunner

from learn_rank import (
    FrozenEmbedding,
    LearnFeatureFusion,
    RankTrainConfig,
    compare_rankers,
    encode_dataset,
)
from learn_rank.datasets.marketplace.read import read_marketplace
from learn_recall.cli import app
from learn_recall.store import EmbeddingStore, id_keys

pytestmark = pytest.mark.timeout(900)  # a page from top to bottom, on a machine that may be busy


def test_the_plain_rankers_example_runs_and_learns(capsys):
    runpy.run_path(str(ROOT / "examples" / "plain_ranker_with_learn.py"), run_name="__main__")
    losses = [float(found) for found in re.findall(r"loss ([0-9.]+)", capsys.readouterr().out)]
    assert losses[-1] < losses[0] / 2


def run_command(line: str) -> None:
    """A command of a page: in this process where it can be, since importing torch takes longer than it."""
    program, *arguments = shlex.split(line)
    if program == "learn-recall":
        CliRunner().invoke(app, arguments, catch_exceptions=False, standalone_mode=False)
    elif program == "python":
        script = arguments[0] if Path(arguments[0]).is_file() else str(ROOT / arguments[0])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", [script, *arguments[1:]])
            try:
                runpy.run_path(script, run_name="__main__")
            except SystemExit as end:
                assert not end.code
    else:
        assert program == "torchrun"
        torchrun(arguments, Path("torchrun_log"))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """docs/first_ranker.md, done from top to bottom in an empty folder; gives the folder and its names."""
    folder, names = tmp_path_factory.mktemp("first_ranker"), {}
    text = (ROOT / "docs/first_ranker.md").read_text(encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        patch.syspath_prepend(ROOT / "examples")
        for language, block in re.findall(r"```(python|sh)\n(.*?)```", text, re.DOTALL):
            file = re.match(r"# (\w+\.py)\n", block)
            if file:
                (folder / file[1]).write_text(block, encoding="utf-8")
            elif language == "python":
                exec(compile(block, "docs/first_ranker.md", "exec"), names)
            else:
                for line in block.strip().splitlines():
                    run_command(line)
    return folder, names


@pytest.fixture(scope="module")
def folder(page):
    """Where the page left vectors of the market that the examples run on."""
    return page[0] / "market"


@pytest.mark.long
def test_the_page_of_a_first_ranker_ends_with_reports_a_sharded_checkpoint_and_an_export(page):
    folder, names = page
    for made in ("dlrm/report.html", "clicks.html", "checkpoint/progress.json", "serving/manifest.json"):
        assert (folder / "market" / made).is_file(), made
    lift = [
        row["low"]
        for row in names["report"].deltas
        if (row["model"], row["task"], row["metric"], row["bucket"]) == ("learn", "CTR", "AUC", "all")
    ]
    assert len(lift) == 1 and lift[0] > 0


@pytest.mark.long
def test_what_the_page_serves_scores_as_what_it_trained(page):
    folder, names = page
    trained = pd.read_parquet(folder / "market/dlrm/predictions/learn/seed-0.valid.parquet")["pctr"]
    served = torch.sigmoid(names["scores"]).numpy()
    np.testing.assert_allclose(served, trained[: len(served)], atol=5e-3)
    assert np.std(served) > 0.02


@pytest.fixture(scope="module")
def market_once():
    """Let the examples, which have the same market, share its tables; the page above has drawn its plots."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "examples")
        patch.setattr("marketplace_slice.read_marketplace", cache(read_marketplace))
        patch.setattr(PLOTS, lambda *_: "")
        yield


@pytest.mark.long
@pytest.mark.usefixtures("market_once")
@pytest.mark.parametrize("host", ["dlrm", "dcn", "deepfm"])
def test_an_example_tells_that_the_plugin_lifts_torchrecs_own_ranker(host, folder, monkeypatch, capsys):
    path = ROOT / "examples" / f"{host}_with_learn.py"
    monkeypatch.setattr(sys, "argv", [str(path), str(folder)])
    monkeypatch.syspath_prepend(path.parent)
    runpy.run_path(str(path), run_name="__main__")
    told = capsys.readouterr().out
    rows = re.findall(r"(all|cold-start|other) +│ (U?AUC) +│ (\S+) +│ (\S+) +│ (\S+) \[(\S+),", told)
    assert [row[:2] for row in rows] == [
        (items, metric) for items in ("all", "cold-start", "other") for metric in ("AUC", "UAUC")
    ]
    of_all = rows[0]
    assert float(of_all[5]) > 0  # the lower end of the interval
    assert float(of_all[4]) == pytest.approx(100 * (float(of_all[3]) - float(of_all[2])), abs=0.02)
    assert (folder / host / "report.html").is_file()


def test_every_example_says_what_it_shows_and_how_to_run_it():
    for path in sorted((ROOT / "examples").glob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert f"examples/{path.name}" in text.split("Run: ")[1]


def test_the_pages_first_example_is_short_and_every_block_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = blocks_of("docs/extend.md")
    assert len(blocks[0].strip().splitlines()) < 15
    for block in blocks:
        exec(compile(block, "docs/extend.md", "exec"), {})
    assert (tmp_path / "vectors" / "items" / "card.json").is_file()
    assert EmbeddingStore.open(tmp_path / "vectors" / "content").card.kind == "content"


def scope_of(definition: str) -> dict:
    """What the block of docs/extend.md with that definition leaves."""
    scope: dict = {}
    exec(next(block for block in blocks_of("docs/extend.md") if definition in block), scope)
    return scope


def test_a_ranker_from_the_page_is_compared_traced_and_lifted(tmp_path):
    from ranking_worlds import planted_dataset
    from torchrec.distributed.train_pipeline.tracing import Tracer

    page = scope_of("class TwoHeads")
    ranker, beside = page["TwoHeads"], page["TwoHeadsAndBeside"]
    dataset, users, items = planted_dataset(n_rows=4000)
    contexts = dataset.contexts
    tables = (
        FrozenEmbedding(
            torch.from_numpy(id_keys(contexts["context_id"].to_numpy())),
            torch.from_numpy(users[contexts["user_id"].to_numpy()]),
        ),
        FrozenEmbedding(torch.arange(len(items)), torch.from_numpy(items)),
    )

    def learn(data):
        return ranker(data, LearnFeatureFusion(*tables))

    budget = RankTrainConfig(n_epochs=2, batch_size=128, learning_rate=5e-3)

    def stands_beside(data):
        return beside(data, LearnFeatureFusion(*tables))

    arms = {"baseline": ranker, "learn": learn, "beside": stands_beside}
    report = compare_rankers(dataset, arms, tmp_path, seeds=[0], training=budget)
    for arm in ("learn", "beside"):
        lift = [d for d in report.deltas if (d["model"], d["task"], d["metric"]) == (arm, "CTR", "AUC")]
        assert lift[0]["bucket"] == "all" and lift[0]["low"] > 0
        Tracer(leaf_modules=["tables"]).trace(arms[arm](encode_dataset(dataset)))


def test_the_pages_table_names_every_hook_of_the_fusion():
    page = (ROOT / "docs/extend.md").read_text(encoding="utf-8")
    hooks = {
        name
        for name, member in vars(LearnFeatureFusion).items()
        if (getattr(member, "__doc__", None) or "").startswith("Hook: ")
    }
    assert hooks == set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))


def test_a_subclass_from_the_page_fuses():
    from small_fusions import THREE, tables

    scope: dict = {}
    exec(blocks_of("docs/extend.md")[0], scope)
    module = scope["SumFusion"](*tables())
    assert module(THREE).fusion.shape == (3, module.config.fusion_dim)
