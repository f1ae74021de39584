"""Check who may read the passwords in configs of ``edgeclf run``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from edgeclf_runtime.config.exposure import exposed_secrets, way_out
from edgeclf_runtime.config.settings import read_settings
from edgeclf_runtime.doctor.finding import Finding, Machine, ok, problem
from edgeclf_runtime.errors import UsageError

__all__ = ["configs"]

_UNITS = (
    "/etc/systemd/system/*.service",
    "/home/*/.config/systemd/user/*.service",
    "/root/.config/systemd/user/*.service",
)


def configs(machine: Machine) -> Iterator[Finding]:
    """Check run.toml in the current folder, the configs of our services, and those given."""
    here = Path("run.toml")
    paths = [*machine.configs, *([here] if here.is_file() else []), *_of_services(machine)]
    for path in dict.fromkeys(path.absolute() for path in paths):
        try:
            secrets = exposed_secrets(path, read_settings(path))
        except UsageError as error:
            if path in machine.configs:
                yield problem("config", str(error).rstrip("."), "")
            continue
        yield problem("config", secrets.rpartition(": ")[0], way_out(path)) if secrets else ok("config", str(path))


def _of_services(machine: Machine) -> Iterator[Path]:
    from edgeclf_runtime.service.unit import MARK

    for unit in (path for pattern in _UNITS for path in machine.glob(pattern)):
        text = machine.text("/" + str(unit.relative_to(machine.root)))
        for line in text.splitlines() if text.startswith(MARK) else []:
            words = _words(line) if line.startswith("ExecStart=") else []
            if "--config" in words[:-1]:
                yield Path(words[words.index("--config") + 1])


def _words(line: str) -> list[str]:
    """Split the command of a unit into words, as ``Unit`` quotes them."""
    try:
        return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line)]
    except ValueError:
        return []
