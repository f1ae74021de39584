"""Every example runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def _run(name: str, *words: object) -> list[str]:
    command = [sys.executable, EXAMPLES / name, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_classify_pictures(model: Path, digits: Path) -> None:
    picture = next((digits / "0").iterdir())
    (line,) = _run("classify_pictures.py", model, picture)
    assert line.startswith(str(picture))


def test_count_labels(model: Path, digits: Path) -> None:
    lines = _run("count_labels.py", model, digits)
    assert 0 < sum(int(line.split()[0]) for line in lines) <= 60


def test_convert_own_network(tmp_path: Path) -> None:
    lines = _run("convert_own_network.py", tmp_path / "own.tflite")
    assert lines[0].startswith("ptq ")
    (written,) = tmp_path.glob("own*.tflite")
    before, after = (float(share) for share in re.findall(r"([\d.]+)%", lines[-1]))
    assert before > 85
    assert after > before - 2
    assert lines[-1].endswith(str(written))


def test_there_is_a_test_for_each() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {
        "classify_pictures.py",
        "convert_own_network.py",
        "count_labels.py",
    }
