"""Train, export and measure on TrashNet: float and int8 accuracy of the real files on the test part, three seeds.

python tests/benchmarks/trashnet.py FOLDER [--seeds 0,1,2] [--out RUNS]     (FOLDER holds train/ and test/)
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from photographs import require

from edgeclf import Terminal, evaluate, export_run, make_config, train
from edgeclf_runtime import Classifier


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/bench"), show_default=True)
def main(folder: Path, seeds: str, out: Path) -> None:
    """Print a row per seed, then the means. The runs are kept in OUT, where bench-train finds them."""
    require(folder, "train", "test")
    rows = [_seed(folder, int(seed), out / f"efficientnet-lite0-{seed}") for seed in seeds.split(",")]
    for row in rows:
        click.echo(_line(row))
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0] if name != "seed"}
    click.echo("mean of the seeds " + _line(means))


def _seed(folder: Path, seed: int, out: Path) -> dict[str, float]:
    shutil.rmtree(out, ignore_errors=True)
    started, reporter = time.monotonic(), Terminal()
    run = train(folder / "train", out, make_config({"seed": seed}), reporter)
    metrics, history = run.read_json("metrics"), run.read_json("history")
    figures = {
        "seed": float(seed),
        "head seconds": history[0]["seconds"],
        "head validation": metrics["head_validation_accuracy"],
        "float validation": metrics["validation"]["accuracy"],
    }
    for mode in ("int8", "float32"):
        # Of int8 the first step alone, plain post-training quantization: bench-int8 compares the others.
        first: dict[str, Any] = {"method": "ptq", "max_drop": 100.0} if mode == "int8" else {}
        export_run(run, out / f"{mode}.tflite", mode, reporter, **first)
        if mode == "int8":
            figures["minutes"] = (time.monotonic() - started) / 60
        with Classifier.load(out / f"{mode}.tflite") as classifier:
            figures[f"{mode} test"] = evaluate(classifier, folder / "test", reporter).score.accuracy
    click.echo(_line(figures), err=True)
    return figures


def _line(row: dict[str, float]) -> str:
    plain = {"seed": "{:.0f}", "minutes": "{:.1f}", "head seconds": "{:.0f}"}
    return "  ".join(f"{name} " + plain.get(name, "{:.2%}").format(value) for name, value in row.items())


if __name__ == "__main__":
    main()
