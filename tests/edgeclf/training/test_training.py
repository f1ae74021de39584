"""Trainings are reproducible, can be interrupted, and cope with whatever is in the folder."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf import Quiet, Run, RunError, evaluate, make_config, resume, train
from edgeclf.config.idle_options import without_effect
from edgeclf.data.dataset import Dataset
from edgeclf.data.pixel_file import PixelFile
from edgeclf.data.sources import read_source, refuse_inside
from edgeclf.errors import ConfigError, DataError, WeightsError
from edgeclf.model.network import build_classifier
from edgeclf.renamed import OPTIONS
from edgeclf.training.augmentation.augment import augment
from edgeclf.training.class_weights import class_weights
from edgeclf.training.epoch_rows import EpochRows
from edgeclf.training.finetune import FineTuner
from edgeclf_converters.distribution import Distribution
from edgeclf_runtime import Classifier
from tests.conftest import SMALL
from tests.listening import Interrupting, Listening


@pytest.fixture
def interrupted(shallow: None, digits: Path, tmp_path: Path) -> Path:
    """The folder of a training of a shallow network, interrupted in its second epoch."""
    return train(digits, tmp_path / "stopped", make_config(SMALL), Interrupting("Fine-tuning", after=61)).path


def test_a_run_holds_what_is_needed_to_repeat_it(run: Run) -> None:
    names = {path.name for path in run.path.iterdir()}
    assert names == {
        "augmented.jpg",
        "config.toml",
        "digests.npz",
        "environment.json",
        "history.json",
        "labels.json",
        "metrics.json",
        "report.html",
        "report.json",
        "scores.npz",
        "skipped.csv",
        "split.csv",
        "weights.npz",
    }
    metrics = run.read_json("metrics")
    assert metrics["status"] == "finished"
    assert metrics["validation"]["accuracy"] >= 0.8
    assert metrics["test"]["count"] == 9


def test_the_kept_weights_include_the_temperature(run: Run) -> None:
    history, metrics = run.read_json("history"), run.read_json("metrics")
    kept = [item for item in history if item["kept"]][-1]
    assert metrics["best_epoch"] == kept["epoch"]
    assert abs(kept["temperature"] - 1) > 0.05  # else the next line would hold without it
    assert metrics["validation"]["log_loss"] == pytest.approx(kept["validation_log_loss"], rel=1e-3)


def test_the_last_epochs_train_at_the_full_input_size(
    shallow: None, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def listening(pixels: Any, size: int, *rest: Any) -> Any:
        sizes.append(size)
        return augment(pixels, size, *rest)

    monkeypatch.setattr("edgeclf.training.finetune.augment", listening)
    config = make_config({**SMALL, "train_size": 32, "epochs": 3, "full_size_epochs": 0.4})
    train(digits, tmp_path / "run", config, Quiet())
    sizes = sizes[1:]  # after the images of the report
    steps = len(sizes) // 3
    assert sizes == [32] * 2 * steps + [64] * steps
    assert [make_config({"size": 224, "full_size_epochs": 0.0}).step_size(epoch) for epoch in (0, 9)] == [192, 192]


def _with_old_names(config: Path) -> None:
    """Rewrite a run's config with the option names of 0.1."""
    text = config.read_text("utf-8")
    for old, new in OPTIONS.items():
        text = text.replace(f"\n{new} =", f"\n{old} =")
    assert text.count("\nadapt =") == text.count("\nturn =") == 1
    config.write_text(text, "utf-8")


def test_a_resumed_training_equals_one_that_was_never_interrupted(
    shallow: None, interrupted: Path, digits: Path, tmp_path: Path
) -> None:
    stopped, whole = Run.open(interrupted), train(digits, tmp_path / "whole", make_config(SMALL), Quiet())
    assert stopped.read_json("metrics")["status"] == "interrupted"
    assert stopped.has_arrays("weights")
    shutil.copytree(stopped.path, tmp_path / "earlier")
    _with_old_names(tmp_path / "stopped" / "config.toml")
    resumed = resume(tmp_path / "stopped", Quiet())
    mine, expected = resumed.read_arrays("weights"), whole.read_arrays("weights")
    assert all((mine[name] == expected[name]).all() for name in expected)
    with pytest.raises(RunError, match="is finished"):
        resume(tmp_path / "stopped", Quiet())
    for name in ("state.npz", "metrics.json"):  # as if killed between its head and its first epoch
        (tmp_path / "earlier" / name).unlink()
    again = resume(tmp_path / "earlier", Quiet()).read_arrays("weights")
    assert all((again[name] == expected[name]).all() for name in expected)


