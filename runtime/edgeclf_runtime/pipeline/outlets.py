"""Open and close the outlets of a run's sinks."""

from __future__ import annotations

import time
from collections.abc import Sequence

from edgeclf_runtime.sinks import Sink
from edgeclf_runtime.sinks.outlet import Outlet
from edgeclf_runtime.sinks.sink import NO_ZONE, ZoneName

__all__ = ["close_outlets", "opened_outlets"]

_DRAIN = 1.0  # seconds for the sinks to finish
_LAST = 0.4  # seconds for the sinks to close after their queues were dropped
_PATIENT = 600.0  # seconds for the sinks to finish in a lossless run


def opened_outlets(
    sinks: Sequence[Sink], lossless: bool, everyone: Sequence[Outlet] | None = None, zone: ZoneName = NO_ZONE
) -> list[Outlet]:
    """Give each sink its thread and queue.

    Args:
        sinks: the sinks.
        lossless: see ``Outlet``.
        everyone: list of all outlets of the run, including later ones, for sinks that follow them; None for these.
        zone: the zone of these sinks; empty for sinks of all zones.
    """
    outlets = [Outlet(sink, lossless, zone) for sink in sinks]
    for sink in sinks:
        if (follow := getattr(sink, "follow", None)) is not None:
            follow(outlets if everyone is None else everyone)
    return outlets


def close_outlets(outlets: Sequence[Outlet], patient: bool) -> None:
    """Give the sinks a moment to finish, or ten minutes if ``patient``."""
    until = time.monotonic() + (_PATIENT if patient else _DRAIN)
    for outlet in outlets:
        outlet.end()
    late = [outlet for outlet in outlets if not outlet.wait(max(0.0, until - time.monotonic()))]
    for outlet in late:
        outlet.give_up()
    until = time.monotonic() + _LAST
    for outlet in late:
        outlet.wait(max(0.0, until - time.monotonic()))
