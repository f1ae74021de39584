"""What is left when a command is killed at a random moment: the old result or the new one, and it can be resumed.

Each is killed ``EDGECLF_ROUNDS`` times, 50 by default.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeclf import Quiet, Run, export, make_config, train
from edgeclf.config.file import config_text
from edgeclf.data.shards import read_index
from edgeclf_runtime import Classifier
from edgeclf_runtime.pictures.images import read_image
from edgeclf_runtime.verification import verify
from tests.conftest import SMALL
from tests.faults.killing import EDGECLF, ROUNDS, Killer
from tests.videos import write_video


@pytest.fixture
def killer(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Killer]:
    found = Killer(tmp_path / "said.log", 7)
    yield found
    print(f"\n{request.node.name}: killed {found.killed} times")
    assert found.killed == ROUNDS


def _hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob(".*"))


def test_a_training_goes_on_to_the_same_result(killer: Killer, digits: Path, tmp_path: Path) -> None:
    options = make_config({**SMALL, "epochs": 3})
    whole = train(digits, tmp_path / "whole", options, Quiet()).read_arrays("weights")
    (tmp_path / "run.toml").write_text(config_text(digits, options), "utf-8")
    begin = [*EDGECLF, "train", "--config", tmp_path / "run.toml", "--out"]
    seconds, number = killer.whole([*begin, tmp_path / "timed"]), 0
    while killer.killed < ROUNDS:
        path, number = tmp_path / f"run-{number}", number + 1
        lives = 1
        cut = killer.cut([*begin, path], seconds)
        while cut and (again := _continued(path, begin)) and killer.killed < ROUNDS:
            _whole_files(path)
            cut = killer.cut(again, seconds)
            lives += 1
        if cut and (again := _continued(path, begin)):
            killer.whole(again)
        after = Run.open(path).read_arrays("weights")
        assert after.keys() == whole.keys()
        assert all((after[name] == whole[name]).all() for name in whole), f"{lives} lives"
        assert _hidden(path) == []
        print(f"\na training of {lives} lives: the same weights, bit for bit")


def _continued(path: Path, begin: list[object]) -> list[object]:
    """Return the command that resumes a killed training; empty if it had finished when it was killed."""
    metrics = path / "metrics.json"
    if metrics.exists() and json.loads(metrics.read_text("utf-8"))["status"] == "finished":
        return [] if not Run.open(path).has_arrays("state") else [*EDGECLF, "train", "--resume", path]
    return [*EDGECLF, "train", "--resume", path] if (path / "config.toml").exists() else [*begin, path]


def _whole_files(path: Path) -> None:
    """Check that every file is complete, except hidden files that were not renamed yet."""
    for file in path.glob("*") if path.exists() else ():
        if file.suffix == ".json":
            json.loads(file.read_text("utf-8"))
        elif file.suffix == ".npz":
            Run(path, make_config({}), path).read_arrays(file.stem)
    if (path / "config.toml").exists():
        Run.open(path)


def test_an_export_leaves_the_old_file_or_the_new(killer: Killer, run: Run, tmp_path: Path) -> None:
    own, path = tmp_path / "run", tmp_path / "out" / "model.tflite"
    shutil.copytree(run.path, own)
    path.parent.mkdir()
    export(run, path, "float32", Quiet())
    old = path.read_bytes()
    words = [*EDGECLF, "export", own, "--int8", "--method", "ptq", "--max-drop", "100", "--output", path]
    seconds, new = killer.whole(words), 0
    while killer.killed < ROUNDS:
        path.write_bytes(old)
        killer.cut(words, seconds)
        if path.read_bytes() != old:
            new += 1
            with Classifier.load(path) as classifier:
                assert verify(classifier).passed
        _whole_files(own)
    killer.whole(words)
    print(f"\nan export: the new file was there {new} times")
    assert _hidden(path.parent) == []
    assert _hidden(own) == []


def test_shards_are_all_there_or_none(killer: Killer, digits: Path, tmp_path: Path) -> None:
    out = tmp_path / "place" / "shards"
    out.parent.mkdir()
    words = [*EDGECLF, "data", "shard", digits, out, "--per-shard", "7"]
    seconds = killer.whole(words)
    while killer.killed < ROUNDS:
        shutil.rmtree(out, ignore_errors=True)
        killer.cut(words, seconds)
        if out.exists():
            assert sum(read_index(out).counts) == 60
    shutil.rmtree(out, ignore_errors=True)
    killer.whole(words)
    assert sum(read_index(out).counts) == 60
    assert [path.name for path in out.parent.iterdir()] == ["shards"]


def test_collected_photographs_are_whole(killer: Killer, tmp_path: Path) -> None:
    video, photos = tmp_path / "video.avi", tmp_path / "photos"
    noise = np.random.default_rng(0).integers(0, 256, (8, 480, 640, 3), np.uint8)
    write_video(video, 30, islice(cycle(noise), 240))
    words = [*EDGECLF, "capture", photos, "--source", video, "--every", "0.05", "--label", "noise", "--count", "60"]
    before = 0
    while killer.killed < ROUNDS:
        killer.cut(words, 2.5)
        files = sorted((photos / "noise").glob("*.jpg"))
        assert len(files) >= before
        assert all(read_image(file).shape == (480, 640, 3) for file in files[before:])
        before = len(files)
    killer.whole([*words[:-1], "3"])
    print(f"\nphotographs: {before} of {ROUNDS} captures, all whole")
    assert before > ROUNDS
    assert len(sorted((photos / "noise").glob("*.jpg"))) == before + 3
    assert _hidden(photos) == []


def test_a_teaching_leaves_the_old_file_or_the_new(killer: Killer, model: Path, digits: Path, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "taught" / "taught.tflite"
    for digit, name in ((0, "zero"), (1, "one")):
        shutil.copytree(digits / str(digit), photos / name)
    out.parent.mkdir()
    words = [*EDGECLF, "teach", model, photos, "-o", out]
    seconds = 1.2 * killer.whole(words)  # it may write at the very end
    old, replaced = model.read_bytes(), 0
    out.write_bytes(old)
    while killer.killed < ROUNDS:
        killer.cut(words, seconds)
        if out.read_bytes() != old:
            replaced += 1
            with Classifier.load(out) as classifier:
                assert classifier.card.labels == ("one", "zero")
                assert verify(classifier).passed
            out.write_bytes(old)
    killer.whole(words)
    print(f"\nteachings: {replaced} finished, the others left the old file")
    assert _hidden(out.parent) == []


def test_videos_can_be_played_and_keep_their_times(killer: Killer, model: Path, tmp_path: Path) -> None:
    video, videos, config = tmp_path / "video.avi", tmp_path / "videos", tmp_path / "run.toml"
    noise = np.random.default_rng(0).integers(0, 256, (8, 240, 320, 3), np.uint8)
    write_video(video, 20, islice(cycle(noise), 1200))
    config.write_text(f'[sinks]\nvideo = "{videos}"\nvideo_segment = 2\n', "utf-8")
    words = [*EDGECLF, "run", model, "--source", video, "--config", config]
    seconds, seen, cut_off = killer.whole(words), 0, 0
    while killer.killed < ROUNDS:
        killer.cut(words, seconds)
        written = sorted(videos.iterdir())
        for file in written[seen:]:
            times = _image_times(file)
            assert times == [50 * number for number in range(len(times))]
            cut_off += len(times) < 40
        seen = len(written)
    killer.whole(words)
    assert all(_image_times(file) for file in videos.iterdir())  # with an index now
    print(f"\nfilms: {seen} whole or up to their last picture, {cut_off} of them ended by a kill")
    assert cut_off > ROUNDS // 4


def _image_times(video: Path) -> list[int]:
    """Return the frames' times in ms, as OpenCV reads them."""
    capture, times = cv2.VideoCapture(str(video)), []
    while capture.read()[0]:
        times.append(round(capture.get(cv2.CAP_PROP_POS_MSEC)))
    return times


