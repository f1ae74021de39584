"""A file taught with a few photographs of each class, compared with scikit-learn on the float network's features.

python -m tests.benchmarks.teach FOLDER [--counts 1,5,10,20,50] [--seeds 0,1,2,3,4] [--fine-tune 0,1,2] [--out OUT]

FOLDER holds train/ and test/. This many images of each class of train/ are taught to the int8 file of the pretrained
network, with the command itself in a separate process; all of test/ is then classified with the written file. The float
head is a logistic regression (C = 1) on the features of the float32 file. Then one class, another for each seed, is
added to a file taught with 50 images of each of the others. With --fine-tune, `edgeclf train` runs with its defaults on
the same images, and the int8 file of teach is compared with its float network. Finished cells are kept in OUT.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from edgeclf import Quiet, export, make_config, train
from edgeclf.data.dataset import Dataset
from edgeclf.data.division import FEWEST
from edgeclf.data.folders import scan
from edgeclf.exporting.export import export_pretrained
from edgeclf_runtime import Classifier
from edgeclf_runtime.model.file import read_model
from edgeclf_runtime.system.atomic_file import write_text
from tests.benchmarks.balance import recalls
from tests.benchmarks.intervals import points_lost
from tests.benchmarks.photographs import require

_MODES = ("int8", "float32")
_KNOWN = 50  # number of images of each class that another is added to
_WAYS = ("before", "--keep", "--keep-exact", "anew")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--counts", default="1,5,10,20,50", show_default=True, help="Images of each class.")
@click.option("--seeds", default="0,1,2,3,4", show_default=True)
@click.option("--backbone", default="efficientnet-lite0", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/teach"), show_default=True)
@click.option("--fine-tune", default="", help="Seeds for which a network is also fine-tuned on the same images.")
@click.option("--balances", default="", help="Instead, compare these weights of an added class on images of train/.")
def main(folder: Path, counts: str, seeds: str, backbone: str, out: Path, fine_tune: str, balances: str) -> None:
    """Print a row for each number of images: accuracy on the test part, points lost to the float head, and cost.

    "processor" is the time of all processors for the whole command, which depends less on other load. "left out" is the
    accuracy that the command itself reports. "memory" is the process's peak resident size.
    """
    require(folder, "train", "test")
    out.mkdir(parents=True, exist_ok=True)
    bench, chosen = _Bench(folder, backbone, out), [int(seed) for seed in seeds.split(",")]
    if balances:
        return _compare_balances(bench, counts, chosen, [float(balance) for balance in balances.split(",")])
    click.echo(
        "a class   float   int8   left out  seconds  last layer  processor  memory   points lost, 95% interval by image"
    )
    for count in (int(count) for count in counts.split(",")):
        cells = [bench.cell(count, seed) for seed in chosen]
        hits = [np.array([cell[side] for cell in cells], np.bool_) for side in ("float", "int8")]
        names = ("left_out", "seconds", "fitting", "processor")
        means = {name: float(np.mean([cell[name] for cell in cells])) for name in names}
        memory = max(cell["memory"] for cell in cells)
        click.echo(
            f"{count:7} {hits[0].mean():7.2%} {hits[1].mean():7.2%}  {means['left_out']:7.2%} {means['seconds']:7.1f} s"
            f" {means['fitting']:8.1f} s {means['processor']:8.1f} s {memory:4.0f} MiB   {points_lost(*hits)}"
        )
    click.echo(f"\nA class added to others of {_KNOWN} images: accuracy on the others' test images, and on its own")
    click.echo("  images  " + "".join(f"{way:<18}" for way in _WAYS))
    for count in (int(count) for count in counts.split(",")):
        rows = [bench.added(count, seed) for seed in chosen]
        shares = {way: [np.mean([np.mean(row[way][side]) for row in rows]) for side in (0, 1)] for way in _WAYS}
        click.echo(f"{count:8}  " + "".join(f"{old:7.2%} {new:7.2%}   " for old, new in shares.values()))
    if fine_tune:
        _compare_fine_tuned(bench, counts, [int(seed) for seed in fine_tune.split(",")])


def _compare_fine_tuned(bench: _Bench, counts: str, seeds: list[int]) -> None:
    click.echo("\na class   fine-tuned   taught  seconds fine-tuned   points lost, 95% interval by image")
    for count in (int(count) for count in counts.split(",")):
        if count < FEWEST:
            click.echo(f"{count:7}   too few images to fine-tune and to choose an epoch")
            continue
        tuned = [bench.fine_tuned(count, seed) for seed in seeds]
        hits = [np.array([cell["hits"] for cell in tuned], np.bool_)]
        hits += [np.array([bench.cell(count, seed)["int8"] for seed in seeds], np.bool_)]
        seconds = float(np.mean([cell["seconds"] for cell in tuned]))
        click.echo(f"{count:7} {hits[0].mean():12.2%} {hits[1].mean():8.2%} {seconds:18.1f} s   {points_lost(*hits)}")


def _compare_balances(bench: _Bench, counts: str, seeds: list[int], balances: list[float]) -> None:
    click.echo(f"Mean recall on held-out images of train/: classes of {_KNOWN} images, the added one, all")
    features, targets = bench.train_features()
    for count in (int(count) for count in counts.split(",")):
        tables = [recalls(features, targets, count, _KNOWN, balances, seed) for seed in seeds]
        for balance, (old, new, mean) in zip(balances, np.mean(tables, axis=0), strict=True):
            click.echo(f"{count:3} images, balance {balance:4.2f}: {old:7.2%} {new:7.2%} {mean:7.2%}")


class _Bench:
    """The images, and the networks' features of them."""

    def __init__(self, folder: Path, backbone: str, out: Path) -> None:
        self._folder, self._backbone, self._out = folder, backbone, out
        self._parts = {part: scan(folder / part)[0] for part in ("train", "test")}
        for mode in _MODES:
            if not self._base(mode).exists():
                export_pretrained(backbone, self._base(mode), mode, Quiet())

    def _base(self, mode: str) -> Path:
        return self._out / f"{self._backbone}-{mode}.tflite"

    def train_features(self) -> tuple[Any, Any]:
        """Return the float network's features of all images of the train part, and their classes."""
        data = self._parts["train"]
        rows = list(range(len(data.files)))
        return self._features("train", data, rows).astype(np.float32), data.targets.astype(np.int64)

    def cell(self, count: int, seed: int) -> dict[str, Any]:
        """Return the figures of one teaching, and which test images either head classifies correctly."""
        return self._kept(f"{count}-{seed}", lambda: self._compared(self._drawn(count, seed)))

    def added(self, count: int, seed: int) -> dict[str, Any]:
        """Return for each way which test images of the existing classes are correct, and which of the added class."""
        return self._kept(f"added-{count}-{seed}", lambda: self._added(count, seed))

    def fine_tuned(self, count: int, seed: int) -> dict[str, Any]:
        """Return which test images a network fine-tuned on ``cell``'s images classifies correctly, and its seconds."""
        return self._kept(f"tuned-{count}-{seed}", lambda: self._fine_tuned(count, seed))

    def _fine_tuned(self, count: int, seed: int) -> dict[str, Any]:
        folder = self._out / "fine-tuned"
        shutil.rmtree(folder, ignore_errors=True)  # left by a stopped benchmark
        config = make_config({"backbone": self._backbone, "seed": seed})
        run = train(self._photos(self._drawn(count, seed)), folder, config)
        export(run, folder / "float.tflite", "float32")
        seconds = float(run.read_json("metrics")["seconds"])
        return {"hits": self._hits(folder / "float.tflite"), "seconds": seconds}

    def _kept(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        file = self._out / f"{self._backbone}-{self._folder.name}-{name}.json"
        if not file.exists():
            write_text(file, json.dumps(make()))
        found: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return found

    def _added(self, count: int, seed: int) -> dict[str, Any]:
        data, test = self._parts["train"], self._parts["test"]
        added = seed % len(data.labels)
        many, own = self._drawn(_KNOWN, seed), test.targets == added
        old = [row for row in many if data.targets[row] != added]
        new = [row for row in self._drawn(count, seed) if data.targets[row] == added]
        base, model, found = self._out / "known.tflite", self._out / "taught.tflite", {}
        for way in _WAYS:
            rows = {"before": old, "anew": [*old, *new]}.get(way, new)
            begin, output = (base, model) if way.startswith("--") else (self._base("int8"), model)
            output = base if way == "before" else output
            words = [way] if way.startswith("--") else []
            _teach(str(begin), str(self._photos(rows)), "-o", str(output), *words)
            hits = np.array(self._hits(output))
            found[way] = [hits[~own].tolist(), hits[own].tolist()]
        return found

    def _drawn(self, count: int, seed: int) -> list[int]:
        data = self._parts["train"]
        drawn: list[int] = []
        for target in range(len(data.labels)):
            rows = np.flatnonzero(data.targets == target)
            drawn += np.random.default_rng([seed, target]).permutation(rows)[:count].tolist()
        return drawn

    def _photos(self, rows: list[int]) -> Path:
        """Return a folder of these images of the train part."""
        data, place = self._parts["train"], self._out / "photos"
        shutil.rmtree(place, ignore_errors=True)
        for row in rows:
            target = place / data.labels[data.targets[row]]
            target.mkdir(parents=True, exist_ok=True)
            (target / Path(data.files[row]).name).symlink_to((self._folder / "train" / data.files[row]).resolve())
        return place

    def _hits(self, model: Path) -> list[bool]:
        """Return which test images a file classifies correctly."""
        test = self._parts["test"]
        with Classifier.load(model) as classifier:
            answers = [classifier.classify(self._folder / "test" / file).label for file in test.files]
        return [answer == test.labels[target] for answer, target in zip(answers, test.targets, strict=True)]

    def _compared(self, rows: list[int]) -> dict[str, Any]:
        model = self._out / "taught.tflite"
        text = _teach(str(self._base("int8")), str(self._photos(rows)), "-o", str(model))
        seconds = re.search(r"in ([\d.]+) s \(images [\d.]+ s, last layer ([\d.]+) s\)", text)
        assert seconds is not None, text
        left_out = read_model(model).card.accuracy.get("left_out", 0.0)
        figures = {"left_out": left_out, "seconds": float(seconds[1]), "fitting": float(seconds[2])}
        peak = re.search(r"VmHWM:\s+(\d+) kB", text)
        assert peak is not None, text
        spent = re.search(r"Processor: ([\d.]+) s", text)
        assert spent is not None, text
        figures |= {"processor": float(spent[1]), "memory": int(peak[1]) / 1024}
        return {"int8": self._hits(model), "float": self._float(rows), **figures}

    def _float(self, rows: list[int]) -> list[bool]:
        from sklearn.linear_model import LogisticRegression

        train, test = self._parts["train"], self._parts["test"]
        fitted = LogisticRegression(C=1, max_iter=1000).fit(self._features("train", train, rows), train.targets[rows])
        hits = fitted.predict(self._features("test", test, list(range(len(test.files))))) == test.targets
        return [bool(hit) for hit in hits]

    def _features(self, part: str, data: Dataset, rows: list[int]) -> Any:
        """Return the features of the float32 file, which are stored."""
        file = self._out / f"{self._backbone}-{self._folder.name}-{part}.npz"
        known: dict[str, Any] = dict(np.load(file)) if file.exists() else {}
        missing = [data.files[row] for row in rows if data.files[row] not in known]
        if missing:
            with Classifier.load(self._base("float32"), features=True) as classifier:
                known |= {name: classifier.classify(self._folder / part / name).features for name in missing}
            np.savez(file.with_name(f".{file.name}"), **known)
            file.with_name(f".{file.name}").replace(file)
        return np.stack([known[data.files[row]] for row in rows]).astype(np.float64)


def _teach(*words: str) -> str:
    """Run the command in a separate process; return its output and the process's status.

    The resident size that wait4 reports includes this process's size before the other one started.
    """
    code = (
        "import sys, time; from edgeclf_runtime.commands.teach import teach;"
        "teach(sys.argv[1:], standalone_mode=False); print(f'Processor: {time.process_time()} s');"
        "print(open('/proc/self/status').read())"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"edgeclf teach {' '.join(words)} failed.")
    return done.stdout


if __name__ == "__main__":
    main()
