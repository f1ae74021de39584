"""The emulated Raspberry Pi loses power while a model is replaced, and snapshots and JSON lines are written.

Its kernel only writes names by itself, every second: what was not synced is lost.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.device.disk import disk
from tests.device.powercut import cut_after, make_disk, recover
from tests.device.promises import CONFIG, MODEL, SEEN, SNAPSHOTS, Promises, whole_lines
from tests.videos import write_video

pytestmark = pytest.mark.needs("machine")

HERE = Path(__file__).parent
ROUNDS = int(os.environ.get("EDGECLF_ROUNDS", "20"))
SEED = 20
LONGEST = {"seen": 10.0, "running": 12.0, "judged": 6.0}  # seconds from the console's text to the cut
FPS, LASTS = 4, 600  # frame rate and length of its video, in seconds: longer than any round
TURNS = ("running", "running", "seen", "judged")
_CONFIG = f"""# 0
source = "/work/video.avi"
reload = true
[camera]
realtime = true
[sinks]
jsonl = "/work/{SEEN}"
rotate_bytes = 20000
rotate_keep = 200
snapshots = "/work/{SNAPSHOTS}"
snapshot_uncertain = 1.0
snapshot_every = 0.5
"""


@pytest.fixture
def files(model: Path, float_model: Path, tmp_path: Path) -> Path:
    """The folder with the initial contents of the second disk."""
    folder = tmp_path / "work"
    folder.mkdir()
    for name, path in {MODEL: model, "first.tflite": model, "second.tflite": float_model}.items():
        shutil.copy(path, folder / name)
    shown = np.random.default_rng(SEED).integers(0, 256, (FPS * LASTS, 4, 5, 3), np.uint8)  # all different
    images = (cv2.resize(one, (160, 120), interpolation=cv2.INTER_NEAREST) for one in shown)
    write_video(folder / "video.avi", FPS, images)
    (folder / CONFIG).write_text(_CONFIG, "utf-8")
    shutil.copy(HERE / "unattended.py", folder)
    (folder / "unattended.py").chmod(0o755)
    return folder


def test_no_cut_takes_what_was_kept(wheel: Path, files: Path, tmp_path: Path) -> None:
    """In every second round a program that does not sync renames the models; the next round starts with the result.

    Rounds alternate: while it runs, with either way; while it starts, with what the previous round left; after a model
    was adopted. So each state that a cut left is started with.
    """
    made, image, out, console = disk(wheel), tmp_path / "data.ext4", tmp_path / "out", tmp_path / "console"
    make_disk(files, image)
    promises, chance, replaced = Promises(files), random.Random(SEED), 0
    for number in range(ROUNDS + 1):
        shutil.rmtree(out, ignore_errors=True)
        awaited, whole = "running" if number == ROUNDS else TURNS[number % len(TURNS)], number % 2 == 0
        seconds = chance.uniform(0, LONGEST[awaited])
        words = f"seed={SEED + number} fsync=yes by={'sync' if whole else 'rename'} until={awaited}"
        events = cut_after(made, image, console, awaited, seconds, words)
        recover(image, out)
        broken = promises.broken(events, out, whole)
        assert not broken, f"round {number}: {broken}\n{console.read_text('utf-8', 'replace')[-3000:]}"
        replaced += sum(event["what"] == "replaced" and event["path"] == MODEL for event in events)
    lines = [json.loads(line) for line in whole_lines(out)]
    judged = Counter(line["model"] for line in lines if "model" in line)
    copies = sum("Started with the last good copy" in line["reason"] for line in lines if "model" in line)
    kept = len(list((out / SNAPSHOTS).glob("*/*.jpg")))
    print(f"\n{ROUNDS + 1} cuts, {replaced} models replaced, {dict(judged)}, {copies} starts with the last good copy")
    print(f"{len(lines)} JSON lines, {kept} snapshots")
    assert replaced >= ROUNDS // 2
    assert judged["adopted"] >= ROUNDS // 10
    assert copies >= ROUNDS // 10  # or every cut came before a model was written


def test_without_fsync_a_cut_takes_it(wheel: Path, files: Path, tmp_path: Path) -> None:
    """The previous check can fail for each kind of file; the copy may reach the disk with the kernel's own writes."""
    image, out = tmp_path / "data.ext4", tmp_path / "out"
    make_disk(files, image)
    words = f"seed={SEED} fsync=no by=sync until=running"
    events = cut_after(disk(wheel), image, tmp_path / "console", "running", LONGEST["running"], words)
    recover(image, out)
    broken = Promises(files).broken(events, out, replaced_whole=True)
    print(f"\nwithout fsync: {broken}")
    assert {MODEL, CONFIG, SEEN, SNAPSHOTS} <= set(broken)
