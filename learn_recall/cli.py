"""The command `learn-recall`: one verb a file in `learn_recall.commands`."""

import typer

from learn_recall.commands.add_items import add_items
from learn_recall.commands.compare_encoders import compare_encoders
from learn_recall.commands.compare_models import compare_models
from learn_recall.commands.convert import convert
from learn_recall.commands.diff import diff
from learn_recall.commands.encode import encode
from learn_recall.commands.evaluate import evaluate
from learn_recall.commands.export import export
from learn_recall.commands.index import index
from learn_recall.commands.train import settings, train
from learn_recall.commands.version import Version
from learn_recall.commands.words import words

app = typer.Typer(
    name="learn-recall",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for verb in (
    encode,
    convert,
    diff,
    train,
    settings,
    evaluate,
    export,
    add_items,
    index,
    words,
    compare_encoders,
    compare_models,
):
    app.command()(verb)


@app.callback()
def options(version: Version = False) -> None:
    """Item texts and behaviour become user and item vectors that a ranker can look up by id."""


def main() -> None:
    """Run the command that the arguments name."""
    app()


if __name__ == "__main__":
    main()
