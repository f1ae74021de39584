"""Run ``edgeclf run`` as a systemd service: the unit, and notifications to systemd."""

from __future__ import annotations

from edgeclf_runtime.service.notifier import Notifier

__all__ = ["Notifier"]
