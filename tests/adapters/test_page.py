"""The page of the adapters: its Python and its commands run as they are printed."""

import re
import shlex

import numpy as np
import pyarrow as pa
import pytest
import yaml
from adapter_world import AS_OF, CARD, row_table, unit_blocks, write_rows
from pages import ROOT, blocks_of
from typer.testing import CliRunner

from learn_rank.cli import app
from learn_recall.store import write_store

PAGE = "docs/adapters.md"


@pytest.fixture
def team(tmp_path, monkeypatch):
    """A folder with a team's rows and two stores, both by integer ids."""
    monkeypatch.chdir(tmp_path)
    for name, kind in (("users", "user"), ("items", "item")):
        write_store(
            tmp_path / "vectors" / name, ids=np.arange(9), vectors=unit_blocks(9, 0), kind=kind, **CARD
        )
    table = row_table().set_column(0, "user_id", pa.array(np.arange(40) % 9))
    write_rows(tmp_path / "train.parquet", table)
    assert min(table["timestamp"].to_pylist()) == AS_OF
    return tmp_path


def test_every_python_block_runs_and_says_what_it_should(team, capsys):
    blocks = blocks_of(PAGE)
    said = []
    for block in blocks:
        exec(compile(block, PAGE, "exec"), {})
        said.append(capsys.readouterr().out)
    assert len(blocks) == 5
    assert "100% of the rows have a user vector" in said[0]
    assert said[1].strip() == "(40, 16)"
    assert said[2].count("raw_feature {") == 5
    assert [entry["name"] for entry in yaml.safe_load(said[3])] == ["item_id", "history"]


def test_every_command_of_learn_rank_on_the_page_runs(team):
    text = (ROOT / PAGE).read_text(encoding="utf-8").replace("\\\n", " ")
    commands = re.findall(r"^learn-rank (.*)$", text, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["join", "join", "fuxictr"]
    for command in commands:
        found = CliRunner().invoke(app, shlex.split(command))
        assert found.exit_code == 0, found.output
    assert {path.name for path in team.iterdir()} >= {"train_learn.parquet", "learn.config", "items.npz"}
