"""Write observations as text, JSON or CSV to the terminal or to rotating files."""

from __future__ import annotations

import functools
import io
import json
import os
import re
import select
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from edgeclf_runtime.formatting import answer_text, text_line
from edgeclf_runtime.sinks.item_json import as_json
from edgeclf_runtime.sinks.keys import Opening, SinkKeys, key
from edgeclf_runtime.sinks.line_file import LineFile, open_lines
from edgeclf_runtime.sinks.sink import Item, ModelState, Observation, Sink
from edgeclf_runtime.system.plain_text import takes_colour

__all__ = ["CsvSink", "JsonLinesSink", "LineKeys", "TerminalSink", "as_json", "as_text"]


@dataclass(frozen=True)
class LineKeys(SinkKeys):
    """Append observations to JSON lines and CSV files."""

    jsonl: str = key("", "File to append JSON lines to")
    csv: str = key("", "File to append CSV rows to")
    jsonl_every: str = key("frame", 'Write every "frame" or only each "change"')
    rotate_bytes: int = key(10_000_000, "Start a new file after this many bytes")
    rotate_keep: int = key(5, "Older files to keep")

    def mistakes(self) -> Iterator[str]:
        if self.jsonl_every not in ("frame", "change"):
            yield 'jsonl_every "frame" or "change"'
        if self.rotate_bytes < 1000 or self.rotate_keep < 0:
            yield "rotate_bytes at least 1000, rotate_keep at least 0"
        if self.jsonl and self.csv and os.path.abspath(self.jsonl) == os.path.abspath(self.csv):
            yield f"jsonl and csv two files, got {self.csv!r} for both"

    def open(self, run: Opening) -> Iterator[Sink]:
        if self.jsonl:
            changes = self.jsonl_every == "change"
            yield JsonLinesSink(Path(self.jsonl), self.rotate_bytes, self.rotate_keep, changes=changes)
        if self.csv:
            yield CsvSink(Path(self.csv), self.rotate_bytes, self.rotate_keep, run.familiarity, bool(run.zones))

    def recipients(self) -> tuple[str, ...]:
        return self.jsonl, self.csv

    def folders(self) -> tuple[Path, ...]:
        return tuple(Path(name).absolute().parent for name in (self.jsonl, self.csv) if name not in ("", "-"))


def as_text(item: Observation, top: int) -> str:
    """Format as ``number  label 93.0%  label 4.1%  (5.1 ms)``, with the answer first if it is not the best label."""
    frame = item.prediction.frame
    where = "/".join(filter(None, item.zone))
    number = f"{frame.number:6}" if frame else ""
    number = f"{where:20} {number}" if where else number
    return text_line(item.prediction, f"{number}{_other_answer(item)}", top)


def _other_answer(item: Observation) -> str:
    """Return the answer in brackets, with the reason for "unknown"; empty if it is the best label."""
    answer = answer_text(item.prediction, item.decision.label, item.decision.reason)
    return "" if answer == item.prediction.label and item.decision.labels is None else f"  [{answer}]"


def _coloured(item: Observation, top: int) -> str:
    """Format as ``as_text`` with colours: the answer bold and green, or yellow if uncertain; the rest faint."""
    line, answer = as_text(item, top), _other_answer(item) or f"  {item.decision.label} "
    before, shown, after = line.partition(answer)
    colour = 33 if item.decision.refused else 32
    return f"{before}\x1b[1;{colour}m{shown}\x1b[0;2m{after}\x1b[0m"


