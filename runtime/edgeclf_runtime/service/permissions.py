"""Check what a user may read and write, by the modes of files and of the folders above them."""

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
    """A user; a dynamic user of systemd owns no file and is in no group.

    Attributes:
        name: empty for a dynamic user of systemd.
        number: user id.
        groups: group ids.
    """

    name: str = ""
    number: int = -1
    groups: tuple[int, ...] = ()

    def may_read(self, path: Path) -> bool:
        """Whether the user may read a file, or the files in a folder."""
        return self._may(path, _READ) and self._may_enter(path)

    def may_write(self, path: Path) -> bool:
        """Whether the user may write to a folder."""
        return self._may(path, _WRITE | _ENTER) and self._may_enter(path)

    def _may_enter(self, path: Path) -> bool:
        return all(self._may(folder, _ENTER) for folder in path.resolve().parents)

    def _may(self, path: Path, wanted: int) -> bool:
        """Check the mode as the kernel does: owner, else group, else others."""
        if self.number == 0:
            return True
        try:
            status = path.stat()
        except OSError:
            return False
        shift = 6 if status.st_uid == self.number else 3 if status.st_gid in self.groups else 0
        return (status.st_mode >> shift) & wanted == wanted


def person(name: str) -> Person:
    """Return a user of this machine; raise ServiceError if there is no such user."""
    if not name:
        return Person()
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ServiceError(f"No user {name!r} on this machine; give another with --run-as.") from None
    return Person(name, entry.pw_uid, tuple(os.getgrouplist(name, entry.pw_gid)))


def existing_groups(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the groups that exist on this machine: a unit with an unknown group does not start."""
    groups = {entry.gr_name for entry in grp.getgrall()}
    return tuple(name for name in names if name in groups)
