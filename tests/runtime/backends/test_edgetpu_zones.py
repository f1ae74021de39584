"""Two cameras share one Edge TPU; a stand-in in C replaces libedgetpu."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2

from tests.runtime.edgetpu_files import Build, image


def test_two_cameras_share_one_edge_tpu(build: Build, compiled: Path, record: Path, tmp_path: Path) -> None:
    build(devices=1)
    values = {"yard": range(0, 60, 4), "belt": range(2, 62, 4)}
    for name, own in values.items():
        (tmp_path / name).mkdir()
        for value in own:
            cv2.imwrite(str(tmp_path / name / f"{value:03}.png"), image(value))
    (tmp_path / "run.toml").write_text(
        "".join(f'[[camera]]\nname = "{name}"\nsource = "{name}"\n' for name in values)
        + "".join(f'[[zone]]\nname = "{name}{n}"\ncamera = "{name}"\n' for name in values for n in (1, 2)),
        "utf-8",
    )
    command = [sys.executable, "-m", "edgeclf_runtime", "run", compiled.name, "--config", "run.toml", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    for name, own in values.items():
        for zone in (f"{name}1", f"{name}2"):
            seen = [line for line in lines if line["zone"] == zone]
            scores = [{item["label"]: item["score"] for item in line["scores"]}["a"] for line in seen]
            assert [round(score * 256) for score in scores] == list(own)
    loads = [int(line.split(" ")[0]) for line in record.read_text("utf-8").splitlines()]
    assert len(loads) == len(set(loads)) == 2  # the trial's process, and one interpreter for all four zones
