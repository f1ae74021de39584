"""The packages, built once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.clean_copy import clean_copy
from tests.supply.environments import CLEAN, ROOT


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``make wheels`` fills."""
    clone = clean_copy(tmp_path_factory.mktemp("clone"))
    (clone / ".venv-wheels").symlink_to(ROOT / ".venv-wheels")
    subprocess.run(["make", "wheels", "--assume-old=.venv-wheels/ready"], cwd=clone, check=True, env=CLEAN)
    return clone / "dist"
