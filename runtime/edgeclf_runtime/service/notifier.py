"""Send notifications to systemd: datagrams of ``NAME=value`` lines, see sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

__all__ = ["Notifier"]

_log = logging.getLogger(__name__)
_PATIENCE = 1.0  # seconds to wait if systemd is slow to read


class Notifier:
    """Sends to the socket that systemd names; does nothing if there is none.

    Args:
        environment: with ``NOTIFY_SOCKET`` (a path, or ``@name`` in the abstract namespace), ``WATCHDOG_USEC`` and
            ``WATCHDOG_PID``; by default the process's environment.

    Attributes:
        wanted: whether systemd listens.
        watchdog: maximum time between two calls of ``alive``, in seconds; 0 without a watchdog.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.wanted = bool(address)
        self.watchdog = _watchdog(environment) if address else 0.0
        self._failed = False

    def ready(self, status: str) -> None:
        """Report that the start is complete."""
        self._send(f"READY=1\nSTATUS={_one_line(status)}")

    def status(self, text: str) -> None:
        """Set the text that ``systemctl status`` shows."""
        self._send(f"STATUS={_one_line(text)}")

    def alive(self) -> None:
        """Reset the watchdog's timer."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Report that the service is stopping on purpose."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self.wanted:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(_PATIENCE)
                sender.sendto(message.encode(), self._address)
        except OSError as error:
            if not self._failed:
                _log.warning("Cannot notify systemd: %s", error.strerror or error)
            self._failed = True


def _watchdog(environment: Mapping[str, str]) -> float:
    """Return the watchdog's time-out in seconds; 0 if it applies to another process."""
    duration, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not duration.isdecimal() or (process and process != str(os.getpid())):
        return 0.0
    return int(duration) / 1e6


def _one_line(text: str) -> str:
    return " ".join(text.split())
