"""Int8 on TrashNet: plain tensorflow-model-optimization, our quantization-aware training, and every variant without.

python tests/benchmarks/int8.py FOLDER [--seeds 0,1,2] [--out RUNS]     (FOLDER holds train/ and test/)

What is compared is chosen on a validation part cut from train/; the figures are of the real files on test/. Float runs
and results found in RUNS are taken from there, so that a stopped benchmark goes on.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from photographs import require

from edgeclf import Run, Terminal, make_config, train
from edgeclf.balance import balanced_rows
from edgeclf.config import preprocessing
from edgeclf.dataset import Dataset
from edgeclf.folders import scan
from edgeclf.frameworks import keras, seed_everything
from edgeclf.network import build_classifier, set_weights, with_softmax
from edgeclf.pictures import Pictures, decode
from edgeclf.quantizing import qat_augment, qat_config
from edgeclf_converters import Labelled, search_int8
from edgeclf_converters.convert import convert_rounding
from edgeclf_converters.frameworks import tfmot
from edgeclf_converters.parity import compare
from edgeclf_converters.scores import file_scores, network_scores
from edgeclf_runtime import Preprocessing

NETS: dict[str, dict[str, object]] = {
    # As the nets were trained whose figures README has, but that their epoch was chosen by accuracy.
    "efficientnet-lite0": {"batch_norm": "train", "own_size": 0.0},
    "efficientnet-lite1": {"batch_norm": "train", "own_size": 0.0, "size": 160, "epochs": 5},
    # Its ImageNet weights come with no package: its shape, trained from random weights.
    "mobilenet-v2": {"init": "scratch", "size": 96, "train_size": 96, "epochs": 30, "patience": 30},
}
_PLAIN_EPOCHS = 2
_LAST = {
    "ptq": "ptq, best on validation",
    "qat": "qat, best on validation",
    "plain": "plain quantize_model",
}
_NEVER = -100.0  # a bound that nothing keeps, so that every variant is tried


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--nets", default=",".join(NETS), show_default=True)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/bench"), show_default=True)
def main(folder: Path, nets: str, seeds: str, out: Path) -> None:
    """Print a table per network: test accuracy, drop with its paired interval, minutes, size."""
    require(folder, "train", "test")
    out.mkdir(parents=True, exist_ok=True)
    for seed in seeds.split(","):
        for net in nets.split(","):
            _measure(folder, net, int(seed), out)
    for net in nets.split(","):
        _print(net, [json.loads((out / f"int8-{net}-{seed}.json").read_text("utf-8")) for seed in seeds.split(",")])


def _run(folder: Path, net: str, seed: int, out: Path) -> Run:
    path = out / f"int8-{net}-{seed}"
    if (path / "metrics.json").exists():
        return Run.open(path)
    shutil.rmtree(path, ignore_errors=True)  # of one that was stopped
    options = {"backbone": net, "seed": seed, **NETS[net]}
    return train(folder / "train", path, make_config(options), Terminal())


def _measure(folder: Path, net: str, seed: int, out: Path) -> None:
    """Add to the result's file whatever it does not have yet."""
    file = out / f"int8-{net}-{seed}.json"
    result = json.loads(file.read_text("utf-8")) if file.exists() else {"variants": {}}
    missing = [method for method, name in _LAST.items() if name not in result["variants"]]
    if not missing:
        return
    run = _run(folder, net, seed, out)
    data, rule, reporter = run.read_split(), preprocessing(run.config), Terminal()
    model = build_classifier(run.config.network, None, len(data.labels), run.config.head)
    set_weights(model, run.read_arrays("weights"))
    model = with_softmax(model)
    with tempfile.TemporaryDirectory() as place:
        pictures, _ = decode(data, rule, 8 / 7, Path(place) / "train", reporter)
        test = _test(folder / "test", rule, Path(place) / "test", reporter)
        hits = network_scores(model, test.pixels, rule).argmax(axis=1) == test.targets
        result |= {"float": hits.tolist(), "float seconds": run.read_json("metrics")["seconds"]}
        for method in missing:
            seed_everything(seed)
            for name, (seconds, content) in _variants(method, model, run, data, pictures, rule).items():
                hits = file_scores(content, test.pixels, rule).argmax(axis=1) == test.targets
                result["variants"][name] = {"seconds": seconds, "bytes": len(content), "hits": hits.tolist()}
                reporter.say(f"{net} {seed} {name}: {hits.mean():.2%}")
            file.write_text(json.dumps(result), "utf-8")


