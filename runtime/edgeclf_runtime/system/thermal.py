"""The temperature of the processor."""

from __future__ import annotations

from pathlib import Path

__all__ = ["temperature"]

_ZONES = Path("/sys/class/thermal")


def temperature(zones: Path = _ZONES) -> float | None:
    """Return the processor's temperature in degrees Celsius; None if the kernel does not report it.

    Args:
        zones: the kernel's folder; its first zone is the processor on a Raspberry Pi and most other machines.
    """
    try:
        return int((zones / "thermal_zone0" / "temp").read_text("ascii")) / 1000
    except (OSError, ValueError):  # reading a zone whose sensor is off fails
        return None
