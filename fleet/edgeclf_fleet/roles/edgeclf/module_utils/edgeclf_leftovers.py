"""Remove what deployments that were killed, or lost their connection, left on the device."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from .edgeclf_processes import commands

__all__ = ["remove_leftovers"]

_MODULES = "AnsiballZ_edgeclf_r"  # release and rollback
_ENDS = 10.0  # seconds for a job to write its result
_IDLE = 600.0  # age in seconds of an empty folder that Ansible, ours or another's, no longer fills
_OURS = ("AnsiballZ_edgeclf_*.py", "AnsiballZ_async_wrapper.py", ".source.tflite", ".source.tar")


def remove_leftovers(jobs: Path) -> None:
    """Remove files of ended jobs, and Ansible's temporary folders with our files or none, except those in use.

    The device must be locked for this deployment.

    Args:
        jobs: folder of Ansible's files for background jobs.
    """
    words = _words_of_commands(jobs)
    own = _own()
    # The owner of these folders is unknown: another deployment, to another root, may be importing from one.
    is_alone = not any(_MODULES in word and (own is None or own.name not in word) for word in words)
    for folder in Path(tempfile.gettempdir()).glob("ansible_edgeclf_r*_payload_*") if is_alone else ():
        if not any(folder.name in path for path in sys.path):  # this process's own folder is in use
            shutil.rmtree(folder, ignore_errors=True)
    for job in _jobs(jobs):
        if not _runs(job, words):
            job.unlink(missing_ok=True)
    for folder in own.parent.glob("ansible-tmp-*") if own is not None else ():
        in_use = any(folder.name in word for word in words)
        if not in_use and (_is_abandoned(folder) or any(True for pattern in _OURS for _ in folder.glob(pattern))):
            shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    """Return whether Ansible was killed between making a folder and writing to it."""
    try:
        return next(folder.iterdir(), None) is None and time.time() - folder.stat().st_mtime > _IDLE
    except OSError:  # removed meanwhile
        return False


def _words_of_commands(jobs: Path) -> list[str]:
    """Return the words of all commands, once no job but this one is running.

    A job that has released the lock, such as an ended trial, is about to write its result.
    """
    until = time.monotonic() + _ENDS
    while True:
        words = [os.fsdecode(word) for command in commands().values() for word in command]
        if sum(_runs(job, words) for job in _jobs(jobs)) <= 1 or time.monotonic() > until:
            return words
        time.sleep(0.2)


def _jobs(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _runs(job: Path, words: list[str]) -> bool:
    name = job.name.partition(".")[0]  # the file's name also contains a process number
    return any(name in word for word in words)


def _own() -> Path | None:
    """Return Ansible's temporary folder from which this process was started."""
    for word in Path("/proc/self/cmdline").read_bytes().decode("utf-8", "replace").split("\0"):
        folder = Path(word).parent
        if folder.name.startswith("ansible-tmp-"):
            return folder
    return None
