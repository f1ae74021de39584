"""A file that is taught a few photographs of each class, against scikit-learn on the float network's features.

python -m tests.benchmarks.teach FOLDER [--counts 1,5,10,20,50] [--seeds 0,1,2,3,4] [--out OUT]

FOLDER holds train/ and test/. Of each class so many images of train/ are taught to the int8 file of the pretrained
network, with the command itself in a process of its own; all of test/ is then classified with the written file. The
float head is a logistic regression (C = 1) on the features of the float32 file. Finished cells are kept in OUT.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

from edgeclf import Quiet
from edgeclf.data.dataset import Dataset
from edgeclf.data.folders import scan
from edgeclf.exporting.export import export_pretrained
from edgeclf_runtime import Classifier
from edgeclf_runtime.system.atomic_file import write_text
from tests.benchmarks.intervals import points_lost
from tests.benchmarks.photographs import require

_MODES = ("int8", "float32")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--counts", default="1,5,10,20,50", show_default=True, help="Images of each class.")
@click.option("--seeds", default="0,1,2,3,4", show_default=True)
@click.option("--backbone", default="efficientnet-lite0", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/teach"), show_default=True)
def main(folder: Path, counts: str, seeds: str, backbone: str, out: Path) -> None:
    """Print a row for each number of images: accuracy on the test part, points lost to the float head, and cost.

    "left out" is the accuracy that the command itself expects. "memory" is the largest of the process's resident size.
    """
    require(folder, "train", "test")
    out.mkdir(parents=True, exist_ok=True)
    bench, chosen = _Bench(folder, backbone, out), [int(seed) for seed in seeds.split(",")]
    click.echo("a class   float   int8   left out  seconds  last layer  memory   points lost, 95% interval by image")
    for count in (int(count) for count in counts.split(",")):
        cells = [bench.cell(count, seed) for seed in chosen]
        hits = [np.array([cell[side] for cell in cells], np.bool_) for side in ("float", "int8")]
        means = {name: float(np.mean([cell[name] for cell in cells])) for name in ("left_out", "seconds", "fitting")}
        click.echo(
            f"{count:7} {hits[0].mean():7.2%} {hits[1].mean():7.2%}  {means['left_out']:7.2%} {means['seconds']:7.1f} s"
            f" {means['fitting']:8.1f} s {max(cell['memory'] for cell in cells):4.0f} MiB   {points_lost(*hits)}"
        )


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

    def cell(self, count: int, seed: int) -> dict[str, Any]:
        """Figures of one teaching, and which test images either head has right."""
        file = self._out / f"{self._backbone}-{self._folder.name}-{count}-{seed}.json"
        if not file.exists():
            rows = self._drawn(count, seed)
            figures = self._taught(rows)
            write_text(file, json.dumps({**figures, "float": self._float(rows)}))
        found: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return found

    def _drawn(self, count: int, seed: int) -> list[int]:
        data = self._parts["train"]
        drawn: list[int] = []
        for target in range(len(data.labels)):
            rows = np.flatnonzero(data.targets == target)
            drawn += np.random.default_rng([seed, target]).permutation(rows)[:count].tolist()
        return drawn

    def _taught(self, rows: list[int]) -> dict[str, Any]:
        data, place = self._parts["train"], self._out / "photos"
        shutil.rmtree(place, ignore_errors=True)  # of one that was stopped
        for row in rows:
            target = place / data.labels[data.targets[row]]
            target.mkdir(parents=True, exist_ok=True)
            (target / Path(data.files[row]).name).symlink_to((self._folder / "train" / data.files[row]).resolve())
        model = self._out / "taught.tflite"
        text = _teach(str(self._base("int8")), str(place), "-o", str(model))
        seconds = re.search(r"in ([\d.]+) s \(images [\d.]+ s, last layer ([\d.]+) s\)", text)
        assert seconds is not None, text
        with Classifier.load(model) as classifier:
            left_out = classifier.card.accuracy.get("left_out", 0.0)
            test = self._parts["test"]
            answers = [classifier.classify(self._folder / "test" / file).label for file in test.files]
        hits = [answer == test.labels[target] for answer, target in zip(answers, test.targets, strict=True)]
        figures = {"left_out": left_out, "seconds": float(seconds[1]), "fitting": float(seconds[2])}
        peak = re.search(r"VmHWM:\s+(\d+) kB", text)
        assert peak is not None, text
        return {"int8": hits, **figures, "memory": int(peak[1]) / 1024}

    def _float(self, rows: list[int]) -> list[bool]:
        from sklearn.linear_model import LogisticRegression

        train, test = self._parts["train"], self._parts["test"]
        fitted = LogisticRegression(C=1, max_iter=1000).fit(self._features("train", train, rows), train.targets[rows])
        hits = fitted.predict(self._features("test", test, list(range(len(test.files))))) == test.targets
        return [bool(hit) for hit in hits]

    def _features(self, part: str, data: Dataset, rows: list[int]) -> Any:
        """Features of the float32 file, which are kept."""
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
    """Run the command in a process of its own; return what it prints, followed by the process's status.

    The resident size that wait4 gives includes that of this process before the other one began.
    """
    code = (
        "import sys; from edgeclf_runtime.commands.teach import teach;"
        "teach(sys.argv[1:], standalone_mode=False); print(open('/proc/self/status').read())"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"edgeclf teach {' '.join(words)} failed.")
    return done.stdout


if __name__ == "__main__":
    main()
