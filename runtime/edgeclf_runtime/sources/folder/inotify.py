"""Linux's inotify: learn of changes in folders without listing them."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterator

__all__ = ["Inotify", "tells_all"]

_MODIFY, _ATTRIB, _CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE = 0x2, 0x4, 0x8, 0x40, 0x80, 0x100
_DELETE_SELF, _MOVE_SELF, _UNMOUNT, _OVERFLOW, _IGNORED = 0x400, 0x800, 0x2000, 0x4000, 0x8000
_IS_FOLDER, _ONLY_FOLDERS = 0x40000000, 0x01000000
_CONTENT = _MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED_TO | _CREATE
_FOLDERS = _MOVED_FROM | _MOVED_TO | _CREATE
_LOST = _DELETE_SELF | _MOVE_SELF | _UNMOUNT | _OVERFLOW | _IGNORED
_HEAD = struct.Struct("iIII")
_CHUNK = 1 << 16

# File systems that only this machine writes to; on a network file system, changes by other machines are not reported.
_LOCAL = {
    0xEF53: "ext",
    0x58465342: "xfs",
    0x9123683E: "btrfs",
    0xF2F52010: "f2fs",
    0xCA451A4E: "bcachefs",
    0x2FC12FC1: "zfs",
    0x01021994: "tmpfs",
    0x858458F6: "ramfs",
    0x794C7630: "overlayfs",
    0x4D44: "vfat",
    0x2011BAB0: "exfat",
    0x7366746E: "ntfs3",
    0x9660: "iso9660",
    0x24051905: "ubifs",
    0x72B6: "jffs2",
    0xF15F: "ecryptfs",
}


class Inotify:
    """Watches folders, each without its subfolders.

    Raises:
        OSError: this system has no inotify, or its limit is reached.
    """

    def __init__(self) -> None:
        if sys.platform != "linux":
            raise OSError("no inotify")
        self._library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._checked(self._library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._folders: dict[int, str] = {}

    def add(self, folder: str) -> None:
        """Watch another folder.

        Raises:
            OSError: the folder is gone, or the system's limit of watches is reached.
        """
        wanted = _CONTENT | _MOVED_FROM | _DELETE_SELF | _MOVE_SELF | _ONLY_FOLDERS
        number = self._library.inotify_add_watch(self._descriptor, os.fsencode(folder), ctypes.c_uint32(wanted))
        self._folders[self._checked(number)] = folder

    @staticmethod
    def _checked(result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result

    def changed(self) -> set[str] | None:
        """Return the files changed since the last call; None if folders changed or the kernel's queue overflowed."""
        files = set()
        for number, mask, name in self._events():
            if mask & _LOST or (mask & _IS_FOLDER and mask & _FOLDERS):
                return None
            if not mask & _IS_FOLDER and mask & _CONTENT:
                files.add(os.path.join(self._folders[number], name))
        return files

    def _events(self) -> Iterator[tuple[int, int, str]]:
        while True:
            try:
                data = os.read(self._descriptor, _CHUNK)
            except BlockingIOError:
                return
            offset = 0
            while offset < len(data):
                number, mask, _, length = _HEAD.unpack_from(data, offset)
                offset += _HEAD.size + length
                yield number, mask, os.fsdecode(data[offset - length : offset].rstrip(b"\0"))

    def close(self) -> None:
        """Stop watching; called once."""
        os.close(self._descriptor)


def tells_all(folder: str) -> bool:
    """Return whether inotify reports all changes in a folder: not on network or unknown file systems."""
    library = ctypes.CDLL(None, use_errno=True)
    answer = ctypes.create_string_buffer(512)  # struct statfs begins with its type, a long
    if library.statfs(os.fsencode(folder), answer) != 0:
        return False
    return ctypes.c_long.from_buffer(answer).value & 0xFFFFFFFF in _LOCAL
