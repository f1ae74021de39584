"""What to deploy to a device."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from .edgeclf_layout import Layout
from .edgeclf_managers import Manager, manager_named

__all__ = ["SHOWN", "Wanted", "without_key"]

SHOWN = 8
"""Digits of a digest in messages."""


@dataclass(frozen=True)
class Wanted:
    """What to deploy; the fields are the arguments of the module edgeclf_release."""

    root: Path
    service: str
    manager: str
    runit_folder: str
    run_as: str
    memory_limit: str
    python: str
    environment: str
    system_packages: bool
    archive_digest: str
    offline: bool
    extras: list[str]
    version: str
    model_name: str
    model_digest: str
    config: str
    watch_seconds: float
    start_seconds: float
    latency_ms: float
    key: str = ""
    rolled_back_from: str = ""
    shadow: float = 0.0
    min_agreement: float = 0.0

    def identity(self, config: str, key: str) -> str:
        """Return the id of the release, which is the same if nothing has changed."""
        options = [self.service, self.manager, self.run_as, self.memory_limit]
        parts = [self.environment, self.model_digest, config, *options, *([key] if key else [])]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]

    def manager_of(self, layout: Layout) -> Manager:
        """Return the manager of the service."""
        options = {"run_as": self.run_as, "memory_limit": self.memory_limit, "runit_folder": self.runit_folder}
        return manager_named(self.manager, layout, self.service, options)

    @property
    def model(self) -> str:
        """Return the model for display."""
        return f"{self.model_name} ({self.model_digest[:SHOWN]})"


def without_key(config: str) -> str:
    """Return settings without the key ``trusted_key``, which a release adds."""
    first_table = re.search(r"(?m)^\s*\[", config)
    above = first_table.start() if first_table else len(config)
    return re.sub(r"(?m)^trusted_key\s*=.*\n?", "", config[:above]) + config[above:]
