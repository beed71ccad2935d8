"""What the encode job costs beside the model: memory at two sizes, a rerun with nothing changed, overhead.

    python benchmarks/encode_job.py --items 10000 --items 1000000 --json encode_job.json
    python benchmarks/encode_job.py --overhead 4000

Memory and rerun: made items of six fields in a parquet file, a model of one small layer, so that what is
seen is the job. Each run is a process of its own; its peak is VmHWM of /proc/self/status, beside the same
after the imports. `--overhead`: the offline MiniLM on made titles; the seconds inside `tokenize` and
`encode_rows` of the encoder against all other seconds of the job, from the first item to the finished store;
tokens that a thread makes beside the model count only where the model waits for them.
Loading the model and its checks stand apart: they are paid once, whatever the number of items.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
WORDS = [f"{first}{second}" for first in ("sil", "gold", "red", "mat", "lux", "nat") for second in
         ("ver", "en", "dish", "te", "ury", "ural", "ring", "pin", "care", "set")]  # fmt: skip
_ROWS_AT_ONCE = 50_000
_RUNNING: list[str] = []  # the part whose seconds are being counted


def made_items(n_items: int) -> Iterator[pd.DataFrame]:
    """Items of six fields, every text another, in pieces."""
    generator = np.random.default_rng(7)
    for start in range(0, n_items, _ROWS_AT_ONCE):
        numbers = np.arange(start, min(start + _ROWS_AT_ONCE, n_items))
        words = np.array(WORDS, dtype=object)[generator.integers(0, len(WORDS), (len(numbers), 6))]
        yield pd.DataFrame(
            {
                "item_id": numbers,
                "title": [f"{' '.join(row)} {number}" for row, number in zip(words, numbers, strict=True)],
                "category": words[:, 0] + " > " + words[:, 1],
                "brand": words[:, 2],
                "price": numbers % 5000 / 100,
                "keywords": words[:, 3],
                "attributes": words[:, 4],
            }
        )


def write_items(path: Path, n_items: int) -> Path:
    """Write made items as one parquet file."""
    writer = None
    for frame in made_items(n_items):
        table = pa.Table.from_pandas(frame, preserve_index=False)
        writer = pq.ParquetWriter(path, table.schema) if writer is None else writer
        writer.write_table(table)
    if writer is not None:
        writer.close()
    return path


def save_small_model(folder: Path) -> Path:
    """Write a bidirectional model of one layer and 32 components, and a tokenizer of whole words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    vocabulary = {word: number for number, word in enumerate(["[UNK]", "[PAD]", *WORDS])}
    BertModel(BertConfig(vocab_size=len(vocabulary), pad_token_id=1, **shape)).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", model_max_length=64
    ).save_pretrained(folder)
    return folder


def run_job(items: Path, out: Path, **options: Any) -> dict[str, float]:
    """Run the job in a process of its own; give its seconds by part, and its memory."""
    asked = json.dumps({"items": str(items), "out": str(out), "progress": False, **options})
    command = [sys.executable, __file__, "--child", asked]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def child(options: dict[str, Any]) -> None:
    """The process that `run_job` starts."""
    from learn_recall.encode import start as encode_start
    from learn_recall.encode.job import encode_items
    from learn_recall.encoder.text_encoder import TextEncoder

    seconds = dict.fromkeys(("load", "check", "model"), 0.0)
    for owner, name, part in (
        (TextEncoder, "load", "load"),
        (encode_start, "settle_dtype", "check"),
        (TextEncoder, "tokenize", "model"),
        (TextEncoder, "encode_rows", "model"),
    ):
        _time(owner, name, part, seconds)
    imported_mib, cpu, start = _peak_mib(), time.process_time(), time.perf_counter()
    store = encode_items(**options)
    report = {
        "n_items": store.card.n_ids,
        "n_tokens": store.card.extra["n_tokens"],
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        **{f"{part}_seconds": taken for part, taken in seconds.items()},
        "imported_mib": imported_mib,
        "peak_mib": _peak_mib(),
    }
    print(json.dumps(report))


def _time(owner: Any, name: str, part: str, seconds: dict[str, float]) -> None:
    """Let a function add its seconds to a part, unless inside of another that does, or in a thread."""
    original = getattr(owner, name)

    def timed(*args: Any, **options: Any) -> Any:
        if _RUNNING or threading.current_thread() is not threading.main_thread():
            return original(*args, **options)
        _RUNNING.append(part)
        start = time.perf_counter()
        try:
            return original(*args, **options)
        finally:
            seconds[_RUNNING.pop()] += time.perf_counter() - start

    setattr(owner, name, timed)


def _peak_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def sizes(n_items: list[int], folder: Path) -> list[dict[str, Any]]:
    """First run and rerun at each size."""
    model = save_small_model(folder / "model")
    found = []
    for n in n_items:
        items = write_items(folder / f"{n}.parquet", n)
        options = {"encoder": str(model), "dtype": "float32", "max_tokens": 8, "batch_tokens": 16384}
        for run in ("first", "again"):
            report = run_job(items, folder / f"store-{n}", **options)
            found.append({"run": run, **report})
            print(
                f"| {n:,} | {run} | {report['seconds']:.1f} | {report['cpu_seconds']:.1f} | "
                f"{report['imported_mib']:.0f} | {report['peak_mib']:.0f} |",
                flush=True,
            )
    return found


def overhead(n_items: int, folder: Path, rounds: int) -> list[dict[str, Any]]:
    """The job with MiniLM: seconds inside the model's calls and outside of them."""
    items = write_items(folder / "overhead.parquet", n_items)
    found = []
    for number in range(rounds):
        report = run_job(
            items, folder / f"overhead-{number}", template="short", dtype="float32", shard_size=1024
        )
        once = report["load_seconds"] + report["check_seconds"]
        rest = report["seconds"] - once - report["model_seconds"]
        report["overhead"] = rest / report["model_seconds"]
        found.append(report)
        print(
            f"| {n_items:,} | {once:.1f} | {report['model_seconds']:.1f} | {rest:.2f} | "
            f"{report['overhead']:.1%} |",
            flush=True,
        )
    return found


@app.command(help=__doc__)
def main(  # noqa: D103
    *,
    items: Annotated[list[int] | None, typer.Option(help="A size; repeat for more.")] = None,
    n_overhead: Annotated[int, typer.Option("--overhead", help="Items for MiniLM.")] = 0,
    rounds: Annotated[int, typer.Option(help="Of --overhead.")] = 3,
    folder: Annotated[Path | None, typer.Option(help="Where to work; default a temporary folder.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the results there.")] = None,
    child_options: Annotated[str | None, typer.Option("--child", hidden=True)] = None,
) -> None:
    if child_options is not None:
        child(json.loads(child_options))
        return
    results: dict[str, Any] = {"cores": os.cpu_count()}
    with tempfile.TemporaryDirectory(dir=folder) as name:
        if items:
            print("| items | run | seconds | CPU s | MiB after the imports | MiB at the peak |")
            print("|---|---|---|---|---|---|")
            results["sizes"] = sizes(items, Path(name))
        if n_overhead:
            print("| items | once: load and check, s | in the model, s | around it, s | overhead |")
            print("|---|---|---|---|---|")
            results["overhead"] = overhead(n_overhead, Path(name), rounds)
    if json_out is not None:
        json_out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app()
