"""Messages about files that were skipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edgeclf.data.dataset import Skipped
from edgeclf.errors import DataError

__all__ = ["no_readable", "skipped_lines"]

_SHOWN = 5


def no_readable(source: object, skipped: Sequence[Skipped]) -> DataError:
    """Return the error for a source without a readable image, with the first skipped files and the reasons."""
    if not skipped:
        return DataError(f"{source}: has no images.")
    count = f"{len(skipped)} file{'s' if len(skipped) > 1 else ''}"
    return DataError("\n".join([f"{source}: has no readable image. Skipped {count}:", *skipped_lines(skipped)]))


def skipped_lines(skipped: Sequence[Skipped]) -> list[str]:
    """Return lines with the first skipped files and reasons, one of each file type first, and count the rest."""
    kinds: Counter[str] = Counter()
    positions = []
    for item in skipped:
        kind = Path(item.file).suffix.lower()
        positions.append(kinds[kind])
        kinds[kind] += 1
    rows = sorted(sorted(range(len(skipped)), key=positions.__getitem__)[:_SHOWN])
    lines = [f"  {skipped[row]}" for row in rows]
    kinds -= Counter(Path(skipped[row].file).suffix.lower() for row in rows)
    more = [f"{count} more {kind or 'without suffix'}" for kind, count in kinds.items()]
    return [*lines, f"  and {', '.join(more)}"] if more else lines
