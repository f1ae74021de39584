"""How warm the machine is."""

from __future__ import annotations

from pathlib import Path

__all__ = ["temperature"]

_ZONES = Path("/sys/class/thermal")


def temperature(zones: Path = _ZONES) -> float | None:
    """Of the processor in degrees Celsius; None where the kernel does not say.

    Args:
        zones: the kernel's folder; its first zone is the processor's on a Raspberry Pi and on most others.
    """
    try:
        return int((zones / "thermal_zone0" / "temp").read_text("ascii")) / 1000
    except (OSError, ValueError):  # a zone whose sensor is off answers with an error
        return None
