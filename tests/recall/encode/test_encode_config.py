"""The settings of an encode job: one set of defaults, checked when made, given whole or by keyword."""

import inspect
from dataclasses import fields

import pandas as pd
import pytest

from learn_recall.commands.encode import encode
from learn_recall.encode import job as encode_job
from learn_recall.encode.config import EncodeConfig
from learn_recall.encode.identity import EncodeError
from learn_recall.encode.job import encode_items
from learn_recall.text.prompt import PromptError

ITEMS = pd.DataFrame({"item_id": [1], "title": ["ring"]})


@pytest.fixture
def asked(monkeypatch):
    """The settings that a call leads to, without the job."""
    monkeypatch.setattr(encode_job, "run_job", lambda request, **options: request.config)
    return lambda **options: encode_items(ITEMS, "store", **options)


def test_the_defaults_are_those_of_the_command():
    options = inspect.signature(encode).parameters
    of_command = {name: option.default for name, option in options.items()}
    assert {field.name: of_command[field.name] for field in fields(EncodeConfig)} == {
        field.name: field.default for field in fields(EncodeConfig)
    }
    of_job = {"items", "out", "dry_run", "threads"}
    assert set(options) - {field.name for field in fields(EncodeConfig)} == of_job


def test_settings_by_keyword_are_those_of_a_config(asked):
    config = EncodeConfig(dtype="float32", shard_size=7)
    assert asked() == EncodeConfig()
    assert asked(dtype="float32", shard_size=7) == asked(config=config) == config
    assert asked(config=config, shard_size=9) == EncodeConfig(dtype="float32", shard_size=9)


def test_an_unknown_setting_is_refused(asked):
    with pytest.raises(TypeError, match="shardsize"):
        asked(shardsize=7)


@pytest.mark.parametrize(
    ("setting", "error", "says"),
    [
        ({"dtype": "int4"}, EncodeError, "dtype: expected one of .*got 'int4'"),
        ({"store_dtype": "bfloat16"}, EncodeError, "store_dtype: expected one of"),
        ({"batch_tokens": 0}, EncodeError, "batch_tokens: expected at least 1, got 0"),
        ({"shard_size": 0}, EncodeError, "shard_size: expected at least 1, got 0"),
        ({"template": "no field"}, PromptError, "template: expected a name among"),
    ],
)
def test_a_setting_that_cannot_be_met_is_refused_when_the_config_is_made(setting, error, says):
    with pytest.raises(error, match=says):
        EncodeConfig(**setting)
