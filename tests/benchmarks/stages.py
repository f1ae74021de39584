"""Where the time of a training and of its int8 export goes, and how busy the processors are.

python tests/benchmarks/stages.py FOLDER [--epochs 3] [--size PIXELS] [--run RUN]     (FOLDER holds train/)

The export is measured with post-training quantization alone, and with every step tried, forced by a limit that none
meets. With a finished run nothing is trained.

"busy" is the processor time of all threads in a stage over its time and the number of cores; "kernel" is the share of
it spent in the kernel. Without oneDNN (TF_ENABLE_ONEDNN_OPTS=0) a fifth is for memory mapped again in each step.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from photographs import require

from edgeclf import Run, Terminal, export, make_config, train
from edgeclf.frameworks import tensorflow
from edgeclf.progress import Bar

_EXPORTS: dict[str, dict[str, Any]] = {"export --method ptq": {"method": "ptq"}, "every step": {"max_drop": -100.0}}
_CORES = len(os.sched_getaffinity(0))


def _now() -> npt.NDArray[np.float64]:
    """Return the seconds of the clock, of this process on all cores, and of those in the kernel."""
    return np.array([time.monotonic(), time.process_time(), os.times().system])


class Clock(Terminal):
    """A reporter that measures the time of each bar, and between two bars."""

    def __init__(self) -> None:
        super().__init__()
        self.spent: dict[str, npt.NDArray[np.float64]] = {}
        self._mark = _now()

    def take(self, stage: str) -> None:
        now = _now()
        self.spent[stage] = self.spent.get(stage, np.zeros(3)) + now - self._mark
        self._mark = now

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Bar]:
        self.take("between")
        with super().bar(title, total) as bar:
            yield bar
        self.take(title)

    def say(self, line: str) -> None:
        name = line.split()[0]
        if name in ("ptq", "qat"):  # a file was converted and measured
            self.take(f"{name} files")
        super().say(line)

    def table(self, heading: str) -> None:
        self.take("between")
        whole = np.sum([*self.spent.values()], axis=0)
        click.echo(f"\n{heading:<24} {'seconds':>8} {'share':>6} {'busy':>5} {'kernel':>6}")
        for stage, (seconds, worked, system) in [*self.spent.items(), ("in all", whole)]:
            shares = f"{seconds / whole[0]:6.0%} {worked / seconds / _CORES:5.0%} {system / worked:6.0%}"
            click.echo(f"{stage:<24} {seconds:8.1f} {shares}")
        self.spent = {}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--epochs", default=3, show_default=True)
@click.option("--size", default=None, type=int, help="Input size (default: the network's own).")
@click.option("--seed", default=0, show_default=True)
@click.option("--run", "finished", default=None, type=click.Path(path_type=Path, exists=True), help="Export this run.")
def main(folder: Path, epochs: int, size: int | None, seed: int, finished: Path | None) -> None:
    """Print a table of a training's stages, and of its export's: the usual one, and with every step."""
    require(folder, "train")
    clock = Clock()
    tensorflow()
    clock.take("TensorFlow's start")
    with tempfile.TemporaryDirectory() as place:
        if finished is None:
            config = make_config({"seed": seed, "epochs": epochs, "size": size})
            run = train(folder / "train", Path(place) / "run", config, clock)
            clock.table("training")
        else:
            run = Run.open(finished)
        for number, (heading, wanted) in enumerate(_EXPORTS.items()):
            done = export(run, Path(place) / f"{number}.tflite", "int8", clock, **wanted)
            clock.table(heading)
            assert done.search is not None
            files = [trial.content for trial in done.search.trials]
            click.echo(f"{len(files)} files, {len(set(files))} different; kept: {done.search.best.step.name}")


if __name__ == "__main__":
    main()
