"""List the snapshots of a device: list_snapshots.py JSON. Prints their folder and files.

It runs on the device, with the Python of the deployed environment, which reads run.toml; with any Python from 3.9 if
the folder is given.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

MARK = "EDGECLF "
DEEPEST = 4  # levels of folders: with zones it is CAMERA/ZONE/__unsorted
MOST = 100_000  # maximum number of files


def folder_of(asked: dict[str, Any]) -> str:
    """Return the folder of the snapshots; empty if the settings name none."""
    if asked["folder"]:
        return str(asked["folder"])
    from pathlib import Path

    from edgeclf_runtime.config.settings import read_settings

    sinks = read_settings(Path(asked["root"], "current", "run.toml")).get("sinks")
    named = sinks.get("snapshots") if isinstance(sinks, dict) else None
    return os.path.join(asked["root"], "data", os.path.expanduser(named)) if isinstance(named, str) and named else ""


def snapshots(folder: str, depth: int = 0) -> Iterator[list[Any]]:
    """Yield path and size of each image where the service stored it, without sorted and discarded ones."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            if entry.is_dir(follow_symlinks=False):
                is_own = entry.name == "__unsorted" or not entry.name.startswith(("__", "."))
                if is_own and depth < DEEPEST:
                    yield from snapshots(entry.path, depth + 1)
                continue
            is_stored = os.path.basename(folder) == "__unsorted" or entry.name.endswith("-kept.jpg")
            if is_stored and entry.name.endswith(".jpg") and entry.is_file(follow_symlinks=False):
                yield [entry.path, entry.stat(follow_symlinks=False).st_size]


def listed(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the ``folder`` and its ``files``, or an ``error``."""
    try:
        folder = folder_of(asked)
        if not folder:
            return {"error": 'run.toml has no folder for snapshots; add snapshots = "snapshots" to [sinks].'}
        if not os.path.isdir(folder):
            return {"folder": folder, "files": []}  # nothing was stored yet
        files = []
        for path, size in snapshots(folder):
            files.append([os.path.relpath(path, folder), size])
            if len(files) == MOST:
                break
        return {"folder": folder, "files": files}
    except ImportError as error:
        return {"error": f"the runtime on the device cannot be used ({error}); give the folder with --snapshots."}
    except OSError as error:
        return {"error": f"{error.filename}: {error.strerror}."}
    except Exception as error:  # for example, invalid settings
        return {"error": str(error)}


if __name__ == "__main__":
    print(MARK + json.dumps(listed(json.loads(sys.argv[1]))))
