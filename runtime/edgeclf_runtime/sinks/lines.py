"""Observations as text, JSON or CSV, to the terminal or to files that do not grow for ever."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Callable

from edgeclf_runtime.beside import sync, sync_open
from edgeclf_runtime.lines import content, text_line
from edgeclf_runtime.sinks.sink import Item, ModelState, Observation
from edgeclf_runtime.sinks.tail import mend_end

__all__ = ["CsvSink", "JsonLinesSink", "TerminalSink", "as_json", "as_text"]

_SYNCED = 5.0  # seconds of lines that a power cut may take


def as_text(item: Observation, top: int) -> str:
    """``number  label 93.0%  label 4.1%  (5.1 ms)``, with the answer first where it is not the best label."""
    prediction, label = item.prediction, item.decision.label
    number = f"{prediction.frame.number:6}" if prediction.frame else ""
    return text_line(prediction, number if label == prediction.label else f"{number}  [{label}]", top)


def as_json(item: Item, top: int) -> str:
    """One object: of an observation its frame, time (seconds since 1970), age, source, answer, whether it changed,
    and ``lines.content``; of a source's state ``state``, ``reason`` and ``reopened``; of a model's ``model``, ``path``,
    ``reason`` and ``labels``."""
    if isinstance(item, ModelState):
        what = {"model": item.name, "path": item.path, "reason": item.reason, "labels": item.labels}
        return json.dumps(what, ensure_ascii=False)
    if not isinstance(item, Observation):
        return json.dumps({"state": item.name, "reason": item.reason, "reopened": item.reopened}, ensure_ascii=False)
    frame, known = item.prediction.frame, dict[str, object]()
    if frame is not None:
        known = {"frame": frame.number, "time": round(item.time, 3), "age": round(item.age, 3), "source": frame.source}
    answer = {"answer": item.decision.label, "changed": item.decision.changed}
    return json.dumps({**known, **answer, **content(item.prediction, top)}, ensure_ascii=False)


class TerminalSink:
    """Lines on standard output; states of the source and the model on standard error, but for JSON.

    Args:
        top: labels to show.
        json_lines: one JSON object a line, the states among them.
        changes: only when the answer changes.
        gone: called when nobody reads standard output any more (``| head``); what would go there is dropped.
    """

    name = "terminal"
    pictures = False

    def __init__(
        self,
        top: int = 3,
        json_lines: bool = False,
        changes: bool = False,
        gone: Callable[[], None] = lambda: None,
    ) -> None:
        self._top, self._json, self._changes, self._gone = top, json_lines, changes, gone

    def take(self, item: Item) -> None:
        try:
            self._print(item)
        except BrokenPipeError:
            # What is left in its buffer would fail again, at the latest when Python ends.
            with open(os.devnull, "w", encoding="utf-8") as nowhere:
                os.dup2(nowhere.fileno(), sys.stdout.fileno())
            self._gone()

    def _print(self, item: Item) -> None:
        if isinstance(item, Observation):
            if not self._changes or item.decision.changed:
                print(as_json(item, self._top) if self._json else as_text(item, self._top), flush=True)
        elif self._json:
            print(as_json(item, self._top), flush=True)
        elif isinstance(item, ModelState):
            print(f"Model {item.name}: {item.reason or item.path}", file=sys.stderr, flush=True)
        elif item.name != "closed":
            print(f"Source {item.name}{': ' if item.reason else ''}{item.reason}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing is held."""


class _Rotating:
    """A file of whole lines that is renamed to NAME.1, NAME.2 ... when it is full.

    What is written is synced with the first line after ``_SYNCED`` seconds: each line at once would wear out a memory
    card. Lines after which nothing comes are left to the system, which writes them by itself (Linux in 30 s).

    Args:
        head: its first line.
        is_whole: whether bytes without a line's end are a line.
    """

    def __init__(self, path: Path, limit: int, keep: int, head: str, is_whole: Callable[[bytes], bool]) -> None:
        self._path, self._limit, self._keep, self._head = path, limit, keep, head.encode()
        self._is_whole, self._synced = is_whole, -_SYNCED
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._opened()

    def _opened(self) -> io.FileIO:
        file = io.FileIO(self._path, "a+")
        mend_end(file, self._head or b"{", self._is_whole)
        if not file.seek(0, os.SEEK_END):
            _append(file, self._head)
            sync(self._path.parent)
        return file

    def write(self, line: str) -> None:
        data = line.encode()
        if self._file.closed or self._is_gone():  # a rotation failed: the disk was full, say
            self._file.close()
            self._file = self._opened()
        if self._file.tell() + len(data) > self._limit and self._file.tell() > len(self._head):
            sync_open(self._file.fileno())
            self._file.close()
            self._rotate()
            self._file = self._opened()
        _append(self._file, data)
        if time.monotonic() - self._synced >= _SYNCED:
            sync_open(self._file.fileno())
            self._synced = time.monotonic()

    def _is_gone(self) -> bool:
        """Whether somebody else, logrotate say, renamed or removed it."""
        try:
            return not os.path.samestat(os.fstat(self._file.fileno()), os.stat(self._path))
        except FileNotFoundError:
            return True

    def _rotate(self) -> None:
        if not self._keep:
            return self._path.unlink()
        for number in range(self._keep, 0, -1):
            before = self._path if number == 1 else self._numbered(number - 1)
            if before.exists():
                os.replace(before, self._numbered(number))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def close(self) -> None:
        if not self._file.closed:
            sync_open(self._file.fileno())
        self._file.close()


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _is_row(line: bytes) -> bool:
    return line.count(b",") >= 5 and line.endswith((b",0", b",1", b",changed"))


def _append(file: io.FileIO, data: bytes) -> None:
    """All of it, or, where the disk is full, nothing."""
    end = file.tell()
    try:
        if file.write(data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.name)
    except OSError:
        with suppress(OSError):
            file.truncate(end)
            file.seek(end)
        raise


class JsonLinesSink:
    """One JSON object a line, states among them.

    Args:
        path: of the file, which is appended to.
        limit: bytes after which it is renamed to ``NAME.1`` and begun anew.
        keep: how many older files are kept.
        top: labels in ``scores``.
    """

    pictures = False

    def __init__(self, path: Path, limit: int = 10_000_000, keep: int = 5, top: int = 3) -> None:
        self.name, self._top = f"JSON lines {path}", top
        self._file = _Rotating(path, limit, keep, "", _is_json)

    def take(self, item: Item) -> None:
        self._file.write(as_json(item, self._top) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class CsvSink:
    """A row for each observation: time, frame, answer, its score, and whether it changed.

    Args:
        path, limit, keep: as of ``JsonLinesSink``.
    """

    pictures = False

    def __init__(self, path: Path, limit: int = 10_000_000, keep: int = 5) -> None:
        self.name = f"CSV {path}"
        self._file = _Rotating(path, limit, keep, "time,frame,source,answer,score,changed\n", _is_row)

    def take(self, item: Item) -> None:
        if not isinstance(item, Observation):
            return
        frame, text = item.prediction.frame, io.StringIO()
        number, source = (frame.number, frame.source) if frame else ("", "")
        decision = item.decision
        row = (f"{item.time:.3f}", number, source, decision.label, f"{decision.score:.6f}", int(decision.changed))
        csv.writer(text, lineterminator="\n").writerow(row)
        self._file.write(text.getvalue())

    def close(self) -> None:
        """Close the file."""
        self._file.close()
