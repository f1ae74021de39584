"""A file that was taught new classes from a few photographs, on a real network."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edgeclf.metrics.scoring import wilson as wilson_of_scipy
from edgeclf_runtime import Classifier
from edgeclf_runtime.learning.examples import Examples, look
from edgeclf_runtime.learning.judgement import folds_of, judge, wilson
from edgeclf_runtime.learning.logistic import Head, cross_validated, log_losses
from edgeclf_runtime.learning.photographs import list_photographs
from edgeclf_runtime.learning.teaching import Base, Taught, teach, write_taught
from edgeclf_runtime.model.file import read_model
from edgeclf_runtime.pictures.images import find_images
from edgeclf_runtime.verification import verify

NAMES = {"0": "zero", "1": "one", "2": "_none"}


def _photos(digits: Path, folder: Path, names: dict[str, str], count: int) -> Path:
    for digit, name in names.items():
        (folder / name).mkdir(parents=True)
        for file in sorted((digits / digit).iterdir())[:count]:
            shutil.copy(file, folder / name / file.name)
    return folder


def _taught(base: Path, photos: Path, path: Path) -> tuple[Taught, Examples]:
    with Classifier.load(base, features=True) as classifier:
        beginning, photographs = Base.of(classifier), list_photographs(photos)
        examples = look(classifier, photographs, lambda images: None)
    taught = teach(beginning, examples, photographs.labels, path.stem)
    write_taught(path, taught, beginning, examples)
    return taught, examples


@pytest.fixture(scope="module")
def photos(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images each of 0, of 1, and of what is neither."""
    return _photos(digits, tmp_path_factory.mktemp("photos"), NAMES, 8)


