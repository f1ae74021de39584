"""`edgeclf teach` on emulated devices: a model taught there, without TensorFlow, is as good as one taught here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeclf import Quiet
from edgeclf.exporting.export import export_pretrained
from edgeclf_runtime import Classifier
from edgeclf_runtime.commands.teach import teach
from edgeclf_runtime.verification import verify
from tests.device.noisydigits import rows_to_classify, rows_to_learn, write_digits
from tests.device.test_userland import TFLITE
from tests.device.userland import ARM64, ARMHF, EXTRAS, ROOT, Userland, install, run, userland

TAUGHT, SHOWN = 24, 18  # number of images of the digits 0, 1 and 2 together


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pretrained network as an int8 file, photographs to teach, and others to classify."""
    folder = tmp_path_factory.mktemp("teach")
    export_pretrained("efficientnet-lite0", folder / "base.tflite", "int8", Quiet())
    write_digits(rows_to_learn()[:TAUGHT], 3, lambda number, digit: folder / "photos" / str(digit) / f"{number:03}")
    write_digits(rows_to_classify()[:SHOWN], 4, lambda number, digit: folder / "shown" / f"{digit}-{number:03}")
    return folder


def _right(answers: dict[str, str]) -> int:
    assert len(answers) == SHOWN
    return sum(answer == name[0] for name, answer in answers.items())


def _answers(model: Path, folder: Path) -> dict[str, str]:
    with Classifier.load(model) as classifier:
        assert verify(classifier).passed
        return {path.name: classifier.classify(path).label for path in folder.iterdir()}


def _taught_there(kind: Userland, root: Path, site: str, *words: str) -> dict[str, str]:
    """Teach on the device with the photographs; return its answers. ``taught.tflite`` is in the folder ``work``."""
    edgeclf = ["-m", "edgeclf_runtime"]
    print(run(kind, root, site, *edgeclf, "teach", *words, "/work/photos", "-o", "/work/taught.tflite"))
    assert "as exported" in run(kind, root, site, *edgeclf, "verify", "/work/taught.tflite")
    lines = run(kind, root, site, *edgeclf, "classify", "/work/taught.tflite", "/work/shown", "--json").splitlines()
    return {Path(line["source"]).name: line["label"] for line in map(json.loads, lines)}


def _teach_here(base: Path, photos: Path, output: Path) -> None:
    done = CliRunner().invoke(teach, [str(base), str(photos), "-o", str(output)])
    assert done.exit_code == 0, done.output


def _is_as_good_as_here(kind: Userland, root: Path, site: str, work: Path, here: Path) -> None:
    shutil.rmtree(root / "work")
    shutil.copytree(work, root / "work")
    _teach_here(work / "base.tflite", work / "photos", here)
    there = _taught_there(kind, root, site, "/work/base.tflite")
    brought = _answers(root / "work/taught.tflite", work / "shown")
    right = [_right(_answers(here, work / "shown")), _right(there), _right(brought)]
    print(f"{kind.name}: of {SHOWN} images right: taught here {right[0]}, there {right[1]}, its file here {right[2]}")
    assert right[0] > SHOWN * 0.6  # a third would be chance
    assert min(right[1:]) >= right[0] - 2  # its kernels round differently
    assert sum(there[name] != brought[name] for name in there) <= 1


@pytest.mark.needs("ARM64")
def test_64_bits(work: Path, wheel: Path, tmp_path: Path) -> None:
    root = userland(ARM64)
    site = install(ARM64, root, "site", f"{wheel}{EXTRAS}", "-c", str(ROOT / "constraints.txt"))
    _is_as_good_as_here(ARM64, root, site, work, tmp_path / "here.tflite")


@pytest.mark.needs("ARMHF")
def test_32_bits_and_a_class_more(work: Path, wheel: Path, tmp_path: Path) -> None:
    root = userland(ARMHF)
    site = install(ARMHF, root, "tflite", wheel, TFLITE[0], alone=True)
    _is_as_good_as_here(ARMHF, root, site, work, tmp_path / "here.tflite")
    photos = root / "work/photos"
    added = photos.rename(root / "work/all") / "2"
    shutil.copytree(added, photos / "2")
    shutil.rmtree(added)
    _teach_here(work / "base.tflite", root / "work/all", root / "work/known.tflite")
    answers = _taught_there(ARMHF, root, site, "/work/known.tflite", "--keep")
    print(f"armhf, the class 2 added to 0 and 1: {_right(answers)} of {SHOWN} right")
    assert _right(answers) > SHOWN * 0.6
    assert "2" in answers.values()
