"""Service managers: how ``edgeclf run`` is installed as a service, restarted, and queried."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from .edgeclf_calls import call
from .edgeclf_layout import Layout, ReleaseError, write_synced

__all__ = ["Manager", "Runit", "Systemd", "manager_named"]

_STATE = "edgeclf-models"  # as in edgeclf_runtime/system/state_folder.py
_UNITS = Path("/etc/systemd/system")
_PATIENCE = 20  # seconds that sv waits
_SUPERVISED_AFTER = 30.0  # seconds; runsvdir looks for new services every five


class Manager:
    """No service: releases are installed and tried, but nothing runs.

    Args:
        layout: the folders.
        service: name of the service.
        options: ``run_as``, ``memory_limit`` and ``runit_folder``.
    """

    runs_service = False

    def __init__(self, layout: Layout, service: str, options: dict[str, Any]) -> None:
        self.layout, self.service, self.options = layout, service, options

    @property
    def health(self) -> Path:
        """Path of the file with the service's health."""
        return self.layout.root / "health.json"

    def definition(self) -> str | None:
        """Return the service's current definition; None if there is none."""
        return None

    def start(self) -> None:
        """Define the service for the current release, and restart it."""

    def restore(self, definition: str | None) -> None:
        """Go back to an earlier definition and restart, or remove the service if there was none."""

    def process(self) -> int:
        """Return the id of its process; 0 if it is not running."""
        return 0

    def last_words(self) -> str:
        """Return the last line of its log; empty if there is none."""
        return ""

    def command(self) -> list[str]:
        """Return the command of the service, through the link that is switched."""
        current = self.layout.link
        python = [str(current / "environment/bin/python"), "-m", "edgeclf_runtime"]
        return [*python, "run", str(current / "model.tflite"), "--config", str(current / "run.toml")]


class Systemd(Manager):
    """A unit of the system, written by ``edgeclf service install``."""

    runs_service = True

    @property
    def health(self) -> Path:
        return Path("/var/lib") / _STATE / self.service / "health.json"

    @property
    def _unit(self) -> Path:
        return _UNITS / f"{self.service}.service"

    def definition(self) -> str | None:
        return self._unit.read_text("utf-8") if self._unit.exists() else None

    def start(self) -> None:
        python, *_ = self.command()
        current, user = self.layout.link, self.options["run_as"] or os.environ.get("SUDO_USER", "root")
        if user != "root":  # files that the settings name without a folder are written there
            shutil.chown(self.layout.data, user)
        words = [python, "-I", "-m", "edgeclf_runtime", "service", "install", current / "model.tflite"]
        words += ["--config", current / "run.toml", "--name", self.service]
        for name in ("run_as", "memory_limit"):
            if self.options[name]:
                words += ["--{}".format(name.replace("_", "-")), self.options[name]]
        call(words, "the service cannot be installed", self.layout.data, 300)

    def restore(self, definition: str | None) -> None:
        if definition is None:
            if self._unit.exists():
                call(["systemctl", "disable", "--now", self.service], "the service cannot be stopped")
                self._unit.unlink()
            call(["systemctl", "daemon-reload"], "systemd")
            return
        if self.definition() != definition:  # also goes back if the disk is full
            write_synced(self._unit, definition)
        for words in (["daemon-reload"], ["reset-failed", self.service], ["restart", self.service]):
            call(["systemctl", *words], "the former service cannot be started")

    def process(self) -> int:
        words = ["systemctl", "show", self.service, "--property=MainPID", "--value"]
        number = call(words, "systemd").strip()
        return int(number) if number.isdecimal() else 0

    def last_words(self) -> str:
        words = ["journalctl", "--unit", self.service, "--lines=20", "--no-pager", "--output=cat"]
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
        lines = [line for line in done.stdout.splitlines() if "edgeclf" not in line or "Error" in line]
        return _telling(lines)


