"""``edgeclf demo``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_folder_whose_name_is_not_utf8_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    out = os.fsencode(tmp_path) + b"/caf\xe9/demo"
    command = [os.fsencode(sys.executable), b"-m", b"edgeclf_runtime", b"demo", b"--out", out]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stderr.strip().endswith("caf\\xe9/demo: the path is not UTF-8 text. Choose another --out.")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
