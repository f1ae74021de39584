"""A new model compared with an old one on the same images: what is compared, what is worse, and what is replaced."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edgeclf import Run, promote
from edgeclf.commands.evaluate import evaluate as evaluate_command
from edgeclf.commands.promote import promote as promote_command
from edgeclf.data.dataset import Dataset
from edgeclf.errors import DataError
from edgeclf.evaluation.against import Comparison
from edgeclf.evaluation.matched_labels import MatchedLabels
from edgeclf.evaluation.promotion import kept_as
from edgeclf.metrics.paired import PairedDifference, paired_difference
from edgeclf_runtime.errors import EdgeclfError
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.pictures.preprocess import Preprocessing
from edgeclf_runtime.updates.last_good import version
from tests.model_files import bare, variant

LABELS = "0\n1\n2\n"


def _evaluate(*words: object) -> Result:
    return CliRunner().invoke(evaluate_command, [str(word) for word in words])


def _promote(*words: object) -> Result:
    return CliRunner().invoke(promote_command, [str(word) for word in words])


def _labelled(model: Path, path: Path, text: str) -> Path:
    return variant(model, path, labels=lambda before: text)


@pytest.fixture(scope="module")
def wrong(sure_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows the digits by other names, so that every answer is wrong."""
    return _labelled(sure_model, tmp_path_factory.mktemp("wrong") / "wrong.tflite", "1\n2\n0\n")


def test_a_worse_model_is_said_with_the_interval_and_has_status_1(sure_model: Path, wrong: Path, digits: Path) -> None:
    done = _evaluate(wrong, digits, "--against", sure_model, "--json")
    assert done.exit_code == 1
    against = json.loads(done.stdout)["against"]
    assert against["points"] == pytest.approx(100 * (against["after"] - against["before"]) / 60)
    assert against["low"] < against["points"] < against["high"] < 0
    assert {label: item["count"] for label, item in against["classes"].items()} == {"0": 20, "1": 20, "2": 20}
    named = {text.split(" points")[0].rsplit(" ", 1)[0] for text in against["worse"]}
    assert named == {"accuracy", "class 0", "class 1", "class 2"}
    done = _evaluate(sure_model, digits, "--against", wrong)
    assert done.exit_code == 0, done.output
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"Not worse than {wrong}: accuracy +")
    assert "95% interval +" in last


def test_new_and_lost_classes_are_told_apart(sure_model: Path, digits: Path, tmp_path: Path) -> None:
    older = _labelled(sure_model, tmp_path / "older.tflite", "0\n1\ntwo\n")
    done = _evaluate(sure_model, digits, "--against", older, "--json")
    assert done.exit_code == 0, done.output
    against = json.loads(done.stdout)["against"]
    assert (against["count"], set(against["classes"]), against["points"]) == (40, {"0", "1"}, 0)
    assert (against["added"]["2"]["count"], against["gone"]["two"]["count"]) == (20, 0)
    text = _evaluate(sure_model, digits, "--against", older).stdout
    assert "Not compared, because there are no images of it: two, which the new model lacks" in text
    assert "2   " in text
    assert "a new class" in text
    photos = shutil.copytree(digits, tmp_path / "photos")
    (photos / "2").rename(photos / "two")
    done = _evaluate(sure_model, photos, "--against", older)
    assert done.exit_code == 1
    assert "class two is gone (the old model gets " in done.stdout.splitlines()[-1]
    assert json.loads(_evaluate(sure_model, photos, "--against", older, "--json").stdout)["count"] == 40
    for label in ("0", "1"):
        shutil.rmtree(photos / label)
    done = _evaluate(sure_model, photos, "--against", older)
    assert "No image is of a class that both models know" in str(done.exception)
    strange = _labelled(sure_model, tmp_path / "strange.tflite", "a\nb\nc\n")
    with pytest.raises(DataError, match=r"no label in common: 0, 1, 2 in the new one, a, b, c in the old one"):
        raise _evaluate(sure_model, digits, "--against", strange).exception or AssertionError


def test_images_of_nothing_are_compared_by_the_answer_unknown(sure_model: Path, digits: Path, tmp_path: Path) -> None:
    photos = shutil.copytree(digits, tmp_path / "photos")
    (photos / "2").rename(photos / "_none")
    words = (sure_model, photos, "--against", sure_model, "--json", "--reject")
    refused, taken = (json.loads(_evaluate(*words, share).stdout)["against"] for share in (1, 0))
    assert (refused["classes"]["_none"]["before"], refused["classes"]["_none"]["after"]) == (20, 20)
    assert refused["refused"] == {"before": 60, "after": 60}
    assert taken["classes"]["_none"]["after"] < 20


def test_runs_are_compared_by_their_files_and_images_seen_in_training_are_counted(
    run: Run, sure_model: Path, wrong: Path, digits: Path, tmp_path: Path
) -> None:
    shutil.copytree(run.path, tmp_path / "old")
    assert "Export it with" in str(_evaluate(wrong, digits, "--against", tmp_path / "old").exception)
    shutil.copyfile(sure_model, tmp_path / "old" / "model.tflite")
    page = tmp_path / "page.html"
    done = _evaluate(wrong, digits, "--against", tmp_path / "old", "--page", page)
    assert done.exit_code == 1
    assert "The old model was trained on 51 of these images" in done.stdout
    assert "Against the old model" in page.read_text("utf-8")
    done = _evaluate(tmp_path / "old", "--against", wrong)  # on the run's own test part
    assert done.exit_code == 0, done.output
    assert "on the same 9 images of 3 classes" in done.stdout


def _card(*labels: str) -> ModelCard:
    return ModelCard("m", labels, Preprocessing(32, 32))


