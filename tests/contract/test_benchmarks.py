"""Every benchmark starts: they take hours, and are run too seldom to break unseen."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf import make_config
from edgeclf_converters import Labelled
from tests.conftest import SMALL

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "tests" / "benchmarks"
SCRIPTS = sorted(path.stem for path in BENCHMARKS.glob("*.py") if "@click.command" in path.read_text("utf-8"))


def test_there_are_some() -> None:
    assert {"train", "int8", "speed", "memory", "soak", "stages", "trashnet"} <= set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_says_what_it_does(name: str) -> None:
    words = ["-m", f"tests.benchmarks.{name}"] if name == "soak" else [str(BENCHMARKS / f"{name}.py")]
    done = subprocess.run([sys.executable, *words, "--help"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


def test_the_time_to_an_accuracy_is_taken(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    bench = importlib.import_module("tests.benchmarks.train")
    (tmp_path / "train").symlink_to(digits)
    pixels = np.stack([cv2.resize(cv2.imread(str(path)), (64, 64)) for path in sorted(digits.rglob("*.png"))])
    test = Labelled(pixels[:, :, :, ::-1].copy(), np.repeat(np.arange(3), 20))
    seen = bench._ours(tmp_path, make_config({**SMALL, "test": 0.0}), test)
    assert seen
    assert all(seconds > 0 and 0 <= accuracy <= 1 for seconds, accuracy in seen)