_REPLACING = """
import os, shutil, sys, time
place, *models = sys.argv[1:]
while True:
    for model in models:
        shutil.copyfile(model, place + ".new")
        os.replace(place + ".new", place)
        time.sleep(5)
"""


def test_a_replaced_model_is_the_old_one_or_the_new(
    killer: Killer, model: Path, float_model: Path, tmp_path: Path
) -> None:
    """Kill the runner and the process that replaces its model file in turn; each start uses the file that is there."""
    place, seen, config = tmp_path / "model.tflite", tmp_path / "seen.jsonl", tmp_path / "run.toml"
    shutil.copyfile(model, place)
    config.write_text(f'reload = true\n[sinks]\njsonl = "{seen}"\nrotate = 100000000\n', "utf-8")
    video = tmp_path / "video.avi"  # a model is adopted with a frame: frames must not end
    write_video(video, 20, (np.full((120, 160, 3), number % 256, np.uint8) for number in range(20 * 120)))
    runner = [*EDGECLF, "run", place, "--source", video, "--realtime", "--config", config]
    replacer = [sys.executable, "-c", _REPLACING, place, model, float_model]
    good = {hashlib.sha256(file.read_bytes()).hexdigest() for file in (model, float_model)}
    other, record = Killer(tmp_path / "other.log", 8), tmp_path / ".model.tflite.good.probation"
    while killer.killed < ROUNDS:
        with other.beside(replacer if killer.killed % 2 else runner):
            killer.cut(runner if killer.killed % 2 else replacer, 12.0)
            assert hashlib.sha256(place.read_bytes()).hexdigest() in good
        record.unlink(missing_ok=True)  # or a model would be refused with which the process was killed three times
    with other.beside(runner):
        before = _lines(seen)
        until = time.monotonic() + 60
        while len(_lines(seen)) < len(before) + 10 and time.monotonic() < until:
            time.sleep(0.2)
    found = _lines(seen)
    lines, adopted = len(found), sum(line.get("model") == "adopted" for line in found)
    print(f"\nhot swap: {lines} lines, {adopted} models adopted")
    assert lines >= len(before) + 10
    assert adopted >= ROUNDS // 10  # or nothing was replaced
    assert not [line for line in found if line.get("model") == "refused"]
    copies = [name for name in _hidden(tmp_path) if name.startswith(".model.tflite.good-")]
    assert [Path(name).suffix for name in copies] == [".tflite", ".txt"] * 2  # of the last good models
    assert set(_hidden(tmp_path)) - set(copies) <= {record.name}


def _lines(seen: Path) -> list[dict[str, Any]]:
    """Return all lines, each complete; the last may still be incomplete."""
    text = seen.read_text("utf-8") if seen.exists() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]
