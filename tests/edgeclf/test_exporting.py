"""What an export writes and says, on a real training."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeclf import Run, Terminal
from edgeclf.commands.export import export
from edgeclf_runtime import Classifier
from edgeclf_runtime.golden import verify


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Run:
    """A copy of the run, to be changed."""
    shutil.copytree(run.path, tmp_path / "run")
    return Run.open(tmp_path / "run")


class _Interrupting(Terminal):
    """Presses Ctrl-C when the first file is finished."""

    def say(self, line: str) -> None:
        super().say(line)
        if line.startswith("ptq "):
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_keeps_the_best_file(copy: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeclf.reporter.Terminal", _Interrupting)
    old = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a background job's tests inherit that it is ignored
    try:
        words = [str(copy.path), "--max-drop", "-100", "-o", str(tmp_path / "m.tflite")]
        done = CliRunner().invoke(export, words)
    finally:
        signal.signal(signal.SIGINT, old)
    assert done.exit_code == 130, done.output
    path = tmp_path / "m.over-max-drop.tflite"
    assert f"kept the best file so far: {path}." in done.output
    assert f"edgeclf export --int8 --max-drop -100 {copy.path} -o {tmp_path / 'm.tflite'}" in done.output
    with Classifier.load(path) as classifier:
        stopped = classifier.card.provenance["int8 stopped"]
        assert verify(classifier).passed
    assert stopped.startswith("Interrupted during ")
    assert stopped in path.with_suffix(".parity.html").read_text("utf-8")
    assert copy.read_json("report")["int8"]["page"] == "../m.over-max-drop.parity.html"
