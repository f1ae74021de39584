"""Commands of the runtime, one a module; each imports what it needs when it is called."""

from __future__ import annotations

__all__: list[str] = []
