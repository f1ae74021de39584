"""Many cameras, zones and models in one process."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf_runtime.pictures.view import MASK, View
from edgeclf_runtime.sinks.health_file import HealthFileKeys
from edgeclf_runtime.sinks.keys import Opening
from edgeclf_runtime.sinks.sink import ZoneName
from edgeclf_runtime.system.state_folder import STATE
from tests.videos import write_video

COMMAND = [sys.executable, "-m", "edgeclf_runtime", "run"]
LEFT, CORNER = (0.0, 0.0, 0.5, 1.0), (0.25, 0.25, 0.5, 0.5)


def _run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], cwd=folder, capture_output=True, text=True, timeout=300)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_zone_gives_what_a_process_with_its_region_gives(tmp_path: Path, model: Path) -> None:
    rng = np.random.default_rng(0)
    for name in "ab":
        write_video(tmp_path / f"{name}.avi", 10, [rng.integers(0, 255, (96, 160, 3), np.uint8) for _ in range(6)])
    (tmp_path / "run.toml").write_text(
        '[decision]\nsmoothing = 0.1\n[[camera]]\nname = "a"\nsource = "a.avi"\n'
        '[[camera]]\nname = "b"\nsource = "b.avi"\n[[camera]]\nname = "spare"\nsource = "not-there.avi"\n'
        f'[[zone]]\nname = "left"\ncamera = "a"\nregion = {list(LEFT)}\n'
        f"command = \"sh -c 'echo $EDGECLF_CAMERA $EDGECLF_ZONE >> called'\"\n"
        f'[[zone]]\nname = "corner"\ncamera = "a"\nregion = {list(CORNER)}\n[[zone]]\nname = "all"\ncamera = "b"\n'
        '[sinks]\njsonl = "all.jsonl"\ncsv = "all.csv"\nsnapshots = "kept"\n',
        "utf-8",
    )
    (tmp_path / "all.csv").write_text("time,frame,source,answer,score,changed\n", "utf-8")
    done = _run(tmp_path, str(model), "--config", "run.toml")
    assert done.returncode == 0, done.stderr
    lines = _lines(tmp_path / "all.jsonl")
    for camera, zone, region in (("a", "left", LEFT), ("a", "corner", CORNER), ("b", "all", (0.0, 0.0, 1.0, 1.0))):
        words = ["--source", f"{camera}.avi", "--region", ",".join(map(str, region)), "--smoothing", "0.1"]
        alone = _run(tmp_path, str(model), *words, "--jsonl", f"alone-{zone}.jsonl")
        assert alone.returncode == 0, alone.stderr
        keys = ("frame", "source", "answer", "changed", "label", "scores", "familiarity", "reason")
        mine = [{key: line[key] for key in keys} for line in lines if (line["camera"], line["zone"]) == (camera, zone)]
        assert mine == [{key: line[key] for key in keys} for line in _lines(tmp_path / f"alone-{zone}.jsonl")]
    assert len(lines) == 18
    with (tmp_path / "all.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {(row["camera"], row["zone"]) for row in rows} == {("a", "left"), ("a", "corner"), ("b", "all")}
    assert (tmp_path / "all.csv.1").exists()  # other columns
    assert {path.parent.parent.name for path in (tmp_path / "kept").rglob("*.jpg")} <= {"left", "corner", "all"}
    called = (tmp_path / "called").read_text("utf-8").splitlines()
    assert set(called) == {"a left"}


def test_a_service_keeps_one_record_of_its_health_and_one_of_each_zone_s_images(
    tmp_path: Path, model: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / STATE / "yard"
    folder.mkdir(parents=True)
    (tmp_path / "run.toml").write_text(
        f'[[camera]]\nname = "a"\nsource = {json.dumps(str(digits / "1"))}\n'
        '[[zone]]\nname = "left"\nregion = [0, 0, 0.9, 1]\n[[zone]]\nname = "all"\n',
        "utf-8",
    )
    command = [*COMMAND, str(model), "--config", "run.toml"]
    environment = {**os.environ, "STATE_DIRECTORY": str(folder)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    health = json.loads((folder / "health.json").read_text("utf-8"))
    assert sum(health["day"]["labels"].values()) == health["frames"] >= 1
    for name in ("left", "all"):
        content = json.loads((folder / f"conditions-{name}.json").read_text("utf-8"))
        assert (content["camera"], content["zone"]) == ("a", name)
    monkeypatch.setenv("STATE_DIRECTORY", str(folder))
    zone = ZoneName("a", "left")
    assert not list(HealthFileKeys().open(Opening(("cat",), "m", zones=(zone,), zone=zone)))  # zones would overwrite it


def test_outside_a_polygon_the_image_is_grey() -> None:
    pixels = np.full((100, 200, 3), 255, np.uint8)
    view = View((0.5, 0.5, 0.4, 0.4), polygon=((0.5, 0.5), (0.9, 0.5), (0.7, 0.9)))
    seen = view.cut(pixels)
    assert seen.shape == (40, 80, 3)
    assert (seen[2, 40] == 255).all()
    assert (seen[39, 0] == MASK).all()
    assert (seen[39, 79] == MASK).all()
    assert sorted(np.unique(seen)) == [MASK, 255]


def test_cameras_that_cannot_be_opened_are_named_together(tmp_path: Path, model: Path) -> None:
    (tmp_path / "run.toml").write_text(
        '[[camera]]\nname = "a"\nsource = "missing.avi"\n[[camera]]\nname = "b"\nsource = "none.avi"\n', "utf-8"
    )
    done = _run(tmp_path, str(model), "--config", "run.toml")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: camera a: missing.avi: no such camera")
    assert "camera b: none.avi: no such camera" in done.stderr
