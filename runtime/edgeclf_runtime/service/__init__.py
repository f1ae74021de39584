"""``edgeclf run`` as a systemd service: its unit, and what a running one tells systemd."""

from __future__ import annotations

from edgeclf_runtime.service.notifier import Notifier

__all__ = ["Notifier"]
