"""Published ImageNet networks in int8: how often the file's answer is the float network's, by calibration.

python -m tests.benchmarks.published FOLDER... [--backbones efficientnet-lite0,...] [--count 200]

Each FOLDER holds train/ and test/ with photographs (TrashNet, pets). Files are judged on up to --count images of each
test/, with the float network's answers as labels, as there are no ImageNet labels for them; also only on those where it
is sure (a score over 0.5). "batch norms" is ``export --pretrained``; "200 images", of the folders' train/, is the same
with ``--calibration``; "two photographs" is plain conversion on crops of scikit-learn's two, as in earlier versions.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from edgeclf.exporting.export import sample_crops
from edgeclf.metrics.scoring import wilson
from edgeclf.model.backbones.registry import backbone
from edgeclf.model.network import pretrained_classifier, published_preprocessing, with_softmax
from edgeclf_converters.parity.scores import file_scores, network_scores
from edgeclf_converters.quantize.data_free import convert_data_free
from edgeclf_converters.quantize.int8 import search_int8
from edgeclf_converters.tflite.convert import convert
from edgeclf_runtime.pictures.images import find_images, read_image
from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing, resize

_CALIBRATION = 200
_SURE = 0.5


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--backbones", default="efficientnet-lite0,efficientnet-lite1,efficientnet-lite2", show_default=True)
@click.option("--count", default=200, show_default=True, help="Images of each test/.")
def main(folders: tuple[Path, ...], backbones: str, count: int) -> None:
    """Print a row for each network and way to quantize it."""
    click.echo(f"{'network':<20} {'made from':<16} {'same answer':<24} where the float network is sure")
    for name in backbones.split(","):
        network = backbone(name)
        model = with_softmax(pretrained_classifier(network, None))
        rule = published_preprocessing(network)
        judged = np.stack(_images([folder / "test" for folder in folders], count, rule))
        before = network_scores(model, judged, rule)
        for title, make in _ways(model, folders, rule).items():
            same = file_scores(make(), judged, rule).argmax(axis=1) == before.argmax(axis=1)
            sure = before.max(axis=1) > _SURE
            click.echo(f"{name:<20} {title:<16} {_share(same):<24} {_share(same[sure])} of {sure.sum()}")


def _ways(model: Any, folders: tuple[Path, ...], rule: Preprocessing) -> dict[str, Callable[[], bytes]]:
    def searched() -> bytes:
        images = _images([folder / "train" for folder in folders], _CALIBRATION // len(folders), rule)
        return search_int8(model, images, rule, method="ptq").best.content

    crops = [resize(pixels, rule) for pixels in sample_crops(rule.height, _CALIBRATION // 2)]
    return {
        "two photographs": lambda: convert(model, "int8", crops, rule),
        "batch norms": lambda: convert_data_free(model, rule),
        "200 images": searched,
    }


def _images(folders: list[Path], count: int, rule: Preprocessing) -> list[Pixels]:
    """Return this many images of each folder, the same ones in each run, as the network sees them."""
    images: list[Pixels] = []
    for folder in folders:
        files = sorted(find_images(folder))
        rows = np.random.default_rng(0).permutation(len(files))[:count]
        images += [resize(read_image(files[row]), rule) for row in rows]
    return images


def _share(right: npt.NDArray[np.bool_]) -> str:
    if not len(right):  # a few images may include none that it is sure of
        return "none"
    low, high = wilson(int(right.sum()), len(right))
    return f"{right.mean():.1%} ({low:.1%} to {high:.1%})"


if __name__ == "__main__":
    main()
