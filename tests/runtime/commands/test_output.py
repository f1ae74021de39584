"""An output that cannot be written is refused before the work begins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgeclf_runtime.commands.output import check_output
from edgeclf_runtime.errors import UsageError


def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_output(tmp_path / "m.tflite")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write to any folder
    with pytest.raises(UsageError) as caught:
        check_output(tmp_path / "m.tflite")
    assert str(caught.value) == (
        f"{tmp_path / 'm.tflite'}: you may not write to its folder, {tmp_path}; give another one."
    )
