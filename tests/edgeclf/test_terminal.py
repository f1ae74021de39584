"""Commands on a terminal show bars, each fact once and no lines of libraries; Ctrl-C says what is kept."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import sys
import zlib
from pathlib import Path

import pytest

from edgeclf import Run
from tests.terminal import on_terminal, open_terminal

COMMAND = [sys.executable, "-m", "edgeclf_runtime"]
AGAIN = "Start again with the same command."


def _lines(text: str) -> list[str]:
    """Return the lines that remain on the screen, without bars and colours."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    rows = (row.rpartition("\r")[2].rstrip() for row in plain.split("\n"))
    return [row for row in rows if row and "━" not in row]


def test_an_export_shows_bars_and_each_figure_once(run: Run, tmp_path: Path) -> None:
    own = shutil.copytree(run.path, tmp_path / "run")
    screen = on_terminal([*COMMAND, "export", own, "-o", "m.tflite", "--verbose"], tmp_path)
    for title in ("Starting TensorFlow", "Quantizing", "Comparing with float", "Writing the report"):
        assert title in screen.text
    lines = _lines(screen.text)
    for once in ("validation: float", "test: float", "of 9 images", "McNemar p", "method: ", "size: ", "lowest signal"):
        assert sum(once in line for line in lines) == (2 if once == "of 9 images" else 1), lines
    assert lines[-1] == "Next: edgeclf run m.tflite --source 0"
    assert not [line for line in lines if re.match(r"[IWE]\d{4} |WARNING|.*\.(cc|py):\d+", line)]
    assert screen.text.count("\x1b[?25l") == screen.text.count("\x1b[?25h")  # every bar restored the cursor
    report = json.loads((tmp_path / "m.parity.json").read_text("utf-8"))
    accuracy = f"int8 file {report['parity']['int8_accuracy']:.1%}"
    assert sum(accuracy in line for line in lines if line.startswith("validation")) == 1


def test_a_bar_that_ends_early_leaves_nothing_on_the_screen(tmp_path: Path) -> None:
    code = """
from edgeclf.progress import Terminal

terminal = Terminal()

def steps():
    with terminal.bar("Inner", 10) as bar:
        bar.advance(1)
        yield

try:
    with terminal.bar("Outer", 0):
        begun = steps()
        next(begun)
        terminal.say("while it lasts")
        begun.close()
        terminal.say("after the inner one")
        raise KeyboardInterrupt
except KeyboardInterrupt:
    terminal.say("after both")
"""
    text = on_terminal([sys.executable, "-c", code], tmp_path).text
    assert [line for line in _lines(text) if line] == ["while it lasts", "after the inner one", "after both"]
    assert "Inner" in text
    assert "Inner" not in text.rpartition("after the inner one")[2]
    assert "Outer" not in text.rpartition("after both")[2]
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1


def test_evaluate_prints_more_with_verbose_and_top_five_for_more_than_five_classes(model: Path, digits: Path) -> None:
    lines = _lines(on_terminal([*COMMAND, "evaluate", model, digits], digits).text)
    assert next(line for line in lines if line.startswith("0 ")).count("95%") == 0
    assert "first five" not in lines[-1]
    assert "top-5" not in lines[-1]
    assert "95% interval" in lines[-1]
    lines = _lines(on_terminal([*COMMAND, "evaluate", model, digits, "--verbose"], digits).text)
    assert "(95% interval" in next(line for line in lines if line.startswith("0 "))
    assert "log loss" in lines[-1]


def _with_odd_profile(png: bytes) -> bytes:
    """Return the image with a colour profile that libpng warns about, as many images on the web have."""
    body = b"iCCP" + b"x\0\0" + zlib.compress(b"no profile")
    return png[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + png[33:]


def test_no_messages_of_libraries_appear_for_odd_files(model: Path, digits: Path, tmp_path: Path) -> None:
    photos = shutil.copytree(digits, tmp_path / "photos")
    for path in sorted((photos / "0").iterdir())[:3]:
        path.write_bytes(_with_odd_profile(path.read_bytes()))
    (photos / "1" / "broken.jpg").write_bytes(b"\xff\xd8\0\0\0garbage")
    for words in (
        ["evaluate", model, photos, "--page", "p.html"],
        ["data", "check", photos],
        ["classify", model, path],
    ):
        text = on_terminal([*COMMAND, *words], tmp_path).text
        assert "libpng" not in text
        if words[0] == "data":
            assert text.count("broken.jpg") == 1


@pytest.mark.parametrize(
    ("words", "when", "message"),
    [
        (["export", "run", "-o", "m.tflite"], "Starting TensorFlow", f"no model file was written. {AGAIN}"),
        (["evaluate", "run", "photos"], "Evaluating", f"nothing was written. {AGAIN}"),
        (["report", "run"], "Starting TensorFlow", "the report in run is unchanged. Write it with: edgeclf report run"),
        (["data", "check", "photos"], "Listing", f"no report was written to check. {AGAIN}"),
        (["data", "shard", "photos", "shards"], "Writing", f"shards was not written. {AGAIN}"),
        (
            ["train", "photos", "--out", "new"],
            "Starting TensorFlow",
            "before the first epoch. Resume with: edgeclf train --resume",
        ),
        (
            ["search", "photos", "--size", "64", "--backbone", "efficientnet-lite0"],
            "Trial",
            "Everything finished is kept.",
        ),
        (["compare", "photos", "--size", "64"], "Starting TensorFlow", "Finished results are kept in compare; resume"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_ctrl_c_says_what_is_kept(
    words: list[str], when: str, message: str, run: Run, model: Path, digits: Path, tmp_path: Path
) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    shutil.copy(model, tmp_path / "run" / "model.tflite")
    photos = shutil.copytree(digits, tmp_path / "photos")
    for copy in range(20 if words[0] in ("evaluate", "data", "train") else 0):
        for path in digits.glob("*/*.png"):  # enough images to interrupt the command
            os.link(path, photos / path.parent.name / f"{copy}-{path.name}")
    with open_terminal([*COMMAND, *words], tmp_path) as screen:
        screen.until(when)
        screen.interrupt()
        assert screen.end() == 130, screen.text
    shown = [line for line in _lines(screen.text) if "Interrupted" in line]
    assert len(shown) == 1, repr(screen.text[-3000:])
    assert message in shown[0]
    assert "Traceback" not in screen.text
    assert not [path for path in tmp_path.rglob(".*") if path.name.endswith(".part")]
