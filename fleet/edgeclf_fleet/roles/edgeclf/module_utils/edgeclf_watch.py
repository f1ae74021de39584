"""Watch a service after its start: it must answer and keep running, with its new model, its camera and its speed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from .edgeclf_layout import ReleaseError
from .edgeclf_managers import Manager
from .edgeclf_service_files import service_object

__all__ = ["Bounds", "is_well", "watch"]

_LOOK = 0.5  # seconds between two checks
_DEATHS = 2  # number of exits after which it is given up


@dataclass(frozen=True)
class Bounds:
    """The requirements for a service.

    Attributes:
        start_seconds: maximum time until the first answer.
        watch_seconds: how long it must run after that.
        latency_ms: maximum mean time per image, in ms; 0 for any.
    """

    start_seconds: float
    watch_seconds: float
    latency_ms: float = 0.0


def watch(manager: Manager, bounds: Bounds) -> dict[str, Any]:
    """Watch a service that was just started; return its health.

    Raises:
        ReleaseError: it exits, gives no answer, refuses its model, loses its camera, or is too slow.
    """
    processes = _Processes(manager)
    until = time.monotonic() + bounds.start_seconds
    while not _answers(health := processes.health()):
        if health.get("refused"):
            raise ReleaseError("the service refuses the model: {}".format(health["refused"]))
        if time.monotonic() > until:
            raise ReleaseError(_no_answer(health, bounds, manager))
        processes.check()
        time.sleep(_LOOK)
    processes = _Processes(manager, deaths=1)  # from here on it must not exit
    until = time.monotonic() + bounds.watch_seconds
    while time.monotonic() < until:
        processes.check()
        time.sleep(min(_LOOK, max(0.0, until - time.monotonic())))
    processes.check()
    health = processes.health()
    if not _answers(health):
        raise ReleaseError(_ended(manager))
    if health.get("refused"):
        raise ReleaseError("the service refuses the model: {}".format(health["refused"]))
    if health.get("state") != "running" and health.get("is_live"):
        raise ReleaseError("its source is {}{}".format(health.get("state"), _reason(health)))
    spent = health.get("milliseconds") or 0.0
    if bounds.latency_ms and spent > bounds.latency_ms:
        raise ReleaseError(f"it takes {spent:.1f} ms per image, but {bounds.latency_ms:g} ms are allowed")
    return health


def is_well(manager: Manager) -> bool:
    """Return whether a service started earlier is running and has not refused its model."""
    process = manager.process()
    health = service_object(manager.health)
    return bool(process) and health.get("process") == process and not health.get("refused") and _answers(health)


def _answers(health: dict[str, Any]) -> bool:
    """Return whether it answers; images in a folder or from a phone may come at any time."""
    return bool(health) and (health.get("frames", 0) > 0 or not health.get("is_live"))


def _no_answer(health: dict[str, Any], bounds: Bounds, manager: Manager) -> str:
    text = f"no answer within {bounds.start_seconds:g} s"
    if health:
        return "{}; its source is {}{}".format(text, health.get("state"), _reason(health))
    words = manager.last_words()
    return "{}{}".format(text, f": {words}" if words else "")


def _ended(manager: Manager) -> str:
    words = manager.last_words()
    return "the service ended by itself{}".format(f": {words}" if words else "")


def _reason(health: dict[str, Any]) -> str:
    return " ({})".format(health["reason"]) if health.get("reason") else ""


class _Processes:
    """The processes of the service since the watch began, a limited number of which may exit."""

    def __init__(self, manager: Manager, deaths: int = _DEATHS) -> None:
        self._manager, self._deaths = manager, deaths
        self._seen = [manager.process()]

    def health(self) -> dict[str, Any]:
        """Return the health written by the current process; empty if it has not written any yet."""
        content = service_object(self._manager.health)
        return content if content.get("process") == self._manager.process() else {}

    def check(self) -> None:
        """Raise ReleaseError if it has exited too often."""
        process = self._manager.process()
        if self._seen[-1] != process:
            self._seen.append(process)
        if sum(number > 0 for number in self._seen[:-1]) >= self._deaths:
            raise ReleaseError(_ended(self._manager))
