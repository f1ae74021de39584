"""Files that systemd, as root, reads at each start and hands to a service whose own user may not read them.

A unit's ``LoadCredential=NAME:PATH`` puts a copy of PATH, for this service's eyes alone, into the folder that
``$CREDENTIALS_DIRECTORY`` names: a config of mode 0600 stays its owner's, and the service has its passwords.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

__all__ = ["carried", "carried_name", "credential_name"]


def credential_name(path: Path) -> str:
    """By which systemd hands on the file of this path.

    It follows from the whole path: a config that names another file later does not get the copy of the first.
    """
    whole = os.path.abspath(path)
    mark = hashlib.sha256(os.fsencode(whole)).hexdigest()[:12]
    return f"{mark}-{re.sub('[^A-Za-z0-9._-]', '_', Path(whole).name)[:64]}"


def carried(path: Path) -> Path:
    """The copy that systemd made for this start; the file itself where there is none."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    copy = Path(folder) / credential_name(path) if folder else path
    return copy if os.path.isfile(copy) else path  # an inherited folder may be closed to us


def carried_name(name: str) -> str:
    """The same of a path as settings have it; empty for none."""
    return str(carried(Path(name))) if name else ""
