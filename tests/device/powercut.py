"""Cut the emulated machine's power, and examine its second disk on this machine."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tests.device.booted import Booted
from tests.device.disk import Disk
from tests.device.userland import tool

__all__ = ["Event", "cut_after", "make_disk", "recover"]

Event = dict[str, Any]
_SIZE = "512M"  # sparse
_MENDED = 1  # exit status of e2fsck
_UP = 300.0  # seconds for the console to print the text, on a busy machine


def make_disk(folder: Path, image: Path) -> None:
    """Create an ext4 image with a folder's files."""
    tool("mkfs.ext4", "-q", "-F", "-d", folder, image, _SIZE)


def cut_after(disk: Disk, image: Path, console: Path, awaited: str, seconds: float, words: str) -> list[Event]:
    """Boot ``unattended.py`` and cut the power a number of seconds after it has printed a text.

    Args:
        image: image of its second disk; the first disk keeps nothing.
        console: file of its serial console's output.
        words: arguments of ``unattended.py``.

    Returns:
        the console's output.
    """
    drives = [(disk.image, "root", "on"), (image, "data", "off")]
    options: list[str] = []
    for path, name, snapshot in drives:
        options += ["-drive", f"if=none,id={name},format=raw,file={path},cache=writeback,snapshot={snapshot}"]
        options += ["-device", f"virtio-blk-pci,drive={name}"]
    machine = Booted(disk, console, options, f"start=/work/unattended.py {words}")
    try:
        machine.wait_for(f'"what": "{awaited}"', _UP)
        time.sleep(seconds)
        assert machine.runs(), machine.said()[-3000:]
    finally:
        if machine.runs():
            machine.cut_power()
    lines = [line for line in machine.said().splitlines() if line.startswith("@@") and line.endswith("}")]
    events = [json.loads(line[2:]) for line in lines]
    assert not [event for event in events if event["what"] in ("ended", "broken")], machine.said()[-3000:]
    return events


def recover(image: Path, folder: Path) -> None:
    """Return the files of an image as the next boot would find them, with the journal replayed."""
    tool("e2fsck", "-f", "-p", image, good=(0, _MENDED))
    folder.mkdir()
    tool("debugfs", "-R", f"rdump / {folder}", image)
