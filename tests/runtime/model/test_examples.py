"""Training images in a model file, to show which one a frame resembles most."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeclf_runtime import Classifier
from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.model.archive import Archive
from edgeclf_runtime.model.file import read_model
from edgeclf_runtime.model.rewrite import replace_files, with_files
from edgeclf_runtime.pictures.images import decode_image


def test_an_exported_file_shows_examples_of_each_class(model: Path) -> None:
    with Classifier.load(model) as classifier:
        examples = classifier.examples
        assert examples is not None
        counts = np.bincount(examples.classes)
        assert len(counts) == len(classifier.card.labels)
        assert (counts >= 2).all()
        assert (counts <= 8).all()
        for number, (index, image) in enumerate(zip(examples.classes, examples.images, strict=True)):
            pixels = decode_image(image, str(number))
            assert max(pixels.shape[:2]) <= 96
            assert len(image) <= 8000
            again = classifier.classify(pixels).features
            assert again is not None
            nearest, likeness = examples.nearest(again)
            assert examples.classes[nearest] == index
            assert nearest == number or likeness > 0.8  # images of one digit are similar


def test_a_file_without_them_or_with_later_ones_has_none(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    stored = json.loads(Archive(model.read_bytes()).read("examples/examples.json", 1 << 20) or b"")
    path.write_bytes(model.read_bytes())
    replace_files(path, {"examples/examples.json": json.dumps(stored | {"format": 2}).encode()})
    assert read_model(path).examples is None
    assert read_model(path).familiarity is not None


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("examples.json", {"classes": [0, 99]}),
        ("examples.json", {"classes": [0]}),
        ("examples.json", {"classes": None}),
        ("examples.json", {"scale": 0}),
        ("examples.json", {"scale": "large"}),
        ("vectors.npy", b""),
        ("vectors.npy", b"\x93NUMPY"),
        ("000.jpg", b""),
    ],
)
def test_damaged_ones_are_refused_in_one_line(
    model: Path, tmp_path: Path, name: str, change: dict[str, object] | bytes
) -> None:
    path, content = tmp_path / "m.tflite", model.read_bytes()
    if isinstance(change, dict):
        stored = json.loads(Archive(content).read(f"examples/{name}", 1 << 20) or b"")
        change = json.dumps(stored | change).encode()
    path.write_bytes(with_files(content, {f"examples/{name}": change}))
    with pytest.raises(ModelError, match="examples/ in it") as refused:
        read_model(path)
    assert "\n" not in str(refused.value)
