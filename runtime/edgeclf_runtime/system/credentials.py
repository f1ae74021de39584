"""systemd credentials: files that systemd reads as root at each start and passes to a service whose user may not.

A unit's ``LoadCredential=NAME:PATH`` copies PATH into the folder ``$CREDENTIALS_DIRECTORY``, which only this service
can read: a config of mode 0600 stays private to its owner, and the service still gets its passwords.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["carried", "carried_name", "credential_name"]


def credential_name(path: Path) -> str:
    """Return the name of the credential for a path.

    It is derived from the absolute path, so that a config that later names another file does not get the old copy.
    """
    whole = os.path.abspath(path)
    import hashlib

    mark = hashlib.sha256(os.fsencode(whole)).hexdigest()[:12]
    return f"{mark}-{re.sub('[^A-Za-z0-9._-]', '_', Path(whole).name)[:64]}"


def carried(path: Path) -> Path:
    """Return the path of systemd's copy for this start, or ``path`` if there is none."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    copy = Path(folder) / credential_name(path) if folder else path
    return copy if os.path.isfile(copy) else path  # an inherited folder may not be readable


def carried_name(name: str) -> str:
    """Return ``carried`` for a path given as text in the settings; empty stays empty."""
    return str(carried(Path(name))) if name else ""
