"""Only one deployment at a time on a device."""

from __future__ import annotations

import errno
import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from .edgeclf_layout import Layout, ReleaseError
from .edgeclf_shadowing import end_trial

__all__ = ["locked"]

_TRIAL_ENDS = 60.0  # seconds for a trial to end when told to


@contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Lock the device; refuse a second deployment, except that it ends a trial, which may take long.

    Raises:
        ReleaseError: another deployment is running.
    """
    with (layout.root / "lock").open("w") as file:
        until = time.monotonic() + (_TRIAL_ENDS if not _taken(file) and end_trial(layout) else 0.0)
        while not _taken(file):
            if time.monotonic() >= until:
                raise ReleaseError("another deployment to this device is running; wait until it ends.")
            time.sleep(0.2)
        yield


def _taken(file: IO[str]) -> bool:
    """Take the lock; return whether it was free."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True
