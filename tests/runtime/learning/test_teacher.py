"""What a page says when a folder cannot be taught; the previous model stays."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeclf_runtime.learning import teacher as module
from edgeclf_runtime.learning.taught_file import write_taught
from edgeclf_runtime.learning.teacher import Teacher


@pytest.fixture
def teacher(model: Path, tmp_path: Path) -> Iterator[Teacher]:
    """A teacher of an empty folder."""
    (tmp_path / "photos").mkdir()
    opened = Teacher(model, tmp_path / "photos")
    yield opened
    opened.close()


def _trouble(teacher: Teacher) -> str:
    teacher.begin().join()
    return teacher.trouble


def test_too_few_classes_are_a_sentence_for_the_page(teacher: Teacher, digits: Path, tmp_path: Path) -> None:
    few = 'Take images of two classes, or of one class and of "None of these", then teach.'
    assert _trouble(teacher) == few
    (tmp_path / "photos" / "empty").mkdir()
    assert _trouble(teacher) == few
    shutil.copytree(digits / "0", tmp_path / "photos" / "zero")
    assert _trouble(teacher) == few
    assert not teacher.model.exists()


def test_images_undone_during_a_teaching_are_no_riddle(
    teacher: Teacher, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("0", "1"):
        shutil.copytree(digits / name, tmp_path / "photos" / name)
    assert _trouble(teacher) == ""
    before = teacher.model.read_bytes()

    def undone(*given: Any) -> int:
        shutil.rmtree(tmp_path / "photos" / "0")
        return write_taught(*given)

    monkeypatch.setattr(module, "write_taught", undone)
    assert _trouble(teacher).endswith("Images were changed during the teaching; press Teach again.")
    assert teacher.model.read_bytes() == before
    assert not list((tmp_path / "photos").glob(".*"))
