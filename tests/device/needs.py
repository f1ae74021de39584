"""What the emulated devices need on this machine: checked before anything is built or trained for them.

``python tests/device/needs.py`` fails if none of their tests could run; it needs no packages.
"""

from __future__ import annotations

import os
import shutil
import sys

__all__ = ["PATH", "lacking"]

PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
_PACKAGES = "qemu-user-static mmdebstrap qemu-system-arm kmod cpio e2fsprogs openssh-client"
_USERLAND = ("chroot", "mmdebstrap")
_MACHINE = ("qemu-system-aarch64", "modprobe", "depmod", "dpkg-deb", "apt-get", "cpio", "mkfs.ext4", "debugfs", "ssh")
_TESTS = {
    "ARM64": ("qemu-aarch64-static", *_USERLAND),
    "ARMHF": ("qemu-arm-static", *_USERLAND),
    "machine": (*_MACHINE, *_USERLAND),
}


def lacking(tests: str) -> str:
    """Return why tests of "ARM64", "ARMHF" or a "machine" cannot run, and what to do; empty if they can."""
    missing = [program for program in _TESTS[tests] if shutil.which(program, path=PATH) is None]
    if missing:
        return f"no {', '.join(missing)}: apt-get install {_PACKAGES}"
    return "" if os.geteuid() == 0 else "needs root, for chroot and mount: sudo make test-pi"


def main() -> None:
    """Exit with status 1 and the reasons if nothing could run."""
    reasons = [lacking(tests) for tests in _TESTS]
    if all(reasons):
        sys.exit("make test-pi cannot run any test:\n" + "\n".join(dict.fromkeys(reasons)))


if __name__ == "__main__":
    main()
