"""The moving average of the weights averages the steps, not the initial network, even in short trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf import Quiet, make_config, resume, train
from edgeclf.training.finetune import FineTuner
from edgeclf.training.judged import Judged
from edgeclf.training.trainer import Training
from tests.conftest import SMALL
from tests.listening import Interrupting


@pytest.mark.parametrize(
    "options", [{"tune": "full", "learning_rate": 0.02}, {"tune": "batch-norm", "learning_rate": 0.02}]
)
def test_the_corrected_average_contains_no_initial_weights(
    shallow: None, options: dict[str, object], digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values: list[float] = []
    averages: list[tuple[float, float, float]] = []
    epoch = FineTuner.epoch

    def head(tuner: FineTuner) -> float:
        return float(tuner._adaptation.variables[-1].numpy()[0])

    def watched(tuner: FineTuner, number: int) -> Any:
        values.extend([head(tuner)] if not values else [])
        for done in epoch(tuner, number):
            values.append(head(tuner))
            yield done
        with tuner.averaged():
            plain = head(tuner)
        with tuner.averaged(corrected=True):
            averages.append((tuner.bias, plain, head(tuner)))

    monkeypatch.setattr(FineTuner, "epoch", watched)
    config = make_config({**SMALL, **options})
    train(digits, tmp_path / "run", config, Quiet())
    steps, momentum = np.array(values[1:]), config.average
    shares = momentum ** np.arange(len(steps))[::-1] * (1 - momentum)
    bias, plain, corrected = averages[-1]
    assert bias == pytest.approx(momentum ** len(steps))
    assert bias > 0.8  # nearly all of the plain average is the starting network
    assert plain == pytest.approx(bias * values[0] + shares @ steps, rel=1e-5, abs=1e-6)
    assert corrected == pytest.approx(shares @ steps / shares.sum(), rel=1e-4, abs=1e-5)
    assert abs(corrected - plain) > 1e-4


def test_the_average_with_the_lower_validation_loss_is_kept(
    shallow: None, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[float] = []
    validated = Training._validated

    def watched(training: Training) -> Judged:
        judgement = validated(training)
        judged.append(judgement.log_loss)
        return judgement

    monkeypatch.setattr(Training, "_validated", watched)
    run = train(digits, tmp_path / "run", make_config({**SMALL, "epochs": 1}), Quiet())
    _, plain, corrected = judged  # after the head's result
    assert plain != corrected
    assert run.read_json("history")[-1]["validation_log_loss"] == pytest.approx(min(plain, corrected))


def test_a_training_started_by_0_1_resumes_with_its_own_average(
    shallow: None, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = train(digits, tmp_path / "stopped", make_config(SMALL), Interrupting("Fine-tuning", after=61))
    state = {name: value for name, value in stopped.read_arrays("state").items() if not name.startswith("began/")}
    stopped.write_arrays("state", state)  # as 0.1 wrote it
    biases: list[float] = []
    monkeypatch.setattr(FineTuner, "averaged", _noted(FineTuner.averaged, biases))
    assert resume(stopped.path, Quiet()).read_json("metrics")["status"] == "finished"
    assert biases
    assert set(biases) == {0.0}


def _noted(averaged: Any, biases: list[float]) -> Any:
    def noted(tuner: FineTuner, corrected: bool = False) -> Any:
        assert not corrected
        biases.append(tuner.bias)
        return averaged(tuner, corrected)

    return noted


def test_alpha_1_gives_the_tuned_network(shallow: None, digits: Path, tmp_path: Path) -> None:
    run = train(digits, tmp_path / "run", make_config({**SMALL, "epochs": 1, "alpha": True}), Quiet())
    history = run.read_json("history")
    tuned = [item for item in history if item["kept"] and "alpha" not in item][-1]
    last = history[-1]
    assert last["alpha"] == 1.0
    assert abs(tuned["temperature"] - 1) > 0.02  # otherwise nothing would differ
    for name in ("temperature", "validation_log_loss", "validation_accuracy"):
        assert last[name] == pytest.approx(tuned[name], rel=1e-3), name
