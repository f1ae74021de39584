"""Ansible's connection to a device."""

from __future__ import annotations

from typing import Any

__all__ = ["notice_a_lost_link"]

_ALIVE = "-o ServerAliveInterval=15 -o ServerAliveCountMax=3"


def notice_a_lost_link(connection: Any) -> None:
    """Make ssh end within a minute if the device does not answer; otherwise it may take hours."""
    if connection.transport == "ssh":
        given = connection.get_option("ssh_extra_args") or ""
        connection.set_option("ssh_extra_args", f"{given} {_ALIVE}".strip())
