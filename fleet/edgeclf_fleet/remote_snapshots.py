"""A device's list of snapshots: untrusted data, checked before any of it is used as a path."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from edgeclf_runtime.sinks.snapshots.name import Snapshot, read_name
from edgeclf_runtime.sorting.image_name import device_name, pulled_name

__all__ = ["LARGEST", "RemoteSnapshot", "Wanted", "wanted"]

LARGEST = 20_000_000
"""Largest size of an image in bytes."""

_LONGEST = 4000  # maximum characters of a path


@dataclass(frozen=True)
class RemoteSnapshot:
    """An image on a device.

    Attributes:
        path: absolute path on the device.
        name: its name here, with the device and the time.
        size: size in bytes.
        snapshot: the parts of its name.
    """

    path: str
    name: str
    size: int
    snapshot: Snapshot

    @property
    def order(self) -> tuple[bool, float, int]:
        """Sort key: the images that the network knew least come first, then the newest."""
        return not self.snapshot.unfamiliar, self.snapshot.score, -self.snapshot.number


@dataclass(frozen=True)
class Wanted:
    """The images to copy.

    Attributes:
        images: most informative first.
        later: number of new images beyond the limits.
        refused: number of files whose names or sizes are not those of snapshots.
    """

    images: tuple[RemoteSnapshot, ...]
    later: int
    refused: int


def wanted(said: Mapping[str, Any], host: str, known: Collection[str], max_images: int, max_bytes: float) -> Wanted:
    """Return the new images, within the limits.

    Args:
        said: ``folder``, and ``files``: relative path and size of each.
        host: the device's name in the inventory.
        known: names of images that were copied before.
        max_images, max_bytes: limits.

    Raises:
        ValueError: the folder is not a valid path.
    """
    folder, files = said.get("folder"), said.get("files")
    if not isinstance(folder, str) or not isinstance(files, list) or not _is_path(folder) or folder[0] != "/":
        raise ValueError("it names no folder")
    checked = [_checked(folder, host, file) for file in files]
    images = sorted((image for image in checked if image and image.name not in known), key=lambda image: image.order)
    chosen, size = [], 0
    for image in images[:max_images]:
        size += image.size
        if size > max_bytes:
            break
        chosen.append(image)
    return Wanted(tuple(chosen), len(images) - len(chosen), checked.count(None))


def _checked(folder: str, host: str, file: Any) -> RemoteSnapshot | None:
    """Return an image if its path and size can be those of a snapshot."""
    if not isinstance(file, list) or len(file) != 2 or not isinstance(file[0], str) or type(file[1]) is not int:
        return None
    path, size = PurePosixPath(file[0]), file[1]
    if not _is_path(file[0]) or path.is_absolute() or ".." in path.parts or not 0 < size <= LARGEST:
        return None
    # With zones their names, from CAMERA/ZONE/__unsorted, become part of the device's.
    device = device_name("_".join([host, *path.parts[:-2]]))
    name, snapshot = pulled_name(device, path.name), read_name(path.name)
    if name is None or snapshot is None:
        return None
    return RemoteSnapshot(f"{folder.rstrip('/')}/{path}", name, size, snapshot)


def _is_path(text: str) -> bool:
    """Return whether a text can be a path in an sftp command, where a line break would start another command."""
    return 0 < len(text) <= _LONGEST and text.isprintable()
