"""The report of a trial as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeclf_runtime.system.plain_text import counted, plain

__all__ = ["report_lines"]

_LABELS = 10  # maximum number of labels, those that differ most often


def report_lines(report: Mapping[str, Any]) -> list[str]:
    """Return the result of ``trial.compare`` as lines."""
    low, high = report["interval"]
    spent, unknown, rate = report["milliseconds"], report["unknown"], report["rate"]
    lines = [
        f"the same answer on {report['agreement']:.1%} of {counted(report['frames'], 'frame')} "
        f"(95% interval {low:.0%} to {high:.0%}) in {report['seconds']:.0f} s",
        f'current model: {unknown["before"]:.1%} "unknown", {spent["before"]:.1f} ms per image; '
        f'new model: {unknown["new"]:.1%} "unknown", {spent["new"]:.1f} ms per image',
        f"the service gave {rate['during']:.1f} answers per second meanwhile, {rate['usual']:.1f} before",
    ]
    differing = [row for row in report["labels"] if row["same"] < row["frames"]]
    for row in sorted(differing, key=lambda row: row["same"] - row["frames"])[:_LABELS]:
        instead = ", ".join(f"{plain(str(label))} {count}" for label, count in row["instead"].items())
        lines.append(f"{plain(str(row['label']))}: {row['same']} of {row['frames']} the same, otherwise {instead}")
    if count := len(report["images"]):
        lines.append(f"{counted(count, 'image')} with different answers: {plain(str(report['folder']))}")
    return lines
