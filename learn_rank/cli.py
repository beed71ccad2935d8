"""The command `learn-rank`: one verb a file in `learn_rank.commands`."""

import logging

import typer

from learn_rank.commands.ab import ab
from learn_rank.commands.ablate import ablate
from learn_rank.commands.doctor import doctor
from learn_rank.commands.export import export
from learn_rank.commands.fit_environment import fit_environment
from learn_rank.commands.fuxictr import fuxictr
from learn_rank.commands.join import join
from learn_rank.commands.report import report
from learn_rank.commands.run import run
from learn_rank.commands.train import train
from learn_rank.commands.uauc import uauc
from learn_recall.commands.version import Version

app = typer.Typer(
    name="learn-rank",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for verb in (run, train, report, ablate, export, uauc, ab, fit_environment, join, fuxictr, doctor):
    app.command()(verb)


@app.callback()
def options(version: Version = False) -> None:
    """Fuse frozen LLM embeddings into an existing CTR/CVR ranker, and judge the result honestly."""


def main() -> None:
    """Run the command that the arguments name."""
    # torch 2.13 warns at import of torchrec 1.8 about a name that torchrec still uses
    logging.getLogger("torch.fx._symbolic_trace").setLevel(logging.ERROR)
    app()


if __name__ == "__main__":
    main()
