"""Run all steps on data that needs no download: scikit-learn's handwritten digits (UCI, 1998)."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edgeclf.config.train import make_config
from edgeclf.errors import DataError
from edgeclf.exporting.export import export_run
from edgeclf.pages.contact_sheet import contact_sheet
from edgeclf.progress import Reporter
from edgeclf.training.fit import train
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.pictures.opencv import is_utf8
from edgeclf_runtime.pictures.preprocess import Pixels
from edgeclf_runtime.system.atomic_file import put_in_place
from edgeclf_runtime.system.plain_text import printable

__all__ = ["DemoResult", "digit_picture", "run_demo"]

_SIDE = 128
_TRAINED, _IN_VIDEO = 140, 24  # images per digit for training, and other images in all for the video
_FRAMES_EACH = 5
_MARKER = ".edgeclf-demo"
_OPTIONS: dict[str, object] = {
    "size": 96,
    "train_size": 96,
    "epochs": 6,
    "flip": False,
    "validation": 0.2,
}


@dataclass(frozen=True)
class DemoResult:
    """The demo's model file, video and contact sheet, and how many frames were classified correctly."""

    model: Path
    video: Path
    sheet: Path
    frames: int
    right: int


def run_demo(out: Path, reporter: Reporter) -> DemoResult:
    """Train, export, make a video and classify it.

    Args:
        out: a new folder, or the folder of an earlier demo, which is replaced.
        reporter: shows the progress.

    Raises:
        DataError: the folder holds other files, or its path is not UTF-8 text.
    """
    _prepare(out)
    images, targets = _digits()
    with reporter.bar("Drawing digits", 0):
        in_video = _write_photographs(out / "photos", images, targets)
    reporter.say(f"Wrote photographs of handwritten digits to {out / 'photos'}.")
    run = train(out / "photos", out / "run", make_config(_OPTIONS), reporter)
    model = out / "model.tflite"
    done = export_run(run, model, "int8", reporter)
    if done.interrupted:
        raise KeyboardInterrupt
    accuracy = done.card.accuracy
    reporter.say(f"Validation: float {accuracy['validation_float']:.1%}, int8 {accuracy['validation_int8']:.1%}.")
    video = out / "video.avi"
    with reporter.bar("Writing a video", 0):
        _write_video(video, [images[i] for i in in_video])
    return _classify(model, video, [int(targets[i]) for i in in_video], out / "sheet.png", reporter)


def digit_picture(image: npt.NDArray[np.float64], angle: float = 0.0, scale: float = 0.75) -> Pixels:
    """Draw an 8x8 digit with values 0..16 as a dark stroke on paper: uint8 RGB ``[128, 128, 3]``."""
    smooth = cv2.resize(image.astype(np.float32) / 16, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    matrix = cv2.getRotationMatrix2D((_SIDE / 2, _SIDE / 2), angle, scale)
    ink = np.clip((cv2.warpAffine(smooth, matrix, (_SIDE, _SIDE)) - 0.3) / 0.35, 0, 1)[..., None]
    paper, pen = np.array([236.0, 229.0, 214.0]), np.array([28.0, 39.0, 84.0])
    return np.ascontiguousarray((paper * (1 - ink) + pen * ink).round(), np.uint8)


def _prepare(out: Path) -> None:
    if not is_utf8(out):  # a run could not record it, and OpenCV would abort the process
        raise DataError(f"{printable(out)}: the path is not UTF-8 text. Choose another --out.")
    if out.exists():
        if not (out / _MARKER).is_file() and any(out.iterdir() if out.is_dir() else [out]):
            raise DataError(f"{out}: already exists and is not an earlier demo. Choose another --out.")
        for item in out.iterdir():  # keep the folder itself: it may be a link, or the current folder
            shutil.rmtree(item) if item.is_dir() and not item.is_symlink() else item.unlink()
    out.mkdir(parents=True, exist_ok=True)
    (out / _MARKER).touch()


def _digits() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images, digits.target.astype(np.int64)


def _write_photographs(folder: Path, images: npt.NDArray[np.float64], targets: npt.NDArray[np.int64]) -> list[int]:
    """Write some images of each digit to its folder; return the rows of others for the video."""
    rng, rest = np.random.default_rng(0), []
    for digit in range(10):
        rows = rng.permutation(np.flatnonzero(targets == digit))
        (folder / str(digit)).mkdir(parents=True)
        for row in rows[:_TRAINED]:
            _write(folder / str(digit) / f"{row:04}.png", digit_picture(images[row], rng.uniform(-15, 15)))
        rest += [int(row) for row in rows[_TRAINED:]]
    return [int(row) for row in rng.permutation(rest)[:_IN_VIDEO]]


def _write(path: Path, pixels: Pixels) -> None:
    if not cv2.imwrite(str(path), pixels[:, :, ::-1]):
        raise DataError(f"{path.parent}: cannot write an image there. Is the disk full?")


def _write_video(path: Path, images: list[npt.NDArray[np.float64]]) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (_SIDE, _SIDE))
    if not writer.isOpened():
        raise DataError(f"{path}: OpenCV cannot write this video.")
    for image in images:
        for step in range(_FRAMES_EACH):
            writer.write(digit_picture(image, 6.0 * step - 12.0, 0.65 + 0.05 * step)[:, :, ::-1])
    writer.release()


def _classify(model: Path, video: Path, shown: list[int], sheet: Path, reporter: Reporter) -> DemoResult:
    """Classify the video through the same stream as camera frames."""
    predictions = []
    with Classifier.load(model) as classifier, reporter.bar("Classifying", len(shown) * _FRAMES_EACH) as bar:
        for prediction in classifier.stream(video):
            predictions.append(prediction)
            bar.advance(1)
    right = sum(p.label == str(shown[i // _FRAMES_EACH]) for i, p in enumerate(predictions))
    unfinished = sheet.with_name(f".{sheet.name}.part.png")
    middle = predictions[_FRAMES_EACH // 2 :: _FRAMES_EACH]
    _write(unfinished, contact_sheet(middle, [str(digit) for digit in shown], columns=8))
    put_in_place(unfinished, sheet)
    return DemoResult(model, video, sheet, len(predictions), right)
