"""Whether this machine knows what time it is: a Raspberry Pi has no clock that runs while it is off."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Callable

__all__ = ["is_synchronized", "wait_for_time"]

LONGEST = 60.0  # seconds to wait for the time
_BOOT = 300.0  # seconds after the start of the machine in which waiting is worth it; later starts go on at once
_LOOK = 1.0  # seconds between two looks
_PATIENCE = 5.0  # seconds for one


def is_synchronized(root: Path = Path("/")) -> bool | None:
    """Whether the network has set the clock since the machine started; None where nobody says.

    Args:
        root: of the file system.
    """
    folder = root / "run" / "systemd" / "timesync"  # of systemd-timesyncd
    if folder.is_dir():
        return (folder / "synchronized").exists()
    return _asked() if root == Path("/") else None


def _asked() -> bool | None:
    """What systemd knows of another program that sets the clock."""
    try:
        words = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
        # It would tell systemd of its own end, in this service's name.
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
    """Wait until the clock is set, soon after the machine has started only.

    Args:
        seconds: to wait at most.
        synchronized, uptime, sleep: see ``is_synchronized``; seconds since the start of the machine; as ``time.sleep``.

    Returns:
        a sentence where the clock is not set, else an empty text.
    """
    waited = 0.0
    while synchronized() is False:
        if waited >= seconds or uptime() > _BOOT:
            shown = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
            return f"The clock is not set (it says {shown}): times are wrong until the network sets it."
        sleep(_LOOK)
        waited += _LOOK
    return ""
