"""What deployments to a real sshd need on this machine: checked before anything is built for them.

``python tests/fleet_device/needs.py`` fails if something is missing; it needs no packages.
"""

from __future__ import annotations

import os
import shutil
import sys

__all__ = ["PATH", "lacking"]

PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
_PACKAGES = "openssh-server openssh-client runit faketime sudo"
_PROGRAMS = ("sshd", "ssh", "ssh-keygen", "runsvdir", "sv", "svlogd", "faketime", "sudo")


def lacking(boxes: bool = False) -> str:
    """Return why the tests, or those of devices with their own root filesystem, cannot run; empty if they can."""
    missing = [program for program in _PROGRAMS if shutil.which(program, path=PATH) is None]
    if missing:
        return f"no {', '.join(missing)}: apt-get install {_PACKAGES}"
    return "needs root, for mount and chroot" if boxes and os.geteuid() != 0 else ""


if __name__ == "__main__":
    sys.exit(lacking() or 0)
