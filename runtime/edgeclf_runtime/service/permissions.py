"""What a user may read and write, as the mode of each file and of the folders above it says."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from edgeclf_runtime.errors import ServiceError

__all__ = ["Person", "existing_groups", "person"]

_READ, _WRITE, _ENTER = stat.S_IROTH, stat.S_IWOTH, stat.S_IXOTH


@dataclass(frozen=True)
class Person:
    """A user; one of systemd's own owns no file and is in no group.

    Attributes:
        name: empty for one of systemd's own.
        number: user id.
        groups: group ids.
    """

    name: str = ""
    number: int = -1
    groups: tuple[int, ...] = ()

    def may_read(self, path: Path) -> bool:
        """The file, or the folder's files."""
        return self._may(path, _READ) and self._may_enter(path)

    def may_write(self, path: Path) -> bool:
        """Into the folder."""
        return self._may(path, _WRITE | _ENTER) and self._may_enter(path)

    def _may_enter(self, path: Path) -> bool:
        return all(self._may(folder, _ENTER) for folder in path.resolve().parents)

    def _may(self, path: Path, wanted: int) -> bool:
        """As the kernel looks at it: owner, else group, else others."""
        if self.number == 0:
            return True
        try:
            status = path.stat()
        except OSError:
            return False
        shift = 6 if status.st_uid == self.number else 3 if status.st_gid in self.groups else 0
        return (status.st_mode >> shift) & wanted == wanted


def person(name: str) -> Person:
    """A user of this machine; raises ServiceError where there is none of this name."""
    if not name:
        return Person()
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ServiceError(f"No user {name!r} on this machine; give another with --run-as.") from None
    return Person(name, entry.pw_uid, tuple(os.getgrouplist(name, entry.pw_gid)))


def existing_groups(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those that this machine has: a unit that names another does not start."""
    groups = {entry.gr_name for entry in grp.getgrall()}
    return tuple(name for name in names if name in groups)
