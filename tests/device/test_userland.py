"""Our wheel on other processors, emulated: the same pixels bit for bit, the same labels; scores as near as is said."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeclf.demo import digit_picture
from tests.device.userland import ARM64, ARMHF, ROOT, Userland, install, need, run, userland

HERE = Path(__file__).parent
COUNT = 200
TFLITE = ("tflite-runtime==2.14.0", "numpy<2", "opencv-python-headless==4.11.0.86")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred noisy digits of many sizes, as JPEG, PNG and WebP files."""
    from sklearn.datasets import load_digits

    folder, random, data = tmp_path_factory.mktemp("pictures"), np.random.default_rng(1), load_digits()
    rows = [row for row in range(len(data.images)) if data.target[row] < 3][:COUNT]
    for number, row in enumerate(rows):
        size = (int(random.integers(40, 400)), int(random.integers(40, 400)))
        clean = cv2.resize(digit_picture(data.images[row]), size).astype(np.int16)
        noisy = np.clip(clean + random.integers(-20, 21, clean.shape), 0, 255).astype(np.uint8)
        suffix = ("jpg", "png", "webp")[number % 3]
        cv2.imwrite(str(folder / f"{number:03}.{suffix}"), noisy[:, :, ::-1])
    return folder


@pytest.fixture(scope="module")
def here(model: Path, pictures: Path) -> dict[str, Any]:
    """What this machine makes of them."""
    command = [sys.executable, HERE / "probe.py", model, pictures]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def _there(kind: Userland, root: Path, site: str, model: Path, pictures: Path) -> dict[str, Any]:
    """What the device makes of them."""
    work = root / "work"
    shutil.rmtree(work)
    shutil.copytree(pictures, work / "pictures")
    shutil.copy(model, work / "digits.tflite")
    shutil.copy(HERE / "probe.py", work)
    return dict(json.loads(run(kind, root, site, "/work/probe.py", "/work/digits.tflite", "/work/pictures")))


def _farthest(here: dict[str, Any], there: dict[str, Any]) -> float:
    """The largest difference of any score; every label is the same."""
    assert len(here["scores"]) == COUNT
    assert here["scores"].keys() == there["scores"].keys()
    ours, theirs = (np.array([side["scores"][name] for name in sorted(side["scores"])]) for side in (here, there))
    assert (ours.argmax(1) == theirs.argmax(1)).all()
    return float(np.abs(ours - theirs).max())


@pytest.fixture(scope="module")
def arm64() -> Path:
    need(ARM64.emulator, "chroot", "mmdebstrap")
    return userland(ARM64)


def test_64_bits_with_litert(
    arm64: Path, wheel: Path, model: Path, pictures: Path, here: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    site = install(ARM64, arm64, "site", wheel, "-c", str(ROOT / "constraints.txt"))
    there = _there(ARM64, arm64, site, model, pictures)
    assert there["backend"] == here["backend"] == "litert"
    for what in ("resized", "decoded", "fast"):
        assert there[what] == here[what]
    with capsys.disabled():
        counts = f"{len(here['resized'])} resized and {len(here['decoded'])} decoded pictures identical"
        print(f"\narm64, litert: {counts}, largest difference of a score {_farthest(here, there):.4f}")


def test_64_bits_with_tflite_runtime(
    arm64: Path, wheel: Path, model: Path, pictures: Path, here: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    site = install(ARM64, arm64, "tflite", wheel, "click", *TFLITE, alone=True)
    there = _there(ARM64, arm64, site, model, pictures)
    assert there["backend"] == "tflite-runtime"
    for what in ("resized", "decoded", "fast"):
        assert there[what] == here[what]
    with capsys.disabled():
        print(f"\narm64, tflite-runtime: largest difference of a score {_farthest(here, there):.4f}")


def test_32_bits(
    wheel: Path, model: Path, pictures: Path, here: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    need(ARMHF.emulator, "chroot", "mmdebstrap")
    root = userland(ARMHF)
    site = install(ARMHF, root, "tflite", wheel, TFLITE[0], alone=True)
    there = _there(ARMHF, root, site, model, pictures)
    assert there["backend"] == "tflite-runtime"
    differing = {
        what: sum(there[what][name] != here[what][name] for name in here[what]) for what in ("resized", "decoded")
    }
    with capsys.disabled():
        print(f"\narmhf: {differing} differ, largest difference of a score {_farthest(here, there):.4f}")
    assert not differing["resized"]
