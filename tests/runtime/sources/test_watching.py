"""A watched folder: the cost of a check, that no image is missed, and what is remembered after a restart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeclf_runtime.pictures.images import find_images
from edgeclf_runtime.sources.folder import memory, watching
from edgeclf_runtime.sources.folder.memory import Memory, mark_of, memory_path
from edgeclf_runtime.sources.folder.source import PictureSource
from edgeclf_runtime.sources.folder.watching import FolderWatch

KEPT = Path(__file__).parents[2] / "kept" / "0.1"
NEEDS_INOTIFY = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has inotify")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def _image(path: Path, level: int = 0) -> None:
    content = cv2.imencode(".png", np.full((8, 8, 3), level, np.uint8))[1].tobytes()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


class _Counted:
    """Replaces a function and counts its calls."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function, self.count = function, 0

    def __call__(self, *words: Any) -> Any:
        self.count += 1
        return self._function(*words)


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> _Counted:
    """Count listings of folders."""
    counted = _Counted(os.scandir)
    monkeypatch.setattr(watching.os, "scandir", counted)
    return counted


@NEEDS_INOTIFY
def test_looks_of_an_idle_minute_list_nothing_and_ask_for_no_file(
    folder: Path, listings: _Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2000):
        (folder / f"{number}.png").touch()
    watch, asked = FolderWatch(folder), _Counted(watching.version_of)
    found, is_all = watch.look()
    assert (len(found), is_all, listings.count) == (2000, True, 1)
    monkeypatch.setattr(watching, "version_of", asked)
    for _ in range(120):
        assert watch.look() == ({}, False)
    assert (listings.count, asked.count) == (1, 0)
    (folder / "7.png").write_bytes(b"x")
    found, is_all = watch.look()
    assert ([*found], is_all) == ([str(folder / "7.png")], False)
    assert (listings.count, asked.count) == (1, 1)
    watch.close()