def _variants(
    method: str, model: Any, run: Run, data: Dataset, pictures: Pictures, rule: Preprocessing
) -> dict[str, tuple[float, bytes]]:
    """Files by name, with the seconds they took."""

    def part(name: str, pixels: Any) -> Labelled:
        return Labelled(pixels[data.rows(name)], data.targets[data.rows(name)])

    started = time.monotonic()
    if method == "plain":
        content = _plain(run, data, part("train", pictures.inputs), rule)
        return {_LAST["plain"]: (time.monotonic() - started, content)}
    found = search_int8(
        model,
        [pictures.inputs[row] for row in balanced_rows(data, "train", 200)],
        rule,
        validation=part("validation", pictures.inputs),
        training=lambda: part("train", pictures.larger),
        method=method,
        max_drop=_NEVER,
        qat=qat_config(run.config, data),
        augment=qat_augment(run.config),
        say=Terminal().say,
    )
    whole = {_LAST[method]: (time.monotonic() - started, found.best.content)}
    steps = {_short(trial.step.name): (trial.step.seconds, trial.content) for trial in found.trials}
    return {**steps, **whole} if method == "ptq" else whole


def _short(name: str) -> str:
    """The estimator a correction began from differs from seed to seed."""
    return "ptq best of them +" + name.partition(" +")[2] if " +" in name else name


def _test(folder: Path, rule: Preprocessing, place: Path, reporter: Terminal) -> Labelled:
    listed = scan(folder)[0]
    pictures, _ = decode(listed, rule, 0, place, reporter)
    return Labelled(pictures.inputs[:], listed.targets)


def _plain(run: Run, data: Dataset, training: Labelled, rule: Preprocessing) -> bytes:
    """As its guide says: quantize_model, compile, fit, convert."""
    model = build_classifier(run.config.network, rule.height, len(data.labels))
    set_weights(model, run.read_arrays("weights"))
    model = tfmot().quantization.keras.quantize_model(with_softmax(model))
    model.compile(keras().optimizers.legacy.Adam(1e-4), "sparse_categorical_crossentropy")
    images = (training.pixels.astype(np.float32) - rule.mean[0]) / rule.std[0]
    model.fit(images, training.targets, batch_size=32, epochs=_PLAIN_EPOCHS, verbose=0)
    return convert_rounding(model, rule)


def _print(net: str, results: list[dict[str, Any]]) -> None:
    size, seeds = NETS[net].get("size", "its own"), len(results)
    floats = np.concatenate([np.array(result["float"]) for result in results])
    trained = np.mean([result["float seconds"] for result in results]) / 60
    click.echo(f"\n{net}, input size {size}: float {floats.mean():.2%} ({seeds} seeds, {trained:.1f} min of training)")
    click.echo(f"{'':<44} {'int8':>7} {'drop, points (95%)':>22} {'min':>5} {'MB':>5}")
    for name in results[0]["variants"]:
        rows = [result["variants"][name] for result in results if name in result["variants"]]
        hits = np.concatenate([np.array(row["hits"]) for row in rows])
        parity = compare(
            np.eye(2)[floats[: len(hits)].astype(int)], np.eye(2)[hits.astype(int)], np.ones(len(hits), int)
        )
        interval = f"{parity.drop:+.2f} ({parity.low:+.2f} to {parity.high:+.2f})"
        minutes, size_mb = np.mean([row["seconds"] for row in rows]) / 60, np.mean([row["bytes"] for row in rows]) / 1e6
        click.echo(f"{name:<44} {hits.mean():7.2%} {interval:>22} {minutes:5.1f} {size_mb:5.2f}")


if __name__ == "__main__":
    main()
