"""Keep the health of a service in its state folder, where ``edgeclf deploy`` reads whether a new version answers."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeclf_runtime.model.identity import ModelIdentity
from edgeclf_runtime.sinks.day_counts import DayCounts
from edgeclf_runtime.sinks.frame_tap import shadow_figures
from edgeclf_runtime.sinks.keys import Opening, SinkKeys
from edgeclf_runtime.sinks.sink import Item, Observation, Sink
from edgeclf_runtime.sources.source import SourceState
from edgeclf_runtime.system.atomic_file import written_beside
from edgeclf_runtime.system.state_folder import service_folder

if TYPE_CHECKING:
    from edgeclf_runtime.sinks.outlet import Outlet

__all__ = ["HEALTH", "HealthFile", "HealthFileKeys"]

HEALTH = "health.json"
"""Name of the file in the state folder."""

_OFTEN, _OFTEN_FOR = 1.0, 600.0  # seconds between two writes after the start, and for how long
_LATER = 3600.0  # seconds between two writes after that: memory cards wear out
_KEPT = 0.8  # weight of the old value in the moving average of the time


@dataclass(frozen=True)
class HealthFileKeys(SinkKeys):
    """Written by every service; there is nothing to set."""

    def open(self, run: Opening) -> Iterator[Sink]:
        folder = service_folder()
        if folder is not None and not run.zone.zone:  # one file for all zones
            yield HealthFile(folder / HEALTH, run.gap, run.models)


class HealthFile:
    """Writes the health at the start, every second of the first ten minutes, and then every hour.

    The file is a JSON object: ``process``, ``started`` and ``time`` in seconds since 1970; ``is_live``, whether the
    source is a camera or stream; its ``state`` and the ``reason``, with several cameras those of a running one;
    ``seen`` and ``frames``, the number of frames received and classified; ``answer``; ``milliseconds`` per frame; the
    ``models`` in use, see ``ModelIdentity``; why a model was ``refused``; the counts of ``DayCounts``, including those
    before a restart, as ``day``; and as ``shadow`` the figures of a trial of a new model, updated every second, else
    None.

    Args:
        path: path of the file.
        gap: longest time between two answers, in seconds; 0 for a source that is not live.
        models: the model files in use.
    """

    pictures = False

    def __init__(self, path: Path, gap: float = 0.0, models: Sequence[ModelIdentity] = ()) -> None:
        self._path, self.name = path, f"health {path}"
        self._begun, self._written_at = time.monotonic(), 0.0
        self._seen, self._milliseconds, self._told_trial = 0, 0.0, False
        self._sources: dict[str, SourceState] = {}
        self._outlets: Sequence[Outlet] = ()
        self._models = {model.path: model for model in models}
        self._day = DayCounts(_day_before(path))
        self._health: dict[str, Any] = {
            "process": os.getpid(),
            "started": round(time.time(), 3),
            "is_live": gap > 0,
            "state": "opening",
            "reason": "",
            "seen": 0,
            "frames": 0,
            "answer": "",
            "milliseconds": None,
            "refused": "",
        }
        with suppress(OSError):  # a full disk must not keep a service from starting
            self._write()

    def follow(self, outlets: Sequence[Outlet]) -> None:
        """Also report the trial of a new model."""
        self._outlets = outlets

    def glance(self, frame: object) -> None:
        """Count a frame that was not classified."""
        self._seen += 1

    def take(self, item: Item) -> None:
        if isinstance(item, SourceState):
            self._sources[item.camera] = item
            running = (state for state in self._sources.values() if state.name == "running")
            shown = next(running, item)  # with several cameras, a running one
            self._health.update(state=shown.name, reason=shown.reason)
            return self._write()
        if not isinstance(item, Observation):
            if item.is_offer:  # whoever deploys needs to know about the model deployed
                return None
            if item.file is not None:
                self._models.pop(item.replaces, None)
                self._models[item.file.path] = item.file
            self._health["refused"] = "" if item.name == "adopted" else item.reason
            return self._write()
        spent = sum(item.prediction.milliseconds.values())
        self._milliseconds = _KEPT * self._milliseconds + (1 - _KEPT) * spent if self._health["frames"] else spent
        self._health["frames"] += 1
        self._day.add(item)
        self._health.update(answer=item.decision.label, milliseconds=round(self._milliseconds, 3))
        if self._health["state"] == "opening":  # videos and folders do not report a state
            self._health["state"] = "running"
        now = time.monotonic()
        is_tried = bool(shadow_figures(self._outlets))
        is_news = is_tried or is_tried != self._told_trial
        every = _OFTEN if is_news or now - self._begun < _OFTEN_FOR else _LATER
        if self._health["frames"] == 1 or now - self._written_at >= every:
            self._write()

    def _write(self) -> None:
        shadow, seen = shadow_figures(self._outlets), self._seen + self._health["frames"]
        content = {
            **self._health,
            "models": [model._asdict() for model in self._models.values()],
            "seen": seen,
            "time": round(time.time(), 3),
            "day": self._day.as_dict(),
            "shadow": shadow or None,
        }
        with written_beside(self._path) as hidden:
            hidden.write_text(json.dumps(content) + "\n", "utf-8")
        self._written_at, self._told_trial = time.monotonic(), bool(shadow)

    def close(self) -> None:
        """Keep the file."""


def _day_before(path: Path) -> object:
    """Return the ``day`` written by the previous process; None if there is none."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return content.get("day") if isinstance(content, dict) else None
