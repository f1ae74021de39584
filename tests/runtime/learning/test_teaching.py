"""A file taught new classes from a few photographs, on a real network."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits

from edgeclf.demo import digit_picture
from edgeclf_runtime import Classifier
from edgeclf_runtime.learning.familiarity import extend_familiarity, fit_familiarity
from edgeclf_runtime.learning.image_features import ImageFeatures, look
from edgeclf_runtime.learning.judgement import folds_of
from edgeclf_runtime.learning.photographs import list_photographs
from edgeclf_runtime.learning.taught_file import write_taught
from edgeclf_runtime.learning.teaching import Base, Taught, more_labels, saturated, teach, teach_more
from edgeclf_runtime.model.file import read_model
from edgeclf_runtime.model.last_layer import read_last_layer, with_rows
from edgeclf_runtime.model.rewrite import network_of
from edgeclf_runtime.pictures.images import find_images
from edgeclf_runtime.verification import verify
from tests.model_files import last_layer_integers

NAMES = {"0": "zero", "1": "one", "2": "_none"}


def _photos(digits: Path, folder: Path, names: dict[str, str], count: int) -> Path:
    for digit, name in names.items():
        (folder / name).mkdir(parents=True)
        for file in sorted((digits / digit).iterdir())[:count]:
            shutil.copy(file, folder / name / file.name)
    return folder


def _taught(base: Path, photos: Path, path: Path) -> tuple[Taught, ImageFeatures]:
    with Classifier.load(base, features=True) as classifier:
        beginning, photographs = Base.of(classifier), list_photographs(photos)
        examples = look(classifier, photographs, lambda images: None)
    taught = teach(beginning, examples, photographs.labels, path.stem)
    write_taught(path, taught, beginning, examples)
    return taught, examples


@pytest.fixture(scope="module")
def photos(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images each of 0, of 1, and of neither."""
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


def test_the_taught_file_shows_the_images_that_others_are_most_like(model: Path, photos: Path, tmp_path: Path) -> None:
    _, photographs = _taught(model, photos, tmp_path / "new.tflite")
    with Classifier.load(tmp_path / "new.tflite") as classifier:
        shown, labels = classifier.examples, classifier.card.labels
        assert shown is not None
        assert {labels[index] for index in shown.classes} == {"zero", "one"}  # not of nothing
        for row in np.flatnonzero([labels[target] != "_none" for target in photographs.targets]):
            number, likeness = shown.nearest(photographs.features[row])
            assert labels[shown.classes[number]] == labels[photographs.targets[row]]
            assert likeness > 0.5
        assert classifier.expectation is None  # how accuracy falls under camera faults was not measured


def test_near_duplicates_are_left_out_together(model: Path, digits: Path, tmp_path: Path) -> None:
    photos = _photos(digits, tmp_path / "photos", {"0": "zero", "1": "one"}, 4)
    file = find_images(photos / "one")[0]
    for number in range(3):
        shutil.copy(file, file.with_name(f"again{number}.png"))
    with Classifier.load(model, features=True) as classifier:
        examples = look(classifier, list_photographs(photos), lambda images: None)
    assert len(set(examples.groups.tolist())) == 8
    folds = folds_of(examples)
    assert sorted(set(folds.tolist())) == [0, 1, 2, 3]
    assert all(len(set(folds[examples.groups == group].tolist())) == 1 for group in examples.groups)


def test_near_duplicates_alone_are_taught_but_not_judged(model: Path, digits: Path, tmp_path: Path) -> None:
    photos = _photos(digits, tmp_path / "photos", {"0": "zero", "1": "one", "2": "two"}, 6)
    first, *others = find_images(photos / "one")
    for file in others:
        shutil.copy(first, file)
    taught, _ = _taught(model, photos, tmp_path / "new.tflite")
    assert {each.label: each.right is None for each in taught.judgement.classes} == {
        "one": True,
        "two": False,
        "zero": False,
    }
    assert taught.judgement.count == 12
    assert taught.judgement.needed is not None
    assert taught.judgement.needed.label == "one"
    scale, _ = read_last_layer(network_of((tmp_path / "new.tflite").read_bytes())).output
    assert scale < 0.2  # logits of a head without the class are not expected ones


def test_one_image_a_class_is_taught_but_not_judged(model: Path, digits: Path, tmp_path: Path) -> None:
    photos = _photos(digits, tmp_path / "photos", {"0": "zero", "1": "one"}, 1)
    taught, _ = _taught(model, photos, tmp_path / "new.tflite")
    assert taught.judgement.count == 0
    assert taught.card.accuracy == {}
    assert [each.right for each in taught.judgement.classes] == [None, None]


