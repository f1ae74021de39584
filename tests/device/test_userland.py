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
from tests.device.userland import ARM64, ARMHF, EXTRAS, ROOT, Userland, install, need, run, userland

HERE = Path(__file__).parent
COUNT = 200
ROUNDED = 0.05  # share of labels that tflite-runtime's kernels, which round differently, may change on near ties
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


def _here(python: str | Path, model: Path, pictures: Path, backend: str) -> dict[str, Any]:
    """What this machine makes of them."""
    command = [python, HERE / "probe.py", model, pictures, backend]
    return dict(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


@pytest.fixture(scope="module")
def litert(model: Path, pictures: Path) -> dict[str, Any]:
    return _here(sys.executable, model, pictures, "litert")


@pytest.fixture(scope="module")
def tflite(model: Path, pictures: Path) -> dict[str, Any]:
    python = ROOT / ".venv-tflite/bin/python"
    if not python.exists():
        pytest.skip(f"no {python.relative_to(ROOT)}: make test-pi builds it")
    return _here(python, model, pictures, "tflite-runtime")


def _there(kind: Userland, root: Path, site: str, model: Path, pictures: Path, backend: str) -> dict[str, Any]:
    """What the device makes of them."""
    work = root / "work"
    shutil.rmtree(work)
    shutil.copytree(pictures, work / "pictures")
    shutil.copy(model, work / "digits.tflite")
    shutil.copy(HERE / "probe.py", work)
    return dict(json.loads(run(kind, root, site, "/work/probe.py", "/work/digits.tflite", "/work/pictures", backend)))


def _compare(name: str, here: dict[str, Any], there: dict[str, Any]) -> int:
    """Every pixel is the same; says how far scores are apart, and gives the number of labels that differ."""
    for what, count in (("resized", 336), ("decoded", COUNT), ("fast", COUNT)):
        assert len(here[what]) == count
        assert there[what] == here[what]
    ours, theirs = (np.array([side["scores"][file] for file in sorted(here["scores"])]) for side in (here, there))
    assert len(ours) == COUNT
    labels, apart = int((ours.argmax(1) != theirs.argmax(1)).sum()), float(np.abs(ours - theirs).max())
    print(f"\n{name}: pixels identical, {labels} of {COUNT} labels differ, scores by at most {apart:.4f}")
    return labels


@pytest.fixture(scope="module")
def arm64() -> Path:
    need(ARM64.emulator, "chroot", "mmdebstrap")
    return userland(ARM64)


def test_64_bits_with_litert(arm64: Path, wheel: Path, model: Path, pictures: Path, litert: dict[str, Any]) -> None:
    site = install(ARM64, arm64, "site", f"{wheel}{EXTRAS}", "-c", str(ROOT / "constraints.txt"))
    there = _there(ARM64, arm64, site, model, pictures, "litert")
    assert _compare("arm64, litert", litert, there) == 0
    assert there["scores"] == litert["scores"]


def test_64_bits_with_tflite_runtime(
    arm64: Path, wheel: Path, model: Path, pictures: Path, tflite: dict[str, Any]
) -> None:
    site = install(ARM64, arm64, "tflite", wheel, "click", *TFLITE, alone=True)
    there = _there(ARM64, arm64, site, model, pictures, "tflite-runtime")
    assert _compare("arm64, tflite-runtime", tflite, there) <= ROUNDED * COUNT


def test_32_bits_with_debians_opencv(wheel: Path, model: Path, pictures: Path, tflite: dict[str, Any]) -> None:
    need(ARMHF.emulator, "chroot", "mmdebstrap")
    root = userland(ARMHF)
    site = install(ARMHF, root, "tflite", wheel, TFLITE[0], alone=True)
    there = _there(ARMHF, root, site, model, pictures, "tflite-runtime")
    assert _compare("armhf, tflite-runtime", tflite, there) <= ROUNDED * COUNT
    words = ["-m", "edgeclf_runtime", "classify", "/work/digits.tflite", "/work/pictures", "--json"]
    lines = [json.loads(line) for line in run(ARMHF, root, site, *words).splitlines()]
    scores = {Path(line["source"]).name: line["score"] for line in lines}
    assert scores == {name: pytest.approx(max(found), abs=1e-5) for name, found in there["scores"].items()}