class Runit(Manager):
    """A service of runit, for systems without systemd; its log is in ROOT/log."""

    runs_service = True

    @property
    def health(self) -> Path:
        return self._state / "health.json"

    @property
    def _state(self) -> Path:
        return self.layout.root / "state" / _STATE / self.service

    @property
    def _folder(self) -> Path:
        return self.layout.root / "runit" / self.service

    @property
    def _link(self) -> Path:
        return Path(self.options["runit_folder"]) / self.service

    def definition(self) -> str | None:
        run = self._folder / "run"
        return run.read_text("utf-8") if run.exists() and self._link.is_symlink() else None

    def start(self) -> None:
        if self._link.exists() and not self._link.is_symlink():
            raise ReleaseError(f"{self._link}: was not created by edgeclf; choose another name for the service.")
        log, state = self.layout.root / "log", self._state
        for folder in (self._folder / "log", log, state):
            folder.mkdir(parents=True, exist_ok=True)
        words = " ".join(shlex.quote(word) for word in self.command())
        lines = ["#!/bin/sh", "exec 2>&1", f"cd {shlex.quote(str(self.layout.data))} || exit"]
        lines += [f"export STATE_DIRECTORY={shlex.quote(str(state))}"]
        lines += ["export PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1", f"exec {words}", ""]
        write_synced(self._folder / "log/run", f"#!/bin/sh\nexec svlogd {shlex.quote(str(log))}\n", 0o755)
        self.restore("\n".join(lines))

    def restore(self, definition: str | None) -> None:
        if definition is None:
            self._remove()
            return
        if self.definition() != definition:  # also goes back if the disk is full
            write_synced(self._folder / "run", definition, 0o755)
        before = self.process() if self._link.is_symlink() else 0
        if self._link.is_symlink():
            self._call("force-restart")  # kills a process that does not end, which would be taken for the new one
        else:
            os.symlink(self._folder, self._link)
        until = time.monotonic() + _SUPERVISED_AFTER
        while (process := self.process()) in (0, before):
            if time.monotonic() > until:
                raise ReleaseError(f"runit does not start {self._link}: is runsvdir running?")
            if process:  # sv counts whole seconds: a service that had just started was taken for the new one
                self._call("force-restart")
            time.sleep(0.2)

    def _remove(self) -> None:
        if self._link.is_symlink():
            self._call("force-stop")
            self._link.unlink()
            subprocess.run(["sv", "exit", str(self._folder)], capture_output=True, check=False)
            subprocess.run(["sv", "exit", str(self._folder / "log")], capture_output=True, check=False)
            time.sleep(1)  # runsv closes its log last
        for folder in (self.layout.root / "runit", self.layout.root / "state", self.layout.root / "log"):
            shutil.rmtree(folder, ignore_errors=True)

    def _call(self, word: str) -> str:
        done = subprocess.run(
            ["sv", "-w", str(_PATIENCE), word, str(self._folder)], capture_output=True, text=True, check=False
        )
        return done.stdout

    def process(self) -> int:
        # "run: FOLDER: (pid 12) 3s; run: log: (pid 11) 3s", or "down: FOLDER: 1s, normally up; run: log: (pid 11) 3s"
        own = self._call("status").partition("; ")[0]
        number = own.partition("(pid ")[2].partition(")")[0]
        return int(number) if own.startswith("run:") and number.isdecimal() else 0

    def last_words(self) -> str:
        try:
            lines = (self.layout.root / "log/current").read_text("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return _telling(lines[-20:])


def _telling(lines: list[str]) -> str:
    """Return the last line that names an error, else the last line."""
    full = [line.strip() for line in lines if line.strip()]
    errors = [line for line in full if "Error" in line]
    return (errors or full or [""])[-1]


def manager_named(name: str, layout: Layout, service: str, options: dict[str, Any]) -> Manager:
    """Return the service manager of this name: systemd, runit or none."""
    kinds = {"systemd": Systemd, "runit": Runit, "none": Manager}
    return kinds[name](layout, service, options)
