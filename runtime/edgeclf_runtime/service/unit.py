"""Write the text of a systemd unit that runs ``edgeclf run`` with minimal permissions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edgeclf_runtime.errors import UsageError
from edgeclf_runtime.system.credentials import credential_name

__all__ = ["MARK", "Unit"]

MARK = "# Written by edgeclf service install, which replaces it; add to it with systemctl edit."
"""First line of our units; other unit files are never replaced or removed."""

_PLAIN = re.compile(r"[\w/.,+=@:%-]+")
_MADE = {"/var/lib": "StateDirectory", "/var/log": "LogsDirectory", "/var/cache": "CacheDirectory"}
_HOMES = ("/home", "/root", "/run/user")
_TEMPORARY = ("/tmp", "/var/tmp")
_CARRIES = 247  # first version of systemd with credentials
_BACK_OFF = 254  # first version of systemd with increasing restart delays

# Device nodes of cameras (V4L2, libcamera) and of Edge TPUs (USB, PCIe); no others may be opened.
_DEVICES = ("char-video4linux", "char-media", "char-dma_heap", "char-usb_device", "char-apex")

_KERNEL = """\
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
KeyringMode=private
UMask=0027"""

_SYSTEM = """\
CapabilityBoundingSet=
ProtectSystem=strict
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RemoveIPC=yes
DevicePolicy=closed"""


@dataclass(frozen=True)
class Unit:
    """The contents of a unit; all paths are absolute.

    Attributes:
        command: the program and its arguments.
        folder: working folder.
        reads: further paths that it reads.
        writes: folders that it writes to.
        user: the user to run as; empty for a dynamic user of systemd, and in a user's own unit.
        groups: supplementary groups.
        memory: memory limit, such as "512M"; empty for no limit.
        environment: additional environment variables, which everybody on the machine can read.
        personal: whether it is a user's own unit, which cannot be confined by mounts, devices and groups.
        version: version of systemd.
        state: name of its state folder in /var/lib, which systemd creates; not in a user's own unit.
        devices: further kernel devices that it may open, by systemd's names.
        secret: files that systemd passes as credentials, so that the user need not be able to read them.

    Raises:
        UsageError: a path with a character that a unit cannot contain, or an invalid memory limit.
    """

    command: tuple[str, ...]
    folder: Path
    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    user: str = ""
    groups: tuple[str, ...] = ()
    memory: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    personal: bool = False
    version: int = 252
    state: str = ""
    secret: tuple[Path, ...] = ()
    devices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        values = (value for _, value in self.environment)
        for text in (*self.command, *values, *map(str, (self.folder, *self.writes, *self.secret))):
            if not text.isprintable():
                raise UsageError(f"{text!r}: a systemd unit cannot hold such characters; rename it.")
        if set(self.command[0]) & set("'\"\\$"):
            raise UsageError(f"{self.command[0]}: systemd starts no program with quotes or $ in its path; rename it.")
        if self.memory and not re.fullmatch(r"[1-9]\d*[KMGT]", self.memory):
            raise UsageError(f"Memory {self.memory!r}: expected a number and K, M, G or T, such as 512M.")

    def text(self) -> str:
        """Return the text of the unit file."""
        parts = [f"{MARK}\n[Unit]", self._about(), "\n[Service]", self._life(), "\n# What it may do.", _KERNEL]
        if not self.personal:
            parts += [self._who(), _SYSTEM, self._places()]
        target = "default.target" if self.personal else "multi-user.target"
        return "\n".join([*parts, f"\n[Install]\nWantedBy={target}", ""])

    @property
    def carries(self) -> bool:
        """Whether systemd passes the secret files as credentials; a user's own unit reads them directly."""
        return not self.personal and self.version >= _CARRIES

    def _about(self) -> str:
        return "Description=edgeclf run: image classifier\nAfter=network.target\nStartLimitIntervalSec=0"

    def _life(self) -> str:
        lines = [
            "Type=notify",
            f"ExecStart={' '.join(_quoted(word).replace('$', '$$') for word in self.command)}",
            f"WorkingDirectory={str(self.folder).replace('%', '%%')}",
            "Environment=PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1",
            *(f"Environment={_quoted(f'{name}={value}')}" for name, value in self.environment),
            "Restart=always",
            "RestartSec=5",
            *(("RestartSteps=6", "RestartMaxDelaySec=60") if self.version >= _BACK_OFF else ()),
            "TimeoutStartSec=120",
            "WatchdogSec=30",
            "TimeoutStopSec=10",
            "KillMode=mixed",
        ]
        if self.memory:  # if the trial of a new model runs out of memory, the old model must continue
            lines += [f"MemoryMax={self.memory}", "OOMPolicy=continue"]
        return "\n".join(lines)

    def _who(self) -> str:
        lines = [f"User={self.user}" if self.user else "DynamicUser=yes"]
        if self.groups:
            lines.append(f"SupplementaryGroups={' '.join(self.groups)}")
        if self.carries:
            # A config with passwords has mode 0600 and belongs to its author. If this user could read it, everything
            # that runs as this user could. So systemd reads it as root at each start and passes a copy to the service.
            named = ((credential_name(path), str(path).replace("%", "%%")) for path in self.secret)
            lines += [f"LoadCredential={name}:{path}" for name, path in named]
        return "\n".join(lines)

    def _places(self) -> str:
        paths = [Path(self.command[0]), self.folder, *self.reads, *self.writes, *self.secret]
        lines = [f"DeviceAllow={name} rw" for name in (*_DEVICES, *self.devices)]
        lines.append(f"ProtectHome={'read-only' if _any_in(paths, _HOMES) else 'yes'}")
        if not _any_in(paths, _TEMPORARY):  # with PrivateTmp it would see an empty folder there
            lines.append("PrivateTmp=yes")
        for path in self.writes:
            name, relative = made_by_systemd(path) or ("ReadWritePaths", str(path))
            lines.append(f"{name}={_quoted(relative)}")
        if self.state:
            lines.append(f"StateDirectory={_quoted(self.state)}")
        return "\n".join(lines)


def made_by_systemd(path: Path) -> tuple[str, str] | None:
    """Return the setting and value with which systemd creates a folder for the service; None for other folders."""
    for parent, name in _MADE.items():
        if path != Path(parent) and path.is_relative_to(parent) and ":" not in str(path):
            return name, str(path.relative_to(parent))
    return None


def _any_in(paths: list[Path], folders: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(folder) for path in paths for folder in folders)


def _quoted(word: str) -> str:
    """Quote a word for a unit, where specifiers begin with % and escapes with a backslash."""
    word = word.replace("%", "%%")
    if _PLAIN.fullmatch(word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
