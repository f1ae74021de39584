"""The table of ``edgeclf fleet status``: one row per device, as text."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from edgeclf_fleet.events import outcomes
from edgeclf_runtime.system.plain_text import plain

__all__ = ["COLUMNS", "DeviceStatus", "device_statuses", "table"]

COLUMNS = (
    "device",
    "processor",
    "version",
    "model",
    "golden",
    "camera",
    "ms",
    "temperature",
    "today",
    "unfamiliar",
    "images",
    "disk",
)
"""Titles of the columns."""

_LABELS = 3  # number of the day's labels in a row
_DIGITS = 8  # digits of a digest that are shown
_OLD = 2 * 3600.0  # seconds; a service writes its health at least every hour
_LONGEST = 40  # maximum characters of a device's text in a cell
_LARGEST = 1e18
_FILE = re.compile(r"^[^:]*\.tflite: ")  # before a reason; it would take the whole cell


@dataclass(frozen=True)
class DeviceStatus:
    """The status of a device.

    Attributes:
        device: name in the inventory.
        status: result of the module edgeclf_status; empty if the device could not be queried.
        reason: why it could not be queried; else empty.
    """

    device: str
    status: Mapping[str, Any]
    reason: str = ""

    @property
    def is_well(self) -> bool:
        """Whether nothing needs attention: it runs, its camera runs, its scores are right, its images are familiar."""
        health, conditions = self._part("health"), self._part("conditions")
        runs = bool(health) and health.get("state") == "running" and not health.get("refused")
        runs = runs or (self.status.get("service") == "none" and not health)
        return runs and self.status.get("golden") in ("ok", None) and not conditions.get("is_unlike")

    def as_dict(self) -> dict[str, Any]:
        """Return everything known, for JSON."""
        return {"device": self.device, "reason": self.reason, "is_well": self.is_well, **self.status}

    def row(self) -> tuple[str, ...]:
        """Return the texts of ``COLUMNS``; unknown values are dashes."""
        if not self.status:
            return (self.device, *["-"] * (len(COLUMNS) - 1))
        health, model, disk = self._part("health"), self._part("model"), self._part("disk")
        spent, degrees = health.get("milliseconds"), self.status.get("temperature")
        return (
            self.device,
            _text(self.status.get("processor")),
            _text(self.status.get("version")),
            self._model(model),
            _text(self.status.get("golden")),
            self._camera(health),
            f"{spent:.1f}" if _is_number(spent) else "-",
            f"{degrees:.0f} C" if _is_number(degrees) else "-",
            *self._day(health),
            self._images(),
            f"{disk['free'] / 1e9:.1f} GB free" if _is_number(disk.get("free")) else "-",
        )

    def _part(self, name: str) -> Mapping[str, Any]:
        part = self.status.get(name)
        return part if isinstance(part, Mapping) else {}

    def _model(self, deployed: Mapping[str, Any]) -> str:
        """Return the deployed model or, if another one is running, that one and where it comes from."""
        running = self._part("running")
        if running.get("from") in (None, "deployed"):
            return _shown(deployed)
        return f"{_shown(running)} ({_text(running['from'])}; deployed {_text(deployed.get('digest'))[:_DIGITS]})"

    def _camera(self, health: Mapping[str, Any]) -> str:
        if not health:
            return f"service {_text(self.status.get('service'))}"
        if health.get("refused"):
            return f"model refused: {_text(_FILE.sub('', str(health['refused'])))}"
        reason = f" ({_text(health['reason'])})" if health.get("reason") else ""
        written = health.get("time")
        old = _is_number(written) and time.time() - written > _OLD
        return f"{_text(health.get('state'))}{reason}" + (", no report for over 2 h" if old else "")

    def _day(self, health: Mapping[str, Any]) -> tuple[str, str]:
        """Return the most frequent labels of the device's day with their shares, and the share unfamiliar."""
        day = health.get("day")
        labels = day.get("labels") if isinstance(day, Mapping) else None
        if not isinstance(labels, Mapping) or not all(_is_number(count) for count in labels.values()):
            return "-", "-"
        count = sum(labels.values())
        if not count:
            return "nothing yet", "-"
        most = sorted(labels.items(), key=lambda each: (-each[1], str(each[0])))[:_LABELS]
        unfamiliar = day.get("unfamiliar") if isinstance(day, Mapping) else None
        shares = ", ".join(f"{_text(label)} {share / count:.0%}" for label, share in most)
        return shares, f"{unfamiliar / count:.0%}" if _is_number(unfamiliar) else "-"

    def _images(self) -> str:
        conditions = self._part("conditions")
        if not conditions:
            return "-"
        accuracy = conditions.get("accuracy")
        expected = f", expected accuracy {accuracy:.0%}" if _is_number(accuracy) else ""
        return ("unlike training" if conditions.get("is_unlike") else "as in training") + expected


def device_statuses(events: Sequence[Mapping[str, Any]]) -> list[DeviceStatus]:
    """Return the status of each device, sorted by name, from the events of the play."""
    found = {event["host"]: event["status"] for event in events if isinstance(event.get("status"), dict)}
    missing = {outcome.host: outcome.text for outcome in outcomes(events) if outcome.host not in found}
    reasons = {host: text.removesuffix(" Nothing was changed.") for host, text in missing.items()}
    devices = [DeviceStatus(host, status) for host, status in found.items()]
    devices += [DeviceStatus(host, {}, reason) for host, reason in reasons.items()]
    return sorted(devices, key=lambda device: device.device)


def table(devices: Iterable[DeviceStatus]) -> list[str]:
    """Return the lines of the table; a device that could not be queried has the reason instead of values."""
    devices = list(devices)
    rows = [COLUMNS, *(device.row() for device in devices if device.status)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    widths[0] = max([widths[0], *(len(device.device) for device in devices)])
    lines = ["  ".join(text.ljust(width) for text, width in zip(COLUMNS, widths, strict=True)).rstrip()]
    for device in devices:
        texts = device.row() if device.status else (device.device, device.reason)
        lines.append("  ".join(text.ljust(width) for text, width in zip(texts, widths, strict=False)).rstrip())
    return lines


def _is_number(value: Any) -> TypeGuard[float]:
    """Return whether a device's value is a number that can be shown; JSON integers may have thousands of digits."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST


def _shown(model: Mapping[str, Any]) -> str:
    return f"{_text(model.get('name'))} {_text(model.get('digest'))[:_DIGITS]}"


def _text(value: Any) -> str:
    """Return a device's text for one cell."""
    text = plain(str(value)) if value not in (None, "") else "-"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
