"""How the page changes the zones of a run."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["ZoneEditor"]


class ZoneEditor(Protocol):
    """Changes the zones of a run while it is running; may be called from any thread.

    Attributes:
        cameras: names of all cameras.
    """

    cameras: tuple[str, ...]

    def listed(self) -> dict[str, Any]:
        """Return ``version``, which grows with each change, and ``zones``: each with ``name``, ``camera``, ``region``
        (null: the model's), ``polygon`` (empty for none) and ``written``: whether it is in run.toml itself."""

    def save(self, version: int, zones: Any) -> None:
        """Check these zones, store them, and switch to them.

        Args:
            version: version of the zones that were changed.
            zones: all zones, as tables of run.toml, each with name, camera, and region or polygon.

        Raises:
            UsageError: something is invalid; nothing has changed.
            SinkError: the file, or a new zone's sink, cannot be written; nothing has changed.
            SourceError: a camera that no zone used before cannot be opened; nothing has changed.
        """
