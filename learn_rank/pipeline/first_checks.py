"""What `learn-rank run` refuses before its first expensive stage: settings, and tables that say nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from learn_rank.data.dataset import RankingDataset
from learn_rank.data.dense_features import standardised
from learn_rank.data.encoded_rows import joined_features
from learn_rank.run.config import RunConfig
from learn_recall.columns import CLICK, CONVERSION, ITEM_ID, POSITION, TIMESTAMP
from learn_recall.tables.problems import Problem, TableError

_TEXTS_AT_ONCE = 4096
_MANY_ALIKE = 0.5  # share of items; of real titles .01 to .15, of videos whose title is "tag 39" all
ITEM_TEXTS = "item texts"  # of the protocol: what `text_note` said


def check_settings(config: RunConfig, *, finds_encoder: bool) -> None:
    """Refuse settings that only a later stage would look at.

    Args:
        config: of the run.
        finds_encoder: whether the encoder is still to be asked, so has to be there.

    Raises:
        ValueError: no such preset, template, arithmetic or encoder.
    """
    from learn_recall.encode.config import EncodeConfig
    from learn_recall.encoder.files import find_encoder
    from learn_recall.towers.presets import preset

    preset(config.preset)
    EncodeConfig(encoder=config.encoder, template=config.template, dtype=config.encoder_dtype)
    if finds_encoder and config.content is None:
        find_encoder(config.encoder)


def check_dataset(dataset: RankingDataset, config: RunConfig) -> None:
    """Refuse tables from which nothing can be learned, selected or judged, every problem at once.

    Args:
        dataset: of the run.
        config: its template, words and the time that the interactions reach to.

    Raises:
        TableError: labels of one kind where both are needed; items whose texts are all alike, or without two
            words where words are asked for; interactions in order alone beside impressions with timestamps.
        ValueError: a dense feature that float32 cannot hold.
        PromptError: a template that names a field which the items do not have.
    """
    problems = [*label_problems(dataset), *_time_problems(dataset, config.interactions_until)]
    problems += _text_problems(dataset, config)
    if problems:
        raise TableError(problems)
    _check_dense(dataset)


def _check_dense(dataset: RankingDataset) -> None:
    """Refuse dense features that float32 cannot hold once they are standardised."""
    if dataset.dense:
        nothing = {name: pd.DataFrame(index=part.index) for name, part in dataset.parts.items()}
        joined = joined_features(dataset, dataset.dense)
        standardised(nothing, {name: joined[name][list(dataset.dense)] for name in joined})


def label_problems(dataset: RankingDataset) -> list[Problem]:
    """The parts whose labels are of one kind although training, selection or judgement needs both."""
    why = {
        "train": "what is clicked is learned from both",
        "valid": "they select the epoch",
        "test": "or clicked rows that converted and clicked rows that did not: nothing else is judged",
    }
    found = []
    for name, part in dataset.parts.items():
        is_fit = part[CLICK].nunique() == 2
        if name == "test" and not is_fit and dataset.has_conversions:
            is_fit = part.loc[part[CLICK] == 1, CONVERSION].nunique() == 2
        if not is_fit:
            kinds = ", ".join(f"{value:g}" for value in part[CLICK].unique()[:2])
            rows = f"{len(part):,} row{'' if len(part) == 1 else 's'}"
            expected = f"rows with and rows without a click ({why[name]})"
            remedy = "take more rows, or cut the parts at other times"
            if (part[CLICK] == 1).all():
                remedy = "add what was shown and not clicked, or draw it (docs/tables.md, Negatives)"
            found.append(Problem(name, CLICK, expected, f"only {kinds} in {rows}", (), remedy))
    return found


def _time_problems(dataset: RankingDataset, until: float | None) -> list[Problem]:
    """Interactions whose newest time is not known although that of the first judged row is."""
    judged = dataset.valid
    if not all(TIMESTAMP in part for part in dataset.parts.values()):
        return []
    first = float(judged[TIMESTAMP].min())
    times = dataset.interactions[TIMESTAMP] if TIMESTAMP in dataset.interactions else pd.Series(dtype=float)
    is_unknown = len(times) == 0 or bool(times.isna().any())
    if not is_unknown:
        if until is None:
            return []
        expected, got = "no --interactions-until", f"{until:g}, and interactions with timestamps of their own"
        return [Problem("interactions", TIMESTAMP, expected, got, (), "leave the option out")]
    if until is None:
        expected = f"timestamps, as the impressions have: the towers must know nothing from {_when(first)} on"
        remedy = (
            f"add them, or state with --interactions-until TIME that all of them lie before {_when(first)}"
        )
        got = f"no times, {POSITION} alone" if POSITION in dataset.interactions else "no times"
        return [Problem("interactions", TIMESTAMP, expected, got, (), remedy)]
    if until < first:
        return []
    expected = f"--interactions-until before the first row of valid, {_when(first)}"
    remedy = "leave later interactions out, or judge later rows"
    return [Problem("interactions", TIMESTAMP, expected, _when(until), (), remedy)]


def stated_time(config: RunConfig) -> dict[str, object]:
    """What the report's protocol says of interactions whose time was stated and is in no table."""
    until = config.interactions_until
    return {} if until is None else {"newest interaction, as stated": f"at most {_when(until)}"}


