"""A machine for ``edgeclf service``: a stand-in replaces systemctl, which would start the units."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgeclf_runtime.cli import cli
from edgeclf_runtime.service import systemd

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to act as another user")


SYSTEMCTL = """#!/bin/sh
echo "$(basename "$0") $@" >> "$CALLS"
case "$*" in
  *--version*) echo "systemd 257 (257.9)" ;;
  *show*) test -e "$UNIT" && cat "$STATE" || echo LoadState=not-found ;;
  *restart*) test ! -e "$CALLS.fail" || { echo "Job failed." >&2; exit 1; } ;;
  *lines=*) echo "2026-11-25T03:00:00 edgeclf[7]: cat 93%" ;;
esac
"""


class Machine:
    """A folder for units and a stand-in for systemctl and journalctl that records its calls."""

    def __init__(self, folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._calls = folder, folder / "calls"
        self.unit = folder / "units" / "edgeclf.service"
        self.model, self.config = folder / "model.tflite", folder / "run.toml"
        shutil.copy(model, self.model)
        self.configure('source = "/dev/video0"\n[sinks]\njsonl = "kept/seen.jsonl"\n')
        (folder / "bin").mkdir()
        for name in ("systemctl", "journalctl"):
            (folder / "bin" / name).write_text(SYSTEMCTL, "utf-8")
            (folder / "bin" / name).chmod(0o755)
        (folder / "state").write_text(
            "LoadState=loaded\nActiveState=active\nSubState=running\nStatusText=cat 93%\nNRestarts=2\nResult=success\n"
            "ExecMainStatus=0\nMemoryCurrent=104857600\n",
            "utf-8",
        )
        monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
        for name, path in (("CALLS", self._calls), ("STATE", folder / "state"), ("UNIT", self.unit)):
            monkeypatch.setenv(name, str(path))
        monkeypatch.delenv("SUDO_USER", raising=False)
        monkeypatch.setattr(systemd, "_RUNS", folder)
        monkeypatch.setattr(systemd, "_SYSTEM", folder / "units")
        monkeypatch.chdir(folder)

    def configure(self, text: str) -> None:
        self.config.write_text(text, "utf-8")

    def __call__(self, *words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, ["service", *words])
        assert result.exit_code == code, result.output
        return result

    def install(self, *words: str, code: int = 0) -> Result:
        return self("install", str(self.model), "--config", str(self.config), *words, code=code)

    def calls(self) -> list[str]:
        found = self._calls.read_text("utf-8").splitlines() if self._calls.exists() else []
        self._calls.unlink(missing_ok=True)
        return found
