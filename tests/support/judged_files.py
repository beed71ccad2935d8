"""Two small prediction files, judged by the command with --json and --html."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks.uauc import app

EVIL = '<script>alert(1)</script> $x$ & "q"'


def frame(lift=0.0, n_rows=1200):
    rng = np.random.default_rng(5)
    users = rng.integers(0, 150, n_rows)
    click = (rng.random(n_rows) < 0.3).astype(int)
    noise = np.random.default_rng(int(10 * lift) + 1).normal(0, 0.8, n_rows)
    return pd.DataFrame(
        {
            "user_id": users,
            "click": click,
            "pctr": 1 / (1 + np.exp(1.2 - (0.5 + lift) * click - noise)),
            "kind": np.where(users % 3 == 0, EVIL, "plain"),
            "item_count": rng.integers(0, 40, n_rows) // rng.integers(1, 30, n_rows),
        }
    )


def judged(folder, *arguments, lift=1.0):
    """Runs the command with --json and --html; gives both, read."""
    frame(lift).to_parquet(folder / "new.parquet")
    frame().to_parquet(folder / "old <b>.parquet")
    written = ["--json", str(folder / "out.json"), "--html", str(folder / "out.html")]
    done = CliRunner().invoke(
        app,
        [str(folder / "new.parquet"), *map(str, arguments), *written],
    )
    assert done.exit_code == 0, done.output
    found = json.loads((folder / "out.json").read_text(), parse_constant=pytest.fail)
    return found, (folder / "out.html").read_text(encoding="utf-8")
