"""The frozen text of a run as another encoder reads it: what a ranker gains from it, without towers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from learn_rank.ablation.variants import Variant
from learn_rank.data.dataset_files import read_dataset
from learn_rank.run.arms import RAW_TEXT, WORDS, Arm
from learn_rank.run.config import read_config
from learn_rank.run.folder import RunFolder
from learn_recall.encode.job import encode_items
from learn_recall.encoder.files import find_encoder
from learn_recall.export.text_only import export_text
from learn_recall.store import EmbeddingStore
from learn_recall.text.word_vectors import WordVectors, add_words, texts_of

DEFAULT = "default"  # the offline encoder, as in `learn-recall compare-encoders`
_PREFIX = "raw_text:"


def encoder_variants(names: Sequence[str]) -> dict[str, Variant]:
    """The arm `raw_text` once for each encoder, by a name that may be a file's.

    Args:
        names: as in `learn-recall compare-encoders`: "default", "words" for the words alone, any encoder,
            with "@12" at its end that layer.

    Raises:
        ValueError: two names that would be one file's.

    Example:
        >>> list(encoder_variants(["default", "models/7b@12", "words"]))
        ['raw_text:default', 'raw_text:models_7b@12', 'raw_text:words']
    """
    found: dict[str, Variant] = {}
    for name in names:
        key = _PREFIX + re.sub(r"[^\w.@-]+", "_", name.strip("/"))
        if key in found:
            raise ValueError(f"--encoder: expected each once, got {list(names)}. Remedy: name each once.")
        arm = Arm("words_alone", (WORDS,)) if name == WORDS else RAW_TEXT
        found[key] = Variant(arm, encoder=None if name == WORDS else name)
    return found


def prepare(run: Path, variants: Mapping[str, Variant], *, device: str | None = None) -> None:
    """Make the stores of all encoders, each looked for before the first one reads a text.

    Args:
        run: folder of a finished run.
        variants: of `encoder_variants`.
        device: of the encoders.

    Raises:
        EncoderError: an encoder that is not there or cannot be loaded.
    """
    named = {key: variant.encoder for key, variant in variants.items() if variant.encoder is not None}
    for name in named.values():
        if name != DEFAULT:
            find_encoder(name)
    for key, name in named.items():
        encoder_vectors(run, key, name, device=device)


def encoder_vectors(
    run: Path, key: str, name: str, *, device: str | None = None
) -> tuple[EmbeddingStore, EmbeddingStore]:
    """Make user and item stores of a run with its items' text read by another encoder, without a tower block.

    Definition: the run's items, prompt, words and widths, the encoder's vectors in place of the run's.

    Args:
        run: folder of a finished run.
        key: name of the variant, below which the stores are kept, so that the next call only opens them.
        name: of the encoder; "default" is the offline one.
        device: of the encoder.
    """
    place = RunFolder(run)
    work = place.ablation_towers / "encoders" / key.removeprefix(_PREFIX)
    users, items = work / "users", work / "items"
    if not (users / "card.json").is_file():
        config = read_config(run)[0]
        dataset = read_dataset(place.tables)
        content = encode_items(
            dataset.items,
            work / "content",
            encoder=None if name == DEFAULT else name,
            template=EmbeddingStore.open(place.content, verify=False).card.prompt,
            device=device,
        )
        if config.word_dimension:
            words, texts = WordVectors.load(place.words), texts_of(content, dataset.items)
            content = add_words(content, texts, work / "both", words, overwrite=True)
        export_text(
            place.towers,
            content,
            dataset.contexts,
            items_out=items,
            users_out=users,
            content_dimension=config.content_dimension,
            device=device or "cpu",
        )
    return EmbeddingStore.open(users), EmbeddingStore.open(items)


__all__ = ["DEFAULT", "encoder_variants", "encoder_vectors", "prepare"]
