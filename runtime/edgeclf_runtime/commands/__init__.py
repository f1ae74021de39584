"""Commands of the runtime, one per module; each imports what it needs when it is called."""

from __future__ import annotations

__all__: list[str] = []
