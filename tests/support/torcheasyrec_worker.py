"""A process in which TorchEasyRec's own code, from a checkout, reads joined rows and trains on them.

Usage: torcheasyrec_worker.py CHECKOUT CONFIG LISTS TEXT COLUMNS OUT

Its feature generation (pyfg), graph sampler and cloud clients are binaries of another host; none takes part
in reading encoded parquet, so their names are filled with empty modules. Nothing of tzrec is replaced.
"""

import importlib.abc
import importlib.machinery
import os
import socket
import sys
import types
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np

ABSENT = ("pyfg", "graphlearn", "alibabacloud_credentials", "urllib3", "requests", "tensorboard")


class _Empty(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands in, after every real finder, for packages that are not installed."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return MagicMock(name=spec.name)

    def exec_module(self, module):
        pass


def prepare(checkout: Path) -> None:
    sys.meta_path.append(_Empty())
    sys.modules["torch.utils.tensorboard"] = MagicMock()
    sys.path.insert(0, str(checkout))
    package = types.ModuleType("tzrec")  # its __init__ imports every module, the cloud's included
    package.__path__ = [str(checkout / "tzrec")]
    sys.modules["tzrec"] = package
    import tzrec.version

    package.__version__ = tzrec.version.__version__
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    os.environ.update(RANK="0", WORLD_SIZE="1", LOCAL_RANK="0", LOCAL_WORLD_SIZE="1")
    os.environ.update(MASTER_ADDR="localhost", MASTER_PORT=str(port))


def read(config, path: Path, separator: str | None = None) -> dict[str, np.ndarray]:
    """Dense features of all rows of a file, by name, as its dataset gives them to a model."""
    from tzrec.datasets.parquet_dataset import ParquetDataset
    from tzrec.features.feature import create_features

    features = create_features(
        list(config.feature_configs), config.data_config.fg_mode, fg_encoded_multival_sep=separator
    )
    found: dict[str, list[np.ndarray]] = {}
    for batch in ParquetDataset(config.data_config, features, str(path)):
        for dense in batch.dense_features.values():
            for name, values in dense.to_dict().items():
                found.setdefault(name, []).append(values.numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def main(checkout: Path, config_path: Path, *layouts: Path, out: Path) -> None:
    prepare(checkout)
    lists, text, columns = layouts
    import tzrec.features.id_feature
    import tzrec.features.raw_feature
    import tzrec.main
    import tzrec.models.multi_tower
    from tzrec.utils.config_util import load_pipeline_config

    config = load_pipeline_config(str(config_path))
    found = {f"lists/{name}": values for name, values in read(config, lists).items()}
    found |= {f"text/{name}": values for name, values in read(config, text, "\x1d").items()}
    try:
        read(config, columns)
    except ValueError as error:
        found["refusal"] = np.array(str(error))
    tzrec.main.train_and_evaluate(str(config_path))
    found["version"] = np.array(sys.modules["tzrec"].__version__)
    np.savez(out, **found)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:-1]), out=Path(sys.argv[-1]))
