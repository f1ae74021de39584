"""Report whether services see images like the training images."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from edgeclf_runtime.doctor.finding import Finding, Machine, ok, problem
from edgeclf_runtime.sinks.conditions_file import CONDITIONS
from edgeclf_runtime.system.plain_text import counted, plain
from edgeclf_runtime.system.state_folder import STATE

__all__ = ["images"]

_STATES = (".local/state", ".config")  # in a user's home, by the version of systemd
_FOLDERS = ("/var/lib", "/var/lib/private", *(f"{home}/{state}" for home in ("/home/*", "/root") for state in _STATES))
_CHECK = "Look at the page or a snapshot: clean the lens, check focus and light, aim the camera as before"


def images(machine: Machine) -> Iterator[Finding]:
    """Read what each service last recorded about its camera, or about its zones."""
    pattern = f"{STATE}/*/{CONDITIONS.replace('.', '*.')}"
    files = {path.resolve(): path for folder in _FOLDERS for path in machine.glob(f"{folder}/{pattern}")}
    for path in files.values():
        try:
            content = json.loads(path.read_text("utf-8"))
            views, is_unlike, moment = int(content["views"]), bool(content["is_unlike"]), float(content["time"])
            accuracy, error = content["accuracy"], float(content["error"])
            expected = "" if accuracy is None else f", expected accuracy {float(accuracy):.0%} ({error:.0%} mean error)"
        except (OSError, ValueError, TypeError, KeyError):
            continue  # a file of a later version, or one that may not be read
        zone = f", zone {content['zone']} of camera {content['camera']}," if "zone" in content else ""
        name = f"{path.parent.name}{plain(zone)}"
        if is_unlike:
            text = f"{name} sees images unlike those of its training, at least since {_day(moment)}{expected}"
            yield problem("images", text, _CHECK)
        else:
            yield ok("images", f"{name} sees images like those of its training ({counted(views, 'view')}{expected})")


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
