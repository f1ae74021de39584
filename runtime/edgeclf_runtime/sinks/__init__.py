"""Where observations go: lines, files, messages, pictures, commands."""

from __future__ import annotations

from edgeclf_runtime.sinks.sink import Item, Observation, Sink

__all__ = ["Item", "Observation", "Sink"]
