"""An emulated Pi that boots from its disk, is reached by ssh, and can lose power."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.device.disk import USER, Disk
from tests.device.machine import emulator, kernel
from tests.ports import free_port

__all__ = ["Booted", "booted"]

_UP = 1800.0  # seconds until ssh answers, on a busy machine
_LOOK = 0.5


class Booted:
    """A running machine.

    Args:
        disk: the disk that it boots from.
        console: file of its serial console's output.
        words: further options of qemu.
        start: further kernel arguments.

    Attributes:
        port: port on this machine where its sshd listens.
    """

    def __init__(self, disk: Disk, console: Path, words: Sequence[str] = (), start: str = "") -> None:
        self._disk, self._console, self.port = disk, console, free_port()
        command = emulator(kernel(), disk.archive, f"systemd.show_status=no {start}")
        command += ["-device", "virtio-rng-pci", *words]
        command += ["-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22"]
        command += ["-device", "virtio-net-pci,netdev=net,romfile="]
        with console.open("wb") as out:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )

    def said(self) -> str:
        """The console's output so far."""
        return self._console.read_text("utf-8", "replace")

    def runs(self) -> bool:
        """Whether the machine is on."""
        return self._process.poll() is None

    def wait_for(self, text: str, seconds: float) -> None:
        """Wait until its console has printed a text.

        Raises:
            AssertionError: the machine was turned off first, or did not print it in time.
        """
        until = time.monotonic() + seconds
        while text not in self.said():
            assert self.runs(), self.said()[-3000:]
            assert time.monotonic() < until, f"no {text!r} within {seconds:g} s:\n{self.said()[-3000:]}"
            time.sleep(_LOOK)

    def ssh(self, *words: str, content: bytes = b"", seconds: float = 120.0) -> subprocess.CompletedProcess[bytes]:
        """Run a shell command on the machine."""
        options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        options += ["ConnectTimeout=10", "IdentitiesOnly=yes"]
        command = ["ssh", "-p", str(self.port), "-i", str(self._disk.key)]
        command += [word for option in options for word in ("-o", option)]
        command += [f"{USER}@127.0.0.1", "--", *words]
        return subprocess.run(command, input=content, capture_output=True, timeout=seconds, check=False)

    def wait_for_ssh(self) -> None:
        """Wait until a login works; see ``wait_for``."""
        until = time.monotonic() + _UP
        while (done := self.ssh("true")).returncode:
            assert self.runs(), self.said()[-3000:]
            assert time.monotonic() < until, f"{done.stderr.decode()}\n{self.said()[-3000:]}"
            time.sleep(_LOOK)

    def turn_off(self) -> None:
        """Shut down cleanly: everything is written to the disk."""
        self.ssh("sudo", "systemctl", "poweroff")
        self._process.wait(_UP)

    def cut_power(self) -> None:
        """Cut the power: data not yet written to the disk is lost."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def booted(disk: Disk, console: Path, *, keeps: bool = True) -> Iterator[Booted]:
    """The machine with systemd, once login works; at the end its power is cut if it was not turned off.

    Args:
        disk: the disk that it boots from.
        console: file of its serial console's output.
        keeps: whether its disk keeps what was written to it.
    """
    drive = f"if=none,id=root,format=raw,file={disk.image},cache=writeback,snapshot={'off' if keeps else 'on'}"
    machine = Booted(disk, console, ["-drive", drive, "-device", "virtio-blk-pci,drive=root"])
    try:
        machine.wait_for_ssh()
        yield machine
    finally:
        if machine.runs():
            machine.cut_power()
