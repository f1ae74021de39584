"""The effect of decoding JPEGs at reduced size, compared with decoding at full size as in training.

python tests/benchmarks/speed_agreement.py FOLDER MODEL...

FOLDER holds train/ and test/; the figures are of test/, means over the models, which have the same labels. For
comparison: the effect of saving the same image at JPEG quality 91 instead of 90, and decoding it at full size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import click
import cv2
import numpy as np
import numpy.typing as npt
from photographs import require

from edgeclf_runtime import Classifier
from edgeclf_runtime.pictures.images import decode_image, find_images, read_image, swapped
from edgeclf_runtime.pictures.preprocess import min_side

_WIDTHS = (960, 1280, 1920)  # the photographs are enlarged to these, as a camera would deliver them
_QUALITIES = (90, 91)

Labels = npt.NDArray[np.int64]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("models", type=click.Path(path_type=Path, exists=True), nargs=-1, required=True)
def main(folder: Path, models: Sequence[Path]) -> None:
    """Print a line for each size of image."""
    require(folder, "train", "test")
    for line in agreements(models, folder / "test"):
        click.echo(line)


def agreements(models: Sequence[Path], folder: Path) -> Iterator[str]:
    """Yield a line for each size: share of equal best labels, and the change of accuracy in points."""
    files = find_images(folder)
    with ExitStack() as opened:
        classifiers = [opened.enter_context(Classifier.load(model)) for model in models]
        truth = np.array([classifiers[0].card.labels.index(file.parent.name) for file in files])
        for width in _WIDTHS:
            saved, again = zip(*(_saved(file, width) for file in files), strict=True)
            answers = [_labels(classifier, saved, again) for classifier in classifiers]
            exact, fast, other = (np.stack(labels) for labels in zip(*answers, strict=True))
            gained = ((fast == truth).mean(axis=1) - (exact == truth).mean(axis=1)) * 100
            yield (
                f"{width} pixels wide: the same label at a part {(fast == exact).mean():.2%}, saved again "
                f"{(other == exact).mean():.2%}; right in full {(exact == truth).mean():.2%}, "
                f"at a part {gained.mean():+.2f} points ({gained.min():+.2f} to {gained.max():+.2f})"
            )


def _saved(file: Path, width: int) -> tuple[bytes, bytes]:
    """Save an enlarged photograph as a JPEG of each quality."""
    pixels = read_image(file)
    size = (width, round(width * pixels.shape[0] / pixels.shape[1]))
    larger = swapped(np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC), np.uint8))
    first, second = (
        cv2.imencode(".jpg", larger, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes() for quality in _QUALITIES
    )
    return first, second


def _labels(classifier: Classifier, saved: Sequence[bytes], again: Sequence[bytes]) -> tuple[Labels, ...]:
    """Return labels of images decoded at full size, decoded at reduced size, and saved again."""

    def best(datas: Sequence[bytes], part: int) -> Labels:
        return np.array([classifier.classify(decode_image(d, "picture", min_size=part)).scores.argmax() for d in datas])

    needed = min_side(classifier.card.preprocessing)
    return best(saved, 0), best(saved, needed), best(again, 0)


if __name__ == "__main__":
    main()
