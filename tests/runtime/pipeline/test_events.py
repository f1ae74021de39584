"""Events of a complete run, with a single camera and with zones: conditions, counts and images."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

KEPT = Path(__file__).parents[2] / "kept" / "0.1"


def _photographs(folder: Path, order: str) -> list[str]:
    """Write images of two classes in this order, which the model answers with "3" and "0"; return their names."""
    folder.mkdir()
    names = []
    for number, label in enumerate(order):
        source = min((KEPT / "photos" / label).iterdir())
        names.append(f"{number:02}{source.suffix}")
        (folder / names[-1]).write_bytes(source.read_bytes())
    return names


@pytest.mark.parametrize("zoned", [False, True], ids=["one camera", "a zone"])
def test_open_after_closed_is_called_with_the_image_and_the_count(zoned: bool, tmp_path: Path) -> None:
    names = _photographs(tmp_path / "in", "10010")
    script = tmp_path / "note.sh"
    script.write_text(
        'echo "$EDGECLF_PREVIOUS $EDGECLF_LABEL $EDGECLF_COUNT" >> log\ncp "$EDGECLF_PICTURE" seen.jpg\n', "utf-8"
    )
    calls = 'on = ["3"]\nafter = ["0"]\ncommand = "sh note.sh"\n'
    sinks = f'[sinks]\njsonl = "all.jsonl"\ncommand_picture = true\n{"" if zoned else calls}'
    zone = f'[[camera]]\nname = "yard"\nsource = "in"\n[[zone]]\nname = "left"\nregion = [0, 0, 0.99, 1]\n{calls}'
    text = f"[decision]\nthreshold = 0\ncount_period = 3600\n{sinks}"
    (tmp_path / "run.toml").write_text(text + zone if zoned else f'source = "in"\n{text}', "utf-8")
    command = [sys.executable, "-m", "edgeclf_runtime", "run", str(KEPT / "model.tflite"), "--config", "run.toml"]
    done = subprocess.run([*command, "--max-fps", "4"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text("utf-8").splitlines()]
    lines = [line for line in lines if "answer" in line]
    assert [line["answer"] for line in lines] == ["0", "3", "3", "0", "3"]
    assert [line["previous"] for line in lines] == [None, "0", "0", "3", "0"]
    assert [line["counts"].get("3") for line in lines] == [None, 1, 1, 1, 2]
    called = (tmp_path / "log").read_text("utf-8").splitlines()
    assert set(called) <= {"0 3 1", "0 3 2"}  # on a busy machine only the newest change triggers a call
    assert called[-1] == "0 3 2"
    height, width = cv2.imread(str(tmp_path / "in" / names[-1])).shape[:2]
    assert cv2.imread(str(tmp_path / "seen.jpg")).shape[:2] == (height, round(width * 0.99) if zoned else width)
