"""The cost of a start: seconds to the first output, memory, installed size."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib.metadata import distribution
from pathlib import Path

import numpy as np

import edgeclf_runtime

_RUNTIME = ("edgeclf-runtime", "ai-edge-litert", "numpy", "opencv-python-headless", "click")
_TIMES = 5


def starts(model: Path, image: Path) -> list[str]:
    """Return lines to print; seconds are medians of five processes."""
    edgeclf = str(Path(sys.executable).parent / "edgeclf")
    python = [sys.executable, "-c"]
    bare = _seconds([*python, "print()"])[0]
    imported = _seconds([*python, "import edgeclf_runtime; print()"])[0]
    helped = _seconds([edgeclf, "--help"])[0]
    labelled, memory = _seconds([edgeclf, "run", str(model), "--source", str(image)])
    sizes = {name: _size(name) for name in _RUNTIME}
    return [
        f"import edgeclf_runtime: {(imported - bare) * 1e3:.0f} ms more than Python alone ({bare * 1e3:.0f} ms)",
        f"edgeclf --help: {helped:.2f} s",
        f"edgeclf run, a picture's label: {labelled:.2f} s after the process began; {memory} MiB resident at most",
        "installed: " + ", ".join(f"{name} {size} MB" for name, size in sizes.items()),
    ]


def _seconds(command: list[str]) -> tuple[float, int]:
    """Return the seconds to the first line, and the peak memory in MiB."""
    taken, memory = [], 0
    for _ in range(_TIMES):
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            process.stdout.readline()
            taken.append(time.perf_counter() - start)
            memory = max(memory, _highest(process.pid))
            process.stdout.read()
    return float(np.median(taken)), memory


def _highest(process: int) -> int:
    """Return the peak resident memory of a process in MiB; not from wait4, which includes its parent's."""
    lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    return next((int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM")), 0)


def _size(name: str) -> float:
    """Return the megabytes of a distribution's files, with its libraries; ours may be an editable install."""
    if name == "edgeclf-runtime":
        files = list(Path(edgeclf_runtime.__file__).parent.rglob("*.py"))
    else:
        files = [Path(str(file.locate())) for file in distribution(name).files or []]
    return round(sum(file.stat().st_size for file in files if file.exists()) / 1e6, 1)
