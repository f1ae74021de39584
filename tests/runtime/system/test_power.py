"""What a power cut leaves: the order of syncs and renames, and line files with a torn end.

tests/device cuts the power of a whole machine.
"""

from __future__ import annotations

import csv
import errno
import json
import os
from pathlib import Path

import pytest

from edgeclf_runtime.sinks.lines import CsvSink, JsonLinesSink
from edgeclf_runtime.system.atomic_file import written_beside
from tests.runtime.observations import seen


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record syncs and renames, which are both performed."""
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        calls.append(f"sync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")
        fsync(descriptor)

    def replaced(old: Path, new: Path) -> None:
        calls.append(f"rename {Path(new).name}")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    return calls


def test_content_is_on_the_disk_before_its_name_and_the_name_before_it_is_done(
    calls: list[str], tmp_path: Path
) -> None:
    with written_beside(tmp_path / "model.tflite") as hidden:
        hidden.write_bytes(b"new")
    assert calls == ["sync .model.tflite.part", "rename model.tflite", f"sync {tmp_path.name}"]


@pytest.mark.parametrize(("number", "fails"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)])
def test_a_disk_that_cannot_sync_is_taken_and_one_that_fails_keeps_the_old_file(
    number: int, fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old")

    def fsync(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    if fails:
        with pytest.raises(OSError, match=r"model\.tflite"), written_beside(path) as hidden:
            hidden.write_bytes(b"new")
    else:
        with written_beside(path) as hidden:
            hidden.write_bytes(b"new")
    assert path.read_bytes() == (b"old" if fails else b"new")
    assert os.listdir(tmp_path) == ["model.tflite"]


def test_lines_are_synced_now_and_then_not_each(calls: list[str], tmp_path: Path) -> None:
    sink = JsonLinesSink(tmp_path / "seen.jsonl")
    for number in range(50):
        sink.take(seen(number=number))
    assert calls.count("sync seen.jsonl") == 1  # the first; lines within seconds are synced with a later one
    sink.close()
    assert calls.count("sync seen.jsonl") == 2


TORN = {
    "half a line": b'{"frame": 7, "sco',
    "zeros at the end": b'{"frame": 7, "sco' + bytes(3000),
    "zeros alone": bytes(4096),
    "zeros before a line": bytes(4096) + b're": 1}\n{"frame": 9}\n',
    "half a letter": '{"source": "ü'.encode()[:-1],
}


@pytest.mark.parametrize("torn", TORN.values(), ids=TORN)
def test_each_line_can_be_read_after_a_torn_end(torn: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "seen.jsonl"
    for before in (b"", b'{"frame": 5}\n{"frame": 6}\n'):
        path.write_bytes(before + torn)
        sink = JsonLinesSink(path)
        sink.take(seen(number=8))
        sink.close()
        rows = [json.loads(line) for line in path.read_bytes().splitlines()]
        assert [row["frame"] for row in rows] == ([5, 6] if before else []) + [8]
        assert f"removed its last {len(torn)} bytes" in caplog.messages[-1]


def test_a_whole_last_line_is_ended_and_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "seen.jsonl"
    path.write_bytes(b'{"frame": 5}\n{"frame": 6}')
    JsonLinesSink(path).close()
    assert path.read_bytes() == b'{"frame": 5}\n{"frame": 6}\n'
    assert not caplog.messages


@pytest.mark.parametrize("content", [b"\xff\xd8\0\0 a picture", b"my notes\nwithout an end"])
def test_nothing_is_taken_from_a_file_of_another_kind(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_bytes(content)
    JsonLinesSink(path).close()
    assert path.read_bytes() == content + b"\n"


@pytest.mark.parametrize("torn", [b"time,frame,sou", b"time,frame,source,answer,score,changed\n17000", b"\0" * 99])
def test_rows_are_whole_after_a_torn_end(torn: bytes, tmp_path: Path) -> None:
    path = tmp_path / "seen.csv"
    path.write_bytes(torn)
    sink = CsvSink(path)
    sink.take(seen(number=8))
    sink.close()
    with path.open(encoding="utf-8", newline="") as file:
        assert [row["frame"] for row in csv.DictReader(file, strict=True)] == ["8"]
