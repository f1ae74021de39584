"""A device on this machine: its own sshd with its own keys on a loopback port, its own root, and runit's supervisor."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import yaml

from tests.fleet_device.needs import PATH
from tests.ports import free_port

__all__ = ["Device", "Ended", "below", "kill", "kill_all", "processes"]

EDGECLF = [sys.executable, "-m", "edgeclf_runtime"]
_SETTINGS = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/user.pub
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class Ended:
    """How a deployment ended: exit status, the lines for the user, and all that was printed."""

    status: int
    text: str
    printed: str


@dataclass
class Device:
    """One device; all its files are in a folder, and its processes end with ``close``."""

    folder: Path
    port: int = field(default_factory=free_port)
    patience: ClassVar[float] = 900  # seconds for a command

    def __post_init__(self) -> None:
        self.root, self.service = self.folder / "root", self.folder / "service"
        self._write_keys(self.folder)
        self.service.mkdir()
        programs = {name: str(shutil.which(name, path=PATH)) for name in ("sshd", "runsvdir")}
        environment = {"PATH": PATH, "HOME": str(self.folder)}
        sshd = [programs["sshd"], "-D", "-e", "-f", str(self.folder / "sshd_config")]
        commands = (sshd, [programs["runsvdir"], "-P", str(self.service)])
        with (self.folder / "log").open("w") as log:
            self._processes = [
                subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
                for command in commands
            ]

    def _write_keys(self, there: Path) -> None:
        """Write keys, and settings of its sshd that name them below this folder."""
        for name in ("host", "user", "stranger"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)], check=True)
        (self.folder / "sshd_config").write_text(_SETTINGS.format(port=self.port, folder=there), "utf-8")
        Path("/run/sshd").mkdir(exist_ok=True)
        self.known = self.folder / "known_hosts"
        self.known.write_text(self.known_line(self.folder / "host.pub"), "utf-8")

    def known_line(self, public: Path, port: int = 0) -> str:
        """Return the line of a known_hosts file with this key for the device, or for another port of it."""
        return f"[127.0.0.1]:{port or self.port} {' '.join(public.read_text().split()[:2])}\n"

    def know(self, port: int) -> None:
        """Accept its key at another port, too, such as a relay's."""
        self.known.write_text(self.known.read_text() + self.known_line(self.folder / "host.pub", port), "utf-8")

    def deploy(self, model: Path, *words: object, **variables: Any) -> Ended:
        """Deploy, with these variables of the role or of Ansible."""
        with self.begin(model, *words, **variables) as process:
            output, errors = process.communicate(timeout=self.patience)
        return Ended(process.returncode, (output + errors).strip(), output + errors)

    def deploy_all(self, model: Path, hosts: dict[str, dict[str, Any]], *words: object) -> dict[str, str]:
        """Deploy under several names, each with its variables; return the line of each."""
        status, lines = self.roll_out(model, hosts, *words)
        assert status == 1
        return lines

    def roll_out(self, model: Path, hosts: dict[str, dict[str, Any]], *words: object) -> tuple[int, dict[str, str]]:
        """Deploy under several names, each with its variables; return the exit status and the line of each."""
        with self.begin_all(model, hosts, *words) as process:
            output, errors = process.communicate(timeout=self.patience)
        lines = (output + errors).strip().splitlines()
        assert len(lines) == len(hosts), lines
        return process.returncode, dict(line.split(": ", 1) for line in lines)

    def begin(self, model: Path, *words: object, **variables: Any) -> subprocess.Popen[str]:
        """Start a deployment."""
        return self.begin_all(model, {"box": variables}, *words)

    def begin_all(self, model: Path, hosts: dict[str, dict[str, Any]], *words: object) -> subprocess.Popen[str]:
        """Start a deployment under several names, each with its variables."""
        self.write_inventory(hosts)
        return self._started("deploy", model, "--inventory", self._inventory, *words)

    @property
    def _inventory(self) -> Path:
        return self.folder / "hosts.yml"

    def reached_by(self, key: Path, user: str = "root") -> dict[str, Any]:
        """Return the variables of an inventory with which ssh connects."""
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": user,
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={self.known} -o ControlPersist=5s",
            "edgeclf_python": "/usr/bin/python3",
            "edgeclf_watch_seconds": 2,
        }

    def variables(self) -> dict[str, Any]:
        """Return the variables of an inventory for this device."""
        return {
            **self.reached_by(self.folder / "user"),
            "edgeclf_root": str(self.root),
            "edgeclf_service_manager": "runit",
            "edgeclf_runit_folder": str(self.service),
        }

    def write_inventory(self, hosts: dict[str, dict[str, Any]]) -> None:
        """Write the inventory of the next command: hosts, with each one's own variables."""
        content = {"all": {"hosts": hosts, "vars": self.variables()}}
        self._inventory.write_text(yaml.safe_dump(content), "utf-8")

    def fleet(self, command: str, *words: object, **variables: Any) -> Ended:
        """Run a command of ``edgeclf fleet`` for this device, with these variables."""
        return self.fleet_of({"box": variables}, command, *words)

    def fleet_of(self, hosts: dict[str, dict[str, Any]], command: str, *words: object) -> Ended:
        """Run a command of ``edgeclf fleet`` for several names of this device, each with its variables."""
        with self.begin_fleet(hosts, command, *words) as process:
            output, errors = process.communicate(timeout=self.patience)
        return Ended(process.returncode, output.strip(), output + errors)

    def begin_fleet(self, hosts: dict[str, dict[str, Any]], command: str, *words: object) -> subprocess.Popen[str]:
        """Start a command of ``edgeclf fleet``."""
        self.write_inventory(hosts)
        return self._started("fleet", command, "--inventory", self._inventory, *words)

    def cut_off(self) -> None:
        """End all connections, like a lost link."""
        kill(*below(self._processes[0].pid))

    def _started(self, *words: object) -> subprocess.Popen[str]:
        command = [*EDGECLF, *map(str, words)]
        environment = {**os.environ, "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "cp")}
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )

    def health(self) -> dict[str, Any]:
        """Return the health of the service's current process; empty if there is none."""
        try:
            content: dict[str, Any] = json.loads((self.root / "state/edgeclf-models/edgeclf/health.json").read_text())
        except OSError:
            return {}
        return content if Path(f"/proc/{content['process']}").exists() else {}

    @staticmethod
    def wait(what: Callable[[], object], seconds: float = 240) -> None:
        """Wait until a condition holds."""
        until = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < until, "it did not come"
            time.sleep(0.1)

    def tree(self) -> list[str]:
        """Return what is installed, without the service's files."""
        parts = ("", "environments", "models", "releases", "incoming")
        return sorted(str(path.relative_to(self.root)) for name in parts for path in (self.root / name).glob("*"))

    def close(self) -> None:
        """End the device's processes."""
        for entry in self.service.iterdir() if self.service.is_dir() else ():
            subprocess.run(["sv", "-w", "10", "force-shutdown", str(entry)], capture_output=True, check=False)
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def kill(*numbers: int) -> None:
    """Kill processes at once."""
    for number in numbers:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def kill_all(number: int) -> None:
    """Kill a process and all that it started; Ansible's have their own sessions."""
    kill(*below(number), number)


def below(number: int) -> list[int]:
    """Return the numbers of a process's descendants."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            if parent == number:
                found += [int(path.parent.name), *below(int(path.parent.name))]
    return found


def processes(is_meant: Callable[[list[bytes]], bool]) -> list[int]:
    """Return the numbers of this machine's processes that are selected by the words of their commands."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if is_meant(path.read_bytes().split(b"\0")):
                found.append(int(path.parent.name))
    return found
