"""Untrusted model files, tried in another process."""

from __future__ import annotations

import json
import struct
import sys
import time
from pathlib import Path

import pytest

from edgeclf_runtime.model.flatbuffer import Table
from edgeclf_runtime.system.isolation import run_isolated
from edgeclf_runtime.updates.trial import try_model
from tests.model_files import bare, crashing, variant, wrong_golden

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited only on Linux")


def test_a_good_file_passes(model: Path) -> None:
    assert try_model(model) == ""


def test_a_file_that_gives_other_scores_is_refused_in_one_line(model: Path, tmp_path: Path) -> None:
    reason = try_model(variant(model, tmp_path / "other.tflite", golden=wrong_golden))
    assert "other.tflite: differs on this device with litert: largest difference" in reason
    assert "\n" not in reason


def test_what_cannot_be_read_is_said_as_anywhere_else(tmp_path: Path) -> None:
    (tmp_path / "text.tflite").write_text("hello, world, this is text")
    assert "text.tflite: Not a TensorFlow Lite file." in try_model(tmp_path / "text.tflite")
    assert "No such file" in try_model(tmp_path / "--help")


@ON_LINUX
def test_a_file_that_wants_too_much_memory_is_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its input is 4096 pixels wide, for which its first layers take gigabytes."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # its stacks on many cores would take it all
    assert try_model(model, memory=700 << 20) == ""
    content = bytearray(bare(model))
    graph = next(Table.root(bytes(content), b"TFL3").tables(2))
    shape = struct.pack("<4i", 1, 64, 64, 3)
    place = content.index(shape, list(graph.tables(0))[graph.integers(1, "i")[0]]._position)
    struct.pack_into("<4i", content, place, 1, 4096, 4096, 3)
    (tmp_path / "large.tflite").write_bytes(content)
    (tmp_path / "labels.txt").write_text("0\n1\n2\n")
    started = time.monotonic()
    reason = try_model(tmp_path / "large.tflite", memory=700 << 20)
    assert "cannot run this model" in reason or "crashes" in reason
    assert "\n" not in reason
    assert time.monotonic() - started < 60


def test_a_file_that_crashes_the_interpreter_is_refused(model: Path, tmp_path: Path) -> None:
    assert "crash.tflite: the interpreter crashes (SIG" in try_model(crashing(model, tmp_path / "crash.tflite"))


def test_a_trial_that_lasts_too_long_is_ended(model: Path) -> None:
    reason = try_model(model, seconds=0.05)
    assert "the interpreter does not end within 0.05 s when the file is tested in another process" in reason


def test_how_a_process_ended_becomes_a_phrase(tmp_path: Path) -> None:
    ended = run_isolated("json.tool", seconds=20, content=b'{"a": 1}')
    assert (ended.fault, json.loads(ended.output)) == ("", {"a": 1})
    ended = run_isolated("json.tool", seconds=20, content=b"no JSON")
    assert ended.status == 1
    assert ended.fault.startswith("fails: Expecting value")