class TerminalSink:
    """Prints lines to standard output, and states of the source and the model to standard error (except with JSON).

    Args:
        top: number of labels to show.
        json_lines: print one JSON object per line, including the states.
        changes: print only when the answer changes.
        silent: print no answers, because another sink uses standard output.
        gone: called once the reader of standard output has gone (``| head``); further lines are dropped.
    """

    name = "terminal"
    pictures = False

    def __init__(
        self,
        top: int = 3,
        json_lines: bool = False,
        changes: bool = False,
        silent: bool = False,
        gone: Callable[[], None] = lambda: None,
    ) -> None:
        self._top, self._json, self._changes, self._silent, self._gone = top, json_lines, changes, silent, gone
        self._as_text = _coloured if takes_colour(sys.stdout) else as_text

    def take(self, item: Item) -> None:
        try:
            self._print(item)
            if _is_unread():  # checked here, too: the next change may be hours away
                raise BrokenPipeError
        except BrokenPipeError:
            # The rest of the buffer would fail again, at the latest when Python exits.
            with open(os.devnull, "w", encoding="utf-8") as nowhere:
                os.dup2(nowhere.fileno(), sys.stdout.fileno())
            self._gone()

    def _print(self, item: Item) -> None:
        if isinstance(item, Observation):
            if not self._silent and (item.decision.changed or not self._changes):
                _show(as_json(item, self._top) if self._json else self._as_text(item, self._top))
        elif self._json:
            _show(as_json(item, self._top))
        elif isinstance(item, ModelState):
            print(f"Model {item.name}: {item.reason or item.path}", file=sys.stderr, flush=True)
        elif item.name != "closed":
            camera = f"Camera {item.camera}" if item.camera else "Source"
            print(f"{camera} {item.name}{': ' if item.reason else ''}{item.reason}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Do nothing: nothing is held open."""


def _is_unread() -> bool:
    """Whether standard output is a pipe whose reader has gone."""
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError):  # not a file
        return False
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _show(line: str) -> None:
    """Print a line with its end in one write, because others may write to the same terminal."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


_COLUMNS = "time,frame,source,answer,score,changed"
_ZONE_COLUMNS = "camera,zone,time,frame,source,answer,score,reason,familiarity,changed"  # the last is never empty
_MORE_COLUMNS = ",reason,familiarity"  # of a model with familiarity
_ROW_END = re.compile(rb",([01]|changed)$")
_LONGER_ROW_END = re.compile(rb",([01],(unfamiliar|undecided)?,[01]\.\d{6}|changed,reason,familiarity)$")


def _is_row(line: bytes, familiarity: bool) -> bool:
    return line.count(b",") >= 5 and (_LONGER_ROW_END if familiarity else _ROW_END).search(line) is not None


class JsonLinesSink:
    """Appends one JSON object per line, including the states.

    Args:
        path: path of the file to append to; ``-`` for standard output.
        limit: bytes after which it is renamed to ``NAME.1`` and a new file is started.
        keep: number of older files to keep.
        top: number of labels in ``scores``.
        changes: write only observations that change the answer, and the states.
    """

    pictures = False

    def __init__(self, path: Path, limit: int = 10_000_000, keep: int = 5, top: int = 3, changes: bool = False) -> None:
        self.name, self._top, self._changes = f"JSON lines {path}", top, changes
        self._file = open_lines(path, limit, keep, "", _is_json)

    def take(self, item: Item) -> None:
        if not self._changes or not isinstance(item, Observation) or item.decision.changed:
            self._file.write(as_json(item, self._top) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class CsvSink:
    """Appends a row per observation: time, frame, source, answer, score, and whether it changed; for a model with
    familiarity also the reason for "unknown" and the familiarity.

    A file whose first line names other columns is renamed to ``NAME.1`` first.

    Args:
        path, limit, keep: as for ``JsonLinesSink``.
        familiarity: whether the model has familiarity; a new model may change that.
        zones: start with the camera and the zone, and use the same columns for all models: familiarity is empty for a
            model without it.
    """

    pictures = False

    def __init__(
        self, path: Path, limit: int = 10_000_000, keep: int = 5, familiarity: bool = False, zones: bool = False
    ) -> None:
        self.name, self._familiarity, self._zones = f"CSV {path}", familiarity, zones
        self._path, self._limit, self._keep = path, limit, keep
        self._file = self._opened()

    def _opened(self) -> LineFile:
        columns = f"{_COLUMNS}{_MORE_COLUMNS if self._familiarity else ''}"
        head = f"{_ZONE_COLUMNS if self._zones else columns}\n"
        is_row = functools.partial(_is_row, familiarity=self._familiarity and not self._zones)
        return open_lines(self._path, self._limit, self._keep, head, is_row)

    def take(self, item: Item) -> None:
        if not isinstance(item, Observation):
            return
        familiarity = item.prediction.familiarity
        if not self._zones and self._familiarity != (familiarity is not None):
            self._familiarity = not self._familiarity
            self._file.close()
            self._file = self._opened()
        frame, text = item.prediction.frame, io.StringIO()
        number, source = (frame.number, frame.source) if frame else ("", "")
        decision = item.decision
        row: tuple[object, ...] = (
            f"{item.time:.3f}",
            number,
            source,
            decision.label,
            f"{decision.score:.6f}",
            int(decision.changed),
        )
        if self._zones:
            measured = "" if familiarity is None else f"{familiarity:.6f}"
            row = (*item.zone, *row[:-1], decision.reason, measured, row[-1])
        elif familiarity is not None:
            row = (*row, decision.reason, f"{familiarity:.6f}")
        import csv

        csv.writer(text, lineterminator="\n").writerow(row)
        self._file.write(text.getvalue())

    def close(self) -> None:
        """Close the file."""
        self._file.close()
