"""``edgeclf-runtime verify``: its progress bar."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

MODEL = Path(__file__).parents[2] / "kept" / "0.1" / "model.tflite"
VERIFY = [sys.executable, "-m", "edgeclf_runtime", "verify", str(MODEL)]


def test_a_progress_bar_is_shown_on_a_terminal_only() -> None:
    terminal, its_other_end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    try:
        done = subprocess.run(VERIFY, stdout=subprocess.PIPE, stderr=its_other_end, env=environment, timeout=120)
    finally:
        os.close(its_other_end)
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)
    assert done.returncode == 0, shown
    assert b"golden images" in done.stdout
    assert "Golden images" in shown
    assert "100%" in shown
    piped = subprocess.run(VERIFY, capture_output=True, text=True, timeout=120)
    assert (piped.returncode, piped.stderr) == (0, "")
    assert piped.stdout == done.stdout.decode()
