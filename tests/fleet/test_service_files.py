"""A service's files, which its user may have replaced by anything, neither block nor break their reader."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edgeclf_fleet.roles.edgeclf.module_utils.edgeclf_service_files import service_object


def test_an_object_in_a_regular_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "health.json"
    assert service_object(path) == {}
    path.write_text('{"frames": 3}')
    assert service_object(path) == {"frames": 3}
    (tmp_path / "link").symlink_to(path)
    assert service_object(tmp_path / "link") == {}


@pytest.mark.parametrize(
    "content", ["", "[1]", "{", "\xff", "[" * 100_000, json.dumps({"frames": "x" * (1 << 20)})], ids=len
)
def test_anything_else_is_nothing(content: str, tmp_path: Path) -> None:
    (tmp_path / "health.json").write_text(content, "latin-1")
    assert service_object(tmp_path / "health.json") == {}


def test_neither_a_pipe_nor_an_endless_file_blocks(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert service_object(tmp_path / "pipe") == {}
    assert service_object(Path("/dev/zero")) == service_object(tmp_path) == {}
