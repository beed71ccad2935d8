"""Columns and config lines for TorchEasyRec, in its own format and, given a checkout, in its own code."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from adapter_world import row_table, stores, write_rows
from typer.testing import CliRunner

from learn_rank.adapters.join import JoinConfig, join_vectors
from learn_rank.adapters.torcheasyrec import SEPARATOR, raw_feature_config
from learn_rank.cli import app

LAYOUTS = ("columns", "torcheasyrec", "torcheasyrec_text")
PIPELINE = """
train_input_path: "{lists}"
eval_input_path: "{lists}"
model_dir: "{model}"
train_config {{
  sparse_optimizer {{ adagrad_optimizer {{ lr: 0.001 }} constant_learning_rate {{ }} }}
  dense_optimizer {{ adam_optimizer {{ lr: 0.001 }} constant_learning_rate {{ }} }}
  num_epochs: 1
}}
eval_config {{ }}
data_config {{
  batch_size: 64 dataset_type: ParquetDataset label_fields: "clk" num_workers: 1 fg_mode: FG_NONE
}}
feature_configs {{
  id_feature {{ feature_name: "code" expression: "item:code" num_buckets: 16 embedding_dim: 8 }}
}}
model_config {{
  feature_groups {{ group_name: "deep" feature_names: "code" group_type: DEEP }}
  multi_tower {{
    towers {{ input: "deep" mlp {{ hidden_units: [16] }} }}
    towers {{ input: "learn" mlp {{ hidden_units: [16] }} }}
    final {{ hidden_units: [8] }}
  }}
  num_class: 1
  metrics {{ auc {{ }} }}
  losses {{ binary_cross_entropy {{ }} }}
}}
"""


def joined(folder: Path, n_rows: int = 40) -> dict[str, Path]:
    """The same rows in every layout."""
    users, items = stores(folder)
    rng = np.random.default_rng(0)
    table = row_table(n_rows)
    for name, top in (("clk", 2), ("code", 9)):
        table = table.append_column(name, pa.array(rng.integers(0, top, n_rows)))
    rows = write_rows(folder / "rows.parquet", table)
    paths = {layout: folder / f"{layout}.parquet" for layout in LAYOUTS}
    for layout, path in paths.items():
        join_vectors(rows, users, items, path, JoinConfig(history_column="history", layout=layout))
    return paths


def plain_values(path: Path) -> dict[str, np.ndarray]:
    """The plain columns of a join, arranged by the names of the features."""
    table = pq.read_table(path)
    singles = [name for name in table.column_names if name.startswith("learn_") and "_vector" not in name]
    values = {name: np.stack(table[name].to_numpy()) for name in ("learn_user_vector", "learn_item_vector")}
    values["learn_similarity"] = np.stack([table[name].to_numpy() for name in singles], axis=1)
    for name in ("learn_has_user_vector", "learn_has_item_vector"):
        values[name] = table[name].to_numpy().astype(np.float32)[:, None]
    return values


def test_lists_and_text_hold_the_bits_of_the_plain_columns_in_types_that_its_readers_take(tmp_path):
    paths = joined(tmp_path)
    lists, text = (pq.read_table(paths[layout]) for layout in LAYOUTS[1:])
    for name, values in plain_values(paths["columns"]).items():
        assert lists.schema.field(name).type == (
            pa.list_(pa.float32()) if values.shape[1] > 1 else pa.float32()
        )
        assert lists[name].null_count == text[name].null_count == 0
        np.testing.assert_array_equal(np.stack(lists[name].to_numpy()).reshape(values.shape), values)
        if values.shape[1] > 1:
            split = [row.split(SEPARATOR) for row in text[name].to_pylist()]
            np.testing.assert_array_equal(np.array(split, np.float32), values)


@pytest.mark.parametrize("converted", [None, "history_converted"])
@pytest.mark.parametrize("has_vectors", [True, False])
def test_the_config_names_every_new_column_with_its_size(tmp_path, has_vectors, converted):
    users, items = stores(tmp_path)
    config = JoinConfig(
        history_column="history",
        converted_column=converted,
        layout="torcheasyrec",
        has_vectors=has_vectors,
        prefix="x_",
    )
    out = tmp_path / "out.parquet"
    report = join_vectors(write_rows(tmp_path / "rows.parquet", row_table()), users, items, out, config)
    text = raw_feature_config(items, config)
    found = re.findall(r'feature_name: "(\w+)"\s+expression: "\w+:(\w+)"(?:\s+value_dim: (\d+))?', text)
    assert [name for name, _, _ in found] == [column for _, column, _ in found]
    assert {name for name, _, _ in found} == set(report.columns)
    assert re.findall(r'feature_names: "(\w+)"', text) == [name for name, _, _ in found]
    first = pq.read_table(out).slice(0, 1).to_pylist()[0]
    for name, _, size in found:
        assert len(np.atleast_1d(first[name])) == int(size or 1)
    assert text.count("{") == text.count("}")


def test_the_config_of_plain_columns_is_refused(tmp_path):
    _, items = stores(tmp_path)
    with pytest.raises(ValueError, match="layout: expected 'torcheasyrec' or"):
        raw_feature_config(items, JoinConfig())


def test_the_command_writes_the_config_beside_the_rows(tmp_path):
    _, items = stores(tmp_path)
    rows = write_rows(tmp_path / "rows.parquet", row_table())
    names = ["users", "items", "learn.config", "out.parquet"]
    users, store, snippet, out = (str(tmp_path / name) for name in names)
    command = ["join", str(rows), "--users", users, "--items", store, "--out", out, "--snippet", snippet]
    assert CliRunner().invoke(app, command).exit_code == 2  # of the plain layout there is no config
    assert not Path(out).exists()
    found = CliRunner().invoke(app, [*command, "--layout", "torcheasyrec"])
    assert found.exit_code == 0, found.output
    assert Path(snippet).read_text() == raw_feature_config(items, JoinConfig(layout="torcheasyrec"))


@pytest.mark.timeout(300)
def test_its_own_code_reads_the_same_bits_and_trains_on_them(tmp_path):
    checkout = os.environ.get("TORCHEASYREC")
    if checkout is None:
        pytest.skip("TorchEasyRec: in no package index; set TORCHEASYREC to a checkout (docs/adapters.md)")
    if not (Path(checkout) / "tzrec" / "protos" / "pipeline_pb2.py").is_file():
        pytest.skip(f"TorchEasyRec: {checkout} has no compiled protos (docs/adapters.md says how)")
    paths = joined(tmp_path, 200)
    config, out = tmp_path / "pipeline.config", tmp_path / "found.npz"
    learn = raw_feature_config(
        stores(tmp_path / "again")[1], JoinConfig(history_column="history", layout="torcheasyrec")
    )
    pipeline = PIPELINE.format(lists=paths["torcheasyrec"], model=tmp_path / "model")
    config.write_text(pipeline + learn)
    worker = Path(__file__).parents[1] / "support" / "torcheasyrec_worker.py"
    command = [
        sys.executable,
        worker,
        checkout,
        config,
        *(paths[name] for name in LAYOUTS[1:]),
        paths["columns"],
    ]
    done = subprocess.run([*command, out], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = np.load(out)
    for name, values in plain_values(paths["columns"]).items():
        np.testing.assert_array_equal(found[f"lists/{name}"], values)
        np.testing.assert_array_equal(found[f"text/{name}"], values)
    assert re.search("learn_user_vector.*fixed_size_list", str(found["refusal"]))
    assert list((tmp_path / "model").glob("model.ckpt-*"))
