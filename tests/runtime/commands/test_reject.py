"""``--reject`` with a real model file: images unlike the training images."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeclf_runtime import Classifier, UsageError


@pytest.fixture(scope="module")
def images(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four training images, then four images of noise."""
    folder = tmp_path_factory.mktemp("mixed")
    for number, path in enumerate(sorted((digits / "1").iterdir())[:4]):
        (folder / f"{number}-own.png").write_bytes(path.read_bytes())
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)
    for number in range(4, 8):
        cv2.imwrite(str(folder / f"{number}-strange.png"), np.roll(noise, number, 0))
    return folder


def _run(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeclf_runtime", *map(str, words)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def _edgeclf(folder: Path, *words: object) -> str:
    return _run(folder, *words).stdout


def _reasons(lines: str) -> dict[bool, set[Any]]:
    """Return the reasons given for the unfamiliar images and for the others."""
    found: dict[bool, set[Any]] = {True: set(), False: set()}
    for line in map(json.loads, lines.splitlines()):
        assert (line["answer"] == "unknown") == (line["reason"] is not None)
        assert 0 <= line["familiarity"] <= 1
        found["strange" in line["source"]].add(line["reason"])
    return found


def test_classify_refuses_strange_images(model: Path, images: Path, tmp_path: Path) -> None:
    words = ("classify", model, images)
    assert _reasons(_edgeclf(tmp_path, *words, "--json"))[True] == {"unfamiliar"}  # by default, as the card suggests
    found = _reasons(_edgeclf(tmp_path, *words, "--json", "--threshold", 0, "--reject", 0.01))
    assert found == {True: {"unfamiliar"}, False: {None}}
    for off in (("--reject", 0, "--threshold", 0), ("--threshold", 0)):
        assert _reasons(_edgeclf(tmp_path, *words, "--json", *off)) == {True: {None}, False: {None}}
    text = _edgeclf(tmp_path, *words, "--threshold", 1, "--reject", 0.01).splitlines()
    assert ["[unknown (undecided)]" in line for line in text] == [True] * 4 + [False] * 4
    assert ["[unknown (unfamiliar)]" in line for line in text] == [False] * 4 + [True] * 4


def test_python_refuses_them(model: Path, images: Path) -> None:
    own, *_, strange = sorted(images.iterdir())
    for reject, reasons in ((None, {"unfamiliar"}), (0.01, {"unfamiliar"}), (0, {None, "undecided"})):
        with Classifier.load(model, reject=reject) as classifier:
            assert classifier.classify(strange).reason in reasons
    with Classifier.load(model, reject=1) as classifier:
        assert classifier.classify(own).reason == "unfamiliar"
    with pytest.raises(UsageError, match=r"reject 2: expected 0 to 1"):
        Classifier.load(model, reject=2)


def test_a_run_refuses_strange_images(model: Path, images: Path, tmp_path: Path) -> None:
    words = ("run", model, "--source", images)
    (tmp_path / "run.toml").write_text(
        '[decision]\nthreshold = 0\nreject = 0.01\n[sinks]\njsonl = "lines"\ncsv = "rows"\n', "utf-8"
    )
    text = _edgeclf(tmp_path, *words, "--config", "run.toml").splitlines()
    assert "[unknown (unfamiliar)]" in text[-1]
    assert "[" not in text[0]
    assert _reasons((tmp_path / "lines").read_text("utf-8")) == {True: {"unfamiliar"}, False: {None}}
    rows = [line.split(",") for line in (tmp_path / "rows").read_text("utf-8").splitlines()]
    assert rows[0][-2:] == ["reason", "familiarity"]
    assert [row[-2] for row in rows[1:]] == [""] * 4 + ["unfamiliar"] * 4
    off = _edgeclf(tmp_path, *words, "--config", "run.toml", "--reject", 0)
    assert "unknown" not in off


@pytest.mark.parametrize("words", [("classify", "photos/0"), ("run", "--source", "photos/0")])
def test_a_file_of_before_says_that_it_refuses_nothing(words: tuple[str, ...]) -> None:
    command, *more = words
    kept = Path(__file__).parents[2] / "kept" / "0.1"
    done = _run(kept, command, "model.tflite", *more, "--reject", 0.5)
    assert done.stderr.count("model.tflite: has no familiarity, so reject refuses nothing.") == 1
    assert "unfamiliar" not in done.stdout
    if command == "classify":  # without the option
        assert not _run(kept, command, "model.tflite", *more, "--reject", 0).stderr
