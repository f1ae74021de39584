"""A training that starts from a finished run: its network, its head's rows, its options; a class is added."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from edgeclf import Quiet, Run, export, make_config, resume, train
from edgeclf.commands.evaluate import evaluate as evaluate_command
from edgeclf.commands.train import train as train_command
from edgeclf.config.grown import grown
from edgeclf.config.idle_options import without_effect
from edgeclf.config.train import TrainConfig
from edgeclf.demo import digit_picture
from edgeclf.errors import ConfigError
from edgeclf.metrics.scoring import log_losses, softmax
from edgeclf.training.growing import Start, epoch_rows
from edgeclf.training.grown_head import grown_head
from edgeclf.training.linear_probe import Head
from edgeclf_runtime import Classifier
from tests.conftest import SMALL
from tests.listening import Interrupting, Listening


class _Pressing(Interrupting, Listening):
    """Presses Ctrl-C, and keeps the lines."""

    def __init__(self, title: str) -> None:
        Interrupting.__init__(self, title)
        self.lines: list[str] = []


def test_a_class_is_added_and_the_training_resumes_without_the_run_before(
    shallow: None, digits: Path, tmp_path: Path
) -> None:
    from sklearn.datasets import load_digits

    before = train(digits, tmp_path / "before", make_config(SMALL), Quiet())
    model = export(before, tmp_path / "before.tflite", "float32", Quiet()).path
    photos, more, data = shutil.copytree(digits, tmp_path / "moved"), tmp_path / "more", load_digits()
    (more / "1b").mkdir(parents=True)  # sorted before "2", whose index changes
    for row in np.flatnonzero(data.target == 7)[:20]:
        cv2.imwrite(str(more / "1b" / f"{row}.png"), digit_picture(data.images[row])[:, :, ::-1])
    reporter = _Pressing("Fine-tuning")
    stopped = train([photos, more], tmp_path / "after", make_config({"from_run": before.path}), reporter)
    assert "New classes: 1b." in reporter.lines
    split, known = stopped.read_split(), before.read_split().counts("train").sum()
    start = Start.of(stopped)
    assert start is not None
    assert len(start.trained) == known
    rows = start.trained_rows(stopped, split)
    assert (len(rows), {split.labels[target] for target in split.targets[rows]}) == (known, {"0", "1", "2"})
    assert epoch_rows(stopped, split, start).count == len(split.rows("train")) - known + round(0.33 * known)
    assert any(line.startswith(f"Of the 60 images of {before.path}, 60 are among these") for line in reporter.lines)
    old, new = before.read_arrays("weights"), stopped.read_arrays("weights")
    rows, kept = old["logits/kernel:0"], new["logits/kernel:0"][:, [0, 1, 3]]
    assert kept == pytest.approx(
        rows * (kept * rows).sum() / np.square(rows).sum(), rel=1e-3, abs=1e-6
    )  # one temperature
    others = [name for name in old if not name.startswith("logits/")]
    assert others
    assert all((old[name] == new[name]).all() for name in others)
    first = stopped.read_json("history")[0]
    assert first["validation_accuracy"] > 0.5  # knows the new class before any epoch
    shutil.rmtree(before.path)
    done = resume(stopped.path, Quiet())
    assert done.is_finished
    assert (done.config.epochs, done.config.flip, done.config.input_size, done.config.test) == (1, False, 64, 0.15)
    assert not done.has_arrays("before")
    content = done.read_json("before")
    assert (content["kept"], content["new"], content["dropped"]) == (["0", "1", "2"], ["1b"], [])
    grown_model = export(done, done.path / "model.tflite", "float32", Quiet()).path
    with Classifier.load(grown_model) as classifier:
        assert classifier.card.labels == ("0", "1", "1b", "2")
        assert classifier.card.provenance["from"] == "before"
        assert classifier.card.provenance["from_weights"] == content["weights_sha256"]
    words = [str(grown_model), str(photos), "--against", str(model)]
    compared = CliRunner().invoke(evaluate_command, words)
    assert "on the same 60 images of 3 classes" in compared.stdout


def _config(**options: object) -> TrainConfig:
    return make_config({"from_run": Path("before"), **options})


def test_options_are_those_of_the_run_before() -> None:
    before = make_config(
        {"epochs": 20, "flip": False, "size": 96, "head": "mixed", "camera": True, "learning_rate": 1e-3}
    )
    config = grown(_config(seed=3, flip=True), before, [], [])
    kept = (config.size, config.head, config.camera, config.learning_rate)
    assert kept == (96, "mixed", True, 1e-3)
    assert (config.epochs, config.seed, config.flip, config.from_run) == (12, 3, True, Path("before"))
    assert grown(_config(epochs=9), before, [], []).epochs == 9
    assert grown(_config(), config, [], []).epochs == 12  # not a part of a part
    assert without_effect(grown(_config(tune="head"), make_config({}), [], []), ()) == {}
    assert grown(_config(size=96), before, [], []).size == 96
    again = make_config(config.model_dump())  # as its config.toml does
    assert grown(again, before, [], []) == config


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"backbone": "mobilenet-v2"}, "backbone mobilenet-v2, but before has efficientnet-lite0"),
        ({"size": 64}, "size 64, but before has 224"),
        ({"jpeg": "full", "head": "mixed"}, "head mixed, but before has linear; jpeg full, but before has reduced"),
        ({"init": "scratch"}, "init scratch, but before has imagenet"),
        ({"rotate": 90}, "rotate 90, but before has 0"),
        ({"weights": Path("w.h5")}, "weights w.h5, but the weights are those of before"),
    ],
)
def test_what_contradicts_the_run_before_is_refused_in_one_line(options: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        grown(_config(**options), make_config({}), [], [])
    assert str(error.value) == f"Options: {text}. Leave them out, or train without --from."


def test_sources_that_were_whole_images_stay_so(tmp_path: Path) -> None:
    photos, snapshots = tmp_path / "photos", tmp_path / "snapshots"
    before = make_config({"region": (0.25, 0, 0.5, 1), "whole": True})
    config = grown(_config(), before, [photos], [photos, snapshots])
    assert (config.whole, config.jpeg, config.region) == ((photos,), "full", (0.25, 0, 0.5, 1))
    assert grown(_config(), before, [tmp_path / "other"], [photos]).whole is False


def test_only_the_rows_of_new_classes_are_fitted() -> None:
    rng = np.random.default_rng(0)
    centers, targets = rng.normal(0, 2, (4, 20)), rng.integers(0, 4, 400)
    values = (centers[targets] + rng.normal(0, 1, (400, 20))).astype(np.float32)
    head = Head((centers.T / 2).astype(np.float32), np.zeros(4, np.float32))
    head.kernel[:, 1] = 0
    train_part, held_out = (values[:300].copy(), targets[:300]), (values[300:].copy(), targets[300:])
    fitted = grown_head(head, [0, 2, 3], train_part, held_out, [1.0] * 4, Quiet())
    assert (fitted.kernel[:, [0, 2, 3]] == head.kernel[:, [0, 2, 3]]).all()
    logits = values[300:] @ fitted.kernel + fitted.bias
    assert (logits.argmax(axis=1) == targets[300:]).mean() > 0.95
    center = head.kernel[:, [0, 2, 3]].mean(axis=1)
    naive = head.kernel.copy()
    naive[:, 1] = center
    before = log_losses(softmax(values[300:] @ naive), targets[300:]).mean()
    assert log_losses(softmax(logits), targets[300:]).mean() < 0.2 * before


def test_a_run_before_is_refused_by_commands_that_choose_the_network(run: Run, digits: Path, tmp_path: Path) -> None:
    from edgeclf import SearchConfig, compare, search

    config = make_config({"from_run": run.path})
    with pytest.raises(ConfigError, match="from_run applies to edgeclf train alone"):
        compare(digits, tmp_path / "compare", config)
    with pytest.raises(ConfigError, match="from_run applies to edgeclf train alone"):
        search(digits, tmp_path / "search", SearchConfig(), config)
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_is_missing(digits: Path, tmp_path: Path) -> None:
    words = [str(digits), "--out", str(tmp_path / "run"), "--from", str(tmp_path / "none")]
    assert "there is no such folder" in str(CliRunner().invoke(train_command, words).exception)
    assert not (tmp_path / "run").exists()
    both = CliRunner().invoke(train_command, ["--resume", "a", "--from", "b"])
    assert "--resume continues with the options of the run" in str(both.exception)
