"""The names of images from devices: the device, and the snapshot's name there."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from urllib.parse import unquote

from edgeclf_runtime.sinks.snapshots.name import Snapshot, read_name

__all__ = ["ImageName", "device_name", "pulled_name"]

_MOMENT = re.compile(r"(?<!\d)(\d{8}-\d{6})-\d{3}")
_LONGEST, _LONGEST_DEVICE = 230, 60  # bytes of a file's name, and of the device in it
_OTHER = re.compile(r"[^A-Za-z0-9.]+")


@dataclass(frozen=True)
class ImageName:
    """The parts of an image's name; any of them may be unknown.

    Attributes:
        device: name of the device; empty if unknown.
        moment: seconds since 1970, by the device's clock; None if unknown.
        snapshot: the rest of the name, if it is a snapshot's.
    """

    device: str
    moment: float | None
    snapshot: Snapshot | None

    @classmethod
    def of(cls, name: str) -> ImageName:
        """Read a file name such as ``kitchen-20261128-193012-123-glass-0.52-000123.jpg``."""
        match = _MOMENT.search(name)
        if match is None:
            return cls("", None, None)
        device = name[: match.start()].rstrip("-")
        return cls(device, _seconds(match[1]), read_name(name[match.start() :]))

    @property
    def answer(self) -> str:
        """The device's answer; empty if unknown."""
        return unquote(self.snapshot.answer) if self.snapshot else ""


def _seconds(moment: str) -> float | None:
    import calendar

    try:
        return float(calendar.timegm(time.strptime(moment, "%Y%m%d-%H%M%S")))
    except ValueError:
        return None


def device_name(host: str) -> str:
    """Return a host of an inventory, such as "pi@10.0.0.7:2222", in a form for file names: ``10.0.0.7_2222``."""
    name = _OTHER.sub("_", host.rpartition("@")[2]).strip("._")
    return name[:_LONGEST_DEVICE] or "device"


def pulled_name(device: str, name: str) -> str | None:
    """Return the local name for a device's snapshot; None if the name is not a snapshot's.

    Args:
        device: result of ``device_name``.
        name: name sent by the device; untrusted.
    """
    snapshot = read_name(name)
    if snapshot is None or not name.isprintable() or "/" in name or "\\" in name:
        return None
    whole = f"{device}-{name}"
    if len(whole.encode("utf-8", "replace")) <= _LONGEST:
        return whole
    head, tail = f"{device}-{snapshot.moment}-", name[len(snapshot.moment) + 1 + len(snapshot.answer) :]
    room = _LONGEST - len(head.encode()) - len(tail.encode())
    answer = snapshot.answer.encode("utf-8", "replace")[: max(0, room)].decode("utf-8", "ignore")
    return f"{head}{answer}{tail}"
