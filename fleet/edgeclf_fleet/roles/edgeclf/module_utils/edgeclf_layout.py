"""The folders of a device: environments and models by digest, releases that combine them, the link to the current one.

ROOT/environments/NAME/            Python with the runtime; ``complete`` in it is written last
ROOT/models/DIGEST.tflite
ROOT/releases/ID/                  environment -> ..., model.tflite -> ..., run.toml, release.json, trusted.pub
ROOT/current -> releases/ID        the link that is switched
ROOT/data/                         working folder of the service; kept
ROOT/incoming/                     copied files that were not checked yet
ROOT/jobs/                         Ansible's files of deployments that continue by themselves
ROOT/pending.json                  a switch that is neither settled nor undone yet
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["Layout", "ReleaseError", "digest_of", "write_synced"]


class ReleaseError(Exception):
    """A release cannot be used on this device; the text is one line for the user."""


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            digest.update(part)
    return digest.hexdigest()


def write_synced(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file to a temporary name, sync it and rename it."""
    hidden = path.with_name(f".{path.name}.new")
    hidden.unlink(missing_ok=True)
    descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(hidden, path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Layout:
    """The folders below a root.

    Args:
        root: absolute path.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environments, self.models, self.releases = (root / name for name in ("environments", "models", "releases"))
        self.incoming, self.data, self.link = root / "incoming", root / "data", root / "current"
        self.jobs = root / "jobs"
        self._pending = root / "pending.json"

    def make(self) -> None:
        """Create the folders."""
        for folder in (self.environments, self.models, self.releases, self.incoming, self.data):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def current(self) -> str:
        """Id of the current release; empty if there is none."""
        return Path(os.readlink(self.link)).name if self.link.is_symlink() else ""

    def about(self, release: str) -> dict[str, Any]:
        """Return the contents of release.json; empty if there is none."""
        try:
            content = json.loads((self.releases / release / "release.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return content if release and isinstance(content, dict) else {}

    def has_model(self, digest: str) -> bool:
        """Return whether a model file is there and undamaged."""
        path = self.models / f"{digest}.tflite"
        return path.exists() and digest_of(path) == digest

    def take_model(self, digest: str) -> None:
        """Move the copied model to its place.

        Raises:
            ReleaseError: it is damaged.
        """
        path, copied = self.models / f"{digest}.tflite", self.incoming / f"{digest}.tflite"
        if self.has_model(digest):
            return
        if not copied.exists():
            raise ReleaseError("the model file was damaged on the device and has been removed; deploy it again.")
        if digest_of(copied) != digest:
            copied.unlink()
            raise ReleaseError("the model file arrived damaged; deploy it again.")
        with copied.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(copied, path)
        _sync_folder(self.models)

    def write_release(
        self, release: str, environment: str, model: str, config: str, about: dict[str, Any], key: str = ""
    ) -> Path:
        """Write the folder of a release, and return it. With a public key, its settings name the key."""
        folder = self.releases / release
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        os.symlink(f"../../environments/{environment}", folder / "environment")
        os.symlink(f"../../models/{model}.tflite", folder / "model.tflite")
        if key:
            write_synced(folder / "trusted.pub", key)
            config = f"trusted_key = {json.dumps(str(folder / 'trusted.pub'))}\n{config}"
        write_synced(folder / "run.toml", config, 0o600)  # it may contain passwords
        write_synced(folder / "release.json", json.dumps({"environment": environment, "model": model, **about}) + "\n")
        _sync_folder(self.releases)
        return folder

    def switch(self, release: str) -> None:
        """Make a release the current one, or none if the id is empty."""
        if not release:
            self.link.unlink(missing_ok=True)
            return
        hidden = self.root / ".current.new"
        hidden.unlink(missing_ok=True)
        os.symlink(f"releases/{release}", hidden)
        os.replace(hidden, self.link)
        _sync_folder(self.root)

    def note_pending(self, before: str, service: str | None) -> None:
        """Record the state to go back to, before it is changed."""
        write_synced(self._pending, json.dumps({"before": before, "service": service}) + "\n")

    def pending(self) -> dict[str, Any] | None:
        """Return the state to go back to; None if no switch is pending."""
        try:
            content: dict[str, Any] = json.loads(self._pending.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return content

    def settle(self) -> None:
        """Record that the current state is kept."""
        self._pending.unlink(missing_ok=True)
        _sync_folder(self.root)

    def tidy(self, kept: Iterable[str]) -> None:
        """Remove what no kept release uses, and the copied files."""
        releases = set(filter(None, kept))
        abouts = [self.about(release) for release in releases]
        _remove_others(self.releases, releases)
        _remove_others(self.environments, {about.get("environment", "") for about in abouts})
        _remove_others(self.models, {"{}.tflite".format(about.get("model", "")) for about in abouts})
        shutil.rmtree(self.incoming, ignore_errors=True)

    def remove_if_unused(self) -> None:
        """Remove all folders if nothing is installed; what the service wrote stays."""
        if self.current:
            return
        for folder in (self.environments, self.models, self.releases, self.incoming):
            shutil.rmtree(folder, ignore_errors=True)
        for path in (self.root / "lock", self.data, self.root):
            try:
                path.unlink() if path.is_file() else path.rmdir()
            except OSError:  # not empty
                continue


def _remove_others(folder: Path, kept: set[str]) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in kept:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
