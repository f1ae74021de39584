"""Split a run's images into parts once, and store the split."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgeclf.config.train import TrainConfig
from edgeclf.data.dataset import PARTS, Dataset, Skipped
from edgeclf.data.division import split
from edgeclf.data.fingerprints import Fingerprints
from edgeclf.data.grouping import Grouping
from edgeclf.data.leakage import warn_of_leaks
from edgeclf.data.nothing import classes_text, without_nothing
from edgeclf.data.several import divided_apart
from edgeclf.data.skipped import no_readable, skipped_lines
from edgeclf.data.sources import shown
from edgeclf.errors import DataError
from edgeclf.progress import Reporter
from edgeclf.runs.before import keep_split
from edgeclf.runs.run import Run
from edgeclf_runtime.system.plain_text import counted

__all__ = ["divide"]

_SHOWN = 5


def divide(
    run: Run,
    listed: Dataset,
    skipped: list[Skipped],
    unread: list[Skipped],
    fingerprints: Fingerprints,
    reporter: Reporter,
    prepare: Callable[[Dataset], Dataset] = lambda grouped: grouped,
) -> Dataset:
    """Assign a part to every image by the shares in the run's config, and write the split.

    Args:
        skipped, unread: skipped files: those of unsupported formats, and unreadable ones.
        fingerprints: the images' fingerprints, by which near-duplicates stay in one part.
        prepare: called once near-duplicates are known, to assign parts before the split.

    Raises:
        DataError: there is no readable image, or a class has too few.
    """
    skipped = sorted([*skipped, *unread], key=lambda item: item.file)
    if not fingerprints.readable.any():
        raise no_readable(listed.root, skipped)
    parts = [part if good else "unreadable" for part, good in zip(listed.parts, fingerprints.readable, strict=True)]
    with reporter.bar("Comparing", 0):
        grouping = Grouping(listed.with_parts(parts), fingerprints, run.config.group)
    for remark in grouping.remarks():
        reporter.say(remark)
    kept = prepare(grouping.grouped())
    if run.config.from_run is not None:
        kept = keep_split(run.config.from_run, kept, fingerprints.digests, reporter)
    warn_of_leaks(kept, shown(run.sources), reporter)
    try:
        divided = _divided(kept, run.config)
    except DataError:
        _say_skipped(skipped, "", reporter)  # the run folder with their list will be removed
        raise
    if run.config.from_run is None:
        _report_missing_classes(divided, reporter)
        _report_small_parts(kept, divided, run.config, reporter)
    elif run.config.test and "test" not in kept.parts:
        count = counted(len(divided.rows("test")), "image")
        reporter.say(f"The test part has {count}, new ones alone: the network knows those of {run.config.from_run}.")
    used = [i for i, part in enumerate(divided.parts) if part in PARTS]
    run.write_split(divided.take(used), skipped, fingerprints.digests[used])
    _say_skipped(skipped, f" (all in {run.path / 'skipped.csv'})", reporter)
    counts = ", ".join(f"{len(divided.rows(p))} {p}" for p in PARTS if len(divided.rows(p)))
    names = _listed(without_nothing(divided.labels))
    reporter.say(f"{counted(len(used), 'image')} of {classes_text(divided.labels)} ({names}): {counts}.")
    return divided


def _divided(kept: Dataset, config: TrainConfig) -> Dataset:
    """Split the images without a part; take none from the training part of an earlier run, whose network knows it."""
    apart = divided_apart(kept, config.validation, config.test, config.seed)
    if config.from_run is None or "" in apart.parts:
        return split(apart, config.validation, config.test, config.seed)
    if not len(apart.rows("validation")):
        raise DataError(
            f"{kept.root}: has only training images of {config.from_run} and none to validate on. Add images."
        )
    return split(apart, 0, 0, config.seed)  # only counts the images of each class


def _report_small_parts(kept: Dataset, divided: Dataset, config: TrainConfig, reporter: Reporter) -> None:
    """Warn if a part has less than half of its share because groups stay together."""
    total = sum(part in PARTS for part in divided.parts)
    for part, share in (("validation", config.validation), ("test", config.test)):
        count, wanted = len(divided.rows(part)), round(total * share)
        if part not in kept.parts and count < wanted / 2:
            reporter.say(
                f"Warning: the {part} part has {counted(count, 'image')} but should have {wanted}: images that belong "
                "together stay in one part. Add images taken at other times, or pass --group none."
            )


def _report_missing_classes(divided: Dataset, reporter: Reporter) -> None:
    """Warn if a validation or test part lacks a class, as parts of a source may."""
    for part in ("validation", "test"):
        counts = divided.counts(part)
        missing = [label for label, count in zip(divided.labels, counts, strict=True) if not count]
        if counts.any() and missing:
            reporter.say(
                f"Warning: the {part} part has no image of {_listed(missing)}, so its figures say nothing about "
                f"{'this class' if len(missing) == 1 else 'these classes'}. Add images there."
            )


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels[:_SHOWN]) + (", ..." if len(labels) > _SHOWN else "")


def _say_skipped(skipped: Sequence[Skipped], where: str, reporter: Reporter) -> None:
    if skipped:
        for line in (f"Skipped {counted(len(skipped), 'file')}{where}:", *skipped_lines(skipped)):
            reporter.say(line)
