"""A folder that cannot be listed is an error: without one, the images in it would be missing without a word."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from edgeclf.data.folders import scan
from edgeclf_runtime.learning.photographs import list_photographs


@pytest.mark.parametrize("name", ["a", "a/inner"])
def test_an_unreadable_folder_of_a_class_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("a/inner", "b", "b/.hidden"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "1.jpg").write_bytes(b"")
    shut, scandir = tmp_path / name, os.scandir

    def guarded(path: Any = ".") -> Any:
        if Path(path) in (shut, tmp_path / "b/.hidden"):  # root may list any folder
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    for listing in (scan, list_photographs):
        with pytest.raises(PermissionError) as caught:
            listing(tmp_path)
        assert caught.value.filename == str(shut)
    shut = tmp_path / "elsewhere"
    assert len(list_photographs(tmp_path).files) == 2
    assert len(scan(tmp_path)[0].files) == 2
