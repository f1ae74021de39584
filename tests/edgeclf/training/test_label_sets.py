"""A training on images that may have several labels."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgeclf import Quiet, Run, make_config, train
from edgeclf.commands.train import train as command
from edgeclf.config.train import trained_otherwise
from edgeclf.errors import ConfigError
from edgeclf.frameworks import tensorflow
from edgeclf.training.linear_probe import fit_label_heads
from edgeclf.training.losses import smoothed, summed_loss
from tests.edgeclf.several_labels import LABELS


def test_a_training_learns_labels_that_go_together(label_run: Run) -> None:
    metrics = label_run.read_json("metrics")
    assert (metrics["status"], metrics["epochs"]) == ("finished", 1)
    assert metrics["test"]["mean_average_precision"] > 0.9
    assert [item["label"] for item in metrics["validation"]["labels"]] == list(LABELS)
    history = label_run.read_json("history")
    assert len(history) == 2
    assert history[1]["validation_mean_average_precision"] > 0.9
    with (label_run.path / "split.csv").open(encoding="utf-8", newline="") as file:
        labels = {row["file"]: row["label"] for row in csv.DictReader(file)}
    assert (labels["0.png"], labels["7.png"], labels["5.png"]) == ("_none", "blue|green|red", "blue|red")


def test_the_report_shows_each_label_at_its_threshold(label_run: Run) -> None:
    report = json.loads((label_run.path / "report.json").read_text("utf-8"))
    assert list(report["thresholds"]) == list(LABELS)
    scores, data = label_run.read_arrays("scores"), label_run.read_split()
    for part in ("validation", "test"):
        own = data.take(data.rows(part))
        assert own.presence is not None
        for row, item in enumerate(report["parts"][part]["labels"]):
            answers = scores[part][:, row] >= np.float32(report["thresholds"][item["label"]])
            assert item["answers"] == answers.sum()
            assert item["recall"] == (answers & own.presence[:, row]).sum() / own.presence[:, row].sum()
            assert part == "test" or item["precision"] >= 0.9
    page = (label_run.path / "report.html").read_text("utf-8")
    assert "mean of the labels&#39; average precisions" in page or "mean of the labels' average precisions" in page
    assert all(label in page for label in LABELS)


def test_the_heads_of_labels_are_those_of_logistic_regressions() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (120, 3)).astype(np.float32)
    presence = np.stack([values[:, 0] > 0, values[:, 1] + 0.1 * values[:, 2] > 0.5], axis=1)
    head = fit_label_heads((values[:80].copy(), presence[:80]), (values[80:].copy(), presence[80:]), Quiet())
    for label in range(2):
        mean, spread = values[:80].mean(axis=0), values[:80].std(axis=0)
        fitted = LogisticRegression(C=head.strength, max_iter=200).fit(
            (values[:80] - mean) / spread, presence[:80, label]
        )
        expected = fitted.decision_function((values[80:] - mean) / spread)
        assert np.abs(values[80:] @ head.kernel[:, label] + head.bias[label] - expected).max() < 1e-3


def test_the_loss_is_the_binary_cross_entropy_of_smoothed_labels() -> None:
    tf = tensorflow()
    presence = np.array([[1, 0, 1], [0, 0, 0]], np.bool_)
    logits = np.array([[2.0, -1.0, 0.5], [-3.0, 0.0, 4.0]], np.float32)
    likely = 1 / (1 + np.exp(-logits.astype(np.float64)))
    wanted = np.where(presence, 0.95, 0.05)
    expected = -(wanted * np.log(likely) + (1 - wanted) * np.log(1 - likely)).mean(axis=1).sum()
    measured = summed_loss(tf.constant(logits), smoothed(tf.constant(presence), 3, 0.1), True)
    assert float(measured) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cutmix": 1.0}, "cutmix may cover the very thing that one of several labels names; use mixup"),
        ({"from_run": Path("run")}, "from_run does not go with several_labels yet"),
        ({"label_precision": 1.5}, "label_precision"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_config({"several_labels": True, **options})


def test_other_trainings_refuse_the_option() -> None:
    with pytest.raises(ConfigError, match="several_labels applies to edgeclf train alone; remove it here"):
        trained_otherwise(make_config({"several_labels": True}), "head")


def test_beginning_from_such_a_run_is_refused(label_run: Run, digits: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has several labels per image, which --from cannot yet"):
        train(digits, tmp_path / "run", make_config({"from_run": label_run.path}), Quiet())


def test_a_csv_that_may_mean_several_labels_names_the_options(label_run: Run, tmp_path: Path) -> None:
    result = CliRunner().invoke(command, [str(label_run.data), "--out", str(tmp_path / "run")])
    assert result.exit_code != 0
    assert not (tmp_path / "run").exists()
    assert "--several-labels" in str(result.exception)