@NEEDS_INOTIFY
def test_more_changes_than_the_kernel_remembers_lead_to_a_listing(folder: Path, listings: _Counted) -> None:
    remembered = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text("utf-8"))
    if remembered > 100_000:
        pytest.skip("this limit is too high to reach")
    for name in ("a.png", "b.png"):
        (folder / name).touch()
    watch = FolderWatch(folder)
    watch.look()
    for moment in range(remembered // 2 + 10):  # alternating: the kernel merges identical events in a row
        os.utime(folder / "a.png", (moment, moment))
        os.utime(folder / "b.png", (moment, moment))
    (folder / "c.png").touch()  # in a folder that is not watched
    found, is_all = watch.look()
    assert ([Path(path).name for path in found], is_all, listings.count) == (["a.png", "b.png", "c.png"], True, 2)
    (folder / "d.png").touch()
    assert [*watch.look()[0]] == [str(folder / "d.png")]
    watch.close()


@pytest.mark.parametrize("way", [pytest.param("inotify", marks=NEEDS_INOTIFY), "listing"])
def test_every_image_is_noticed_however_it_comes(way: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "listing":
        monkeypatch.setattr(watching, "tells_all", lambda _: False)
        monkeypatch.setattr(watching, "_SHARE", 0.0)
    watch, known = FolderWatch(folder), dict[str, Any]()
    outside = folder.parent / "outside"
    changes: list[Callable[[], object]] = [
        lambda: _image(folder / "a.png"),
        lambda: _image(folder / "day" / "b.JPG"),
        lambda: (_image(outside / "c.png"), outside.rename(folder / "moved")),
        lambda: _image(folder / "moved" / "d.png"),
        lambda: (folder / "moved").rename(folder / "again"),
        lambda: _image(folder / "again" / "e.png"),
        lambda: os.link(folder / "a.png", folder / "f.png"),
        lambda: (folder / "g.png").symlink_to(folder / "a.png"),
        lambda: (_image(folder / "h.part"), (folder / "h.part").rename(folder / "h.png")),
        lambda: (_image(folder / ".hidden" / "i.png"), _image(folder / ".j.png"), (folder / "k.txt").touch()),
        lambda: (folder / "day" / "b.JPG").unlink(),
        lambda: (folder / "day").rmdir(),
        lambda: _image(folder / "day" / "l.png"),
        lambda: _image(folder / os.fsdecode(b"caf\xe9.png")),
        lambda: (folder.rename(outside), watch.look(), outside.rename(folder), _image(folder / "m.png")),
    ]
    for change in changes:
        change()
        found, is_all = watch.look()
        known = {**({} if is_all else known), **found}
        there = [str(path) for path in find_images(folder)]
        assert sorted(path for path in known if os.path.exists(path)) == sorted(there)
    watch.close()


def test_a_listing_that_takes_long_is_seldom(folder: Path, listings: _Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network file system, which reports no changes."""
    monkeypatch.setattr(watching, "tells_all", lambda _: False)
    monkeypatch.setattr(watching, "_SHARE", 1e9)
    watch = FolderWatch(folder)
    assert watch.look() == ({}, True)
    assert [watch.look() for _ in range(120)] == [({}, False)] * 120
    assert listings.count == 1
    monkeypatch.setattr(watching.time, "monotonic", lambda: time.perf_counter() + 1e9)
    assert watch.look() == ({}, True)


def _names(source: PictureSource, count: int, done: int) -> list[str]:
    """Return the names of the images classified by a run that ends after a number of them."""
    with source:
        frames = iter(source)
        names = []
        for number in range(count):
            frame = next(frames)
            names.append(Path(frame.source).name)
            if number < done:
                source.finish(frame)
    return names


def test_after_a_restart_what_was_not_classified_is_given(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept = folder.parent / "it's seen"
    for number in range(4):
        _image(folder / f"{number}.png", number)
    assert _names(PictureSource(folder, True, memory=kept), 4, 3) == ["0.png", "1.png", "2.png", "3.png"]
    _image(folder / "1.png", 99)  # another image of the same name
    _image(folder / "new.png", 50)
    (folder / "2.png").rename(folder / "renamed.png")
    assert not caplog.records
    with kept.open("ab") as file:
        file.write(b"\0\0\0half a li")  # a power cut
    names = ["1.png", "3.png", "new.png", "renamed.png"]
    assert _names(PictureSource(folder, True, memory=kept), 4, 4) == names
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder}: skipped images that were classified before (1); to classify them again: rm "
        f"""'{folder.parent}/it'"'"'s seen'"""
    ]
    _image(folder / "last.png")
    assert _names(PictureSource(folder, True, memory=kept), 1, 1) == ["last.png"]


def test_where_it_cannot_be_kept_it_is_said_and_goes_on(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    _image(folder / "a.png")
    kept = folder / "no such folder" / "seen"
    for _ in range(2):
        assert _names(PictureSource(folder, True, memory=kept), 1, 1) == ["a.png"]
    again = "No such file or directory. After a restart the watched folder's images are classified again."
    assert [record.getMessage() for record in caplog.records] == [f"{kept}: {again}"] * 2


def test_what_it_keeps_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MORE", 10)
    kept, marks = Memory(tmp_path / "seen"), [mark_of(f"{number}.png", (number, 1)) for number in range(40)]
    for mark in marks:
        kept.begin(mark)
        kept.finish(mark)
    kept.clear(set())  # for example, a disk that is not mounted
    assert all(mark in kept for mark in marks)
    kept.clear(set(marks[:3]))
    kept.finish(mark_of("later.png", (1, 1)))
    kept.close()
    assert (tmp_path / "seen").stat().st_size == 33 * (3 + 5 + 1)
    again = Memory(tmp_path / "seen")
    assert [number for number, mark in enumerate(marks) if mark in again] == [0, 1, 2, 35, 36, 37, 38, 39]
    again.close()


def test_another_model_folder_or_recipient_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def paths() -> list[Path]:
        asked = [("m.tflite", "in", ()), ("n.tflite", "in", ()), ("m.tflite", "out", ()), ("m.tflite", "in", ("a",))]
        return [memory_path(tmp_path / model, tmp_path / name, words) for model, name, words in asked]

    assert len(set(paths())) == 4
    assert {path.parent for path in paths()} == {tmp_path}
    assert all(path.name.startswith(".") for path in paths())
    monkeypatch.setenv("STATE_DIRECTORY", f"/var/lib/other:{tmp_path}/edgeclf-models/porch")
    assert len(set(paths())) == 4
    assert {path.parent for path in paths()} == {tmp_path / "edgeclf-models" / "porch"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_started_again_goes_on_where_it_was(number: int, folder: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes((KEPT / "model.tflite").read_bytes())
    pictures = sorted((KEPT / "photos" / "0").iterdir())
    words = [sys.executable, "-m", "edgeclf_runtime", "run", str(model), "--source", str(folder), "--watch", "--json"]
    (folder / f"a{pictures[0].suffix}").write_bytes(pictures[0].read_bytes())
    (folder / f"b{pictures[1].suffix}").write_bytes(pictures[1].read_bytes())
    names = []
    for letter in "cd":
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(2 if letter == "c" else 1):
                names.append(Path(json.loads(process.stdout.readline())["source"]).stem)
            end = time.monotonic() + 30
            while sum(path.read_bytes().count(b"\n") for path in tmp_path.glob(".model.tflite.*.seen")) < len(names):
                assert time.monotonic() < end
                time.sleep(0.01)
            process.send_signal(number)
            rest, _ = process.communicate(timeout=30)
        assert not rest
        (folder / f"{letter}{pictures[2].suffix}").write_bytes(pictures[2].read_bytes())
    assert names == ["a", "b", "c"]
