"""The files and services that the commands of a page need, made from scikit-learn's digits."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import pytest

from edgeclf import Run
from edgeclf.demo import digit_picture
from tests.docs.blocks import Block
from tests.ports import free_port
from tests.videos import write_video

__all__ = ["MakeWorld", "World"]

_OPTIONS = """\
[train]
size = 64
train_size = 64
epochs = 1
batch_size = 16
[export]
method = "ptq"
[search]
trials = 1
backbones = ["efficientnet-lite0"]
sizes = [64]
"""
_UNTIL_ANSWERED = Path(__file__).with_name("until_answered.py")
_GOES_ON = re.compile(r"(?m)^edgeclf (?:run|capture) ")
_WITHOUT_SOURCE = r"(?m)^(edgeclf (?:run|capture) \S+)(?!.* --(?:source|config) )"
_FOUND = re.compile(r"(?m)^(edgeclf doctor.*?)( *#.*)?$")


class World:
    """A folder with ``photos/``, ``snapshots/``, ``photos.csv``, ``list.csv``, a video, a model file and a run.

    ``edgeclf.toml`` makes trainings small. The commands run as written, except for hardware that a test machine lacks.

    Args:
        folder: an empty folder.
        model: becomes ``model.tflite``.
        run: a training, copied to ``runs/mine``; None for pages that train it themselves.
        wheels: a folder that becomes ``dist``; None for pages that install nothing from it.
        camera: an address that replaces ``--source 0`` and ``--source csi``.
        broker: HOST:PORT that replaces ``homeassistant.local``; None if there is none.
    """

    def __init__(
        self, folder: Path, model: Path, run: Path | None, wheels: Path | None, camera: str, broker: str | None
    ) -> None:
        self.folder, self._broker = folder, broker
        self._instead = {
            _WITHOUT_SOURCE: r"\1 --source 0",
            r"--source (?:0|csi)\b": f"--source {camera}",
            r"\bstream\(0\)": "stream('video.mp4')",  # a source that ends
            r"\bopen_source\(0,": "open_source('video.mp4',",
            r"\bepochs=\d+": "epochs=1, size=64, train_size=64, batch_size=16",
            r"homeassistant\.local": broker or "homeassistant.local",
            r"\b8080\b": str(free_port()),
        }
        _write_photos(folder)
        shutil.copy(model, folder / "model.tflite")
        if wheels is not None:
            (folder / "dist").symlink_to(wheels)
        if run is not None:
            shutil.copytree(run, folder / "runs" / "mine")
        (folder / "edgeclf.toml").write_text(_OPTIONS, "utf-8")

    def run(self, page: list[Block]) -> subprocess.CompletedProcess[str]:
        """Run a page's commands and Python from top to bottom, in one shell, until one fails.

        A page that needs a broker is skipped if there is none.
        """
        commands = [block.text for block in page if block.language == "shell"]
        if self._broker is None and any("homeassistant.local" in text for text in commands):
            pytest.skip("mosquitto is not installed: apt-get install mosquitto")
        script = "\n".join(self._as_shell(block) for block in page if block.reason is None)
        environment = {**os.environ, "HOME": str(self.folder)}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment.pop("VIRTUAL_ENV", None)
        command = ["bash", "-o", "errexit", "-o", "pipefail", "-c", script]
        return subprocess.run(
            command, cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def _as_shell(self, block: Block) -> str:
        text = block.text
        for pattern, other in self._instead.items():
            text = re.sub(pattern, other, text)
        if block.language == "python":
            return f"echo '>>> Python of line {block.line}'\npython - <<'END_OF_BLOCK'\n{text}\nEND_OF_BLOCK\n"
        if block.language != "shell":
            return ""
        until = shlex.join([sys.executable, str(_UNTIL_ANSWERED)])
        text = _GOES_ON.sub(lambda command: f"{until} {command[0]}", text)
        text = _FOUND.sub(r"\1 || test $? = 1  # what it finds here is no matter of the page", text)
        return "\n".join(f"echo {shlex.quote('>>> ' + line)}\n{line}" for line in _commands(text))


class MakeWorld(Protocol):
    """Makes the world of a page; see ``World``."""

    def __call__(self, model: Path, run: Run | None = None, wheels: Path | None = None) -> World: ...


def _commands(text: str) -> list[str]:
    """Return the commands, one per line; lines continued by a backslash are joined."""
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def _write_photos(folder: Path) -> None:
    from sklearn.datasets import load_digits

    data = load_digits()
    rows = {label: np.flatnonzero(data.target == digit) for digit, label in enumerate(("cat", "dog"))}
    for name, first, count in (("photos", 0, 20), ("snapshots", 20, 8), ("more", 28, 8)):
        for label, chosen in rows.items():
            (folder / name / label).mkdir(parents=True)
            for number, row in enumerate(chosen[first : first + count], 1):
                image = cv2.resize(digit_picture(data.images[row]), (160, 120))[:, :, ::-1]
                cv2.imwrite(str(folder / name / label / f"IMG_{number:04}.jpg"), image)
    for name, file in (("photos", "photos.csv"), ("more", "list.csv")):
        images = sorted((folder / name).rglob("*.jpg"))
        rows_of_csv = [f"{image.relative_to(folder)},{image.parent.name}" for image in images]
        (folder / file).write_text("\n".join(["file,label", *rows_of_csv, ""]), "utf-8")
    for name in ("picture.jpg", "photo.jpg"):
        shutil.copy(folder / "photos" / "cat" / "IMG_0001.jpg", folder / name)
    write_video(folder / "video.avi", 10, [cv2.imread(str(folder / "picture.jpg"))] * 10)
    (folder / "video.avi").rename(folder / "video.mp4")
