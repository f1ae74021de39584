"""Untrusted files, generated and damaged: only our errors, no hang, bounded memory."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgeclf_converters.tflite.metadata import metadata_buffer
from edgeclf_converters.tflite.pack import pack
from edgeclf_runtime import ModelCard, ModelError, Preprocessing, UsageError
from edgeclf_runtime.config.settings import read_settings, settings
from edgeclf_runtime.model.archive import Archive
from edgeclf_runtime.model.file import read_model
from edgeclf_runtime.model.golden import GoldenVector, read_golden
from edgeclf_runtime.model.labels import parse_labels
from edgeclf_runtime.model.metadata import read_metadata
from tests.fuzzing import JSON, bounded, fuzz, mutated
from tests.runtime.edgetpu_files import small_flatbuffer

CARD = ModelCard("fuzzed", ("a", "b", "c"), Preprocessing(16, 16), ("x", "y", "z"), {"test": 0.5}, 0.3, {"seed": "1"})
CONTROLS = [chr(code) for code in (*range(32), *range(127, 160))]
PICTURE = np.zeros((16, 16, 3), np.uint8)
METADATA = metadata_buffer(CARD)
FLAT = small_flatbuffer("edgetpu-custom-op", METADATA)
OURS = pack(FLAT, CARD, [GoldenVector(PICTURE, np.array([0.5, 0.25, 0.25], np.float32))], 0.01)
RUN = """source = "0"
[camera]
width = 1280
height = 720
fps = 10
reopen = true
[decision]
threshold = 0.5
votes = 3
window = 5
[gate]
region = [0.0, 0.0, 0.5, 1.0]
motion = 3.0
[sinks]
jsonl = "seen.jsonl"
snapshot_labels = ["a", "b"]
metrics = 9100
"""


def _with_archive(**entries: bytes) -> bytes:
    file = io.BytesIO()
    file.write(FLAT)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), data)
    return file.getvalue()


def _read(path: Path, content: bytes, **given: Any) -> None:
    path.write_bytes(content)
    with bounded(64, ModelError):
        read_model(path, **given)


@given(content=mutated(OURS))
@fuzz(600)
def test_a_damaged_model_file(content: bytes, tmp_path: Path) -> None:
    _read(tmp_path / "m.tflite", content)


@given(content=mutated(_with_archive(labels_txt=b"a\nb\nc\n")))
@fuzz(400)
def test_a_damaged_file_of_another_tool(content: bytes, tmp_path: Path) -> None:
    _read(tmp_path / "m.tflite", content)
    _read(tmp_path / "m.tflite", content, labels=["a", "b", "c"])


@given(content=mutated(METADATA))
@fuzz(400)
def test_damaged_metadata(content: bytes) -> None:
    with bounded(64, ModelError):
        read_metadata(content)


def _changed(value: Any) -> st.SearchStrategy[Any]:
    """Return the value with any part replaced by anything."""
    if not isinstance(value, dict):
        return JSON
    parts = [_changed(inner).map(lambda new, key=key: {**value, key: new}) for key, inner in value.items()]
    return st.one_of(JSON, *parts, st.dictionaries(st.text(max_size=9), JSON, max_size=2).map(lambda new: value | new))


@given(card=_changed(json.loads(CARD.to_json())))
@example(card={**json.loads(CARD.to_json()), "accuracy": {"test": 10**400}})
@fuzz(300)
def test_a_card_of_anything(card: Any) -> None:
    with bounded(64, ModelError):
        ModelCard.from_json(json.dumps(card), CARD.labels)


@given(scores=_changed({"tolerance": 0.1, "scores": [[0.5, 0.25, 0.25]]}))
@fuzz(300)
def test_golden_scores_of_anything(scores: Any) -> None:
    archive = Archive(_with_archive(golden__scores_json=json.dumps(scores).encode()))
    with bounded(64, ModelError):
        read_golden(archive, 3)


@given(data=st.binary(max_size=200) | st.text("01 :\n\r\t\x0b\x1cab\ufeff\u2028", max_size=60).map(str.encode))
@fuzz(400)
def test_labels_of_anything(data: bytes) -> None:
    with bounded(64, ModelError):
        labels = parse_labels(data, "labels.txt")
        assert all(label.strip() and not set(label) & set(CONTROLS) for label in labels)


def test_nothing_in_a_file_reaches_the_terminal_as_a_command(tmp_path: Path) -> None:
    """Otherwise a label could clear the screen, or imitate another program's output."""
    card = replace(CARD, name="\x1b[2Jname", provenance={"seed\x9b1m": "\x071"}, label_ids=())
    path = tmp_path / "m.tflite"
    path.write_bytes(
        _with_archive(labels_txt="\x1b]0;a\x07\nb\u200cb\nc\n".encode(), edgeclf_json=card.to_json().encode())
    )
    read = read_model(path).card
    assert read.labels == ("]0;a", "b\u200cb", "c")
    assert (read.name, dict(read.provenance)) == (" [2Jname", {"seed 1m": " 1"})
    (tmp_path / "run.toml").write_text('"\\u001b[2J" = 1\n')
    words = [sys.executable, "-m", "edgeclf_runtime", "run", "m.tflite", "--config", "run.toml"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "[2J: unknown" in done.stderr
    assert not set(done.stderr) & set(CONTROLS) - {"\n"}


def test_json_that_is_deep_or_long_and_archives_that_unpack_to_gigabytes(tmp_path: Path) -> None:
    deep, path = b"[" * 100_000, tmp_path / "m.tflite"
    zeros = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(zeros.compress(bytes(1 << 20)) for _ in range(64)) + zeros.flush()
    liar = bytearray(_with_archive(labels_txt=b"a\nb\nc\n", edgeclf_json=bytes(64 << 20)))
    for place in (liar.index(bytes([0, 0, 0, 4])), liar.rindex(bytes([0, 0, 0, 4]))):  # its true size: now a small one
        liar[place : place + 4] = struct.pack("<I", 100)
    assert len(bomb) < 100_000
    for content in (
        _with_archive(labels_txt=b"a\nb\nc\n", edgeclf_json=deep),
        _with_archive(labels_txt=b"a\nb\nc\n", edgeclf_json=CARD.to_json().encode(), golden__scores_json=deep),
        _with_archive(labels_txt=b"a\nb\nc\n", edgeclf_json=bytes(64 << 20)),
        _with_archive(labels_txt=b"a\n" * (1 << 22), edgeclf_json=CARD.to_json().encode()),
        _with_archive(labels_txt=b"a\nb\nc\n", edgeclf_json=b"1" * 5000),
        bytes(liar),
    ):
        path.write_bytes(content)
        with bounded(64), pytest.raises(ModelError):
            read_model(path)


@given(text=mutated(RUN.encode()))
@example(text=b"a = " + b"[" * 5000)
@example(text=b"[camera]\nwidth = " + b"9" * 5000)
@example(text=b"[camera]\nfps = 1e999\nwidth = 99999999999999999999\n[gate]\nmotion = nan\n")
@fuzz(300)
def test_a_damaged_settings_file(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_bytes(text)
    with bounded(64, UsageError):
        settings(read_settings(tmp_path / "run.toml"), {}, "run.toml")


TABLE = {"width": 1280, "fps": 10.0, "region": [0.0, 0.0, 0.5, 1.0], "votes": 3, "metrics": 9000, "mqtt": "mqtt://x"}


@given(content=_changed({"source": "0", "camera": TABLE, "decision": TABLE, "gate": TABLE, "sinks": TABLE}))
@fuzz(300)
def test_settings_of_anything(content: Any) -> None:
    if isinstance(content, dict):
        with bounded(64, UsageError):
            settings(content, {}, "")