def test_a_training_of_another_version_is_not_resumed(interrupted: Path) -> None:
    stopped = Run.open(interrupted)
    state = stopped.read_arrays("state")
    stopped.write_arrays("state", {name: value for name, value in state.items() if name != "selection/best"})
    with pytest.raises(RunError, match="was started by another version of edgeclf"):
        resume(stopped.path, Quiet())


def test_resuming_without_the_photographs_says_so(digits: Path, interrupted: Path, tmp_path: Path) -> None:
    photos, config = tmp_path / "photos", interrupted / "config.toml"
    shutil.copytree(digits, photos)
    config.write_text(config.read_text("utf-8").replace(str(digits), str(photos)), "utf-8")
    stopped = Run.open(interrupted)
    used = photos / stopped.read_split().files[0]
    content = used.read_bytes()
    used.unlink()
    with pytest.raises(RunError, match=f"1 of its images can no longer be read .*{used.name}.*Restore them"):
        resume(stopped.path, Quiet())
    used.write_bytes(content)
    photos.rename(tmp_path / "moved")
    with pytest.raises(RunError, match=r"its photographs, .*photos, are missing"):
        resume(stopped.path, Quiet())
    config.write_text(config.read_text("utf-8").replace(str(photos), str(tmp_path / "moved")), "utf-8")
    assert resume(stopped.path, Quiet()).read_json("metrics")["status"] == "finished"


def test_the_state_includes_the_loss_scale_of_float16(tmp_path: Path) -> None:
    config = make_config({**SMALL, "precision": "mixed_float16", "backbone": "mobilenet-v3-small-minimalistic"})
    pixels = PixelFile(tmp_path / "pixels", (4, 64, 64, 3))
    distribution = Distribution("none")
    tuners = []
    for _ in range(2):
        model = build_classifier(config.network, None, 2)
        rows, targets = EpochRows(np.arange(4), 0), np.array([0, 1, 0, 1])
        tuners.append(FineTuner(model, config, pixels, rows, targets, [1.0, 1.0], distribution))
    scale = tuners[0]._optimizer._loss_scale
    scale.current_loss_scale.assign(1024.0)
    scale.counter.assign(7)
    state = tuners[0].state()
    assert tuners[1].knows(state)
    tuners[1].restore(state)
    assert float(tuners[1]._optimizer.loss_scale) == 1024.0
    assert int(tuners[1]._optimizer.dynamic_counter) == 7
    last = f"optimizer/{len(state) - len([name for name in state if not name.startswith('optimizer/')]) - 1}"
    assert not tuners[1].knows({name: value for name, value in state.items() if name != last})


def test_patience_ignores_the_head(shallow: None, digits: Path, tmp_path: Path) -> None:
    """With a learning rate that ruins the network, every epoch is worse than the head; patience counts only epochs."""
    config = make_config({**SMALL, "epochs": 6, "patience": 1, "learning_rate": 0.03, "ema": 0.0})
    listening = Listening()
    history = train(digits, tmp_path / "run", config, listening).read_json("history")
    assert [item["kept"] for item in history] == [True] + [False] * (len(history) - 1)
    assert len(history) > 2
    assert any("Stopped early" in line for line in listening.lines) == (len(history) - 1 < 6)


