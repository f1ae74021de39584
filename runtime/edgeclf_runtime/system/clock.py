"""Whether the clock is set: a Raspberry Pi has no clock that runs while it is off."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Callable

__all__ = ["is_synchronized", "wait_for_time"]

LONGEST = 60.0  # seconds to wait for the clock
_BOOT = 300.0  # seconds after boot during which waiting makes sense; a later start does not wait
_LOOK = 1.0  # seconds between two checks
_PATIENCE = 5.0  # seconds a check may take


def is_synchronized(root: Path = Path("/")) -> bool | None:
    """Whether the network has set the clock since boot; None if unknown.

    Args:
        root: root of the file system.
    """
    folder = root / "run" / "systemd" / "timesync"  # of systemd-timesyncd
    if folder.is_dir():
        return (folder / "synchronized").exists()
    return _asked() if root == Path("/") else None


def _asked() -> bool | None:
    """Ask systemd whether another program has set the clock."""
    try:
        words = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
        # With NOTIFY_SOCKET, timedatectl would report its own end to systemd in the name of this service.
        environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
        done = subprocess.run(words, capture_output=True, text=True, timeout=_PATIENCE, check=False, env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(done.stdout.strip())


def wait_for_time(
    seconds: float = LONGEST,
    synchronized: Callable[[], bool | None] = is_synchronized,
    uptime: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    sleep: Callable[[float], object] = time.sleep,
) -> str:
    """Wait until the clock is set, only soon after boot.

    Args:
        seconds: longest time to wait.
        synchronized: as ``is_synchronized``.
        uptime: returns the seconds since boot.
        sleep: as ``time.sleep``.

    Returns:
        A warning if the clock is not set, else an empty string.
    """
    waited = 0.0
    while synchronized() is False:
        if waited >= seconds or uptime() > _BOOT:
            shown = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
            return f"The clock is not set (it says {shown}): times are wrong until the network sets it."
        sleep(_LOOK)
        waited += _LOOK
    return ""
