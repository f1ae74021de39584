"""The environment of a release is complete before it is marked as complete."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from edgeclf_fleet.roles.edgeclf.module_utils.edgeclf_environment import install_environment
from edgeclf_fleet.roles.edgeclf.module_utils.edgeclf_layout import Layout, digest_of

# Replaces Python: "-m venv FOLDER" makes a folder with a program that installs anything.
_PYTHON = """#!/bin/sh
for folder; do :; done
mkdir -p "$folder/bin"
printf '#!/bin/sh\\ntouch "%s/installed"\\n' "$folder" > "$folder/bin/python"
chmod +x "$folder/bin/python"
"""


def test_all_that_pip_wrote_is_on_the_disk_before_the_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout, python = Layout(tmp_path / "root"), tmp_path / "python"
    layout.make()
    python.write_text(_PYTHON, "utf-8")
    python.chmod(0o755)
    with tarfile.open(tmp_path / "archive", "w") as archive:
        archive.addfile(tarfile.TarInfo("a.whl"), io.BytesIO())
    digest = digest_of(tmp_path / "archive")
    (tmp_path / "archive").rename(layout.incoming / f"{digest}.tar")
    folder, synced = layout.environments / "one", list[set[str]]()
    monkeypatch.setattr(os, "sync", lambda: synced.append({path.name for path in folder.iterdir()}))
    assert install_environment(layout, "one", digest, str(python), "1", [], True, False)
    assert synced == [{"bin", "installed"}]
    assert (folder / "complete").exists()
