"""Fixtures shared by the emulated devices."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.device.needs import lacking

ROOT = Path(__file__).parents[2]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(tests): programs, see tests/device/needs.py, and root")


@pytest.hookimpl(tryfirst=True)  # before a fixture trains anything for it
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        if reason := lacking(*marker.args):
            pytest.skip(reason)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runtime's wheel, as a device would install it."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--wheel-dir", folder, ROOT / "runtime"], check=True)
    return next(folder.glob("*.whl"))
