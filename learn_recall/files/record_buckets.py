"""Records in buckets on disk: a catalogue is sorted, joined and searched for doubles in bounded memory."""

from pathlib import Path
from typing import Any

import numpy as np

from learn_recall.files.whole_files import write_array

_BUFFERED_BYTES = 1 << 22
MAX_BUCKETS = 512


class RecordBuckets:
    """Fixed-size records, spread over buckets, each small enough to be read whole.

    Args:
        folder: where the buckets lie; made here.
        name: of the set; two sets of other names may share a folder.
        dtype: of a record, structured.
        n_buckets: how many.
    """

    def __init__(self, folder: Path, name: str, *, dtype: np.dtype[Any], n_buckets: int) -> None:
        self._folder, self._name, self.dtype, self.n_buckets = folder, name, dtype, n_buckets
        folder.mkdir(parents=True, exist_ok=True)
        self._waiting: list[np.ndarray] = []
        self._waiting_buckets: list[np.ndarray] = []
        self._n_waiting = 0

    def add(self, buckets: np.ndarray, records: np.ndarray) -> None:
        """Add records (n,) to the buckets (n,) with these numbers; those of one bucket keep their order."""
        self._waiting.append(records)
        self._waiting_buckets.append(buckets)
        self._n_waiting += len(records)
        if self._n_waiting * self.dtype.itemsize >= _BUFFERED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits in memory."""
        if not self._n_waiting:
            return
        buckets, records = np.concatenate(self._waiting_buckets), np.concatenate(self._waiting)
        order = np.argsort(buckets, kind="stable")
        buckets, records = buckets[order], records[order]
        edges = np.flatnonzero(np.diff(buckets)) + 1
        for part, bucket in zip(np.split(records, edges), buckets[np.r_[0, edges]].tolist(), strict=True):
            with open(self._path(bucket), "ab") as file:
                write_array(file, part)
        self._waiting, self._waiting_buckets, self._n_waiting = [], [], 0

    def take(self, bucket: int) -> np.ndarray:
        """Take the records of a bucket out, in the order of their adding."""
        self.flush()
        path = self._path(bucket)
        if not path.is_file():
            return np.empty(0, dtype=self.dtype)
        records = np.fromfile(path, dtype=self.dtype)
        path.unlink()
        return records

    def _path(self, bucket: int) -> Path:
        return self._folder / f"{self._name}-{bucket}"


__all__ = ["MAX_BUCKETS", "RecordBuckets"]
