"""Files of lines of a real run: what is written when, under which names, and to what is no file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeclf_runtime import UsageError
from edgeclf_runtime.config.settings import settings
from edgeclf_runtime.sinks.lines import CsvSink, JsonLinesSink
from edgeclf_runtime.sources import SourceState
from tests.runtime.observations import seen

KEPT = Path(__file__).parents[2] / "kept" / "0.1"
COMMAND = [sys.executable, "-m", "edgeclf_runtime", "run", str(KEPT / "model.tflite")]
HEAD = "time,frame,source,answer,score,changed\n"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Twelve, of two classes, each three times in a row."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(12):
        source = sorted((KEPT / "photos" / str(number // 3 % 2)).iterdir())[0]
        (folder / f"{number:02}{source.suffix}").write_bytes(source.read_bytes())
    return folder


def _run(*words: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *map(str, words)], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def _rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_lines_of_changes_alone_are_those_of_all_that_changed(pictures: Path, tmp_path: Path) -> None:
    _run("--source", pictures, "--jsonl", "all", folder=tmp_path)
    (tmp_path / "run.toml").write_text('[sinks]\njsonl = "some"\njsonl_every = "change"\n', "utf-8")
    _run("--source", pictures, "--config", "run.toml", folder=tmp_path)
    _run("--source", pictures, "--jsonl", "flag", "--jsonl-every", "change", folder=tmp_path)
    rows = _rows(tmp_path / "all")
    assert len(rows) == 12
    changed = [(row["frame"], row["answer"]) for row in rows if row["changed"]]
    assert 1 < len(changed) < 12
    for name in ("some", "flag"):
        assert [(row["frame"], row["answer"]) for row in _rows(tmp_path / name)] == changed


def test_states_are_written_between_changes(tmp_path: Path) -> None:
    sink = JsonLinesSink(tmp_path / "a", changes=True)
    for item in (seen(), seen(changed=False), SourceState("lost", 0.0)):
        sink.take(item)
    sink.close()
    assert [row.get("state") for row in _rows(tmp_path / "a")] == [None, "lost"]


def test_the_old_names_of_keys_are_read_and_the_new_ones_said(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('[sinks]\njsonl = "all"\nrotate = 1000\nkeep = 1\n', "utf-8")
    done = _run("--source", pictures, "--config", "run.toml", folder=tmp_path)
    assert "run.toml: sinks.rotate is called rotate_bytes now: rename it.\n" in done.stderr
    assert "run.toml: sinks.keep is called rotate_keep now: rename it.\n" in done.stderr
    assert {path.name for path in tmp_path.glob("all*")} == {"all", "all.1"}
    assert (tmp_path / "all.1").stat().st_size <= 1000
    done = _run("--source", pictures, "--jsonl", "b", "--rotate-bytes", "1000", "--rotate-keep", "2", folder=tmp_path)
    assert {path.name for path in tmp_path.glob("b*")} == {"b", "b.1", "b.2"}
    given = {"sinks": {"rotate_bytes": 5000, "rotate_keep": None}}  # an option goes before the file
    assert settings({"sinks": {"rotate": 2000}}, given, "").sinks.rotate_bytes == 5000


def test_an_old_name_beside_the_new_one_is_refused() -> None:
    table = {"rotate": 2000, "rotate_bytes": 3000, "keep": 2, "rotate_keep": 2}
    with pytest.raises(UsageError) as caught:
        settings({"sinks": table}, {}, "run.toml")
    assert str(caught.value) == (
        "run.toml: sinks.rotate is the old name of rotate_bytes, which is there, too (remove one); "
        "sinks.keep is the old name of rotate_keep, which is there, too (remove one)."
    )
    with pytest.raises(UsageError, match="rotate_bytes at least 1000, rotate_keep at least 0"):
        settings({"sinks": {"rotate": 10}}, {}, "")
    with pytest.raises(UsageError, match="expected a whole number, got 'x'"):
        settings({"sinks": {"keep": "x"}}, {}, "")


@pytest.mark.parametrize("keep", [0, 5])
@pytest.mark.parametrize("before", ["time,frame,answer\n1,2,cat\n", "label\na.png", "{}\n"])
def test_a_csv_file_of_other_columns_is_renamed_and_kept(
    before: str, keep: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "seen.csv"
    path.write_text(before, "utf-8")
    sink = CsvSink(path, keep=keep)
    sink.take(seen())
    sink.close()
    assert (tmp_path / "seen.csv.1").read_text("utf-8") == before
    assert path.read_text("utf-8").startswith(HEAD + "1700000000.250,0,")
    assert "first line is another one; renamed to seen.csv.1" in caplog.text


@pytest.mark.parametrize("before", [b"", b"time,fra", HEAD.encode(), ("\ufeff" + HEAD).replace("\n", "\r\n").encode()])
def test_a_csv_file_of_the_same_columns_goes_on(before: bytes, tmp_path: Path) -> None:
    path = tmp_path / "seen.csv"
    path.write_bytes(before)
    CsvSink(path).close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["seen.csv"]
    assert path.read_text("utf-8-sig").splitlines() == [HEAD.strip()]


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_lines_go_to_standard_output(name: str, kind: str, pictures: Path, tmp_path: Path) -> None:
    done = _run("--source", pictures, f"--{kind}", name, "--rotate-bytes", "1000", "--changes", folder=tmp_path)
    lines = done.stdout.splitlines()
    rows = [line for line in lines if line.startswith('{"frame"' if kind == "jsonl" else "17") or line[:5] == "time,"]
    assert len(rows) == 12 + (kind == "csv")
    assert not (tmp_path / "-").exists()


def test_lines_go_into_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    sink = JsonLinesSink(tmp_path / "pipe", limit=1000)
    for number in range(10):
        sink.take(seen(number=number))
    sink.close()
    lines = os.read(reader, 1 << 16).splitlines()
    os.close(reader)
    assert [json.loads(line)["frame"] for line in lines] == list(range(10))
