"""Files are moved and never overwritten, on any filesystem."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest

from edgeclf_runtime.system import moving
from edgeclf_runtime.system.moving import free_path, move


@pytest.fixture(params=["links", "no links"])
def filesystem(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filesystem with hard links, one without, or another disk."""

    def refuse(*paths: object, **options: object) -> NoReturn:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    if request.param == "no links":
        monkeypatch.setattr(moving.os, "link", refuse)


@pytest.mark.usefixtures("filesystem")
def test_a_file_is_moved_and_none_is_overwritten(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text("new")
    move(source, target)
    assert (source.exists(), target.read_text()) == (False, "new")
    source.write_text("other")
    with pytest.raises(FileExistsError):
        move(source, target)
    assert (source.read_text(), target.read_text()) == ("other", "new")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_a_move_that_was_cut_off_is_finished(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text("new")
    os.link(source, target)
    move(source, target)
    assert (source.exists(), target.read_text()) == (False, "new")


def test_a_free_name_keeps_the_beginning_and_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "kitchen-20261128-193012-123.jpg"
    assert free_path(path) == path
    path.write_text("")
    path.with_stem(f"{path.stem}-2").symlink_to("nowhere")
    assert free_path(path).name == "kitchen-20261128-193012-123-3.jpg"
