"""The images that a model file is evaluated on, and its figures."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgeclf import Quiet, Run, RunError, evaluate
from edgeclf.commands.data import data as data_command
from edgeclf.errors import DataError
from edgeclf.evaluation.evaluate import Images, evaluation_folder, images_of_run, images_of_source, model_of_run
from edgeclf.evaluation.measuring import measure_dataset
from edgeclf.evaluation.page import Evaluation, render_evaluation
from edgeclf.metrics.confusion import confusion_lines
from edgeclf.metrics.scoring import class_figures, score, wilson
from edgeclf_runtime import Classifier
from tests.edgeclf.evaluation.commands import evaluated_json, run_evaluate, write_list
from tests.runtime.browser import Browser


@pytest.fixture
def exported(run: Run, model: Path, tmp_path: Path) -> Run:
    """A copy of the run with its int8 file."""
    shutil.copytree(run.path, tmp_path / "run")
    shutil.copyfile(model, tmp_path / "run" / "model.tflite")
    return Run.open(tmp_path / "run")


def test_the_test_part_of_a_split_folder_is_evaluated(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        (tmp_path / part / "cat").mkdir(parents=True)
    assert evaluation_folder(tmp_path).name == "test"
    (tmp_path / "test" / "cat").rmdir()
    (tmp_path / "test").rmdir()
    assert evaluation_folder(tmp_path).name == "val"
    assert evaluation_folder(tmp_path / "train").name == "train"


def test_images_that_cannot_be_read_are_counted(model: Path, digits: Path, tmp_path: Path) -> None:
    shutil.copytree(digits / "1", tmp_path / "1")
    (tmp_path / "1" / "broken.png").write_text("x", "utf-8")
    with Classifier.load(model) as classifier:
        outcome = evaluate(classifier, tmp_path, Quiet())
    assert (outcome.score.count, len(outcome.skipped)) == (20, 1)
    assert list(outcome.score.recall) == ["1"]


def test_an_empty_folder_is_refused_in_one_line(model: Path, tmp_path: Path) -> None:
    with Classifier.load(model) as classifier, pytest.raises(DataError, match="contains no images"):
        evaluate(classifier, tmp_path, Quiet())


def test_figures_of_a_small_example() -> None:
    scores = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8]], np.float32)
    figures = score(scores, np.array([0, 1, 1, 2]), ["a", "b", "c"])
    assert (figures.correct, figures.count, figures.accuracy) == (3, 4, 0.75)
    assert figures.recall == {"a": 1.0, "b": 0.5, "c": 1.0}
    assert figures.confusion == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert figures.log_loss == pytest.approx(-np.log([0.8, 0.7, 0.4, 0.8]).mean(), rel=1e-5)


def test_ties_in_top_five_go_to_the_first_labels() -> None:
    scores = np.zeros((2, 1000), np.float32)
    scores[:, 7] = 255 / 256
    labels = [str(i) for i in range(1000)]
    assert score(scores, np.array([3, 500]), labels).top5 == 0.5  # 7, then 0 to 3, in the order of display
    assert score(scores, np.array([7, 7]), labels).top5 == 1.0


def test_classes_with_the_same_label_are_distinguished() -> None:
    scores = np.eye(3, dtype=np.float32)[[0, 1, 0, 2]]
    figures = score(scores, np.array([0, 1, 1, 2]), ("crane", "crane", "x"))
    assert figures.recall == {"crane (0)": 1.0, "crane (1)": 0.5, "x": 1.0}
    assert figures.balanced == pytest.approx(2.5 / 3)


def test_names_that_are_not_utf8_are_shown_with_escapes(model: Path, digits: Path, tmp_path: Path) -> None:
    shutil.copytree(digits / "1", tmp_path / "1")
    (tmp_path / "1" / "b\udcff.png").write_text("x", "utf-8")
    with Classifier.load(model) as classifier:
        (skipped,) = evaluate(classifier, tmp_path, Quiet()).skipped
        assert r"b\xff.png" in skipped.reason
        (tmp_path / "gl\udcff").mkdir()
        with pytest.raises(DataError, match=r"gl\\xff: not a label"):
            evaluate(classifier, tmp_path, Quiet())


@pytest.mark.parametrize(
    ("correct", "count", "low", "high"),
    [
        (8, 10, 0.49016247, 0.94331785),
        (0, 5, 0.0, 0.43448247),
        (5, 5, 0.56551753, 1.0),
        (467, 505, 0.89840256, 0.94468912),
    ],
)
def test_the_interval_is_the_wilson_interval(correct: int, count: int, low: float, high: float) -> None:
    assert wilson(correct, count) == pytest.approx((low, high), abs=1e-7)


def test_a_run_is_evaluated_on_its_own_test_part(exported: Run) -> None:
    evaluated, data = evaluated_json(exported.path), exported.read_split()
    with Classifier.load(exported.path / "model.tflite") as classifier:
        assert evaluated["accuracy"] == classifier.card.accuracy["test_int8"]
    assert (evaluated["count"], evaluated["seen"], evaluated["data"]) == (9, None, f"{exported.path}, test part")
    assert np.array(evaluated["confusion"]).sum(axis=1).tolist() == data.counts("test").tolist()
    for item in evaluated["classes"]:
        assert (item["low"], item["high"]) == wilson(round(item["recall"] * item["support"]), item["support"])
    wrong = [item["file"] for item in evaluated["wrong"]]
    assert len(wrong) == evaluated["count"] - evaluated["correct"]
    assert {*wrong} <= {str(data.root / data.files[row]) for row in data.rows("test")}


def test_a_run_without_model_file_or_test_part_says_what_to_give(run: Run, exported: Run) -> None:
    with pytest.raises(RunError, match=f"Export it with: edgeclf export --int8 {run.path}"):
        model_of_run(run)
    moved = Run(exported.path, exported.config, exported.path / "gone")
    with Classifier.load(model_of_run(exported)) as classifier, pytest.raises(DataError, match="are missing"):
        images_of_run(moved, classifier.card)
    split = (exported.path / "split.csv").read_text("utf-8")
    (exported.path / "split.csv").write_text(split.replace(",test,", ",train,"), "utf-8")
    with Classifier.load(model_of_run(exported)) as classifier, pytest.raises(DataError) as error:
        images_of_run(exported, classifier.card)
    assert "has no test part" in str(error.value)
    assert f"edgeclf evaluate {exported.path} DATA" in str(error.value)
    assert "report.html" in str(error.value)
    assert "Give DATA" in str(run_evaluate(exported.path / "model.tflite").exception)


def test_images_that_the_run_was_trained_on_are_counted(exported: Run, digits: Path, tmp_path: Path) -> None:
    shutil.copytree(digits / "1", tmp_path / "elsewhere" / "1")  # the same bytes in another place
    assert evaluated_json(exported.path, digits)["seen"] == {"train": 42, "validation": 9}
    done = run_evaluate(exported.path, tmp_path / "elsewhere")
    assert "of 20 images, 14 are in the run's train part and 3 are in the run's validation part" in done.stderr
    assert "Warning" not in run_evaluate(exported.path / "model.tflite", digits).stderr


def test_a_folder_its_list_and_its_shards_give_the_same_figures(model: Path, digits: Path, tmp_path: Path) -> None:
    photos = shutil.copytree(digits, tmp_path / "photos")
    files = sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))
    listed = write_list(photos, "all.csv", ["file,label", *(f"{file},{file[0]}" for file in files)])
    assert CliRunner().invoke(data_command, ["shard", str(photos), str(tmp_path / "shards")]).exit_code == 0
    figures, others = (
        evaluated_json(model, photos),
        [evaluated_json(model, listed), evaluated_json(model, tmp_path / "shards")],
    )
    names = {"data", "milliseconds", "wrong"}
    for other in others:
        assert {key: value for key, value in other.items() if key not in names} == {
            key: value for key, value in figures.items() if key not in names
        }


def test_the_test_part_of_a_csv_file_is_evaluated(model: Path, digits: Path, tmp_path: Path) -> None:
    photos = shutil.copytree(digits, tmp_path / "photos")
    ones = [f"1/{path.name},1" for path in sorted((photos / "1").iterdir())]
    zeros = [f"0/{path.name},0" for path in sorted((photos / "0").iterdir())]
    with Classifier.load(model) as classifier:

        def measured(*lines: str) -> tuple[int, list[str]]:
            outcome = evaluate(classifier, write_list(photos, "list.csv", ["file,label,part", *lines]), Quiet())
            return outcome.score.count, list(outcome.score.recall)

        parts = [*(f"{line},train" for line in zeros), *(f"{line},val" for line in ones[:5])]
        assert measured(*parts) == (5, ["1"])
        assert measured(*parts, *(f"{line},test" for line in ones[5:8])) == (3, ["1"])
        assert measured(*(f"{line},test" for line in ones[:4])) == (4, ["1"])  # one label, no train part
        with pytest.raises(DataError, match="only a train part"):
            measured(*(f"{line},train" for line in ones))
        with pytest.raises(DataError, match=r"list.csv: seven: not a label of this model. Its labels: 0, 1, 2"):
            measured(f"1/{Path(ones[0]).name.split(',')[0]},seven,test")


def test_few_classes_are_shown_as_a_matrix_and_many_as_a_list() -> None:
    assert confusion_lines([[3, 0], [0, 2]], ["a", "b"]) == []
    assert confusion_lines([[3, 0, 0], [1, 12, 0], [0, 0, 0]], ["a", "\u91d1\u5c5e", "c"])[1:] == [
        "      a  \u91d1\u5c5e",
        "a     3     0",
        "\u91d1\u5c5e  1    12",
    ]
    many = np.eye(30, dtype=np.int64) * 5
    many[3, 4], many[7, 1] = 2, 4
    labels = [f"class {i}" for i in range(30)]
    assert confusion_lines(many, labels) == ["class 7 taken for class 1: 4 of 9", "class 3 taken for class 4: 2 of 7"]


def test_the_page_shows_misclassified_images(model: Path, digits: Path, tmp_path: Path) -> None:
    """The labels contain markup, every answer is wrong, and a real browser shows the page."""
    with Classifier.load(model) as classifier:
        images = images_of_source(digits, classifier.card)
        turned = replace(images.data, targets=(images.data.targets + 1) % 3)
        outcome = measure_dataset(classifier, turned, Quiet())
    names = ("<script>alert(1)</script>", "$x_1$ & 'q\"", "a very long label that has no end " * 3)
    shown = Images("<b>", replace(turned, labels=names))
    outcome = replace(outcome, score=score(outcome.scores, outcome.targets, names))
    page = tmp_path / "page.html"
    page.write_text(render_evaluation(Evaluation("m", shown, outcome, {"train": 3, "validation": 0})), "utf-8")
    text = page.read_text("utf-8")
    assert "http" not in text
    assert all(source.startswith("data:image/jpeg;base64,") for source in re.findall(r'src="([^"]*)"', text))
    with Browser(tmp_path / "profile") as browser:
        browser.open(page.as_uri())
        pictures = browser.wait("document.readyState === 'complete' && document.querySelectorAll('figure img').length")
        assert pictures == outcome.score.count - outcome.score.correct
        assert browser.value("[...document.images].every(image => image.naturalWidth > 0)")
        assert browser.value("document.scripts.length") == 0
        assert names[0] in browser.value("document.querySelector('table').innerText")
        assert "3 are in the run's train part" in browser.value("document.body.innerText")
        for width in (390, 1200):
            browser.size(width)
            assert browser.value("document.documentElement.scrollWidth") <= width
        assert browser.errors == []


def test_a_page_does_not_replace_other_files(model: Path, digits: Path, tmp_path: Path) -> None:
    done = run_evaluate(model, digits / "1", "--page", tmp_path / "none" / "page.html")
    assert "its folder does not exist" in str(done.exception)
    copy = shutil.copyfile(model, tmp_path / "m.tflite")
    assert "expected a name that ends in .html" in str(run_evaluate(copy, digits, "--page", copy).exception)
    assert copy.read_bytes() == model.read_bytes()
    done = run_evaluate(copy, digits, "--json", "--page", tmp_path / "page.html")
    assert json.loads(done.stdout)["count"] == 60
    assert "60 images of" in (tmp_path / "page.html").read_text("utf-8")


def test_a_class_without_answers_or_images_has_no_precision_or_recall() -> None:
    first, second, third = class_figures([[0, 2, 0], [0, 3, 0], [0, 0, 0]], ["a", "b", "c"])
    assert (first.precision, first.recall, first.answers) == (None, 0.0, 0)
    assert (second.precision, second.high) == (0.6, 1.0)
    assert (third.recall, third.low, third.high) == (None, None, None)


def test_a_model_file_older_than_the_weights_gives_a_warning(exported: Run) -> None:
    weights, model = exported.path / "weights.npz", exported.path / "model.tflite"
    os.utime(weights, (model.stat().st_atime, model.stat().st_mtime))  # as if copied together
    assert "older" not in run_evaluate(exported.path).stderr
    os.utime(weights, (model.stat().st_atime, model.stat().st_mtime + 60))
    done = run_evaluate(exported.path)
    assert done.exit_code == 0
    assert f"Warning: {model} is older than the weights of its run." in done.stderr
    assert f"edgeclf export --int8 {exported.path}" in done.stderr
