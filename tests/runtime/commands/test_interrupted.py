"""Ctrl-C during a command of the device says what is kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeclf_runtime.cli import cli

MODEL = Path(__file__).parents[2] / "kept" / "0.1" / "model.tflite"


@pytest.mark.parametrize(
    ("words", "step", "kept"),
    [
        ("teach model.tflite photos -o new.tflite", "photographs.list_photographs", "new.tflite was not written."),
        ("background model.tflite --source 0", "background.check_familiarity", "model.tflite was not changed."),
    ],
)
def test_ctrl_c_says_what_is_kept(
    words: str, step: str, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    shutil.copy(MODEL, tmp_path / "model.tflite")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(f"edgeclf_runtime.learning.{step}", interrupted)
    done = CliRunner().invoke(cli, words.split())
    assert (done.exit_code, done.stdout) == (130, "")
    assert done.stderr.strip() == f"Interrupted; {kept} Start again with the same command."
    assert [path.name for path in tmp_path.iterdir()] == ["model.tflite"]
