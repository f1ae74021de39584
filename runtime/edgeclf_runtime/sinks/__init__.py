"""Sinks, where observations go: lines, files, messages, images, commands."""

from __future__ import annotations

from edgeclf_runtime.sinks.sink import Item, ModelState, Observation, Sink

__all__ = ["Item", "ModelState", "Observation", "Sink"]
