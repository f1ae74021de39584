"""Our wheel on other, emulated processors: the same pixels bit for bit, the same labels, and scores within limits."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf import Quiet, export, make_config, train
from tests.device.noisydigits import COUNT, rows_to_classify, rows_to_learn, write_digits
from tests.device.userland import ARM64, ARMHF, EXTRAS, ROOT, Userland, install, run, userland

HERE = Path(__file__).parent
# Share of labels that tflite-runtime's kernels, which round differently on each processor, may change.
ROUNDED = {"trained": 0.0, "hardly trained": 0.05}
STEP = 1 / 256  # one step of an int8 score
TRAINING: dict[str, object] = {"size": 64, "train_size": 64, "epochs": 6, "flip": False}
TFLITE = ("tflite-runtime==2.14.0", "numpy<2", "opencv-python-headless==4.11.0.86")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred images of many sizes, as JPEG, PNG and WebP files."""
    folder = tmp_path_factory.mktemp("pictures")
    write_digits(rows_to_classify(), 1, lambda number, digit: folder / f"{number:03}")
    return folder


@pytest.fixture(scope="module")
def models(model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The int8 files of a network trained on hundreds of such images, and of one trained on only 39.

    The second one places many images between two classes, where rounding decides.
    """
    folder = tmp_path_factory.mktemp("trained")
    write_digits(rows_to_learn(), 2, lambda number, digit: folder / "photos" / str(digit) / f"{number:03}")
    trained = train(folder / "photos", folder / "run", make_config(TRAINING), Quiet())
    export(trained, folder / "digits.tflite", "int8", Quiet())
    return {"trained": folder / "digits.tflite", "hardly trained": model}


@pytest.fixture(scope="module")
def python_of_tflite() -> Path:
    """Return the Python interpreter of an environment with tflite-runtime."""
    python = ROOT / ".venv-tflite/bin/python"
    if not python.exists():
        pytest.skip(f"no {python.relative_to(ROOT)}: make test-pi builds it")
    return python


def _here(python: str | Path, model: Path, images: Path, backend: str) -> dict[str, Any]:
    """Return this machine's results for the images."""
    command = [python, HERE / "probe.py", model, images, backend]
    return dict(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def _there(kind: Userland, root: Path, site: str, model: Path, images: Path, backend: str) -> dict[str, Any]:
    """Return the emulated device's results for the images."""
    work = root / "work"
    shutil.rmtree(work)
    shutil.copytree(images, work / "pictures")
    shutil.copy(model, work / "digits.tflite")
    shutil.copy(HERE / "probe.py", work)
    return dict(json.loads(run(kind, root, site, "/work/probe.py", "/work/digits.tflite", "/work/pictures", backend)))


def _compare(name: str, here: dict[str, Any], there: dict[str, Any]) -> tuple[int, float]:
    """Check that all pixels are equal; return how many labels differ, and the largest difference of scores."""
    for what, count in (("resized", 336), ("decoded", COUNT), ("fast", COUNT), ("seen", COUNT)):
        assert len(here[what]) == count
        assert there[what] == here[what]
    ours, theirs = (np.array([side["scores"][file] for file in sorted(here["scores"])]) for side in (here, there))
    assert len(ours) == COUNT
    labels, apart = int((ours.argmax(1) != theirs.argmax(1)).sum()), float(np.abs(ours - theirs).max())
    print(f"\n{name}: pixels identical, {labels} of {COUNT} labels differ, scores by at most {apart:.4f}")
    return labels, apart


@pytest.fixture(scope="module")
def arm64() -> Path:
    return userland(ARM64)


@pytest.mark.needs("ARM64")
def test_64_bits_with_litert(arm64: Path, wheel: Path, models: dict[str, Path], images: Path) -> None:
    site = install(ARM64, arm64, "site", f"{wheel}{EXTRAS}", "-c", str(ROOT / "constraints.txt"))
    for name, model in models.items():
        here = _here(sys.executable, model, images, "litert")
        there = _there(ARM64, arm64, site, model, images, "litert")
        labels, apart = _compare(f"arm64, litert, {name}", here, there)
        assert labels == 0
        assert apart <= STEP


@pytest.mark.needs("ARM64")
def test_64_bits_with_tflite_runtime(
    arm64: Path, wheel: Path, models: dict[str, Path], images: Path, python_of_tflite: Path
) -> None:
    site = install(ARM64, arm64, "tflite", wheel, "click", *TFLITE, alone=True)
    for name, model in models.items():
        here = _here(python_of_tflite, model, images, "tflite-runtime")
        there = _there(ARM64, arm64, site, model, images, "tflite-runtime")
        assert _compare(f"arm64, tflite-runtime, {name}", here, there)[0] <= ROUNDED[name] * COUNT


@pytest.mark.needs("ARMHF")
def test_32_bits_with_debians_opencv(
    wheel: Path, models: dict[str, Path], images: Path, python_of_tflite: Path
) -> None:
    root = userland(ARMHF)
    site = install(ARMHF, root, "tflite", wheel, TFLITE[0], alone=True)
    for name, model in models.items():
        here = _here(python_of_tflite, model, images, "tflite-runtime")
        there = _there(ARMHF, root, site, model, images, "tflite-runtime")
        assert _compare(f"armhf, tflite-runtime, {name}", here, there)[0] <= ROUNDED[name] * COUNT
        words = ["-m", "edgeclf_runtime", "classify", "/work/digits.tflite", "/work/pictures", "--json"]
        lines = [json.loads(line) for line in run(ARMHF, root, site, *words).splitlines()]
        scores = {Path(line["source"]).name: line["score"] for line in lines}
        assert scores == {name: pytest.approx(max(found), abs=1e-5) for name, found in there["scores"].items()}
