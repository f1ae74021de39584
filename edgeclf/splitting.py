"""A run's division of its pictures into parts, made once and kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from edgeclf.dataset import PARTS, Dataset, Skipped
from edgeclf.division import split
from edgeclf.duplicates import near_groups
from edgeclf.errors import DataError
from edgeclf.fingerprints import Fingerprints
from edgeclf.leakage import grouped, warn_of_leaks
from edgeclf.reporter import Reporter
from edgeclf.run import Run

__all__ = ["divide"]

_SHOWN = 5


def divide(
    run: Run,
    listed: Dataset,
    skipped: list[Skipped],
    unread: list[Skipped],
    prints: Fingerprints,
    reporter: Reporter,
    prepare: Callable[[Dataset], Dataset] = lambda grouped: grouped,
) -> Dataset:
    """Give every picture its part, in shares of the run's config, and keep the split.

    Args:
        skipped, unread: files left out, of no kind that is read and unreadable.
        prints: of the pictures, by which copies stay in one part.
        prepare: parts to be given first, once copies are known.

    Raises:
        DataError: no picture, or a class with too few.
    """
    skipped = sorted([*skipped, *unread], key=lambda item: item.file)
    _report_skipped(run, skipped, reporter)
    if not prints.readable.any():
        raise DataError(f"{listed.root}: has no readable picture.")
    parts = [part if good else "unreadable" for part, good in zip(listed.parts, prints.readable, strict=True)]
    kept = prepare(grouped(listed.with_parts(parts), near_groups(prints)))
    warn_of_leaks(kept, run.data, reporter)
    divided = split(kept, run.config.validation, run.config.test, run.config.seed)
    used = [i for i, part in enumerate(divided.parts) if part in PARTS]
    run.write_split(divided.take(used), skipped)
    counts = ", ".join(f"{len(divided.rows(p))} {p}" for p in PARTS if len(divided.rows(p)))
    reporter.say(f"{len(used)} pictures of {len(divided.labels)} classes ({_listed(divided.labels)}): {counts}.")
    return divided


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels[:_SHOWN]) + (", ..." if len(labels) > _SHOWN else "")


def _report_skipped(run: Run, skipped: Sequence[Skipped], reporter: Reporter) -> None:
    if not skipped:
        return
    reporter.say(f"Skipped {len(skipped)} files (all in {run.path / 'skipped.csv'}):")
    for item in skipped[:_SHOWN]:
        reason = item.reason if item.file in item.reason else f"{item.file}: {item.reason}"
        reporter.say(f"  {reason}")
    if len(skipped) > _SHOWN:
        kinds = Counter(Path(item.file).suffix.lower() for item in skipped[_SHOWN:])
        reporter.say("  and " + ", ".join(f"{count} more {kind or 'without suffix'}" for kind, count in kinds.items()))
