"""The scripts of tests/benchmarks that print figures, and their commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "tests" / "benchmarks"
SCRIPTS = sorted(path.stem for path in BENCHMARKS.glob("*.py") if "@click.command" in path.read_text("utf-8"))


def run_script(name: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run one of ``SCRIPTS`` to its end in the project's folder."""
    file = BENCHMARKS / f"{name}.py"
    module = "\nfrom tests." in file.read_text("utf-8")
    command = [sys.executable, *(["-m", f"tests.benchmarks.{name}"] if module else [file]), *words]
    return subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False)
