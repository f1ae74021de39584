"""The cost of a frame without motion: ``motion`` checks a small image, or each frame is decoded for the network.

python tests/benchmarks/speed_still.py MODEL [--rounds 9]

The video has JPEGs of a noisy scene without motion; both ways take turns on it in one process.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import cv2
import numpy as np

from edgeclf_runtime import Classifier, Frame, Pipeline
from edgeclf_runtime.decision.gate import GateRule
from edgeclf_runtime.sources.video import VideoSource

_FRAMES = 120
_SIZES = ((640, 480), (1280, 720), (1920, 1080))


class _Decoding:
    """A video that only offers decoded frames, as in versions up to 0.1."""

    live, is_camera, description = False, True, "decoded"

    def __init__(self, source: VideoSource) -> None:
        self._source = source
        self.decode_for, self.close = source.decode_for, source.close

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._source)

    def __enter__(self) -> _Decoding:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def still(model: Path, rounds: int) -> Iterator[str]:
    """Yield a line for each size of image."""
    with Classifier.load(model) as classifier, tempfile.TemporaryDirectory() as place:
        for size in _SIZES:
            video = Path(place) / f"{size[0]}.avi"
            _write(video, size)
            turns = [
                [_spent(classifier, way(VideoSource(video))) for way in (_as_it_is, _Decoding)]
                for _ in range(rounds + 1)
            ]
            taken = np.array(turns[1:])  # the first is a warm-up
            small, decoded = np.median(taken, axis=0)
            low, middle, high = np.percentile(taken[:, 0] / taken[:, 1], [25, 50, 75])
            yield (
                f"{size[0]}x{size[1]}, nothing moves: {small:.2f} ms of a processor a frame, {decoded:.2f} if each is "
                f"decoded for the network; {middle:.2f} of it [{low:.2f}, {high:.2f}]"
            )


def _as_it_is(source: VideoSource) -> VideoSource:
    return source


def _write(path: Path, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    scene = cv2.resize(rng.integers(0, 255, (18, 32, 3), np.uint8), size, interpolation=cv2.INTER_CUBIC)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 25, size)
    for _ in range(_FRAMES):
        writer.write(np.clip(scene + rng.normal(0, 2, scene.shape), 0, 255).astype(np.uint8))
    writer.release()


def _spent(classifier: Classifier, source: VideoSource | _Decoding) -> float:
    """Return the milliseconds of processor time per frame."""
    pipeline = Pipeline(classifier, [], gate=GateRule(motion=5, linger=0, refresh=1e6))
    before = time.process_time()
    pipeline.run(source)
    if pipeline.frames != 1:
        raise click.ClickException(f"something moved: {pipeline.frames} frames were classified")
    return (time.process_time() - before) / _FRAMES * 1e3


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.option("--rounds", default=9, show_default=True)
def main(model: Path, rounds: int) -> None:
    """Print a line for each size of image."""
    cv2.setNumThreads(1)  # as ``edgeclf run`` does
    for line in still(model, rounds):
        click.echo(line)


if __name__ == "__main__":
    main()
