"""The report of a real training."""

from __future__ import annotations

import base64
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from markupsafe import escape

from edgeclf import DataError, Quiet, Run, RunError, make_config, train
from edgeclf.config.file import configure
from edgeclf.config.tables import TrainTable
from edgeclf.evaluation.camera_faults import FAULTS, REFERENCE
from edgeclf.evaluation.under_faults import MIDDLE
from edgeclf.metrics.calibration import suggest_threshold
from edgeclf.metrics.confusion import matrix
from edgeclf.pages.plots import accuracy_plot
from edgeclf.progress import Bar
from edgeclf.reports.report import note_parity, repeat_command, write_report
from edgeclf.reports.tensorboard import write_events
from edgeclf.runs.predictions import read_answers
from edgeclf_runtime import Classifier
from edgeclf_runtime.pictures.images import read_image
from tests.runtime.browser import Browser


class _Reading(Quiet):
    """Notes whether images were read."""

    def __init__(self) -> None:
        self.read = False

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Bar]:
        self.read = True
        yield self


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Run:
    """A copy of the run that a test may change."""
    shutil.copytree(run.path, tmp_path / "run")
    return Run.open(tmp_path / "run")


def test_a_training_ends_with_its_report(run: Run) -> None:
    page, content = (run.path / "report.html").read_text("utf-8"), run.read_json("report")
    assert all(f"<td>{label}</td>" in page for label in ("0", "1", "2"))
    assert page.count("<svg") == 4 + 2  # plots, and a matrix for each part
    assert "http" not in page  # a single page without other files
    assert all(source.startswith("data:image/jpeg;base64,") for source in re.findall(r'src="([^"]*)"', page))
    assert content["parts"]["test"]["count"] == 9
    assert sum(item["support"] for item in content["parts"]["validation"]["classes"]) == 9
    assert content["data"]["counts"]["train"] == [14, 14, 14]
    assert escape(content["repeat"]) in page


def test_the_figures_are_those_of_the_training(run: Run) -> None:
    content, metrics = run.read_json("report"), run.read_json("metrics")
    for part in ("validation", "test"):
        assert content["parts"][part]["confusion"] == metrics[part]["confusion"]
    wrong = metrics["validation"]["count"] - metrics["validation"]["correct"]
    assert len(content["wrong"]) == wrong
    assert metrics["threshold"] == content["threshold"]
    assert metrics["threshold"]["chosen_on"] == "validation"


def test_stored_scores_are_used_only_for_the_weights_that_gave_them(copy: Run) -> None:
    kept, reporter = read_answers(copy, Quiet()), _Reading()
    assert list(kept) == ["validation", "test"]
    read_answers(copy, reporter)
    assert not reporter.read
    (copy.path / "scores.npz").unlink()
    anew = read_answers(copy, reporter)
    assert reporter.read
    assert anew["test"].scores == pytest.approx(kept["test"].scores, abs=1e-5)
    weights = copy.read_arrays("weights")
    copy.write_arrays("weights", {**weights, "logits/kernel:0": np.zeros_like(weights["logits/kernel:0"])})
    other = read_answers(copy, Quiet())
    assert np.ptp(other["test"].scores, axis=0) == pytest.approx(0, abs=1e-6)


