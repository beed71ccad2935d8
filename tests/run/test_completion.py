"""A shell completes what an option takes, and every name that it offers is one that the code knows."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

import learn_rank.cli
import learn_recall.cli
from learn_rank.commands import choices as of_rank
from learn_recall.terminal import choices as of_recall

APPS = {"learn-rank": learn_rank.cli.app, "learn-recall": learn_recall.cli.app}
ROOT = Path(__file__).parents[2]


@pytest.fixture
def completed(monkeypatch, capsys, tmp_path):
    """What bash is offered at the end of a line: the program is asked as the shell asks it."""
    monkeypatch.chdir(tmp_path)

    def ask(line):
        program, *_ = words = line.split(" ")
        variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
        for name, value in (("COMP_WORDS", line), ("COMP_CWORD", str(len(words) - 1))):
            monkeypatch.setenv(name, value)
        monkeypatch.setenv(variable, "complete_bash")
        with pytest.raises(SystemExit):
            typer.main.get_command(APPS[program]).main([], prog_name=program)
        monkeypatch.delenv(variable)
        return capsys.readouterr().out.split()

    return ask


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("learn-rank run --dataset m", ["marketplace", "ml1m_ctr"]),
        ("learn-rank run --encoder all", ["all-MiniLM-L6-v2"]),
        ("learn-rank run --preset t", ["thorough"]),
        ("learn-rank run --fusion ", ["learn", "gate", "experts", "similarity"]),
        ("learn-rank run --ranker e", ["esmm"]),
        ("learn-rank run --layers ", ["shared_bottom", "mmoe", "ple"]),
        ("learn-rank run --device c", ["cpu", "cuda"]),
        ("learn-rank train RUN --arms baseline,r", ["baseline,raw_text"]),
        ("learn-rank ab --environment k", ["known"]),
        ("learn-rank ab --treatment s", ["shuffled"]),
        ("learn-rank ablate RUN --only gate,sim", ["gate,similarity"]),
        ("learn-rank join ROWS --layout torch", ["torcheasyrec", "torcheasyrec_text"]),
        ("learn-rank uauc FILE --bucket-meaning w", ["within"]),
        ("learn-recall encode --pooling ", ["mean", "last", "cls", "echo"]),
        ("learn-recall encode --dtype f", ["float32", "float16"]),
        ("learn-recall train --preset o", ["official_amazon"]),
        ("learn-recall index --kind h", ["hnsw"]),
        ("learn-recall compare-encoders w", ["words"]),
    ],
)
def test_a_shell_is_offered_the_values_of_an_option(completed, line, expected):
    assert completed(line) == expected


def test_folders_are_offered_beside_the_names_and_one_that_is_meant_ends_there(completed, tmp_path):
    for name in ("models", "kept"):
        (tmp_path / name).mkdir()
    (tmp_path / "kept" / "card.json").write_text("{}")
    assert completed("learn-rank run --encoder m") == ["models/"]
    assert completed("learn-rank ab --environment k") == ["known", "kept"]


def names(completion):
    return tuple(completion(""))


def test_what_is_offered_is_what_the_code_knows(tmp_path, monkeypatch):
    from learn_rank.ab.simulation import config
    from learn_rank.ab.statistics.per_user import METRICS
    from learn_rank.adapters.fuxictr import USAGES
    from learn_rank.adapters.join_config import LAYOUTS
    from learn_rank.data.ease_rows import HOSTS
    from learn_rank.fusion.kinds import FUSIONS
    from learn_rank.rankers.scores import LOSS_KINDS
    from learn_rank.rankers.task_layers import TASK_LAYERS
    from learn_rank.report_kit.words import AUTO
    from learn_rank.run.arms import ARMS
    from learn_rank.uauc.count_buckets import MEANINGS
    from learn_recall.comparison import world
    from learn_recall.encoder.files import OFFLINE_NAME, PACKAGED
    from learn_recall.encoder.text_encoder import COMPUTE_DTYPES
    from learn_recall.store import card, search_index
    from learn_recall.text.prompt import TEMPLATES
    from learn_recall.towers.presets import preset

    monkeypatch.chdir(tmp_path)
    assert names(of_rank.ARMS) == tuple(arm.name for arm in ARMS)
    assert names(of_rank.ARM) == (*names(of_rank.ARMS), AUTO)
    assert names(of_rank.FUSIONS) == tuple(FUSIONS)
    assert names(of_rank.RANKERS) == tuple(
        kind for kind in LOSS_KINDS if kind != "ctr"
    )  # which tables decide
    assert names(of_rank.LAYERS) == tuple(TASK_LAYERS)
    assert names(of_rank.HOSTS) == tuple(HOSTS)
    assert names(of_rank.AUCTIONS) == config.AUCTIONS
    assert names(of_rank.BILLINGS) == config.BILLINGS
    assert names(of_rank.BUDGETS) == config.BUDGETS
    assert names(of_rank.METRICS) == tuple(METRICS)
    assert names(of_rank.MEANINGS) == MEANINGS
    assert names(of_rank.LAYOUTS) == LAYOUTS
    assert set(names(of_rank.USAGES)) == set(USAGES)
    assert names(of_recall.ENCODERS) == (OFFLINE_NAME, *PACKAGED)
    assert names(of_recall.TEMPLATES) == tuple(TEMPLATES)
    assert names(of_recall.COMPUTE_DTYPES) == ("auto", *COMPUTE_DTYPES)
    assert names(of_recall.STORE_DTYPES) == card.DTYPES
    assert names(of_recall.STORE_KINDS) == card.KINDS
    assert names(of_recall.POOLINGS) == card.POOLINGS
    assert names(of_recall.INDEX_KINDS) == search_index.KINDS
    assert set(names(of_recall.TASKS)) == {world.LEAVE_ONE_OUT, world.VALIDATION, world.WINDOW}
    with pytest.raises(ValueError) as error:
        preset("")
    assert all(preset(name) and name in str(error.value) for name in names(of_recall.PRESETS))


def test_a_shell_does_not_wait_for_torch():
    code = "import sys; import learn_rank.cli, learn_recall.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
