"""An update server with its keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.still_camera import certificate
from tests.runtime.update_server import UpdateServer
from tests.signing import key_pairs


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with key pairs and a certificate for 127.0.0.1."""
    folder = key_pairs(tmp_path_factory.mktemp("keys"))
    certificate(folder)
    return folder


@pytest.fixture
def server(tmp_path: Path, keys: Path) -> Iterator[UpdateServer]:
    (tmp_path / "served").mkdir()
    server = UpdateServer(tmp_path / "served", keys)
    yield server
    server.close()
