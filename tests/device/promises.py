"""Which files of ``edgeclf run`` a power cut may affect, and which it may not."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import cv2

from tests.device.powercut import Event

__all__ = ["CONFIG", "MODEL", "SEEN", "SNAPSHOTS", "Promises", "whole_lines"]

MODEL, CONFIG, SEEN, SNAPSHOTS = "model.tflite", "run.toml", "seen.jsonl", "snapshots"
SYNCED = 5.0  # seconds of lines that may be lost
SLACK = 3.0  # seconds, for a busy machine
_COPY = re.compile(rf"\.{MODEL}\.good-([0-9a-f]{{64}})\.tflite")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


class Promises:
    """The guarantees for one disk from cut to cut.

    Args:
        folder: the files that it was made from.
    """

    def __init__(self, folder: Path) -> None:
        self._may_be = {name: {_digest(folder / name)} for name in (MODEL, CONFIG)}

    def broken(self, events: list[Event], folder: Path, replaced_whole: bool) -> dict[str, str]:
        """Return, by subject, the guarantees that were broken.

        Args:
            events: events of ``unattended.py`` until the power was cut.
            folder: contents of its disk after that.
            replaced_whole: whether its model was synced before it was renamed; if not, it may be damaged, and the last
                good copy is needed.
        """
        self._follow(events)
        found = {name: text for name, text in self._replaced(folder) if replaced_whole or name != MODEL}
        copies = [(path, match[1]) for path in folder.iterdir() if (match := _COPY.fullmatch(path.name))]
        if not any(_digest(path) == digest for path, digest in copies):
            found["copy"] = f"no copy of a good model is whole: {[path.name for path, _ in copies]}"
        images = (folder / SNAPSHOTS).glob("*/*.jpg")
        if torn := [path.name for path in images if not _is_whole(path)]:
            found[SNAPSHOTS] = f"torn: {torn}"
        if (note := folder / SNAPSHOTS / "__snapshots.json").exists() and not _is_json(note.read_bytes()):
            found["note"] = f"{note.name}: {note.stat().st_size} bytes"
        if texts := list(_lines_broken(events, folder)):
            found[SEEN] = "; ".join(texts)
        return found

    def _follow(self, events: list[Event]) -> None:
        """A file being replaced may be the old or the new one; a replaced file is the new one."""
        begun = dict[str, str]()
        for event in events:
            if event["what"] == "begins":
                begun[event["path"]] = event["digest"]
                self._may_be[event["path"]].add(event["digest"])
            elif event["what"] == "replaced":
                self._may_be[event["path"]] = {begun[event["path"]]}

    def _replaced(self, folder: Path) -> Iterator[tuple[str, str]]:
        for name, known in self._may_be.items():
            digest = _digest(folder / name)
            if digest not in known:
                size = (folder / name).stat().st_size if digest else -1
                yield name, f"neither the file before nor the new one: {size} bytes"
            self._may_be[name] = {digest}


def _is_json(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _is_whole(image: Path) -> bool:
    content = image.read_bytes()
    return content.endswith(b"\xff\xd9") and cv2.imread(str(image)) is not None


def whole_lines(folder: Path) -> list[bytes]:
    """Return the complete JSON lines, oldest first, without one that was being written."""
    files = sorted(folder.glob(f"{SEEN}*"), key=lambda path: -int(path.suffix[1:]) if path.name != SEEN else 0)
    lines = [line for file in files for line in file.read_bytes().splitlines(keepends=True)]
    return lines if not lines or lines[-1].endswith(b"\n") else lines[:-1]


def _lines_broken(events: list[Event], folder: Path) -> Iterator[str]:
    times = set[float]()
    for line in whole_lines(folder):
        if _is_json(line):
            times.add(json.loads(line).get("time", 0.0))
        else:
            yield f"not a line of JSON: {line[:80]!r}"
    reports = [event for event in events if event["what"] == "seen" and event["frame"]]
    old = {report["frame"] for report in reports if report["at"] < events[-1]["at"] - SYNCED - SLACK}
    if lost := old - times:
        yield f"{len(lost)} of {len(old)} lines that were older than {SYNCED:g} s are lost"
