"""`learn-recall words`: word vectors beside those of the language model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from learn_recall.commands.common import CONTENT_HELP, Threads, say, use_threads
from learn_recall.commands.plain_errors import plain_errors
from learn_recall.files.places import check_place


@plain_errors()
def words(
    *,
    items: Annotated[Path, typer.Option(help="The table that was encoded: item_id, title, ..")],
    content: Annotated[Path, typer.Option(help=CONTENT_HELP)],
    fitted: Annotated[
        Path,
        typer.Option(
            "--words", help="What was learned of the words. Not there: it is learned now, and written."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Content store to write: language model and words.")],
    dimension: Annotated[int, typer.Option(min=1, help="Components, where the words are learned.")] = 384,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a store that is there.")] = False,
    threads: Threads = None,
) -> None:
    """Add a block of word vectors (TF-IDF in its principal directions) to a content store.

    A language model blurs brands, sizes and codes; the words keep them. Train and export from the store that
    this writes. New items: the same command with the same --words, then add-items.

    [bold]Example[/bold]

      learn-recall encode --items items.parquet --out stores/content

      learn-recall words --items items.parquet --content stores/content --words stores/words.safetensors --out
      stores/content-words
    """
    use_threads(threads)
    check_place("out", out)
    from learn_recall.store import EmbeddingStore
    from learn_recall.tables.read import read_items
    from learn_recall.text.word_vectors import WordVectors, add_words, texts_of

    store = EmbeddingStore.open(content, expect={"kind": "content"})
    texts = texts_of(store, read_items(items))
    if fitted.exists():
        known = WordVectors.load(fitted)
    else:
        known = WordVectors.fit(texts, dimension)
        known.save(fitted)
    joined = add_words(store, texts, out, known, overwrite=overwrite)
    say(
        f"{len(known.vocabulary)} words in {known.dimension} components beside {store.card.dimension}: "
        f"{joined.path}"
    )