@pytest.fixture(scope="module")
def sevens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty images of another digit."""
    folder, data = tmp_path_factory.mktemp("sevens"), load_digits()
    (folder / "7").mkdir()
    for row in np.flatnonzero(data.target == 7)[:20]:
        cv2.imwrite(str(folder / "7" / f"{row}.png"), digit_picture(data.images[row])[:, :, ::-1])
    return folder


def _more(base: Path, photos: Path, path: Path, exact: bool) -> Taught:
    with Classifier.load(base, features=True) as classifier:
        beginning, photographs = Base.of(classifier, keep=True), list_photographs(photos, fewest=1)
        labels = more_labels(beginning, photographs.labels, exact=exact)
        examples = look(classifier, photographs.with_labels(labels), lambda images: None)
    taught = teach_more(beginning, examples, labels, path.stem, exact=exact)
    write_taught(path, taught, beginning, examples)
    return taught


@pytest.mark.parametrize("exact", [False, True])
def test_a_class_is_added_to_those_of_the_file(
    model: Path, digits: Path, sevens: Path, tmp_path: Path, exact: bool
) -> None:
    (tmp_path / "photos" / "7").mkdir(parents=True)
    for file in find_images(sevens)[:8]:
        shutil.copy(file, tmp_path / "photos" / "7")
    taught = _more(model, tmp_path / "photos", tmp_path / "new.tflite", exact)
    assert taught.kept is not None
    assert (taught.kept.classes, taught.kept.after / taught.kept.before > 0.9) == (3, True)
    with Classifier.load(tmp_path / "new.tflite") as new, Classifier.load(model) as old:
        assert new.card.labels == ("0", "1", "2", "7")
        assert verify(new).passed
        fresh = [new.classify(file) for file in find_images(sevens)[8:]]
        assert np.mean([one.label == "7" for one in fresh]) > 0.6
        assert np.mean([one.is_unfamiliar for one in fresh]) < 0.5
        pairs = [(new.classify(file), old.classify(file)) for file in find_images(digits)]
    assert np.mean([after.label == before.label for after, before in pairs]) > 0.9
    assert np.mean([after.is_unfamiliar for after, _ in pairs]) < 0.1


def test_untouched_classes_have_the_same_logits_bit_for_bit(
    model: Path, digits: Path, sevens: Path, tmp_path: Path
) -> None:
    _more(model, sevens, tmp_path / "new.tflite", exact=True)
    networks = [network_of(path.read_bytes()) for path in (model, tmp_path / "new.tflite")]
    for file in find_images(digits)[::6]:
        batch = cv2.resize(cv2.imread(str(file)), (64, 64))[np.newaxis, :, :, ::-1].copy()
        (_, before), (_, after) = (last_layer_integers(network, batch) for network in networks)
        assert np.array_equal(before, after[:3])
        assert len(after) == 4


def test_examples_are_added_to_those_of_the_file(model: Path, sevens: Path, tmp_path: Path) -> None:
    _more(model, sevens, tmp_path / "new.tflite", exact=False)
    with Classifier.load(model) as before, Classifier.load(tmp_path / "new.tflite") as after:
        assert before.examples is not None
        assert after.examples is not None
        count = len(before.examples.images)
        assert after.examples.images[:count] == before.examples.images
        assert set(after.examples.classes[count:]) == {len(before.card.labels)}


def test_a_known_class_gets_more_images(model: Path, digits: Path, sevens: Path, tmp_path: Path) -> None:
    shutil.copytree(digits / "1", tmp_path / "photos" / "1")
    taught = _more(model, tmp_path / "photos", tmp_path / "new.tflite", exact=False)
    assert taught.card.labels == ("0", "1", "2")
    assert [(each.label, each.count) for each in taught.judgement.classes] == [("1", 20)]
    assert taught.familiarity.classes.count(1) > taught.familiarity.classes.count(0)


def test_familiarity_is_extended_to_further_classes() -> None:
    rng = np.random.default_rng(0)
    old, new, other = (rng.normal(0, 1, (6, 200)) for _ in range(3))

    def draw(count: int, mix: np.ndarray) -> np.ndarray:
        noise = rng.normal(0, 0.5, (count, 200))
        return np.maximum(rng.normal(0, 1, (count, 6)) @ mix + noise, 0).astype(np.float32)

    known = fit_familiarity(draw(100, old), np.arange(100) % 2, draw(100, old))
    extended = extend_familiarity(known, draw(20, new), np.full(20, 2), groups=np.arange(20))
    sets = [draw(100, mix) for mix in (old, new, other)]
    before, after = (
        [np.mean([fitted.of(row) < 0.05 for row in rows]) for rows in sets] for fitted in (known, extended)
    )
    assert before[0] < 0.15
    assert min(before[1:]) > 0.9
    assert max(after[:2]) < 0.2
    assert after[2] > 0.9


@pytest.mark.parametrize(("classes", "images"), [(2, 40), (70, 1)])
def test_many_near_duplicates_of_one_image_per_class_are_familiar(classes: int, images: int) -> None:
    """As from a button that is held in front of a still scene; or many classes of one image."""
    middles = np.random.default_rng(0).normal(0, 1, (classes, 100)).clip(0)
    targets = np.repeat(np.arange(classes), images)
    features = (middles[targets] + np.random.default_rng(1).normal(0, 0.05, (len(targets), 100))).astype(np.float32)
    fitted = fit_familiarity(features, targets, None, groups=targets)
    assert np.mean([fitted.of(row) > 0.05 for row in features]) > 0.9


def test_what_does_not_fit_into_the_kept_range_is_counted(model: Path) -> None:
    layer = read_last_layer(network_of(model.read_bytes()))
    size = layer.weights.shape[1]
    large = np.full((1, size), 5 * np.abs(layer.weights).max())
    stored = with_rows(layer, np.concatenate([layer.weights, large]), np.append(layer.bias, 0))
    assert (stored.weights[-1] == 127).all()
    assert (stored.scales, stored.output) == (layer.scales, layer.output)
    highest = (127 - layer.output[1]) * layer.output[0]
    assert saturated(stored, np.array([[0, highest], [0, 2 * highest], [3 * highest, 0]])) == 2
