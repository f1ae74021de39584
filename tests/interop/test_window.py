"""``--window`` with an OpenCV that supports windows, on a virtual screen."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PYTHON = Path(__file__).parents[2] / ".venv-window" / "bin" / "python"


@pytest.fixture
def screen() -> Iterator[str]:
    """The name of a virtual screen."""
    for program in ("Xvfb", "xwininfo"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program}: apt-get install xvfb x11-utils libgl1")
    if not PYTHON.exists():
        pytest.skip(f"no {PYTHON.parent.parent.name}: make test-interop builds it")
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1000x700x24", "-nolisten", "tcp"]
    process = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        number = pipe.readline().strip()
    yield f":{number}"
    process.terminate()
    process.wait()


def test_the_window_opens_and_shows_the_images(model: Path, digits: Path, screen: str) -> None:
    environment = {**os.environ, "DISPLAY": screen}
    words = [PYTHON, "-m", "edgeclf_runtime", "run", model, "--source", digits, "--watch", "--window"]
    with subprocess.Popen(
        list(map(str, words)), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        until, tree = time.monotonic() + 60, ""
        while '"edgeclf"' not in tree and time.monotonic() < until and process.poll() is None:
            time.sleep(0.2)
            listing = subprocess.run(
                ["xwininfo", "-root", "-tree"], env=environment, capture_output=True, text=True, check=False
            )
            tree = listing.stdout
        process.terminate()
        errors = process.communicate(timeout=30)[1]
    if "cannot open shared object file" in errors:
        pytest.skip("opencv-python needs system libraries: apt-get install libgl1 libglib2.0-0")
    assert '"edgeclf"' in tree, errors
    assert process.returncode == 0, errors
    wrong = [line for line in errors.splitlines() if "Sink window" in line and "dropped so far" not in line]
    assert not wrong, errors  # messages still waiting at its end are fine
