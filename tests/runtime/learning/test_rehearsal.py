"""The classes that a file knows survive whatever is added to them: they are rehearsed from its prototypes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from edgeclf_runtime import Classifier
from edgeclf_runtime.commands.teach import teach
from edgeclf_runtime.learning.familiarity import extend_familiarity, fit_familiarity
from edgeclf_runtime.learning.rehearsal import rehearsed
from edgeclf_runtime.pictures.images import find_images
from tests.model_files import variant


def _without_lengths(text: str) -> str:
    """Return the familiarity of a file that does not store the prototypes' lengths."""
    content = json.loads(text)
    assert len(content.pop("lengths")) == len(content["classes"])
    return json.dumps(content)


def _photographs(folder: Path) -> Path:
    """Write images of a class whose features are much longer than those of digits."""
    (folder / "strange").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(4):
        coarse = rng.integers(0, 256, (9, 9, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / "strange" / f"{number}.png"), cv2.resize(coarse, (96, 96)))
    return folder


@pytest.mark.parametrize("way", ["--keep", "--keep-exact"])
@pytest.mark.parametrize("stored", [True, False])
def test_a_class_unlike_the_others_takes_nothing_from_them(
    model: Path, digits: Path, tmp_path: Path, way: str, stored: bool
) -> None:
    base = model if stored else variant(model, tmp_path / "old.tflite", familiarity=_without_lengths)
    new = tmp_path / "new.tflite"
    done = CliRunner().invoke(teach, [str(base), str(_photographs(tmp_path / "photos")), "-o", str(new), way])
    assert done.exit_code == 0, done.output
    with Classifier.load(new) as classifier, Classifier.load(model) as before:
        assert all(classifier.classify(file).label == "strange" for file in find_images(tmp_path / "photos"))
        pairs = [(classifier.classify(file).label, before.classify(file).label) for file in find_images(digits)]
        familiarity, images = classifier.familiarity, classifier.card.provenance["images"]
    assert np.mean([now == then for now, then in pairs]) > 0.9
    assert images == "strange 4"  # of the others none are taught now
    assert familiarity is not None
    lengths = {label: familiarity.lengths[familiarity.classes.index(label)] for label in (0, 3)}
    assert lengths[3] > 1.3 * lengths[0]  # so that it can be added to again


def test_images_that_the_file_was_made_from_are_no_measure(model: Path, digits: Path, tmp_path: Path) -> None:
    words = [str(model), str(_photographs(tmp_path / "photos")), "-o", str(tmp_path / "new.tflite"), "--keep"]
    assert "BASE was made from" not in CliRunner().invoke(teach, words).output
    with Classifier.load(tmp_path / "new.tflite") as classifier:
        assert "left_out" in classifier.card.accuracy
    (tmp_path / "photos" / "1").mkdir()
    for file in find_images(digits / "1"):
        shutil.copy(file, tmp_path / "photos" / "1")
    text = CliRunner().invoke(teach, words).output
    known = re.search(
        r"BASE was made from at least (\d+) of these images, so the share that is right is too good\.", text
    )
    assert known is not None, text
    assert 10 < int(known[1]) <= 20
    with Classifier.load(tmp_path / "new.tflite") as classifier:
        assert classifier.card.accuracy == {}


def test_rehearsed_features_are_as_long_as_those_they_stand_for() -> None:
    rng = np.random.default_rng(0)
    short, long = (np.maximum(rng.normal(0, size, (60, 50)), 0).astype(np.float32) for size in (0.5, 3))
    features, targets = np.concatenate([short, long]), np.repeat([0, 1], 60)
    fitted = fit_familiarity(features, targets, None)
    more = extend_familiarity(fitted, 10 * long[:8], np.full(8, 2), groups=np.arange(8))
    typical, classes = rehearsed(more.with_nothing(np.eye(50, dtype=np.float32)[:3], 0.9))
    means = [np.linalg.norm(typical[classes == label], axis=1).mean() for label in range(3)]
    wanted = [np.linalg.norm(rows, axis=1).mean() for rows in (short, long, 10 * long[:8])]
    assert np.abs(np.log(np.array(means) / wanted)).max() < 0.15


def test_equal_images_have_one_length() -> None:
    same = np.ones((5, 8), np.float32)
    assert fit_familiarity(same, np.arange(5) % 2, None).lengths == pytest.approx([8**0.5 * np.log(2)] * 5, rel=1e-5)