def test_unreadable_images_are_listed_and_the_rest_is_used(shallow: None, digits: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(digits, folder)
    good = next((folder / "0").iterdir())
    (folder / "0" / "cut.png").write_bytes(good.read_bytes()[:200])
    (folder / "1" / "page.jpg").write_text("<html>", "utf-8")
    run = train(folder, tmp_path / "run", make_config({**SMALL, "tune": "head"}), Quiet())
    with (run.path / "skipped.csv").open(encoding="utf-8", newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["0/cut.png", "1/page.jpg"]
    assert len(run.read_split().files) == 60


def test_a_folder_without_readable_images_is_refused_in_one_line(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(6):
            (tmp_path / "photos" / name / f"{number}.jpg").write_text("x", "utf-8")
    with pytest.raises(DataError, match="no readable image"):
        train(tmp_path / "photos", tmp_path / "run", make_config(SMALL), Quiet())


def test_an_existing_run_is_not_overwritten(run: Run, digits: Path) -> None:
    with pytest.raises(RunError, match="already exists"):
        train(digits, run.path, make_config(SMALL), Quiet())


def test_a_failed_start_is_reported_at_once_and_leaves_no_folder(digits: Path, tmp_path: Path) -> None:
    head = {**SMALL, "tune": "head"}
    listening = Listening()
    with pytest.raises(WeightsError, match="gone"):
        train(digits, tmp_path / "run", make_config({**head, "weights": tmp_path / "gone.pth"}), listening)
    assert not any(" images of " in line for line in listening.lines)
    assert not (tmp_path / "run").exists()
    assert train(digits, tmp_path / "run", make_config(head), listening).read_json("metrics")["status"] == "finished"


def test_options_without_effect_are_named(shallow: None, digits: Path, tmp_path: Path) -> None:
    listening, config = Listening(), make_config({**SMALL, "tune": "head", "rotate90": True})
    train(digits, tmp_path / "run", config, listening)
    assert (
        "Options without effect, because tune is head: train_size, epochs, batch_size, flip, rotate90."
        in listening.lines
    )
    parts = without_effect(make_config({"test": 0.2, "validation": 0.15}), ["train", "validation", "test"])
    assert parts == {"the photographs have this part": ["test"]}
    assert without_effect(make_config({"test": 0.2, "rotate90": True, "epochs": 5}), ["train", "validation"]) == {}


def test_a_run_inside_the_photographs_is_refused(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is inside the folder of photographs"):
        train(digits, digits / "runs" / "1", make_config(SMALL), Quiet())
    assert not (digits / "runs").exists()
    refuse_inside(digits, digits / ".runs" / "1")  # hidden, so not a class
    refuse_inside(digits, tmp_path / "run")
    with pytest.raises(DataError, match="not UTF-8"):
        refuse_inside(digits, tmp_path / os.fsdecode(b"r\xe9"))
    with pytest.raises(DataError, match="not UTF-8"):
        read_source(tmp_path / os.fsdecode(b"photos\xe9"))


def test_all_wrong_options_are_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"epochs.*batch_size"):
        make_config({"epochs": 0, "batch_size": -1})


def test_the_model_file_reaches_the_accuracy_in_its_card(run: Run, model: Path, tmp_path: Path) -> None:
    data = run.read_split()
    for row in data.rows("validation"):
        target = tmp_path / "part" / data.files[row]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data.root / data.files[row], target)
    with Classifier.load(model) as classifier:
        outcome = evaluate(classifier, tmp_path / "part", Quiet())
        assert outcome.score.accuracy == classifier.card.accuracy["validation_int8"]
        assert np.trace(outcome.score.confusion) == outcome.score.correct
        (tmp_path / "part" / "seven").mkdir()
        with pytest.raises(DataError, match="not a label of this model"):
            evaluate(classifier, tmp_path / "part", Quiet())


def test_rare_classes_weigh_more(tmp_path: Path) -> None:
    data = Dataset(tmp_path, ("many", "few"), ("x",) * 125, np.array([0] * 100 + [1] * 25), ("train",) * 125)
    many, few = class_weights(data, make_config({}))
    assert few == pytest.approx(2 * many)
    assert (100 * many + 25 * few) / 125 == pytest.approx(1)
    assert class_weights(data, make_config({"class_weights": "none"})) == [1.0, 1.0]
