"""From a folder of photographs to a Run: read, divide, fit the head, fine-tune, measure."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from edgeclf.config import TrainConfig, preprocessing
from edgeclf.dataset import Dataset, Skipped
from edgeclf.errors import RunError
from edgeclf.fingerprints import Fingerprints
from edgeclf.frameworks import device_in_use, seed_everything
from edgeclf.pictures import decode
from edgeclf.report import write_report
from edgeclf.reporter import Quiet, Reporter
from edgeclf.run import Follower, Run
from edgeclf.sources import read_source
from edgeclf.splitting import divide
from edgeclf.stages import Training
from edgeclf_converters.distribution import Distribution

__all__ = ["resume", "train", "train_dataset"]

_MARGIN = 8 / 7  # 256 pixels for an input of 224


def train(data: Path, out: Path, config: TrainConfig, reporter: Reporter, distribute: str = "none") -> Run:
    """Train a classifier.

    Args:
        data: a folder with one sub-folder of pictures per class, or with parts that have them; a CSV that lists
            them; or a folder of shards (see ``edgeclf.sources.read_source``).
        out: the run's folder, new or empty.
        distribute: one of ``distribution.WAYS``.

    Returns:
        the run; interrupted during fine-tuning, it holds the best weights so far, and its metrics say so.

    Raises:
        DataError, ConfigError, WeightsError, RunError: see their texts; nothing was trained.
        KeyboardInterrupt: before there was anything to keep.
    """
    listed, skipped = read_source(data)
    place = Distribution(distribute)
    run = _shared_run(lambda: Run.create(out, config, data), out, place)
    return _reported(_in_folder(run, listed, skipped, reporter, place), place, reporter)


def train_dataset(run: Run, data: Dataset, reporter: Reporter) -> None:
    """Train on pictures that have their part, every one of which can be read; without a report.

    Args:
        run: a new one.
        data: with a training part, however small, and a validation part.

    Raises:
        RunError: a picture cannot be read.
    """
    run.write_split(data, [])
    _in_folder(run, data, [], reporter, Distribution("none"))


def resume(path: Path, reporter: Reporter, distribute: str = "none") -> Run:
    """Go on with an interrupted training, to the result it would have had.

    Raises:
        RunError: there is nothing to go on with, or its pictures have changed.
    """
    run = Run.open(path)
    if run.has_arrays("weights") and not run.has_arrays("state"):
        raise RunError(f"{path}: is finished. Train anew with: edgeclf train {run.data}")
    place = Distribution(distribute)
    run = _shared_run(lambda: run, path, place)
    if not (path / "split.csv").exists():
        listed, skipped = read_source(run.data)
        return _reported(_in_folder(run, listed, skipped, reporter, place), place, reporter)
    return _reported(_in_folder(run, run.read_split(), [], reporter, place), place, reporter)


def _reported(run: Run, place: Distribution, reporter: Reporter) -> Run:
    if place.first:
        write_report(run, reporter)
    place.agree(0)  # none leaves before the others
    return run


def _shared_run(make: Callable[[], Run], path: Path, place: Distribution) -> Run:
    """The first worker's run, which the others only read."""
    if place.first:
        run = make()
        place.agree(0)
        return run
    place.agree(0)
    return Follower.open(path)


def _in_folder(run: Run, listed: Dataset, skipped: list[Skipped], reporter: Reporter, place: Distribution) -> Run:
    reporter = reporter if place.first else Quiet()
    replicas = f", {place.replicas} in step" if place.replicas > 1 else ""
    reporter.say(f"Computing on {device_in_use()}{replicas}; seed {run.config.seed}.")
    seed_everything(run.config.seed)
    margin = 0 if run.config.adapt == "head" else _MARGIN
    started = time.monotonic()
    folder = run.path / (f".pictures-{place.worker}" if place.worker else ".pictures")
    prints = Fingerprints.of(len(listed.files))
    pictures, unread = decode(listed, preprocessing(run.config), margin, folder, reporter, prints)
    with pictures:
        data = divide(run, listed, skipped, unread, prints, reporter)
        Training(run, data, pictures, reporter, started, place).complete()
    return run
