"""Read when a photograph was taken from its EXIF data or file name, and find photographs taken in a row."""

from __future__ import annotations

import calendar
import re
import struct
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt

__all__ = ["bursts", "capture_time"]

_GAP = 2.0  # maximum seconds between two images of one burst or video: EXIF often counts whole seconds
_SHARE = 0.05  # maximum share of a class's images in one group, so that a long video can be split
_SHORTEST = 5  # size that a group may always have

# 20261127-193012-123, IMG_20261127_193012 or 2026-11-27T19-30-12.123; below, seconds or milliseconds since 1970.
_DATE = re.compile(
    r"(?<!\d)(20\d\d)[-_.]?(\d\d)[-_.]?(\d\d)[-_T .]?(\d\d)[-_.:h]?(\d\d)[-_.:m]?(\d\d)(?:[-_.,]?(\d{3}))?(?!\d)"
)
_SECONDS = re.compile(r"(?<!\d)(1[5-9]\d{8})(?:\.(\d{1,6}))?(?!\d)")
_MILLISECONDS = re.compile(r"(?<!\d)(1[5-9]\d{11})(?!\d)")

_EXIF = re.compile(rb"(?:Exif\0\0|EXIF.{4}|eXIf)(?=II\*\0|MM\0\*)", re.DOTALL)
_HEAD = 1 << 18  # bytes searched for EXIF data, which JPEG, PNG and WebP files have near their start
_EXIF_TABLE, _ORIGINAL, _FRACTION = 0x8769, 0x9003, 0x9291  # tags

Indices = npt.NDArray[np.int64]


def capture_time(file: str, content: bytes) -> float:
    """Return the time in seconds on the camera's clock, by EXIF's DateTimeOriginal or the file name; NaN if unknown.

    Args:
        file: the file's name.
        content: the file's bytes.
    """
    match = _EXIF.search(content, 0, _HEAD)
    moment = _from_exif(content[match.end() :]) if match else None
    return moment if moment is not None else _from_name(PurePosixPath(file).stem)


def bursts(times: npt.NDArray[np.float64], targets: Indices) -> list[Indices]:
    """Find images of one class that were taken in a row, such as a burst or part of a video.

    Args:
        times: from ``capture_time``, in seconds, float64 ``[images]``.
        targets: their classes, int64 ``[images]``.

    Returns:
        the rows of each group of two or more images, in order of time. No group has more than a twentieth of its
        class, or five images if that is more.
    """
    taken_together: list[Indices] = []
    for target in np.unique(targets):
        rows = np.flatnonzero((targets == target) & np.isfinite(times))
        rows = rows[np.argsort(times[rows], kind="stable")]
        longest = max(_SHORTEST, int(_SHARE * np.count_nonzero(targets == target)))
        for run in np.split(rows, np.flatnonzero(np.diff(times[rows]) > _GAP) + 1):
            taken_together += [piece for piece in _cut(run, longest) if len(piece) > 1]
    return taken_together


def _cut(rows: Indices, longest: int) -> list[Indices]:
    """Cut rows into pieces of about the same length."""
    return list(np.array_split(rows, max(1, -(-len(rows) // longest))))


def _from_name(stem: str) -> float:
    for match in _DATE.finditer(stem):
        moment = _moment([int(group) for group in match.groups()[:6]])
        if moment is not None:
            return moment + int(match[7] or 0) / 1000
    if milliseconds := _MILLISECONDS.search(stem):
        return int(milliseconds[1]) / 1000
    if seconds := _SECONDS.search(stem):
        return float(f"{seconds[1]}.{seconds[2] or 0}")
    return float("nan")


def _moment(fields: list[int]) -> float | None:
    year, month, day, hour, minute, second = fields
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        return None
    return float(calendar.timegm((year, month, day, hour, minute, second)))


def _from_exif(exif: bytes) -> float | None:
    order = "<" if exif.startswith(b"II") else ">"
    try:
        start = struct.unpack_from(f"{order}I", exif, 4)[0]
        tables = [value for tag, _, value in _tags(exif, start, order) if tag == _EXIF_TABLE]
        table = struct.unpack(f"{order}I", tables[0])[0] if tables else None
        if table is None:
            return None
        texts = {tag: _text(exif, count, value, order) for tag, count, value in _tags(exif, table, order)}
    except struct.error:
        return None
    match = re.match(r"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)", texts.get(_ORIGINAL, ""))
    moment = _moment([int(group) for group in match.groups()]) if match else None
    if moment is None:
        return None
    fraction = texts.get(_FRACTION, "")
    return moment + (float(f"0.{fraction}") if fraction.isdecimal() else 0.0)


def _tags(exif: bytes, start: int, order: str) -> Iterator[tuple[int, int, bytes]]:
    """Yield tag, count and four bytes for each entry of a table: its value, or the offset where the value is stored."""
    (entries,) = struct.unpack_from(f"{order}H", exif, start)
    for offset in range(start + 2, start + 2 + 12 * entries, 12):
        tag, _, count, value = struct.unpack_from(f"{order}HHI4s", exif, offset)
        yield tag, count, value


def _text(exif: bytes, count: int, value: bytes, order: str) -> str:
    if count > 64:  # too long for a date
        return ""
    if count > 4:
        (offset,) = struct.unpack(f"{order}I", value)
        value = exif[offset : offset + count]
    return value[:count].split(b"\0")[0].decode("ascii", "replace").strip()
