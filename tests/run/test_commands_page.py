"""The page of the commands is true: every command stands on it, and what it says is refused is refused so."""

import re
from pathlib import Path

import pytest
import typer
from refused_inputs import APPS, REFUSED, run, write_inputs

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
VERBS = {
    f"{program} {name}": command
    for program, app in APPS.items()
    for name, command in typer.main.get_command(app).commands.items()
}


def table_below(heading):
    """The rows of the page's table below a heading, as dicts of plain text."""
    part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    names, _, *rows = [
        [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
        for line in part.splitlines()
        if line.startswith("|")
    ]
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_every_command_stands_on_the_page_with_the_device_and_threads_that_it_takes():
    rows = {row["command"]: row for row in table_below("What each takes")}
    assert sorted(rows) == sorted(VERBS)
    for verb, command in VERBS.items():
        options = {option for each in command.params for option in each.opts}
        for option in ("--device", "--threads"):
            assert (option in rows[verb]["computes on"]) == (option in options), (verb, option)


def test_the_options_that_the_page_names_are_the_command_s():
    for row in table_below("What each takes"):
        command = VERBS[row["command"]]
        options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
        assert set(re.findall(r"--[a-z-]+", " ".join(row.values()))) <= options, row["command"]


def test_a_verb_that_leaves_another_code_than_0_and_2_says_so_on_the_page_and_in_its_help():
    for row in table_below("What each takes"):
        code = {int(each) for each in re.findall(r"\d+", row["exits"])}
        assert {0, 2} <= code
        said = VERBS[row["command"]].help
        for number in code - {0, 2}:
            assert re.search(rf"[Ee]xit\D*(\d\D+)*\b{number}\b", said, re.DOTALL), (row["command"], number)


def test_what_the_page_says_is_refused_is_what_is_run_here():
    told = [(row["command"], row["refused"], row["told by"]) for row in table_below("What each refuses")]
    assert told == [(each.command, each.situation, each.place) for each in REFUSED]
    assert {each.command for each in REFUSED} == set(VERBS) - {"learn-rank doctor"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    return folder


@pytest.mark.parametrize("refused", REFUSED, ids=[f"{each.command}: {each.situation}" for each in REFUSED])
def test_a_wrong_input_ends_with_2_and_its_place_what_was_expected_what_came_and_the_remedy(
    refused, inputs, monkeypatch
):
    monkeypatch.chdir(inputs)
    before = set(inputs.rglob("*"))
    found = run(refused.command, refused.arguments.split())
    words = found.stderr
    assert found.exit_code == 2, found.output
    assert refused.place in words
    assert re.search(r"expected", words) and re.search(r"\bgot\b|\bfound\b", words), words
    assert re.search(r"[Rr]emedy: *\S", words), words
    assert "Traceback" not in words and "unexpected" not in words
    assert set(inputs.rglob("*")) <= before


@pytest.mark.parametrize("verb", ["learn-recall diff", "learn-rank doctor"])
def test_an_option_that_there_is_not_ends_with_2(verb):
    assert run(verb, ["--nonsense"]).exit_code == 2
