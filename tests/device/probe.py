"""Print as JSON what the runtime computes from images on this machine: probe.py MODEL FOLDER BACKEND."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from edgeclf_runtime import Classifier, Preprocessing
from edgeclf_runtime.pictures.images import decode_image
from edgeclf_runtime.pictures.preprocess import resize

SIZES = ((1, 1), (17, 33), (63, 64), (64, 64), (65, 127), (128, 128), (200, 300), (224, 225), (333, 500), (480, 640))
SIZES += ((449, 448), (720, 1280), (1000, 37), (1079, 1919))
INPUTS = ((64, 64), (160, 160), (224, 224), (96, 128))
REPEATS = 3


def _hash(pixels: np.ndarray) -> str:
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:16]


def resized() -> dict[str, str]:
    """Return resized random images, the hardest kind."""
    random, found = np.random.default_rng(0), {}
    for height, width in SIZES:
        for repeat in range(REPEATS):
            image = random.integers(0, 256, (height, width, 3), np.uint8)
            for wide, high in INPUTS:
                for way in ("stretch", "crop"):
                    name = f"{height}x{width} {repeat} to {high}x{wide} {way}"
                    found[name] = _hash(resize(image, Preprocessing(wide, high, resize=way)))
    return found


def main(model: Path, folder: Path, backend: str) -> None:
    files = sorted(folder.iterdir())
    pictures = {path.name: decode_image(path.read_bytes(), path.name) for path in files}
    parts = {path.name: decode_image(path.read_bytes(), path.name, min_size=64) for path in files}
    with Classifier.load(model, backend=backend, threads=1) as classifier:
        rule = classifier.card.preprocessing.min_decoded_size
        scores = {path.name: classifier.classify(path).scores.tolist() for path in files}
    seen = {path.name: _hash(decode_image(path.read_bytes(), path.name, min_size=rule)) for path in files}
    decoded = {name: _hash(image) for name, image in pictures.items()}
    fast = {name: _hash(image) for name, image in parts.items()}
    print(json.dumps({"resized": resized(), "decoded": decoded, "fast": fast, "seen": seen, "scores": scores}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
