"""Read files of a service. Its user may have put anything there: a pipe, a link, or a file without end."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

__all__ = ["service_object"]

_MOST = 1 << 20  # bytes


def service_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a regular file; empty if there is none."""
    try:
        # Without O_NONBLOCK, opening a named pipe waits forever for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            is_regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            content = json.loads(file.read(_MOST)) if is_regular else None
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
