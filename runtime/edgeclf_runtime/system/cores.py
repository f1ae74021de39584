"""How many cores this process may use: fewer than the machine has under taskset, in a container or a service."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

__all__ = ["usable_cores"]


def usable_cores(root: Path = Path("/")) -> int:
    """Return the number of usable cores by CPU affinity and control group quotas, at least 1.

    Args:
        root: root of the file system.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # not on macOS
    return max(1, min([cores, *(math.ceil(quota) for quota in _quotas(root))]))


def _quotas(root: Path) -> Iterator[float]:
    """Yield the quota, in cores, of each control group of this process, up to the outermost."""
    try:
        lines = (root / "proc" / "self" / "cgroup").read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, path = (*line.split(":", 2), "", "")[:3]
        if not kinds:  # version 2
            yield from _upwards(root / "sys" / "fs" / "cgroup", path, _second_version)
        elif "cpu" in kinds.split(","):
            yield from _upwards(root / "sys" / "fs" / "cgroup" / kinds, path, _first_version)
            yield from _upwards(root / "sys" / "fs" / "cgroup" / "cpu", path, _first_version)


def _upwards(top: Path, path: str, quota: Callable[[Path], float | None]) -> Iterator[float]:
    """Yield the quotas of a group and its parents; inside a container only the outermost may have a folder."""
    folder = top / path.strip("/")
    for group in (folder, *folder.parents):
        cores = quota(group)
        if cores is not None:
            yield cores
        if group == top:
            return


def _second_version(group: Path) -> float | None:
    return _share(_words(group / "cpu.max"))


def _first_version(group: Path) -> float | None:
    return _share(_words(group / "cpu.cfs_quota_us") + _words(group / "cpu.cfs_period_us"))


def _share(words: list[str]) -> float | None:
    """Return quota / period, both in microseconds; None if unlimited."""
    if len(words) != 2 or not all(word.isdecimal() for word in words) or not int(words[1]):
        return None
    return int(words[0]) / int(words[1])


def _words(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8", "replace").split()
    except OSError:
        return []
