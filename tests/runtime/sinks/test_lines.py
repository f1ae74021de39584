"""The line files of a real run: what is written when, under which names, and to paths that are not files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgeclf_runtime import UsageError
from edgeclf_runtime.config.settings import settings
from edgeclf_runtime.sinks.lines import CsvSink, JsonLinesSink, TerminalSink
from edgeclf_runtime.sources import SourceState
from tests.runtime.observations import seen
from tests.terminal import on_terminal

KEPT = Path(__file__).parents[2] / "kept" / "0.1"
COMMAND = [sys.executable, "-m", "edgeclf_runtime", "run", str(KEPT / "model.tflite")]
HEAD = "time,frame,source,answer,score,changed\n"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twelve images of two classes, each three times in a row."""
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


def test_lines_of_changes_alone_are_those_of_all_that_changed(images: Path, tmp_path: Path) -> None:
    _run("--source", images, "--jsonl", "all", folder=tmp_path)
    (tmp_path / "run.toml").write_text('[sinks]\njsonl = "some"\njsonl_every = "change"\n', "utf-8")
    _run("--source", images, "--config", "run.toml", folder=tmp_path)
    _run("--source", images, "--jsonl", "flag", "--jsonl-every", "change", folder=tmp_path)
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


def test_the_old_names_of_keys_are_read_and_the_new_ones_said(images: Path, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('[sinks]\njsonl = "all"\nrotate = 1000\nkeep = 1\n', "utf-8")
    done = _run("--source", images, "--config", "run.toml", folder=tmp_path)
    assert "run.toml: sinks.rotate is called rotate_bytes now: rename it.\n" in done.stderr
    assert "run.toml: sinks.keep is called rotate_keep now: rename it.\n" in done.stderr
    assert {path.name for path in tmp_path.glob("all*")} == {"all", "all.1"}
    assert (tmp_path / "all.1").stat().st_size <= 1000
    done = _run("--source", images, "--jsonl", "b", "--rotate-bytes", "1000", "--rotate-keep", "2", folder=tmp_path)
    assert {path.name for path in tmp_path.glob("b*")} == {"b", "b.1", "b.2"}
    given = {"sinks": {"rotate_bytes": 5000, "rotate_keep": None}}  # an option overrides the file
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
    assert "first line is a different one; renamed to seen.csv.1" in caplog.text


@pytest.mark.parametrize("before", [b"", b"time,fra", HEAD.encode(), ("\ufeff" + HEAD).replace("\n", "\r\n").encode()])
def test_a_csv_file_of_the_same_columns_goes_on(before: bytes, tmp_path: Path) -> None:
    path = tmp_path / "seen.csv"
    path.write_bytes(before)
    CsvSink(path).close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["seen.csv"]
    assert path.read_text("utf-8-sig").splitlines() == [HEAD.strip()]


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_lines_go_to_standard_output(name: str, kind: str, images: Path, tmp_path: Path) -> None:
    done = _run("--source", images, f"--{kind}", name, "--rotate-bytes", "1000", folder=tmp_path)
    lines = done.stdout.splitlines()  # and no line of text between them
    assert all(line.startswith('{"frame"' if kind == "jsonl" else "17") or line[:5] == "time," for line in lines)
    assert len(lines) == 12 + (kind == "csv")
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


def test_a_line_for_each_answer_that_changed_or_for_every_frame(images: Path, tmp_path: Path) -> None:
    source = ("--source", images)
    rows = [json.loads(line) for line in _run(*source, "--json", folder=tmp_path).stdout.splitlines()]
    changed = [row["frame"] for row in rows if row["changed"]]
    assert len(rows) == 12 > len(changed) > 1  # JSON has every frame, as always
    lines = _run(*source, folder=tmp_path).stdout.splitlines()
    assert [int(line.split()[0]) for line in lines] == changed
    every = _run(*source, "--every-frame", folder=tmp_path).stdout.splitlines()
    assert [int(line.split()[0]) for line in every] == list(range(12))
    old = _run(*source, "--changes", folder=tmp_path)
    assert [int(line.split()[0]) for line in old.stdout.splitlines()] == changed
    assert old.stderr.count("--changes is now the default: leave it out.") == 1
    old = _run(*source, "--changes", "--json", folder=tmp_path)
    assert [json.loads(line)["frame"] for line in old.stdout.splitlines()] == changed
    assert old.stderr.count("--jsonl - --jsonl-every change") == 1


def test_colour_on_a_terminal_alone(images: Path, tmp_path: Path) -> None:
    words = [*COMMAND, "--source", images, "--threshold", "0.999"]
    text = on_terminal(words, tmp_path).text
    assert "\x1b[1;33m  [unknown]\x1b[0;2m" in text
    assert "\x1b[1;32m  0 \x1b[0;2m" in on_terminal([*COMMAND, "--source", images], tmp_path).text
    for forbidden in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in on_terminal(words, tmp_path, forbidden).text
    assert "\x1b" not in "".join((done := _run("--source", images, folder=tmp_path)).stdout + done.stderr)


@pytest.mark.parametrize("words", [["--jsonl", "-"], ["--csv", "-", "--jsonl", "kept"], ["--json"], []])
def test_a_run_ends_when_nobody_reads_it_any_more(words: list[str], images: Path, tmp_path: Path) -> None:
    model = shutil.copy(KEPT / "model.tflite", tmp_path)  # a watched folder's memory is kept beside the model
    command = [*COMMAND[:-1], model, "--source", str(images), "--watch", *words]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            process.stdout.readline()
            process.stdout.close()
            # The same image as before: no answer changes, and still a missing reader is noticed.
            (images / "new.png").write_bytes((images / "11.png").read_bytes())
            assert process.wait(20) == 0
        finally:
            process.kill()
        assert b"Error" not in (said := process.stderr.read())
        assert b"Broken" not in said


def test_a_run_goes_on_unread_where_something_else_takes_what_it_sees(images: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{' '.join(COMMAND)} --source {images} --every-frame --jsonl kept | head -1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 1
    assert len(_rows(tmp_path / "kept")) == 12


def test_lines_of_a_model_with_familiarity_say_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, terminal = JsonLinesSink(tmp_path / "a"), TerminalSink(1)
    for sink in (lines, terminal):
        for item in (seen(), seen(familiarity=0.4), seen(familiarity=0.01)):
            sink.take(item)
    lines.close()
    plain, own, strange = _rows(tmp_path / "a")
    assert list(own)[: len(plain)] == list(strange)[: len(plain)] == list(plain)
    assert [list(row)[len(plain) :] for row in (plain, own, strange)] == [[], *[["familiarity", "reason"]] * 2]
    assert (own["answer"], own["familiarity"], own["reason"]) == ("cat", 0.4, None)
    assert (strange["answer"], strange["familiarity"], strange["reason"]) == ("unknown", 0.01, "unfamiliar")
    assert strange["label"] == "cat"
    text = capsys.readouterr().out.splitlines()
    assert [line.partition("%")[0].split()[1:-1] for line in text] == [
        ["cat"],
        ["cat"],
        ["[unknown", "(unfamiliar)]", "cat"],
    ]


def test_a_csv_file_has_the_columns_of_its_model(tmp_path: Path) -> None:
    path, longer = tmp_path / "seen.csv", HEAD.replace("\n", ",reason,familiarity\n")
    for familiarity, begun in ((False, HEAD), (True, longer)):  # as at the start of a run, and again
        for _ in range(2):
            CsvSink(path, familiarity=familiarity).close()
        assert path.read_text("utf-8") == begun
    assert (tmp_path / "seen.csv.1").read_text("utf-8") == HEAD
    sink = CsvSink(path, familiarity=True)
    for number, familiarity in enumerate([0.4, 0.01, None, None, 0.4]):  # a new model without it, and one with it
        sink.take(seen(number=number, familiarity=familiarity))
    sink.close()
    kept = [(tmp_path / f"seen.csv{end}").read_text("utf-8") for end in (".2", ".1", "")]
    row = "{}.250,{},/dev/video0,{},0.900000,1{}\n".format
    first, second = row(1700000000, 0, "cat", ",,0.400000"), row(1700000001, 1, "unknown", ",unfamiliar,0.010000")
    assert kept[0] == longer + first + second
    assert kept[1] == HEAD + row(1700000002, 2, "cat", "") + row(1700000003, 3, "cat", "")
    assert kept[2] == longer + row(1700000004, 4, "cat", ",,0.400000")
    assert not (tmp_path / "seen.csv.4").exists()


@pytest.mark.parametrize("cut", [1, 3, 9, 12, 30])
def test_a_longer_row_that_was_cut_is_removed(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "seen.csv"
    sink = CsvSink(path, familiarity=True)
    for number in (0, 1):
        sink.take(seen(number=number, familiarity=0.01))
    sink.close()
    whole = path.read_text("utf-8")
    path.write_text(whole[:-cut], "utf-8")
    CsvSink(path, familiarity=True).close()
    lines = whole.splitlines(keepends=True)
    assert path.read_text("utf-8") == (whole if cut == 1 else "".join(lines[:2]))  # only its end was missing
