"""The commands with a model file for several labels per image."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.edgeclf.several_labels import LABELS, shapes_csv


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images whose numbers have their labels as bits."""
    folder = tmp_path_factory.mktemp("images")
    shapes_csv(folder, 8)
    return folder


def _edgeclf(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeclf_runtime", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _expected(number: int) -> list[str]:
    return [label for bit, label in enumerate(LABELS) if number >> bit & 1]


def test_classify_and_run_answer_with_all_labels(label_model: Path, images: Path) -> None:
    line = json.loads(_edgeclf("classify", label_model, images / "5.png", "--json").stdout)
    assert (line["answers"], line["answer"]) == (["blue", "red"], "blue|red")
    assert "  [blue|green|red]  " in _edgeclf("classify", label_model, images / "7.png").stdout
    assert "  [_none]  " in _edgeclf("classify", label_model, images / "0.png").stdout
    lines = [
        json.loads(line) for line in _edgeclf("run", label_model, "--source", images, "--json").stdout.splitlines()
    ]
    assert [line["answers"] for line in lines] == [_expected(number) for number in range(8)]


def test_what_needs_one_label_an_image_refuses_in_one_line(label_model: Path, images: Path, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('[sinks]\nsnapshots = "kept"\n', "utf-8")
    refused = _edgeclf("run", label_model, "--source", images, "--config", tmp_path / "run.toml")
    assert refused.stderr.splitlines()[-1].startswith("Error: snapshots kept: a folder has one label")
    refused = _edgeclf("background", label_model, "--source", images)
    assert refused.stderr.splitlines()[-1].endswith(
        "has several labels per image; a background needs one label per image."
    )
    for label in ("a", "b"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "1.png").write_bytes((images / "1.png").read_bytes())
    refused = _edgeclf("teach", label_model, tmp_path / "photos", "-o", tmp_path / "taught.tflite")
    assert "Ends with a sigmoid, so it cannot be taught." in refused.stderr.splitlines()[-1]
