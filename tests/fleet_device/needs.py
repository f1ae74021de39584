"""What deployments to a real sshd need of this machine: asked before anything is built for them.

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
    """Return why the tests, or those of devices with a root filesystem of their own, cannot run; empty if they can."""
    missing = [program for program in _PROGRAMS if shutil.which(program, path=PATH) is None]
    if missing:
        return f"no {', '.join(missing)}: apt-get install {_PACKAGES}"
    return "needs root, for mount and chroot" if boxes and os.geteuid() != 0 else ""


if __name__ == "__main__":
    sys.exit(lacking() or 0)
