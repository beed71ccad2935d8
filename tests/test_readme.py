"""The README's first screen is true: its code prints what stands below it."""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_code_of_the_first_screen_prints_what_stands_below_it(capsys):
    code, printed = re.search(r"```python\n(.*?)```\n```text\n(.*?)```", README, re.DOTALL).groups()
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == printed
    statements = re.findall(r"^\S.*", code, re.MULTILINE)
    assert statements[0].startswith("from learn_rank import") and len(statements) <= 12


def test_every_page_that_the_readme_names_exists():
    root = Path(__file__).parents[1]
    named = re.findall(r"\]\(((?!http)[^)#]+)\)", README)
    assert named and all((root / name).exists() for name in named)


def test_every_command_that_the_readme_names_knows_its_options():
    from typer.testing import CliRunner

    from learn_rank.cli import app

    shown = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    command = re.search(r"learn-rank run.*?```", README, re.DOTALL).group()
    for option in set(re.findall(r"(--[a-z]+)", command)):
        assert option in shown
