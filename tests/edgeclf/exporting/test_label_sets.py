"""A model file of several labels per image: int8 without and with training, its card, and its evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgeclf import Quiet, Run
from edgeclf.commands.evaluate import evaluate
from edgeclf.commands.export import export as export_command
from edgeclf.errors import DataError
from edgeclf.evaluation.measuring import measure_dataset
from edgeclf.evaluation.promotion import compare_files
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.model.file import read_model
from edgeclf_runtime.model.flatbuffer import read_flat_model
from edgeclf_runtime.verification import verify
from tests.edgeclf.several_labels import LABELS


def test_the_int8_file_gives_the_scores_of_the_float_network(label_run: Run, label_model: Path) -> None:
    file, answers = read_model(label_model), label_run.read_arrays("scores")
    assert read_flat_model(file.content).last_operator == 14  # LOGISTIC, before the uint8 output
    card, report = file.card, json.loads((label_run.path / "report.json").read_text("utf-8"))
    assert dict(zip(card.labels, card.label_thresholds, strict=True)) == report["thresholds"]
    assert json.loads(card.to_json())["format"] == 3
    assert card.accuracy["test_int8_map"] > card.accuracy["test_float_map"] - 0.05
    assert file.familiarity is None
    with Classifier.load(label_model) as classifier:
        assert len(classifier.golden) == 8
        assert verify(classifier).passed
        data = label_run.read_split()
        scores = np.stack([classifier.classify(data.picture(data.files[row])).scores for row in data.rows("test")])
    assert np.abs(scores - answers["test"]).mean() < 0.06


def test_a_reader_that_knows_one_label_only_refuses_the_card() -> None:
    from edgeclf_runtime.errors import ModelError
    from edgeclf_runtime.pictures.preprocess import Preprocessing

    card = ModelCard("x", LABELS, Preprocessing(64, 64), label_thresholds=(0.2, 0.5, 0.9))
    assert ModelCard.from_json(card.to_json(), LABELS) == card
    for wrong in ([0.2, 0.5], [0.2, 0.5, 0.0], [], "x", None, [0.2, 0.5, float("nan")]):
        content = {**json.loads(card.to_json()), "label_thresholds": wrong}
        with pytest.raises(ModelError):
            ModelCard.from_json(json.dumps(content), LABELS)
    plain = json.loads(ModelCard("x", LABELS, Preprocessing(64, 64)).to_json())
    assert plain["format"] == 1
    assert "label_thresholds" not in plain


def test_the_parity_page_and_the_report_tell_the_map(label_run: Run, label_model: Path) -> None:
    content = json.loads(label_model.with_suffix(".parity.json").read_text("utf-8"))
    assert content["measure"] == "mAP"
    assert content["parity"]["count"] == 16
    assert "change in mAP, points" in label_model.with_suffix(".parity.html").read_text("utf-8")


def test_evaluate_shows_each_label(label_run: Run, label_model: Path, tmp_path: Path) -> None:
    source = str(label_run.data)
    result = CliRunner().invoke(evaluate, [str(label_model), source, "--json"], catch_exceptions=False)
    content = json.loads(result.stdout)
    assert (content["count"], [item["label"] for item in content["labels"]]) == (64, list(LABELS))
    assert content["mean_average_precision"] > 0.9
    text = CliRunner().invoke(evaluate, [str(label_model), source], catch_exceptions=False).stdout
    assert "recall" in text.splitlines()[0]
    assert "mAP" in text.splitlines()[-1]
    refused = CliRunner().invoke(evaluate, [str(label_model), source, "--camera-faults"])
    assert "--camera-faults: not available for a model with several labels" in str(refused.exception)
    other = tmp_path / "list.csv"
    other.write_text("file,label\n0.png,purple\n", "utf-8")
    (tmp_path / "0.png").write_bytes((Path(source).parent / "0.png").read_bytes())
    refused = CliRunner().invoke(evaluate, [str(label_model), str(other)])
    assert "purple: not a label of this model" in str(refused.exception)


def test_what_needs_one_label_an_image_refuses_such_models(label_run: Run, label_model: Path, digits: Path) -> None:
    with Classifier.load(label_model) as classifier, pytest.raises(DataError, match="has several labels per image"):
        measure_dataset(classifier, label_run.read_split(), Quiet())
    with pytest.raises(DataError, match="the model has several labels per image, so it has no accuracy"):
        compare_files(label_model, label_model, digits, Quiet())
    refused = CliRunner().invoke(export_command, [str(label_run.path), "--int8", "--frigate", "x"])
    assert "Frigate takes one label per image" in str(refused.exception)