def test_labels_are_matched_by_name_in_any_order() -> None:
    new, old = _card("a", "crane", "b", "crane"), _card("crane", "x", "b", "crane", "a")
    matched = MatchedLabels(new, old)
    assert matched.labels == ["a", "crane (1)", "b", "crane (3)", "x", "_none"]
    assert matched.card.labels == ("a", "crane", "b", "crane", "x")
    assert matched.new.tolist() == [0, 1, 2, 3, -1, 4]
    assert matched.old.tolist() == [4, 0, 2, 3, 1, 5]
    data = Dataset(Path(), matched.card.labels, ("p", "q", "r"), np.array([0, 4, 5]), ("",) * 3)
    assert matched.images(data, new, matched.new).files == ("p", "r")
    images = matched.images(data, old, matched.old)
    assert images.targets.tolist() == [4, 1, 5]
    assert images.labels == (*old.labels, "_none")
    of_nothing = MatchedLabels(_card("a", "_none"), _card("a"))
    assert (of_nothing.labels, of_nothing.old.tolist(), of_nothing.new.tolist()) == (["a", "_none"], [0, 1], [0, 1])


def _difference(lost: int, won: int, same: int) -> PairedDifference:
    before = np.array([True] * lost + [False] * won + [True] * same)
    return paired_difference(before, np.array([False] * lost + [True] * won + [True] * same))


def test_no_interval_is_beyond_a_difference_of_all_images() -> None:
    assert (_difference(0, 1, 0).high, _difference(1, 0, 0).low) == (100, -100)


def _compared(**classes: tuple[int, int, int]) -> Comparison:
    total = _difference(*(sum(counts[i] for counts in classes.values()) for i in range(3)))
    return Comparison("old", total, {label: _difference(*item) for label, item in classes.items()}, {}, {}, (0, 0))


def test_what_counts_as_worse() -> None:
    assert _compared(a=(3, 1, 96), b=(0, 0, 100)).losses == []  # two images of 200 may be chance
    assert [text.split()[0] for text in _compared(a=(7, 1, 92), b=(7, 1, 92)).losses] == ["accuracy"]
    masked = _compared(a=(12, 0, 88), b=(0, 12, 88))
    assert (masked.total.points, masked.losses[0][:13]) == (0, "class a -12.0")
    # 6 of 6 has a p-value of 0.03: a loss with one class, but not for the worst of six.
    assert len(_compared(a=(6, 0, 30), b=(0, 6, 60)).losses) == 0
    assert any(text.startswith("class a") for text in _compared(a=(6, 0, 30)).losses)
    assert "more images" in _compared(a=(1, 1, 10)).verdict


def test_a_model_that_is_not_worse_takes_the_place_of_the_old(
    sure_model: Path, wrong: Path, digits: Path, tmp_path: Path
) -> None:
    old = Path(shutil.copyfile(wrong, tmp_path / "model.tflite"))
    old.chmod(0o604)
    judged = version(old)
    done = _promote(sure_model, old, digits)
    assert done.exit_code == 0, done.output
    assert old.read_bytes() == sure_model.read_bytes()
    assert old.stat().st_mode & 0o777 == 0o604
    assert version(old) != judged  # what --reload checks
    kept = tmp_path / "model.tflite.before"
    assert kept.read_bytes() == wrong.read_bytes()
    assert f"Go back with: mv {kept} {old}" in done.stdout
    again = _promote(sure_model, old, digits)
    assert (again.exit_code, kept.read_bytes()) == (0, wrong.read_bytes())
    assert "is already the same model" in again.stdout


def test_a_worse_model_is_refused_and_nothing_changes(
    sure_model: Path, wrong: Path, digits: Path, tmp_path: Path
) -> None:
    old = Path(shutil.copyfile(sure_model, tmp_path / "model.tflite"))
    judged = version(old)
    done = _promote(wrong, old, digits)
    assert done.exit_code == 1
    assert "class 0" in done.stdout.splitlines()[-1]
    assert done.stderr.splitlines()[-1] == f"Error: {old} was not replaced, because {wrong} is worse."
    assert (version(old), [path.name for path in tmp_path.iterdir()]) == (judged, ["model.tflite"])


def test_python_promotes_as_the_command_does(sure_model: Path, wrong: Path, digits: Path, tmp_path: Path) -> None:
    old = Path(shutil.copyfile(wrong, tmp_path / "model.tflite"))
    assert promote(str(sure_model), str(old), str(digits)).losses == []
    assert (old.read_bytes(), kept_as(old).read_bytes()) == (sure_model.read_bytes(), wrong.read_bytes())
    assert promote(sure_model, old, digits).total.points == 0
    assert kept_as(old).read_bytes() == wrong.read_bytes()
    assert promote(wrong, old, digits).losses
    assert old.read_bytes() == sure_model.read_bytes()


@pytest.mark.parametrize(
    ("what", "text"),
    [("gone", "there is no such file"), ("folder", "is a folder"), ("foreign", "has no labels in it")],
)
def test_what_cannot_be_promoted_is_one_line(
    what: str, text: str, sure_model: Path, wrong: Path, digits: Path, tmp_path: Path
) -> None:
    new, old = wrong, Path(shutil.copyfile(sure_model, tmp_path / "model.tflite"))
    if what == "foreign":
        new = tmp_path / "foreign.tflite"
        new.write_bytes(bare(sure_model))
        (tmp_path / "labels.txt").write_text(LABELS, "utf-8")
    error: Any = _promote(new, {"gone": tmp_path / "none", "folder": tmp_path}.get(what, old), digits).exception
    assert isinstance(error, EdgeclfError)
    assert text in str(error)
    assert old.read_bytes() == sure_model.read_bytes()
