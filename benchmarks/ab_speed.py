"""What a simulated A/B test costs: `python benchmarks/ab_speed.py`, 1 million requests x 20 candidates.

The candidates are written to a parquet file day by day in a process of their own, then checked, read and
simulated in this one. Printed are the seconds of each stage, the processor time of all of them, which a busy
machine does not stretch, and the peak memory of this process.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from learn_rank.ab.candidates.day import CandidateDay
from learn_rank.ab.candidates.files import CandidateFiles
from learn_rank.ab.simulation.config import ABConfig
from learn_rank.ab.simulation.environment import KnownEnvironment
from learn_rank.ab.simulation.simulate import simulate
from learn_recall.columns import ITEM_BUCKET, USER_BUCKET

N_ITEMS, N_ADVERTISERS, N_DAYS = 20_000, 300, 9
BUCKETS = np.array(["cold-start", "long-tail", "other"])


def write_candidates(path: Path, n_requests: int, n_candidates: int, n_users: int, budget: float) -> None:
    """Nine days of requests with known truth; ids are strings where logs have strings."""
    writer = None
    for day in range(N_DAYS):
        requests = np.arange(day * n_requests // N_DAYS, (day + 1) * n_requests // N_DAYS)
        table = _day(day, requests, n_candidates, n_users, budget)
        if writer is None:
            writer = pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=1 << 18)
    if writer is not None:
        writer.close()


def _day(day: int, requests: np.ndarray, n_candidates: int, n_users: int, budget: float) -> pa.Table:
    generator = np.random.default_rng(day)
    request = np.repeat(requests, n_candidates)
    users = generator.integers(0, n_users, requests.size)
    first = generator.integers(0, N_ITEMS, requests.size)
    item = ((first[:, None] + 7 * np.arange(n_candidates)) % N_ITEMS).ravel()
    user = np.repeat(users, n_candidates)
    p_click, p_conversion = (generator.beta(2, 40, request.size), generator.beta(2, 20, request.size))
    columns = {
        "request_id": request,
        "user_id": user,
        "day": np.full(request.size, day),
        "timestamp": request,
        "item_id": item,
        "advertiser_id": item % N_ADVERTISERS,
        "bid": 20 + (item % 17).astype(float),
        USER_BUCKET: pa.DictionaryArray.from_arrays((user % 3).astype(np.int8), BUCKETS),
        ITEM_BUCKET: pa.DictionaryArray.from_arrays((item % 3).astype(np.int8), BUCKETS),
        "budget": np.full(request.size, budget),
        "p_click": p_click,
        "p_conversion": p_conversion,
    }
    for arm, noise in (("a", 0.5), ("b", 0.3)):
        columns[f"pctr_{arm}"] = np.minimum(p_click * np.exp(noise * generator.normal(size=request.size)), 1)
        columns[f"pcvr_{arm}"] = np.minimum(
            p_conversion * np.exp(noise * generator.normal(size=request.size)), 1
        )
    return pa.table(columns)


class _Timed:
    """A source whose reading is timed apart."""

    def __init__(self, source: CandidateFiles) -> None:
        self._source, self.seconds = source, 0.0

    def read(self, day: int, columns: tuple[str, ...] = ()) -> CandidateDay:
        begin = time.perf_counter()
        found = self._source.read(day, columns)
        self.seconds += time.perf_counter() - begin
        return found

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)


def main(  # noqa: PLR0917 - one argument per option
    requests: Annotated[int, typer.Option(help="Requests in all days.")] = 1_000_000,
    candidates: Annotated[int, typer.Option(help="Candidates per request.")] = 20,
    users: Annotated[int, typer.Option(help="Users.")] = 100_000,
    slots: Annotated[int, typer.Option(help="Slots per request.")] = 1,
    budget: Annotated[str, typer.Option(help="none, shared or split.")] = "none",
    daily_budget: Annotated[float, typer.Option(help="Of each of the 300 advertisers.")] = 60.0,
    world: Annotated[str, typer.Option(help="ab, a or b.")] = "ab",
    folder: Annotated[Path | None, typer.Option(help="Where the candidates are kept.")] = None,
) -> None:
    """Time one simulated world."""
    with tempfile.TemporaryDirectory() as temporary:
        path = (folder or Path(temporary)) / f"candidates-{requests}-{candidates}-{daily_budget:g}.parquet"
        if not path.exists():
            arguments = (path, requests, candidates, users, daily_budget)
            process = multiprocessing.get_context("spawn").Process(target=write_candidates, args=arguments)
            process.start()
            process.join()
        begin, work = time.perf_counter(), time.process_time()
        source = _Timed(CandidateFiles(path))
        checked = time.perf_counter()
        totals = simulate(source, KnownEnvironment(), ABConfig(n_slots=slots, budget=budget), world=world)
        done, work = time.perf_counter(), time.process_time() - work
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{requests:,} requests x {candidates}, {slots} slot(s), budget {budget}, world {world}")
    print(
        f"check {checked - begin:.1f} s, read {source.seconds:.1f} s, "
        f"simulate {done - checked - source.seconds:.1f} s, together {done - begin:.1f} s; "
        f"{work:.1f} s of processor time"
    )
    print(f"peak memory {peak:,.0f} MiB; {dict(totals.counts)}")
    print({name: round(float(values.sum()), 1) for name, values in totals.sums.items()})


if __name__ == "__main__":
    typer.run(main)