@pytest.mark.parametrize("kind", ["model", "float_model"])
def test_the_taught_file_knows_the_new_classes(
    kind: str, photos: Path, digits: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    base = request.getfixturevalue(kind)
    taught, examples = _taught(base, photos, tmp_path / "new.tflite")
    with Classifier.load(tmp_path / "new.tflite") as classifier:
        assert classifier.card.labels == ("_none", "one", "zero")
        assert classifier.card.name == "new"
        assert classifier.card.preprocessing == read_model(base).card.preprocessing
        assert classifier.card.accuracy["left_out"] == taught.judgement.right / taught.judgement.count > 0.8
        assert verify(classifier).passed
        assert verify(classifier).count == 8
        for digit, answer in {"0": "zero", "1": "one", "2": "unknown"}.items():
            others = [classifier.classify(file) for file in sorted((digits / digit).iterdir())[8:]]
            assert np.mean([other.answer in (answer, "unknown") for other in others]) > 0.7
            assert np.mean([other.label == {"unknown": "_none"}.get(answer, answer) for other in others]) > 0.7
            assert np.mean([other.is_unfamiliar for other in others]) < 0.5
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
        assert classifier.classify(noise).answer == "unknown"
        known = np.array([classifier.classify(file).scores for file in examples.files])
    powers = np.exp(taught.fit.head(examples.features))
    assert np.abs(known - powers / powers.sum(axis=1, keepdims=True)).max() < 0.05


def test_a_taught_file_teaches_again_without_growing(model: Path, photos: Path, digits: Path, tmp_path: Path) -> None:
    first, again, straight = (tmp_path / name / "new.tflite" for name in ("first", "again", "straight"))
    for path in (first, again, straight):
        path.parent.mkdir()
    four = _photos(digits, tmp_path / "four", {"0": "a", "1": "b", "2": "c"}, 3)
    shutil.copytree(four / "a", four / "d")
    _taught(model, four, first)
    _taught(first, photos, again)
    _taught(model, photos, straight)
    assert abs(len(again.read_bytes()) - len(straight.read_bytes())) < 200  # the digest of another base
    for left, right in zip(*(read_model(path).golden for path in (again, straight)), strict=True):
        assert np.array_equal(left.scores, right.scores)


def test_the_same_photographs_give_the_same_file(model: Path, photos: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        _taught(model, photos, tmp_path / name / "new.tflite")
    assert (tmp_path / "a" / "new.tflite").read_bytes() == (tmp_path / "b" / "new.tflite").read_bytes()


def test_near_duplicates_are_left_out_together(model: Path, digits: Path, tmp_path: Path) -> None:
    photos = _photos(digits, tmp_path / "photos", {"0": "zero", "1": "one"}, 4)
    file = find_images(photos / "one")[0]
    for number in range(3):
        shutil.copy(file, file.with_name(f"again{number}.png"))
    with Classifier.load(model, features=True) as classifier:
        examples = look(classifier, list_photographs(photos), lambda images: None)
    assert len(set(examples.groups.tolist())) == 8
    assert len(set(folds_of(examples).tolist())) == 8


def test_one_image_a_class_is_taught_but_not_judged(model: Path, digits: Path, tmp_path: Path) -> None:
    photos = _photos(digits, tmp_path / "photos", {"0": "zero", "1": "one"}, 1)
    taught, _ = _taught(model, photos, tmp_path / "new.tflite")
    assert taught.judgement.count == 0
    assert taught.card.accuracy == {}
    assert [each.right for each in taught.judgement.classes] == [None, None]


def _blobs(count: int, classes: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    middles = np.random.default_rng(7).normal(0, 1, (classes, size))
    targets = np.repeat(np.arange(classes), count)
    features = np.maximum(middles[targets] + rng.normal(0, 2.5, (count * classes, size)) + 1, 0)
    return features.astype(np.float32), targets


@pytest.mark.parametrize(("count", "size"), [(12, 300), (150, 40)])
def test_the_head_is_that_of_scikit_learn(count: int, size: int) -> None:
    """With fewer images than features, and with more."""
    from sklearn.linear_model import LogisticRegression

    features, targets = _blobs(count, 4, size, 0)
    fit = cross_validated(features, targets, np.arange(len(targets)) % 10, Head(np.zeros((4, size)), np.zeros(4)))
    exact = features.astype(np.float64)
    squared = ((exact - exact.mean(axis=0)) ** 2).sum(axis=1).mean()
    other = LogisticRegression(C=1 / (fit.penalty * squared), tol=1e-6, max_iter=2000).fit(exact, targets)
    theirs, ours = other.decision_function(exact), fit.head(features)
    apart = (ours - ours.mean(axis=1, keepdims=True)) - (theirs - theirs.mean(axis=1, keepdims=True))
    assert np.abs(apart).max() < 0.05
    fresh, answers = _blobs(100, 4, size, 1)
    assert abs((fit.left_out.argmax(1) == targets).mean() - (fit.head(fresh).argmax(1) == answers).mean()) < 0.2
    assert log_losses(fit.left_out, targets).mean() > log_losses(ours, targets).mean()


def test_left_out_images_are_judged() -> None:
    features, targets = _blobs(5, 2, 10, 0)
    targets = np.append(targets, 2)
    features = np.append(features, features[:1], axis=0)
    examples = Examples(tuple(map(Path, "abcdefghijk")), targets, features, np.arange(11), ())
    logits = np.eye(3)[targets] * 3
    logits[7] = [5, 1, 0]
    logits[2] = [0, 1, 0]
    found = judge(examples, folds_of(examples), logits, ("x", "y", "z"))
    assert [(each.label, each.count, each.right) for each in found.classes] == [
        ("x", 5, 4),
        ("y", 5, 4),
        ("z", 1, None),
    ]
    assert [(each.index, each.answer) for each in found.mistakes] == [(7, "x"), (2, "y")]
    assert (found.right, found.count) == (8, 10)
    assert found.needed is not None
    assert found.needed.label == "z"
    for pair in ((8, 10), (10, 10), (0, 4)):
        assert wilson(*pair) == pytest.approx(wilson_of_scipy(*pair), abs=1e-6)
