"""What is said of files that were not used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edgeclf.data.dataset import Skipped
from edgeclf.errors import DataError

__all__ = ["no_readable", "skipped_lines"]

_SHOWN = 5


def no_readable(source: object, skipped: Sequence[Skipped]) -> DataError:
    """The error of a source without a readable picture: it names the first files with what to do about them."""
    if not skipped:
        return DataError(f"{source}: has no pictures.")
    count = f"{len(skipped)} file{'s' if len(skipped) > 1 else ''}"
    return DataError("\n".join([f"{source}: has no readable picture. Of {count}:", *skipped_lines(skipped)]))


def skipped_lines(skipped: Sequence[Skipped]) -> list[str]:
    """The first files and why, one of each kind before others, and how many more there are of each kind."""
    kinds: Counter[str] = Counter()
    places = []
    for item in skipped:
        kind = Path(item.file).suffix.lower()
        places.append(kinds[kind])
        kinds[kind] += 1
    rows = sorted(sorted(range(len(skipped)), key=places.__getitem__)[:_SHOWN])
    lines = [f"  {skipped[row]}" for row in rows]
    kinds -= Counter(Path(skipped[row].file).suffix.lower() for row in rows)
    more = [f"{count} more {kind or 'without suffix'}" for kind, count in kinds.items()]
    return [*lines, f"  and {', '.join(more)}"] if more else lines