def _text_problems(dataset: RankingDataset, config: RunConfig) -> list[Problem]:
    """Texts that tell no item from another."""
    from learn_recall.text.prompt import Template, check_fields, render_items
    from learn_recall.text.word_vectors import has_two_words

    items = dataset.items
    template = Template.of(config.template)
    check_fields(template, [str(name) for name in items.columns])
    known = items[items[ITEM_ID].isin(dataset.interactions[ITEM_ID].unique())]
    columns = ", ".join(name for name in template.fields if name in items)
    remedy = "give the items texts of their own (title, category, brand), or name other fields: --template"
    first: str | None = None
    words: list[str] = []
    for start in range(0, len(known), _TEXTS_AT_ONCE):
        for text in render_items(known[start : start + _TEXTS_AT_ONCE], template):
            first = text if first is None else first
            if text != first:
                words.append(text)
        if words and (config.word_dimension == 0 or has_two_words([first or "", *words])):
            return []
    if len(known) == 1:
        remedy = "take more interactions: towers learn from what goes with what"
        return [Problem("interactions", ITEM_ID, "at least two different items", "one item", (), remedy)]
    which = f"the {len(known):,} of the interactions"
    if not words:
        got = f"one text for {which}: {_short(first or '')}"
        return [Problem("items", columns, "at least two different texts", got, (), remedy)]
    got = f"fewer in the texts of {which}, such as {_short(words[0])}"
    remedy += ", or go on without their words: --words 0"
    return [Problem("items", columns, "at least two different words", got, (), remedy)]


def text_note(dataset: RankingDataset, config: RunConfig) -> dict[str, object]:
    """What the report's protocol says of items whose texts differ in nothing but numbers; nothing of others.

    Vectors of such texts differ all the same, in what says nothing, and a ranker overfits to it.

    Args:
        dataset: its items that are shown or interacted with.
        config: its template.
    """
    from learn_recall.text.likeness import text_likeness
    from learn_recall.text.prompt import render_items

    tables = (dataset.interactions, *dataset.parts.values())
    used = pd.concat([table[ITEM_ID] for table in tables]).unique()
    items = dataset.items[dataset.items[ITEM_ID].isin(used)]
    chunks = (items[start : start + _TEXTS_AT_ONCE] for start in range(0, len(items), _TEXTS_AT_ONCE))
    found = text_likeness(text for chunk in chunks for text in render_items(chunk, config.template))
    if found.share_alike < _MANY_ALIKE:
        return {}
    different = f"{found.n_different:,} different text" + ("s" if found.n_different != 1 else "")
    said = (
        f"{found.n_alike:,} of {found.n_texts:,} items ({found.share_alike:.0%}) say what another one says, "
        f"but for numbers: {different}, most often {_short(found.commonest)}. Vectors of such texts can tell "
        "little, and cost what inputs without content cost. Remedy: give the items texts of their own, or "
        "name other fields: --template"
    )
    return {ITEM_TEXTS: said}


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _when(seconds: float) -> str:
    """A time as one writes it in the option, and for people."""
    return f"{seconds:.15g} ({pd.Timestamp(seconds, unit='s').strftime('%Y-%m-%d %H:%M:%S')} UTC)"


def seconds_of(text: str) -> float:
    """Unix seconds of ``--interactions-until``: a number, or a date with or without a time, in UTC.

    Raises:
        ValueError: neither.

    Example:
        >>> seconds_of("2024-05-01"), seconds_of("1714521600")
        (1714521600.0, 1714521600.0)
    """
    try:
        seconds = float(text)
    except ValueError:
        try:
            time = pd.Timestamp(text)
            seconds = (time.tz_localize("UTC") if time.tzinfo is None else time).timestamp()
        except ValueError:
            raise ValueError(
                "--interactions-until: expected unix seconds or a time such as 2024-05-01T12:00, got "
                f"{text!r}. Remedy: write one of the two."
            ) from None
    if not np.isfinite(seconds) or abs(seconds) > 1e11:
        raise ValueError(f"--interactions-until: expected unix seconds, got {text}; milliseconds / 1,000?")
    return seconds


__all__ = [
    "ITEM_TEXTS",
    "check_dataset",
    "check_settings",
    "label_problems",
    "seconds_of",
    "stated_time",
    "text_note",
]
