"""Int8 on TrashNet: plain tensorflow-model-optimization, our quantization-aware training, and every variant without.

python tests/benchmarks/int8.py FOLDER [--nets NAMES] [--seeds 0,1,2] [--size PIXELS] [--out RUNS]

FOLDER holds train/ and test/. Choices are made on a validation part cut from train/; the figures are of the real files
on test/, with the interval of the points lost by image over the seeds. Float runs and results found in RUNS are reused,
so that a stopped benchmark resumes.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from intervals import points_lost
from photographs import require
from plain_quantize import RATES, best_plain, guide_plain

from edgeclf import Run, Terminal, make_config, train
from edgeclf.config.train import preprocessing
from edgeclf.data.dataset import Dataset
from edgeclf.data.folders import scan
from edgeclf.data.image_cache import Pictures, decode
from edgeclf.exporting.int8 import qat_augment, qat_config
from edgeclf.frameworks import seed_everything
from edgeclf.model.network import build_classifier, set_weights, with_softmax
from edgeclf.training.class_weights import balanced_rows
from edgeclf_converters import Labelled, search_int8
from edgeclf_converters.parity.scores import file_scores, network_scores
from edgeclf_runtime import Preprocessing
from edgeclf_runtime.system.atomic_file import write_text

NETS: dict[str, dict[str, object]] = {
    # As for the networks whose figures are in README, except that their epoch was chosen by accuracy.
    "efficientnet-lite0": {"batch_norm": "train", "full_size_epochs": 0.0},
    "efficientnet-lite1": {"batch_norm": "train", "full_size_epochs": 0.0, "size": 160, "epochs": 5},
    # No package has its ImageNet weights: this is its structure, trained from random weights.
    "mobilenet-v2": {"init": "scratch", "size": 96, "train_size": 96, "epochs": 30, "patience": 30},
}
_GUIDE = "plain quantize_model"
_BEST = "plain quantize_model, its best"
_LAST = {"ptq": "ptq, best on validation", "qat": "qat, best on validation"}
_METHODS = ["guide", "qat", "ptq", *RATES]
_NEVER = -100.0  # a limit that nothing meets, so that every variant is tried


@dataclass(frozen=True)
class _Bench:
    """The images, the trainings, and the folder of results."""

    folder: Path
    out: Path
    size: int
    epochs: int
    plain_epochs: int

    def options(self, net: str, seed: int) -> dict[str, object]:
        given = {"size": self.size, "train_size": None} if self.size else {}
        given |= {"epochs": self.epochs} if self.epochs else {}
        return {"backbone": net, "seed": seed, **NETS[net], **given}

    def run(self, net: str, seed: int) -> Path:
        more = [*([str(self.size)] if self.size else []), *([f"epochs{self.epochs}"] if self.epochs else [])]
        return self.out / "-".join(["int8", net, *more, str(seed)])

    def found(self, net: str, seed: int) -> dict[str, Any]:
        file = self.run(net, seed).with_suffix(".json")
        return json.loads(file.read_text("utf-8")) if file.exists() else {"variants": {}}

    def keep(self, net: str, seed: int, result: dict[str, Any]) -> None:
        write_text(self.run(net, seed).with_suffix(".json"), json.dumps(result))

    def name(self, method: str) -> str:
        """Return the name of the variant whose presence shows that a method is finished."""
        long = f"{_BEST}: {self.plain_epochs} epochs, {method}"
        return {"guide": _GUIDE, **_LAST}.get(method, long)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--nets", default=",".join(NETS), show_default=True)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--size", default=0, help="Input size of every network (default: its own).")
@click.option("--epochs", default=0, help="Epochs of the float training (default: each network's own).")
@click.option("--plain-epochs", default=20, show_default=True, help="Epochs of plain quantize_model at its best.")
@click.option("--methods", default=";".join(_METHODS), show_default=True, help="Methods, separated by semicolons.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/bench"), show_default=True)
def main(
    folder: Path, nets: str, seeds: str, size: int, epochs: int, plain_epochs: int, methods: str, out: Path
) -> None:
    """Print a table per network: test accuracy, points lost with their interval by image, minutes, size."""
    require(folder, "train", "test")
    out.mkdir(parents=True, exist_ok=True)
    bench = _Bench(folder, out, size, epochs, plain_epochs)
    for seed in seeds.split(","):
        for net in nets.split(","):
            _measure(bench, net, int(seed), methods.split(";"))
    for net in nets.split(","):
        _print(bench, net, [result for seed in seeds.split(",") if "float" in (result := bench.found(net, int(seed)))])


def _run(bench: _Bench, net: str, seed: int) -> Run:
    path = bench.run(net, seed)
    if (path / "metrics.json").exists():
        return Run.open(path)
    shutil.rmtree(path, ignore_errors=True)  # left by a stopped benchmark
    return train(bench.folder / "train", path, make_config(bench.options(net, seed)), Terminal())


def _measure(bench: _Bench, net: str, seed: int, methods: list[str]) -> None:
    """Add missing measurements to the file of results."""
    result = bench.found(net, seed)
    missing = [method for method in methods if bench.name(method) not in result["variants"]]
    if not missing:
        return
    run = _run(bench, net, seed)
    data, rule, reporter = run.read_split(), preprocessing(run.config), Terminal()
    model = _float(run, data, None)
    with tempfile.TemporaryDirectory() as place:
        images, _ = decode(data, rule, 8 / 7, Path(place) / "train", reporter)
        test = _test(bench.folder / "test", rule, Path(place) / "test", reporter)
        hits = network_scores(model, test.pixels, rule).argmax(axis=1) == test.targets
        result |= {"float": hits.tolist(), "float seconds": run.read_json("metrics")["seconds"]}
        for method in missing:
            seed_everything(seed)
            for name, (seconds, content, more) in _variants(bench, method, model, run, data, images, rule).items():
                hits = file_scores(content, test.pixels, rule).argmax(axis=1) == test.targets
                row = {"seconds": seconds, "bytes": len(content), "hits": hits.tolist(), **more}
                result["variants"][name] = row
                reporter.say(f"{net} {seed} {name}: {hits.mean():.2%}")
            bench.keep(net, seed, result)


def _float(run: Run, data: Dataset, size: int | None) -> Any:
    model = build_classifier(run.config.network, size, len(data.labels), run.config.head)
    set_weights(model, run.read_arrays("weights"))
    return with_softmax(model)


def _variants(
    bench: _Bench, method: str, model: Any, run: Run, data: Dataset, images: Pictures, rule: Preprocessing
) -> dict[str, tuple[float, bytes, dict[str, Any]]]:
    """Yield converted files by name, with the seconds they took and further facts to store."""

    def part(name: str, pixels: Any) -> Labelled:
        return Labelled(pixels[data.rows(name)], data.targets[data.rows(name)])

    started = time.monotonic()
    if method == "guide":
        content = guide_plain(_float(run, data, rule.height), part("train", images.inputs), rule)
        return {bench.name(method): (time.monotonic() - started, content, {})}
    if method in RATES:
        best = best_plain(
            _float(run, data, rule.height),
            part("train", images.larger),
            part("validation", images.inputs),
            rule,
            qat_augment(run.config),
            method,
            epochs=bench.plain_epochs,
            seed=run.config.seed,
            say=Terminal().say,
        )
        more = {"epoch": best.epoch, "validation": best.validation}
        return {bench.name(method): (time.monotonic() - started, best.content, more)}
    found = search_int8(
        model,
        [images.inputs[row] for row in balanced_rows(data, "train", 200)],
        rule,
        validation=part("validation", images.inputs),
        training=lambda: part("train", images.larger),
        method=method,
        max_drop=_NEVER,
        qat=qat_config(run.config, data),
        augment=qat_augment(run.config),
        say=Terminal().say,
    )
    whole = {_LAST[method]: (time.monotonic() - started, found.best.content, {})}
    steps = {_short(trial.step.name): (trial.step.seconds, trial.content, {}) for trial in found.trials}
    return {**steps, **whole} if method == "ptq" else whole


def _short(name: str) -> str:
    """Return the method's name without the estimator that its correction started from, which differs by seed."""
    return "ptq best of them +" + name.partition(" +")[2] if " +" in name else name


