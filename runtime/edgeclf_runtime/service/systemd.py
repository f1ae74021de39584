"""Install, remove and query units of the machine's systemd or of a user's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from edgeclf_runtime.errors import ServiceError
from edgeclf_runtime.service.unit import MARK
from edgeclf_runtime.system.atomic_file import written_beside

__all__ = ["Systemd", "found_systemd"]

_SYSTEM = Path("/etc/systemd/system")
_RUNS = Path("/run/systemd/system")  # see sd_booted(3)
_ASKED = (
    "LoadState",
    "ActiveState",
    "SubState",
    "StatusText",
    "ActiveEnterTimestamp",
    "NRestarts",
    "Result",
    "ExecMainStatus",
    "MemoryCurrent",
)


class Systemd:
    """Units by name, without ``.service``.

    Args:
        folder: folder of the unit files.
        options: options of every call, such as ``--user``.
    """

    def __init__(self, folder: Path, options: tuple[str, ...] = ()) -> None:
        self._folder, self._options = folder, options

    @property
    def version(self) -> int:
        """Return systemd's version, such as 252; 0 if unknown."""
        match = re.search(r"systemd (\d+)", self._call("systemctl", "--version"))
        return int(match[1]) if match else 0

    def path(self, name: str) -> Path:
        """Return the path of a unit file, whether it exists or not."""
        return self._folder / f"{name}.service"

    def write(self, name: str, text: str) -> bool:
        """Write a unit file atomically; return whether an earlier one of edgeclf was replaced.

        Raises:
            ServiceError: the existing unit file is not edgeclf's, or it cannot be written.
        """
        path, replaced = self.path(name), self._ours(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_beside(path) as hidden:
                hidden.write_text(text, "utf-8")
        except OSError as error:
            raise ServiceError(f"{path}: {error.strerror}.") from None
        return replaced

    def start(self, name: str) -> None:
        """Reload the unit files, enable this unit at boot, and (re)start it now."""
        for words in (["daemon-reload"], ["enable", name], ["restart", name]):
            self._call("systemctl", *words)

    def text(self, name: str) -> str:
        """Return the text of a unit file of edgeclf; empty if there is none."""
        return self.path(name).read_text("utf-8", "replace") if self._ours(name) else ""

    def remove(self, name: str) -> bool:
        """Stop a unit and delete its file; return False if there was none."""
        if not self._ours(name):
            return False
        self._call("systemctl", "disable", "--now", name)
        self.path(name).unlink()
        self._call("systemctl", "daemon-reload")
        self._call("systemctl", "reset-failed", name, tolerant=True)
        return True

    def state(self, name: str) -> dict[str, str]:
        """Return the properties of a unit by systemd's names; see systemctl(1)."""
        output = self._call("systemctl", "show", name, f"--property={','.join(_ASKED)}")
        return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)

    def last_lines(self, name: str, count: int) -> str:
        """Return the last lines of its log, or why the log cannot be read."""
        unit = f"--user-unit={name}" if self._options else f"--unit={name}"
        words = [unit, f"--lines={count}", "--no-pager", "--output=short-iso"]
        return self._call("journalctl", *words, options=(), tolerant=True)

    def _ours(self, name: str) -> bool:
        """Return whether edgeclf installed this unit; raise ServiceError if somebody else did."""
        path = self.path(name)
        try:
            text = path.read_text("utf-8", "replace")
        except FileNotFoundError:
            return False
        except OSError as error:
            raise ServiceError(f"{path}: {error.strerror}.") from None
        if not text.startswith(MARK):
            raise ServiceError(f"{path}: not written by edgeclf service; choose another --name, or remove it yourself.")
        return True

    def _call(self, program: str, *words: str, options: tuple[str, ...] | None = None, tolerant: bool = False) -> str:
        command = [program, *(self._options if options is None else options), *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        except OSError as error:
            raise ServiceError(f"{program}: {error.strerror}.") from None
        if done.returncode and not tolerant:
            reason = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
            raise ServiceError(f"{program} {words[0]}: {reason}")
        return done.stdout or (done.stderr if tolerant else "")


def found_systemd(personal: bool, changes: bool) -> Systemd:
    """Return the systemd of this machine or of the calling user.

    Args:
        personal: whether to use the user's.
        changes: whether units will be changed, not only queried.

    Raises:
        ServiceError: systemd does not run here, or only root may do this.
    """
    if not _RUNS.is_dir() or shutil.which("systemctl") is None:
        raise ServiceError("systemd does not run here; edgeclf service install --dry-run shows the unit for elsewhere.")
    if personal:
        home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        return Systemd(home / "systemd" / "user", ("--user",))
    if changes and os.geteuid() != 0:
        raise ServiceError("Only root may do that: call it with sudo, or with --user for a service of your own.")
    return Systemd(_SYSTEM)
