"""A device with its own root filesystem and processes: this machine's files, with its changes in an overlay."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.fleet_device.device import Device, below, kill
from tests.fleet_device.needs import PATH
from tests.ports import free_port

__all__ = ["Box"]

_OWN = ("root", "opt", "tmp", "etc/service", "var/lib/edgeclf-models")  # empty there, whatever is in them here
_SETTINGS = Path("etc/box")
_BOOT = """\
set -e
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$DISK/changes,workdir=$DISK/work" "$ROOT"
mount --rbind /dev "$ROOT/dev"
mount -t proc proc "$ROOT/proc"
mount -t tmpfs none "$ROOT/run"
mkdir "$ROOT/run/sshd"
exec chroot "$ROOT" sh -c 'runsvdir -P /etc/service & exec $(command -v sshd) -D -e -f /etc/box/sshd_config'
"""


class Box(Device):
    """One device; its power can be cut, and it boots again with what was on its disk.

    Args:
        folder: existing folder for everything.
        image: another box, which is off: its disk's contents are the initial ones.
        size: size of its disk, which is a filesystem in memory, such as "700M".
    """

    def __init__(self, folder: Path, image: Box | None = None, size: str = "2G") -> None:
        self.folder, self.port, self._init, self._disk = folder, free_port(), 0, folder / "disk"
        self.changes = self._disk / "changes"
        lower = [Path("/")] if image is None else [image.changes, Path("/")]
        self._disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "disk", self._disk], check=True)
        for path in (self.changes, self._disk / "work", folder / "root"):
            path.mkdir()
        for name in _OWN if image is None else ():
            (self.changes / name).mkdir(parents=True)
            os.setxattr(self.changes / name, "trusted.overlay.opaque", b"y")
        self._write_keys(Path("/", _SETTINGS))
        (self.changes / _SETTINGS).mkdir(parents=True)
        for name in ("sshd_config", "host", "user.pub"):
            shutil.copy(folder / name, self.changes / _SETTINGS)
        names = {"LOWER": ":".join(map(str, lower)), "DISK": str(self._disk), "ROOT": str(folder / "root")}
        self._environment = {"PATH": PATH, "HOME": "/root", **names}
        self.boot()

    def boot(self) -> None:
        """Turn it on, and wait until its sshd listens."""
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _BOOT]
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log, start_new_session=True)
        self._processes = [process]
        self.wait(lambda: process.poll() is not None or _listens(self.port), 60)
        assert process.poll() is None, (self.folder / "log").read_text()[-2000:]
        (self._init,) = _children(process.pid)
        inside = Path(f"/proc/{self._init}/root")
        self.root, self.service = inside / "opt/edgeclf", inside / "etc/service"

    def cut_power(self) -> None:
        """End all its processes at once."""
        if self._processes[0].poll() is None:
            kill(self._init)
            self._processes[0].wait(60)

    def close(self) -> None:
        self.cut_power()
        subprocess.run(["umount", self._disk], check=True)

    def variables(self) -> dict[str, Any]:
        own = {"edgeclf_root": "/opt/edgeclf", "edgeclf_runit_folder": "/etc/service"}
        return {**super().variables(), **own}

    def health(self) -> dict[str, Any]:
        try:
            path = self.root / "state/edgeclf-models/edgeclf/health.json"
            content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        except OSError:
            return {}
        return content if Path(f"/proc/{self._init}/root/proc/{content['process']}").exists() else {}

    def answers(self) -> list[dict[str, Any]]:
        """Return all answers of its service, as the sink ``jsonl`` wrote them to answers.jsonl."""
        lines = (self.root / "data/answers.jsonl").read_text("utf-8").splitlines()
        return [item for item in map(_read, lines) if "answer" in item]

    def answer_since(self, moment: float) -> str:
        """Return its newest answer, unless it is from before this time, in seconds since 1970; else ""."""
        try:
            with (self.root / "data/answers.jsonl").open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        found = [item for item in map(_read, lines) if item.get("time", 0) >= moment and "answer" in item]
        return str(found[-1]["answer"]) if found else ""

    def running(self, *parts: str) -> list[int]:
        """Return the processes whose command has one of these parts, by their numbers here."""
        found = []
        for number in below(self._init):
            with suppress(OSError):
                command = Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                found += [number] if any(part in command for part in parts) else []
        return found

    def is_being_deployed_to(self) -> bool:
        """Return whether a deployment is running, here or on it."""
        mine = str(self._inventory).encode()
        commands = (path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists())
        return any(mine in command for command in commands) or bool(self.running("AnsiballZ"))

    def settled(self) -> set[str]:
        """Wait until no deployment to it is running; return the contents of its own folders, see ``written``."""
        self.wait(lambda: not self.is_being_deployed_to())
        return self.written()

    def written(self) -> set[str]:
        """Return the contents of its own folders, without the service's files and environments.

        An empty folder of Ansible, killed before it wrote to it, is removed by a later deployment (see ``fleet``'s
        ``edgeclf_leftovers``): another Ansible might be about to use it.
        """
        started = ["-path", "root/.ansible/tmp/ansible-tmp-*", "-empty"]
        command = ["find", *_OWN, "-mindepth", "1", "(", *_BESIDE, "-o", *started, ")", "-prune", "-o"]
        command += ["-printf", "%p\n"]
        there = f"/proc/{self._init}/root"
        done = subprocess.run(command, cwd=there, capture_output=True, text=True, check=True)
        return set(done.stdout.splitlines())


_TAIL = 10_000  # bytes: more than one answer
_UNLIKE = ("environments/*/*", "data/*", "state/*", "log/*", "runit/*")
_BESIDE: Sequence[str] = [word for path in _UNLIKE for word in ("-o", "-path", f"opt/edgeclf/{path}")][1:]


def _read(line: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(line)
    except ValueError:  # cut off by a kill in the middle of a line
        return {}
    return content


def _children(number: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{number}/task/{number}/children").read_text().split()]


def _listens(port: int) -> bool:
    time.sleep(0.05)
    done = subprocess.run(["ssh-keyscan", "-T", "1", "-p", str(port), "127.0.0.1"], capture_output=True, check=False)
    return bool(done.stdout)