def _test(folder: Path, rule: Preprocessing, place: Path, reporter: Terminal) -> Labelled:
    listed = scan(folder)[0]
    images, _ = decode(listed, rule, 0, place, reporter)
    return Labelled(images.inputs[:], listed.targets)


def _best(bench: _Bench, result: dict[str, Any]) -> dict[str, Any] | None:
    """Return the learning rate of plain quantize_model whose best epoch has the highest validation accuracy."""
    rows = [row for rate in RATES if (row := result["variants"].get(bench.name(rate)))]
    return max(rows, key=lambda row: max(row["validation"]), default=None)


def _print(bench: _Bench, net: str, results: list[dict[str, Any]]) -> None:
    if not results:
        return
    size = bench.size or NETS[net].get("size", "its own")
    floats = [np.array(result["float"]) for result in results]
    trained = np.mean([result["float seconds"] for result in results]) / 60
    each = " ".join(f"{hits.mean():.2%}" for hits in floats)
    click.echo(f"\n{net}, input size {size}: float {np.mean(floats):.2%} ({each}), {trained:.1f} min of training")
    click.echo(f"{'':<58} {'int8':>7} {'points lost (95%)':>24} {'min':>5} {'MB':>5}   seeds")
    named: dict[str, list[dict[str, Any] | None]] = {
        f"{_BEST}: {bench.plain_epochs} epochs, rate by validation": [_best(bench, result) for result in results]
    }
    for name in dict.fromkeys(name for result in results for name in result["variants"]):
        named[name] = [result["variants"].get(name) for result in results]
    for name, cells in named.items():
        pairs = [(before, row) for before, row in zip(floats, cells, strict=True) if row]
        if pairs:
            click.echo(f"{name:<58} {_figures(pairs)}")


def _figures(pairs: list[tuple[Any, dict[str, Any]]]) -> str:
    before, rows = np.stack([hits for hits, _ in pairs]), [row for _, row in pairs]
    hits = np.array([row["hits"] for row in rows])
    minutes, size_mb = np.mean([row["seconds"] for row in rows]) / 60, np.mean([row["bytes"] for row in rows]) / 1e6
    each = " ".join(
        f"{seed.mean():.2%}" + (f" (epoch {row['epoch']})" if "epoch" in row else "")
        for seed, row in zip(hits, rows, strict=True)
    )
    return f"{hits.mean():7.2%} {points_lost(before, hits):>24} {minutes:5.1f} {size_mb:5.2f}   {each}"


if __name__ == "__main__":
    main()
