#!/usr/bin/python3
"""The emulated machine's first process: mounts, loads the camera's driver, runs /work/scenario.py, and turns off."""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
import traceback

_LIBC = ctypes.CDLL(None, use_errno=True)
_FINIT_MODULE = 273  # system call number on aarch64
_POWER_OFF = 0x4321FEDC
_SIOCSIFFLAGS, _UP = 0x8914, 1
_ARGUMENTS = {"vivid.ko": "n_devs=1 node_types=0x1"}  # one camera, and nothing else


def _mount(name, kind):
    if _LIBC.mount(kind.encode(), name.encode(), kind.encode(), 0, None):
        print("mount", name, os.strerror(ctypes.get_errno()))


def _load(name):
    with open(f"/mods/{name}", "rb") as file:
        if _LIBC.syscall(_FINIT_MODULE, file.fileno(), _ARGUMENTS.get(name, "").encode(), 0):
            print("module", name, os.strerror(ctypes.get_errno()))


def _loopback():
    """Bring up 127.0.0.1, which the kernel assigns when the interface is up."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _UP))


def main():
    for name, kind in (("/proc", "proc"), ("/sys", "sysfs"), ("/dev", "devtmpfs"), ("/tmp", "tmpfs")):
        _mount(name, kind)
    with open("/mods/order") as order:
        for name in order.read().split():
            _load(name)
    _loopback()
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "PYTHONPATH": "/opt/site", "LANG": "C.UTF-8"}
    subprocess.run([sys.executable, "/work/scenario.py"], env=environment, cwd="/tmp")


try:
    main()
except BaseException:
    traceback.print_exc()
finally:
    sys.stdout.flush()
    _LIBC.sync()
    _LIBC.reboot(_POWER_OFF)
