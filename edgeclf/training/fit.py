"""Train from a folder of photographs to a Run: read, split, fit the head, fine-tune, evaluate."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from edgeclf.config.idle_options import without_effect
from edgeclf.config.train import TrainConfig, preprocessing
from edgeclf.data.dataset import Dataset, Skipped
from edgeclf.data.fingerprints import Fingerprints
from edgeclf.data.image_cache import decode
from edgeclf.data.sources import SourcePaths, paths_of, read_source, refuse_inside, shown
from edgeclf.errors import RunError
from edgeclf.framework_errors import start_tensorflow, tensorflow_errors
from edgeclf.frameworks import device_in_use, has_gpu, seed_everything
from edgeclf.model.network import Weights
from edgeclf.progress import Quiet, Reporter
from edgeclf.reports.report import write_report
from edgeclf.runs.follower import Follower
from edgeclf.runs.run import Run
from edgeclf.runs.split import divide
from edgeclf.training.growing import Start, grown_config, say_classes
from edgeclf.training.starting_network import starting_network
from edgeclf.training.trainer import Training
from edgeclf_converters.distribution import Distribution
from edgeclf_runtime.errors import EdgeclfError

__all__ = ["resume", "train", "train_dataset"]

Made = TypeVar("Made")

_MARGIN = 8 / 7  # 256 pixels for an input of 224 pixels


def train(data: SourcePaths, out: Path, config: TrainConfig, reporter: Reporter, distribute: str = "none") -> Run:
    """Train a classifier.

    Args:
        data: a folder with one sub-folder of images per class, or with parts that have them; a CSV that lists
            them; a folder of shards; or several of these (see ``edgeclf.data.sources.read_source``).
        out: the run folder, new or empty.
        config: the options of the training.
        reporter: shows the progress.
        distribute: one of ``distribution.WAYS``.

    Returns:
        the run. If fine-tuning was interrupted, it has the best weights so far and its metrics say so.

    Raises:
        DataError, ConfigError, WeightsError, RunError: the input cannot be used; nothing was trained.
        KeyboardInterrupt: interrupted before there was anything to keep.
    """
    refuse_inside(data, out)
    if config.from_run is not None:
        config = grown_config(config, config.from_run, paths_of(data), reporter)
    with reporter.bar("Listing", 0):
        listed, skipped = read_source(data, reporter.say, several_labels=config.several_labels)
    if config.from_run is not None:
        say_classes(config.from_run, listed.labels, reporter)
    given = () if "" in listed.parts else listed.parts  # if images lack a part, shares are split off
    for reason, idle in without_effect(config, given).items():
        reporter.say(f"Options without effect, because {reason}: {', '.join(idle)}.")
    if config.view.changes:
        reporter.say(_about_view(config, paths_of(data)))
    distribution = Distribution(distribute)
    run = _first(distribution, lambda: Run.create(out, config, data)) or Follower.open(out)
    try:
        _in_folder(run, run.seen(listed), skipped, reporter, distribution)
    except EdgeclfError:  # free the folder for the next attempt
        run.abandon()
        raise
    return _reported(run, distribution, reporter)


def _about_view(config: TrainConfig, sources: tuple[Path, ...]) -> str:
    whole = [str(source) for source in sources if config.view_of(source).changes]
    cut = [str(source) for source in sources if str(source) not in whole]
    lines = [f"The network sees this part of camera images: {config.view}."]
    lines += [f"Applied to whole camera images: {', '.join(whole)}."] if whole else []
    lines += [f"Used as they are (mark whole camera images with --whole): {', '.join(cut)}."] if cut else []
    return " ".join(lines)


def train_dataset(run: Run, data: Dataset, reporter: Reporter) -> None:
    """Train on images that have a part and can all be read; write no report.

    Args:
        run: a new run.
        data: the images, with a training part of any size and a validation part.

    Raises:
        RunError: an image cannot be read.
    """
    run.write_split(data, [])
    _in_folder(run, data, None, reporter, Distribution("none"), announced=False)


def resume(path: Path, reporter: Reporter, distribute: str = "none") -> Run:
    """Resume an interrupted training; the result is the same as without the interruption.

    Raises:
        RunError: there is nothing to resume, or the images have changed.
    """
    run = Run.open(path)
    if run.is_finished:
        raise RunError(f"{path}: is finished. Train a new run with: edgeclf train {shown(run.sources)}")
    if missing := [source for source in run.sources if not source.exists()]:
        raise RunError(
            f"{path}: its photographs, {missing[0]}, are missing. Restore them, or set data in "
            f"{path / 'config.toml'} to where they are now, then resume again."
        )
    distribution = Distribution(distribute)
    run = _first(distribution, lambda: run) or Follower.open(path)
    if not (path / "split.csv").exists():
        with reporter.bar("Listing", 0):
            listed, skipped = read_source(run.sources, reporter.say, several_labels=run.config.several_labels)
        return _reported(_in_folder(run, run.seen(listed), skipped, reporter, distribution), distribution, reporter)
    return _reported(_in_folder(run, run.read_split(), None, reporter, distribution), distribution, reporter)


def _reported(run: Run, distribution: Distribution, reporter: Reporter) -> Run:
    _first(distribution, lambda: write_report(run, reporter))
    return run


def _first(distribution: Distribution, make: Callable[[], Made]) -> Made | None:
    """Call ``make`` on the first worker while the others wait; they return None.

    Raises:
        RunError: the first worker failed; raised on the others.
    """
    if not distribution.first:
        if distribution.agree(0.0):
            raise RunError("The first worker failed: see its messages.")
        return None
    try:
        made = make()
    except BaseException:
        distribution.agree(1.0)
        raise
    distribution.agree(0.0)
    return made


def _computing_line(run: Run, distribution: Distribution) -> str:
    replicas = f", {distribution.replicas} replicas" if distribution.replicas > 1 else ""
    exact = "" if run.config.deterministic or not has_gpu() else ", not repeatable bit for bit (see --deterministic)"
    return f"Computing on {device_in_use()}{replicas}; seed {run.config.seed}{exact}."


def _in_folder(
    run: Run,
    listed: Dataset,
    skipped: list[Skipped] | None,
    reporter: Reporter,
    distribution: Distribution,
    announced: bool = True,
) -> Run:
    """Train on a source's images, or on those of an existing split if ``skipped`` is None.

    Args:
        announced: log the device; False for one of many trainings.
    """
    reporter = reporter if distribution.first else Quiet()
    start_tensorflow(reporter)
    if announced:
        reporter.say(_computing_line(run, distribution))
    seed_everything(run.config.seed, run.config.deterministic)
    started = time.monotonic()
    with tensorflow_errors(functools.partial(_kept, run)):
        with reporter.bar("Loading the network", 0):  # first: weights may be missing
            model = starting_network(run.config, len(listed.labels), distribution, _started_from(run))
            if (start := Start.of(run)) is not None:
                start.fill(model, listed.labels)
        margin = 0 if run.config.tune == "head" else _MARGIN
        folder = run.path / (f".pictures-{distribution.worker}" if distribution.worker else ".pictures")
        fingerprints = None if skipped is None else Fingerprints.of(len(listed.files))
        pictures, unread = decode(listed, preprocessing(run.config), margin, folder, reporter, fingerprints)
        with pictures:
            if skipped is None or fingerprints is None:
                data = _all_read(run, listed, unread)
            else:
                make = functools.partial(divide, run, listed, skipped, unread, fingerprints, reporter)
                data = _first(distribution, make) or _as_kept(run, listed)
            Training(run, model, data, pictures, reporter, started, distribution, start).complete()
    return run


def _started_from(run: Run) -> Weights | None:
    """Return the weights that an interrupted training started from, if it kept them: their source may be gone."""
    return run.read_arrays("start") if run.has_arrays("state") and run.has_arrays("start") else None


def _all_read(run: Run, listed: Dataset, unread: list[Skipped]) -> Dataset:
    """Return the images of an existing split; raise RunError if some cannot be read."""
    if unread:
        changed = f"{len(unread)} of its images can no longer be read ({unread[0].reason.rstrip('.')})"
        raise RunError(f"{run.path}: {changed}. Restore them, or train again.")
    return listed


def _kept(run: Run) -> str:
    """Return what is kept after a TensorFlow error ended a training."""
    if not run.has_arrays("weights"):
        return ""
    ways = [f"edgeclf export --int8 {run.path}"]
    ways += [f"edgeclf train --resume {run.path}"] if run.has_arrays("state") else []
    return f"Kept the best epoch so far. Use it with: {', or resume with: '.join(ways)}."


def _as_kept(run: Run, listed: Dataset) -> Dataset:
    """Return the split that the first worker wrote, whichever images this worker could read."""
    kept = run.read_split()
    parts_by_file = dict(zip(kept.files, kept.parts, strict=True))
    return listed.with_parts([parts_by_file.get(file, "unreadable") for file in listed.files])
