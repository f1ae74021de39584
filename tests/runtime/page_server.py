"""Commands that serve a page, each in its own process."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running(*words: object, cwd: Path) -> Iterator[str]:
    """Run the command and yield the address that it prints."""
    with subprocess.Popen(
        [sys.executable, "-m", "edgeclf_runtime", *map(str, words)],
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        seen = ""
        for line in process.stderr:
            seen += line
            if match := re.search(r"https?://\S+", line):
                break
        else:
            raise AssertionError(seen)
        try:
            yield match[0]
        finally:
            process.terminate()  # two seconds, with slack for a busy machine; open viewers do not delay it
            rest = process.communicate(timeout=30)[1]
            assert process.returncode == 0
            assert "Traceback" not in rest