def test_wrong_answers_are_listed_most_confident_first(copy: Run) -> None:
    weights = copy.read_arrays("weights")
    copy.write_arrays("weights", {**weights, "logits/bias:0": np.array([0, 0, 9], np.float32)})
    write_report(copy, Quiet())
    content = copy.read_json("report")
    scores = [item["score"] for item in content["wrong"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) >= 3
    assert all(item["answer"] != item["label"] for item in content["wrong"])
    page = (copy.path / "report.html").read_text("utf-8")
    assert content["wrong"][0]["file"] in page
    assert "taken for <b><bdi>2</bdi></b>" in page


def test_class_and_file_names_are_escaped(digits: Path, tmp_path: Path) -> None:
    names = {"0": "<script>alert(1)", "1": "$x_1$ & 'q\"", "2": "größe"}
    for folder, name in names.items():
        shutil.copytree(digits / folder, tmp_path / "photos" / name)
    (tmp_path / "photos" / names["1"] / "<b>.txt").write_text("x", "utf-8")
    run = train(tmp_path / "photos", tmp_path / "run", make_config({"size": 64, "tune": "head"}), Quiet())
    page = (run.path / "report.html").read_text("utf-8")
    assert "<script" not in page
    assert "<b>.txt" not in page
    assert "&lt;b&gt;.txt" in page
    assert all(str(escape(name)) in page for name in names.values())
    assert "without epochs" in page


def test_the_command_repeats_the_training(run: Run) -> None:
    words = shlex.split(repeat_command(run))
    assert words[:3] == ["edgeclf", "train", "--config"]
    assert configure(TrainTable, {}, Path(words[3])) == TrainTable(data=run.data, **run.config.model_dump())


def test_an_unfinished_training_has_no_report(copy: Run) -> None:
    (copy.path / "metrics.json").unlink()
    with pytest.raises(RunError, match="did not get that far"):
        write_report(copy, Quiet())


def test_missing_images_are_reported_in_one_line(copy: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="restore the file"):
        write_report(Run(copy.path, copy.config, tmp_path / "gone"), Quiet())


def test_the_int8_file_has_the_threshold_and_is_in_the_report(model: Path, run: Run) -> None:
    report = run.read_json("report")
    with Classifier.load(model) as classifier:
        assert classifier.card.threshold == report["threshold"]["score"]
        assert report["int8"]["int8_accuracy"] == classifier.card.accuracy["validation_int8"]
    page = (run.path / "report.html").read_text("utf-8")
    assert "digits.parity.html" in page
    assert (run.path / report["int8"]["page"]).resolve() == model.with_suffix(".parity.html").resolve()


@pytest.mark.usefixtures("model")  # the run's report includes the file
def test_the_int8_file_of_another_run_is_not_reported(copy: Run, tmp_path: Path) -> None:
    path = tmp_path / "m.parity.json"
    shutil.copy(copy.path / copy.read_json("report")["int8"]["page"].replace(".html", ".json"), path)
    note_parity(copy, path)
    write_report(copy, Quiet())
    assert copy.read_json("report")["int8"]["page"] == "../m.parity.html"
    path.write_text(path.read_text("utf-8").replace('"float_bytes"', '"float_bytes" '), "utf-8")
    write_report(copy, Quiet())
    assert copy.read_json("report")["int8"] is None


def test_the_report_shows_the_loss_under_camera_faults(sure_model: Path, tmp_path: Path) -> None:
    run = Run.open(sure_model.parent / "run")
    figures = run.read_json("report")["camera_faults"]
    cells = {(item["fault"], item["level"]): item for item in figures["faults"]}
    assert {*cells} == {*MIDDLE} == {*REFERENCE} | {(name, 1) for name in FAULTS}
    assert figures["count"] == len(run.read_split().rows("validation"))
    mean = np.mean([cells[cell]["accuracy"] for cell in REFERENCE])
    assert figures["mean_of_13"]["accuracy"] == pytest.approx(mean)
    assert mean < figures["clean"]["accuracy"]
    hurting = [item for item in figures["faults"] if item["low"] > 0 and item["lost"] >= 3]
    with Browser(tmp_path / "profile") as browser:
        browser.open((run.path / "report.html").as_uri())
        browser.wait("document.readyState === 'complete' && document.querySelector('h2#camera-faults') !== null")
        text = browser.value("document.querySelector('h2#camera-faults').nextElementSibling.innerText")
        assert f"Of 9 validation images, the int8 file has {100 * figures['clean']['accuracy']:.1f}% right" in text
        rows = "[...document.querySelectorAll('h2#camera-faults + p + div tr')].slice(1).map(row => row.innerText)"
        shown = browser.value(rows)
        assert len(shown) == min(len(hurting), 8)
        for row, item in zip(shown, hurting, strict=False):
            assert f"{item['fault']}, {item['strength']}" in row
            assert f"{item['lost']:.1f}\n{item['low']:.1f} to {item['high']:.1f}" in row
            assert item["advice"] in row
        browser.size(390)
        assert browser.value("document.documentElement.scrollWidth") <= 390


@pytest.mark.usefixtures("model")
def test_figures_of_an_earlier_int8_file_are_not_those_of_the_next(copy: Run, tmp_path: Path) -> None:
    path = tmp_path / "m.parity.json"
    shutil.copy(copy.path / copy.read_json("report")["int8"]["page"].replace(".html", ".json"), path)
    assert copy.read_json("report")["camera_faults"]
    note_parity(copy, path)
    write_report(copy, Quiet())
    assert copy.read_json("report")["int8"]
    assert copy.read_json("report")["camera_faults"] is None
    assert "On a worse camera" not in (copy.path / "report.html").read_text("utf-8")


def test_labels_of_wide_characters_fit_the_matrix() -> None:
    page = matrix(np.eye(2, dtype=np.int64), ["\u91d1\u5c5e\u7f50\u5934\u76d2", "can"])
    assert page["widest"] == 60


def test_the_report_of_a_killed_training_describes_its_kept_weights(copy: Run) -> None:
    history = copy.read_json("history")
    copy.write_json("history", [*history, {**history[-1], "epoch": 3, "kept": True}])
    write_report(copy, Quiet())
    assert copy.read_json("report")["metrics"]["best_epoch"] == 3
    assert "epoch 3 kept" in (copy.path / "report.html").read_text("utf-8")


def test_the_card_gets_the_threshold_of_the_current_weights(copy: Run, tmp_path: Path) -> None:
    from edgeclf import export

    weights, shift = copy.read_arrays("weights"), np.array([0, 0, 2.5], np.float32)
    copy.write_arrays("weights", {**weights, "logits/bias:0": weights["logits/bias:0"] + shift})  # outdates the metrics
    answers = read_answers(copy, Quiet())["validation"]
    wanted = suggest_threshold(answers.scores, answers.data.targets)
    assert wanted is not None
    assert wanted != copy.read_json("metrics")["threshold"]["score"]
    export(copy, tmp_path / "model.tflite", "float16", Quiet())
    with Classifier.load(tmp_path / "model.tflite") as classifier:
        assert classifier.card.threshold == wanted


def test_tensorboard_reads_the_history(run: Run, tmp_path: Path) -> None:
    from tensorflow import make_ndarray

    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    write_events(run, tmp_path)
    folder = write_events(run, tmp_path)  # the second call replaces the first result
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    history = run.read_json("history")
    seen = {
        name: [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(name)]
        for name in events.Tags()["tensors"]
    }
    assert set(seen) == {"loss", "validation_accuracy", "validation_log_loss"}
    assert [step for step, _ in seen["loss"]] == [1, 2]
    assert [value for _, value in seen["validation_log_loss"]] == pytest.approx(
        [item["validation_log_loss"] for item in history]
    )
    assert events.SummaryMetadata("loss").plugin_data.plugin_name == "scalars"


def test_training_images_are_shown_as_augmented(run: Run) -> None:
    mosaic = read_image(run.path / "augmented.jpg")
    assert mosaic.shape[1] == 6 * 64 + 5 * 12  # six in a row, at the steps' size
    page = (run.path / "report.html").read_text("utf-8")
    assert "Training images as augmented" in page
    assert base64.b64encode((run.path / "augmented.jpg").read_bytes()).decode() in page
    assert "first five" not in page
    assert "top-5" not in page  # meaningless for three classes


def test_one_image_does_not_dominate_the_accuracy_axis() -> None:
    history = [{"epoch": 0, "validation_accuracy": 8 / 9}, {"epoch": 1, "validation_accuracy": 1.0}]

    def height(count: int) -> float:
        """Return the height of the step from the first epoch to the second, as a share of the axis."""
        svg = accuracy_plot(history, 1, count)
        line = re.search(
            r'd="M (\S+) (\S+) \nL (\S+) (\S+) \n" clip-path="[^"]*" style="fill: none; stroke: var\(--bar', svg
        )
        box = re.search(r'viewBox="0 0 \S+ (\S+)"', svg)
        assert line is not None
        assert box is not None
        return abs(float(line[2]) - float(line[4])) / float(box[1])

    assert height(9) < 0.12
    assert height(900) > 0.5  # a hundred images are a visible difference


def test_the_layers_of_a_parity_page_are_folded(model: Path) -> None:
    page = model.with_suffix(".parity.html").read_text("utf-8")
    report = json.loads(model.with_suffix(".parity.json").read_text("utf-8"))
    before, folded = page.split("<details>")
    shown = sum(f"<td>{layer['name']}</td>" in before for layer in report["layers"])
    assert shown == 5
    assert all(f"<td>{layer['name']}</td>" in folded for layer in report["layers"])
