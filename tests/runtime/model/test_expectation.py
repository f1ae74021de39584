"""The accuracy that a model file predicts for a camera."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeclf_runtime import Classifier
from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.model.expectation import EXPECTATION_FILE, Expectation
from edgeclf_runtime.model.file import read_model
from edgeclf_runtime.model.rewrite import with_files

STORED = Expectation(accuracy=0.94, confidence=0.95, slope=1.75, error=0.03, reject=0.05)


def _with(model: Path, path: Path, content: bytes) -> Path:
    path.write_bytes(with_files(model.read_bytes(), {EXPECTATION_FILE: content}))
    return path


def test_it_is_read_back_and_a_file_without_it_has_none(model: Path, tmp_path: Path) -> None:
    path = _with(model, tmp_path / "new.tflite", STORED.to_json())
    with Classifier.load(path) as classifier:
        assert classifier.expectation == STORED
    later = json.loads(STORED.to_json()) | {"format": 2, "more": "of a later version"}
    assert read_model(_with(model, path, json.dumps(later).encode())).expectation is None


def test_accuracy_falls_faster_than_confidence_and_stays_a_share() -> None:
    assert STORED.of(0.95) == 0.94
    assert STORED.of(0.85) == pytest.approx(0.765)
    assert (STORED.of(0.0), STORED.of(1.0)) == (0.0, 1.0)


@pytest.mark.parametrize(
    "change",
    [
        {"accuracy": 1.2},
        {"slope": -1},
        {"slope": float("nan")},
        {"error": "a few"},
        {"reject": None},
        {"surprise": 1},
    ],
)
def test_a_damaged_one_is_refused_in_one_line(model: Path, tmp_path: Path, change: dict[str, object]) -> None:
    content = json.dumps(json.loads(STORED.to_json()) | change).encode()
    with pytest.raises(ModelError, match=EXPECTATION_FILE) as refused:
        read_model(_with(model, tmp_path / "m.tflite", content))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"[" * 5000])
def test_what_is_no_json_object_is_refused_too(model: Path, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ModelError, match=EXPECTATION_FILE):
        read_model(_with(model, tmp_path / "m.tflite", content))
