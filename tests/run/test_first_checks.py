"""What a run refuses before it encodes a single text, and in which words."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from ranking_worlds import planted_dataset
from rich.console import Console
from tiny_models import save_tiny_model
from typer.testing import CliRunner

from learn_rank.cli import app
from learn_rank.pipeline.compare_rankers import compare_rankers
from learn_rank.pipeline.first_checks import (
    ITEM_TEXTS,
    check_dataset,
    check_settings,
    seconds_of,
    text_note,
)
from learn_rank.pipeline.order import checked_tables, run_pipeline
from learn_rank.run.config import RunConfig
from learn_recall.tables import TableError

CONFIG = RunConfig(word_dimension=0)


@pytest.fixture(scope="module")
def dataset():
    return planted_dataset(n_rows=1500)[0]


def with_labels(dataset, part, click, conversion):
    rows = getattr(dataset, part)
    return replace(dataset, **{part: rows.assign(click=click, conversion=conversion)})


def test_tables_that_a_report_can_follow_from_are_taken(dataset):
    check_dataset(dataset, CONFIG)
    check_dataset(dataset, RunConfig(word_dimension=8))


@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_a_part_without_clicks_is_refused_by_its_name(dataset, part):
    with pytest.raises(
        TableError, match=rf"{part}, column click\n.*with and rows without a click.*\n.*only 0"
    ):
        check_dataset(with_labels(dataset, part, 0, np.nan), CONFIG)


def test_dense_features_that_float32_cannot_hold_are_refused_before_a_text_is_encoded(dataset):
    (name,) = dataset.dense
    far = {part: rows.assign(**{name: 1.0}) for part, rows in dataset.parts.items()}
    far["test"].loc[far["test"].index[3], name] = 1e39
    own = replace(dataset, items=dataset.items.drop(columns=name, errors="ignore"), **far)
    with pytest.raises(
        ValueError, match=r"test: expected in '.*' finite numbers that float32 holds.*got 1e\+39"
    ):
        check_dataset(own, CONFIG)
    bare = {part: rows.drop(columns=name, errors="ignore") for part, rows in dataset.parts.items()}
    is_new = ~dataset.items["item_id"].isin(dataset.train["item_id"])
    items = dataset.items.assign(**{name: np.where(is_new, 1e39, 1.0)})
    with pytest.raises(ValueError, match=r"expected in '.*' finite numbers that float32 holds.*got 1e\+39"):
        check_dataset(replace(dataset, items=items, **bare), CONFIG)


def test_every_part_is_told_at_once(dataset):
    bare = with_labels(with_labels(dataset, "valid", 0, np.nan), "test", 0, np.nan)
    with pytest.raises(TableError) as error:
        check_dataset(bare, CONFIG)
    assert [problem.table for problem in error.value.problems] == ["valid", "test"]


def test_rows_that_were_all_clicked_are_judged_by_their_conversions_but_select_no_epoch(dataset):
    converted = np.arange(len(dataset.test)) % 2.0
    check_dataset(with_labels(dataset, "test", 1, converted), CONFIG)
    with pytest.raises(TableError, match="test, column click"):
        check_dataset(with_labels(dataset, "test", 1, 1.0), CONFIG)
    with pytest.raises(TableError, match="valid, column click"):
        check_dataset(with_labels(dataset, "valid", 1, np.arange(len(dataset.valid)) % 2.0), CONFIG)


def test_clicks_alone_teach_no_ranker_what_is_clicked(dataset):
    converted = np.arange(len(dataset.train)) % 2.0
    with pytest.raises(
        TableError, match=r"train, column click\n(.|\n)*only 1 in(.|\n)*not clicked, or draw it"
    ):
        check_dataset(with_labels(dataset, "train", 1, converted), CONFIG)


def test_a_comparison_of_own_rankers_refuses_the_same_parts_before_it_trains(dataset, tmp_path):
    with pytest.raises(TableError, match="valid, column click"):
        compare_rankers(with_labels(dataset, "valid", 0, np.nan), {"baseline": None}, tmp_path)


def test_items_whose_texts_are_all_alike_are_told_by_the_text(dataset):
    alike = replace(dataset, items=dataset.items.assign(title="item"))
    with pytest.raises(
        TableError, match=r'items, column title\n.*different texts\n.*one text.*title is "item"'
    ):
        check_dataset(alike, CONFIG)
    check_dataset(alike, replace(CONFIG, template="{price_number}"))


def test_items_of_the_interactions_alone_decide_whether_texts_differ(dataset):
    is_known = dataset.items["item_id"].isin(dataset.interactions["item_id"])
    title = dataset.items["title"].where(~is_known, "item")
    with pytest.raises(TableError, match="one text for the"):
        check_dataset(replace(dataset, items=dataset.items.assign(title=title)), CONFIG)


def test_interactions_with_one_item_are_told_as_such(dataset):
    one = dataset.interactions[dataset.interactions["item_id"] == dataset.interactions["item_id"].iloc[0]]
    with pytest.raises(TableError, match=r"interactions, column item_id\n.*two different items"):
        check_dataset(replace(dataset, interactions=one), CONFIG)


def test_texts_without_words_are_told_where_words_are_asked_for(dataset):
    marks = replace(dataset, items=dataset.items.assign(title=["?" * n for n in range(1, 81)]))
    check_dataset(marks, replace(CONFIG, template="{title}"))
    with pytest.raises(TableError, match=r"two different words\n(.|\n)*--words 0"):
        check_dataset(marks, RunConfig(template="{title}", word_dimension=8))


def test_a_template_with_a_field_that_the_items_lack_is_refused(dataset):
    with pytest.raises(ValueError, match="colour"):
        check_dataset(dataset, replace(CONFIG, template="{title} {colour}"))


def in_order(dataset):
    """The same with interactions that have a position in place of a time."""
    numbered = dataset.interactions.drop(columns="timestamp")
    return replace(dataset, interactions=numbered.assign(position=numbered.groupby("user_id").cumcount()))


def test_interactions_in_order_beside_timestamps_need_the_time_that_they_reach_to(dataset):
    first = float(dataset.valid["timestamp"].min())
    with pytest.raises(TableError, match=r"no times, position alone(.|\n)*--interactions-until TIME"):
        check_dataset(in_order(dataset), CONFIG)
    check_dataset(in_order(dataset), replace(CONFIG, interactions_until=first - 1))
    with pytest.raises(TableError, match="before the first row of valid"):
        check_dataset(in_order(dataset), replace(CONFIG, interactions_until=first))
    with pytest.raises(TableError, match="leave the option out"):
        check_dataset(dataset, replace(CONFIG, interactions_until=first - 1))


def test_a_time_is_unix_seconds_or_a_date_in_utc():
    noon = pd.Timestamp("2024-05-01T12:00Z").timestamp()
    assert seconds_of("2024-05-01T12:00") == seconds_of("2024-05-01T14:00+02:00") == noon
    assert seconds_of("1714564800") == noon
    for wrong in ("yesterday or so", "1714564800000", "nan", ""):
        with pytest.raises(ValueError, match="--interactions-until: expected unix seconds"):
            seconds_of(wrong)


def test_a_refused_run_leaves_its_folder_as_it_was_with_the_tables_of_the_run_before(dataset, tmp_path):
    def refuse():
        check_dataset(with_labels(dataset, "valid", 0, np.nan), CONFIG)

    for source, out in (({"first": 1}, tmp_path / "new"), ({"other": 1}, tmp_path / "old")):
        (tmp_path / "old" / "tables").mkdir(parents=True, exist_ok=True)
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(TableError, match="valid, column click"):
            run_pipeline(refuse, source, out, CONFIG, console=Console(quiet=True))
        assert sorted(tmp_path.rglob("*")) == before


def test_a_place_that_no_run_can_be_written_to_is_told_before_the_tables_are_read(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("nowhere")
    for out, why in (("file", "is a file"), ("file/below", "is a file"), ("link/below", "leads nowhere")):
        with pytest.raises(ValueError, match=f"out: expected a folder that can be made, got .*{why}. Remedy"):
            run_pipeline(
                lambda: pytest.fail("the tables were made"),
                {},
                tmp_path / out,
                CONFIG,
                console=Console(quiet=True),
            )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"preset": "foo"}, "preset: expected one of paper, official_amazon, default, thorough; got 'foo'"),
        ({"template": "long"}, "template: expected a name among"),
        ({"encoder_dtype": "int4"}, "dtype: expected one of"),
        ({"encoder": "./nowhere"}, "encoder: expected a folder"),
    ],
)
def test_settings_of_a_later_stage_are_refused_before_the_first(settings, words, tmp_path):
    def never():
        raise AssertionError("the tables were made")

    with pytest.raises(ValueError, match=words):
        run_pipeline(never, {}, tmp_path / "out", replace(CONFIG, **settings), console=Console(quiet=True))
    assert not (tmp_path / "out").exists()


def test_a_finished_encoding_does_not_ask_for_the_encoder_again():
    check_settings(replace(CONFIG, encoder="./nowhere"), finds_encoder=False)


def test_the_command_names_the_table_and_encodes_nothing(dataset, tmp_path):
    arguments = ["run", "--out", str(tmp_path / "out"), "--words", "0"]
    tables = {name: getattr(dataset, name) for name in ("items", "interactions", "train", "valid", "test")}
    tables["valid"] = tables["valid"].assign(click=0, conversion=np.nan)
    for name, table in tables.items():
        columns = [column for column in table if column not in ("context_id", "conversion_rate")]
        table[columns].to_parquet(tmp_path / f"{name}.parquet")
        arguments += [f"--{name}", str(tmp_path / f"{name}.parquet")]
    arguments += ["--encoder", str(save_tiny_model(tmp_path / "encoder"))]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "valid, column click" in result.output
    assert "[2/" not in result.output


def test_a_stated_time_stands_in_the_protocol_that_the_report_shows(dataset):
    until = float(dataset.valid["timestamp"].min()) - 1
    for tables, config, said in (
        (in_order(dataset), replace(CONFIG, interactions_until=until), f"at most {until:.15g} ("),
        (dataset, CONFIG, None),
    ):
        checked = checked_tables(lambda tables=tables: tables, config, Console(quiet=True))
        found = checked.protocol.get("newest interaction, as stated")
        assert found is None if said is None else found.startswith(said) and found.endswith(" UTC)")


def test_texts_that_differ_in_numbers_alone_are_told_by_their_share_and_stand_in_the_protocol(dataset):
    console = Console(record=True, quiet=False, file=io.StringIO(), width=500)
    checked = checked_tables(lambda: dataset, CONFIG, console)  # "item 0", "item 1", ..
    n_items = len(dataset.items)
    said = checked.protocol[ITEM_TEXTS]
    assert said.startswith(
        f"{n_items} of {n_items} items (100%) say what another one says, but for numbers: 1 "
    )
    assert "Item title is" in said and "Remedy: " in said
    assert said in console.export_text()


def test_texts_of_their_own_and_a_few_twins_are_passed_over_in_silence(dataset):
    words = ["red", "blue", "round", "flat", "soft", "wide", "long", "old", "thin", "dark"]
    titles = [f"{words[n % 10]} {words[n // 10]} thing" for n in range(len(dataset.items))]
    own = replace(dataset, items=dataset.items.assign(title=titles))
    assert text_note(own, CONFIG) == {}
    titles[: len(titles) // 3] = ["thing"] * (len(titles) // 3)
    assert text_note(replace(own, items=own.items.assign(title=titles)), CONFIG) == {}
    titles[: len(titles) // 3 * 2] = ["thing"] * (len(titles) // 3 * 2)
    assert "most often" in text_note(replace(own, items=own.items.assign(title=titles)), CONFIG)[ITEM_TEXTS]
