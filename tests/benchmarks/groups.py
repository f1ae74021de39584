"""Near-duplicates: how many independent images are grouped, and how many copies are missed.

python -m tests.benchmarks.groups FOLDER... [--copies 300] [--shots 40]     (FOLDERs with train/, such as TrashNet)

For photographs (the training parts of the FOLDERs), every group is wrong except real copies, which are listed for
review. Copies are made of some: resized to between 25% and 150%, encoded again at quality 30 to 85. Scenes of a fixed
camera come from tests/scenes.py: every group is wrong.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import cv2
import numpy as np
import numpy.typing as npt

from edgeclf.data.fingerprints import Fingerprints
from edgeclf.data.folders import scan
from edgeclf.data.near_duplicates import Likeness, members
from edgeclf_runtime.pictures.images import read_content, read_image
from tests.scenes import SCENES, write_scene

Pixels = npt.NDArray[np.uint8]


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@click.option("--copies", default=300, show_default=True, help="Copies made of each folder's photographs.")
@click.option("--shots", default=40, show_default=True, help="Images of each label of a scene.")
def main(folders: tuple[Path, ...], copies: int, shots: int) -> None:
    """Print a line for each folder and each scene."""
    for folder in folders:
        _photographs(folder / "train", copies)
    click.echo(f"{'scene':<32} {'images':>6} {'in groups':>9} {'largest':>7} {'under two labels':>16}")
    for name, shoot in SCENES.items():
        with tempfile.TemporaryDirectory() as place:
            likeness, groups, count = _looked_at(write_scene(shoot(shots), Path(place)))
        found = members(groups)
        largest = max(map(len, found), default=0)
        click.echo(f"{name:<32} {count:6} {(groups >= 0).sum():9} {largest:7} {len(likeness.conflicts()):16}")


def _looked_at(folder: Path) -> tuple[Likeness, npt.NDArray[np.int64], int]:
    data = scan(folder)[0]
    fingerprints = Fingerprints.of(len(data.files))
    for row, file in enumerate(data.files):
        fingerprints.add(row, file, read_content(folder / file), read_image(folder / file))
    likeness = Likeness(fingerprints, data.targets)
    return likeness, likeness.groups(), len(data.files)


def _photographs(folder: Path, copies: int) -> None:
    data = scan(folder)[0]
    rng, count = np.random.default_rng(0), len(data.files)
    chosen = rng.permutation(count)[:copies]
    fingerprints = Fingerprints.of(count + len(chosen))
    for row, file in enumerate(data.files):
        fingerprints.add(row, file, read_content(folder / file), read_image(folder / file))
    for row, original in enumerate(chosen, count):
        content = _copy(read_image(folder / data.files[original]), rng)
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
        fingerprints.add(row, f"{row}.jpg", content, np.ascontiguousarray(pixels))
    targets = np.concatenate([data.targets, data.targets[chosen]])
    likeness = Likeness(fingerprints, targets)
    groups = likeness.groups()
    missed = sum(groups[row] < 0 or groups[row] != groups[original] for row, original in enumerate(chosen, count))
    others = [rows for rows in members(np.where(np.arange(len(groups)) < count, groups, -1)) if len(rows) > 1]
    click.echo(f"{folder}: {count} photographs, {len(others)} groups of them; {missed} of {len(chosen)} copies missed")
    for rows in others:
        click.echo(f"  {', '.join(data.files[row] for row in rows)}")
    for rows in likeness.conflicts():
        click.echo(f"  under two labels: {', '.join(data.files[row] for row in rows if row < count)}")


def _copy(pixels: Pixels, rng: np.random.Generator) -> bytes:
    scale, quality = rng.uniform(0.25, 1.5), int(rng.integers(30, 86))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(pixels[:, :, ::-1], None, fx=scale, fy=scale, interpolation=way)
    return bytes(cv2.imencode(".jpg", resized, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


if __name__ == "__main__":
    main()
