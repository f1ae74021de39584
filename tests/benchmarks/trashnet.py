"""Train, export and evaluate on TrashNet: float and int8 accuracy of the real files on the test part, three seeds.

python tests/benchmarks/trashnet.py FOLDER [--seeds 0,1,2] [--out RUNS]     (FOLDER holds train/ and test/)

Seeds found in RUNS are reused, so that a stopped benchmark resumes.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from intervals import points_lost
from photographs import require

from edgeclf import Terminal, evaluate, export, make_config, train
from edgeclf_runtime import Classifier
from edgeclf_runtime.system.atomic_file import write_text


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--epochs", default=None, type=int, help="Epochs (default: as edgeclf train).")
@click.option("--size", default=None, type=int, help="Input size (default: the network's own).")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/bench"), show_default=True)
def main(folder: Path, seeds: str, epochs: int | None, size: int | None, out: Path) -> None:
    """Print a row per seed, means, and the points that int8 loses. Runs are kept in OUT, where bench-train looks."""
    require(folder, "train", "test")
    given = {name: value for name, value in (("epochs", epochs), ("size", size)) if value}
    found = [_kept(folder, {"seed": int(seed), **given}, out) for seed in seeds.split(",")]
    rows = [row["figures"] for row in found]
    for row in rows:
        click.echo(_line(row))
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0] if name != "seed"}
    click.echo("mean of the seeds " + _line(means))
    before, after = (np.array([row["hits"][mode] for row in found]) for mode in ("float32", "int8"))
    click.echo(f"points that int8 loses, with their 95% interval by picture: {points_lost(before, after)}")


def _kept(folder: Path, options: dict[str, Any], out: Path) -> dict[str, Any]:
    """Return a seed's figures, and which test images each file classifies correctly."""
    more = [f"{name}{value}" for name, value in options.items() if name != "seed"]
    path = out / "-".join(["efficientnet-lite0", *more, str(options["seed"])])
    file = out / f"trashnet-{path.name}.json"
    if not file.exists():
        write_text(file, json.dumps(_measured(folder, options, path)))
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def _measured(folder: Path, options: dict[str, Any], out: Path) -> dict[str, Any]:
    shutil.rmtree(out, ignore_errors=True)
    started, reporter, hits = time.monotonic(), Terminal(), {}
    run = train(folder / "train", out, make_config(options), reporter)
    metrics, history = run.read_json("metrics"), run.read_json("history")
    figures = {
        "seed": float(options["seed"]),
        "head seconds": history[0]["seconds"],
        "head validation": metrics["head_validation_accuracy"],
        "float validation": metrics["validation"]["accuracy"],
    }
    for mode in ("int8", "float32"):
        # For int8 only the first step, plain post-training quantization: bench-int8 compares the others.
        first: dict[str, Any] = {"method": "ptq", "max_drop": 100.0} if mode == "int8" else {}
        export(run, out / f"{mode}.tflite", mode, reporter, **first)
        if mode == "int8":
            figures["minutes"] = (time.monotonic() - started) / 60
        with Classifier.load(out / f"{mode}.tflite") as classifier:
            found = evaluate(classifier, folder / "test", reporter)
        figures[f"{mode} test"] = found.score.accuracy
        hits[mode] = (found.scores.argmax(axis=1) == found.targets).tolist()
    click.echo(_line(figures), err=True)
    return {"figures": figures, "hits": hits}


def _line(row: dict[str, float]) -> str:
    plain = {"seed": "{:.0f}", "minutes": "{:.1f}", "head seconds": "{:.0f}"}
    return "  ".join(f"{name} " + plain.get(name, "{:.2%}").format(value) for name, value in row.items())


if __name__ == "__main__":
    main()
