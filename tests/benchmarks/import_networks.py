"""Ten timm architectures with random weights through ``edgeclf import``: does each convert, and what does it lose?

python -m tests.benchmarks.import_networks FOLDER [--networks mobilenetv2_100,...] [--kept DIR] [--no-int8]

FOLDER/train holds photographs (TrashNet). 48 of them calibrate plain post-training quantization, 48 others are judged.
"float" is the largest difference of the rebuilt float network from PyTorch's scores, as a share of their standard
deviation, and the share of images with the same label; "int8" compares the int8 file with the float network. Networks
are written by .venv-torch and converted in .venv-import; make bench-import builds both. Files in --kept are reused.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from edgeclf.errors import DesktopError
from edgeclf.importing.converter import OnnxConverter
from edgeclf.importing.import_model import with_scores
from edgeclf_converters import ConversionError, convert
from edgeclf_converters.edgetpu.check import check_edgetpu
from edgeclf_converters.graph.float_network import float_network
from edgeclf_converters.parity.scores import file_scores, network_scores
from edgeclf_runtime.errors import EdgeclfError
from edgeclf_runtime.pictures.images import find_images, read_image
from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing, resize

ROOT = Path(__file__).parents[2]
NETWORKS = (
    "mobilenetv2_100,mobilenetv3_small_100,mobilenetv4_conv_small,efficientnet_lite0,efficientnet_es,mnasnet_100,"
    "resnet18,resnet50,hgnetv2_b0,ghostnet_100,convnext_atto"
)
_IMAGES = 96  # the first half calibrates, the second half is judged


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--networks", default=NETWORKS, show_default=True)
@click.option("--size", default=160, show_default=True, help="Height and width of the input in pixels.")
@click.option("--kept", type=click.Path(path_type=Path), help="Folder for the ONNX files.")
@click.option("--int8/--no-int8", default=True, help="Quantize, too.")
def main(folder: Path, networks: str, size: int, kept: Path | None, int8: bool) -> None:
    """Print a row for each network."""
    rule = Preprocessing(size, size, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
    files = sorted(find_images(folder / "train"))
    chosen = np.random.default_rng(0).permutation(len(files))[:_IMAGES]
    pixels = np.stack([resize(read_image(files[row]), rule) for row in chosen])
    with tempfile.TemporaryDirectory() as place:
        work = kept or Path(place)
        work.mkdir(exist_ok=True)
        for name in networks.split(","):
            try:
                for line in _measured(name, work, pixels, rule, int8):
                    click.echo(f"{name:<24} {line}")
            except (DesktopError, ConversionError, EdgeclfError) as error:
                click.echo(f"{name:<24} fails: {error}")


def _measured(name: str, work: Path, pixels: Pixels, rule: Preprocessing, int8: bool) -> Iterator[str]:
    mean, std = np.array(rule.mean, np.float32), np.array(rule.std, np.float32)
    images = ((pixels - mean) / std).astype(np.float32)
    if not (work / f"{name}.npy").exists() or not (work / f"{name}.onnx").exists():
        np.save(work / "images.npy", images)
        script = ROOT / "tests" / "benchmarks" / "timm_onnx.py"
        words = [str(ROOT / ".venv-torch/bin/python"), "-W", "ignore", str(script), name, str(work / "images.npy")]
        subprocess.run([*words, str(work)], check=True, stdout=subprocess.DEVNULL)
    wanted, start = np.load(work / f"{name}.npy"), time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        converter = OnnxConverter(work / f"{name}.onnx", ROOT / ".venv-import", Path(place))
        opset = converter.look(None)["opset"]
        content, _, made_by = converter.convert(images[:2])
    seconds, network = time.monotonic() - start, float_network(content)
    scores = network_scores(network, pixels, rule)
    difference = np.abs(scores - wanted).max() / wanted.std()
    yield f"float {difference:.1e}, same label {_same(scores, wanted)}; {made_by}, opset {opset}, {seconds:.0f} s"
    if int8:
        yield _quantized(with_scores(network), pixels, rule)


def _quantized(network: Any, pixels: Pixels, rule: Preprocessing) -> str:
    half = len(pixels) // 2
    calibration, judged = list(pixels[:half]), pixels[half:]
    content, before = convert(network, "int8", calibration, rule), network_scores(network, judged, rule)
    after = file_scores(content, judged, rule)
    error = float(np.abs(after - before).mean())
    return f"int8 score error {error:.3f}, same label {_same(after, before)}; {check_edgetpu(content)}"


def _same(first: Any, second: Any) -> str:
    return f"{(first.argmax(axis=1) == second.argmax(axis=1)).mean():.0%}"


if __name__ == "__main__":
    main()
