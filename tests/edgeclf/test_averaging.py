"""The moving average of the weights: of short trainings too it is one of the steps, not of the starting network."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf import Quiet, Run, finetune, make_config, resume, train
from edgeclf.finetune import FineTuner
from tests.edgeclf.test_training import SMALL, Interrupting


def _formula(steps: list[float], average: float, warm_up: float) -> float:
    known = steps[0]
    for done, value in enumerate(steps[1:], 1):
        momentum = min(average, (1 + done) / (warm_up + done))
        known = momentum * known + (1 - momentum) * value
    return known


@pytest.mark.parametrize(
    "options", [{"adapt": "full", "learning_rate": 0.02}, {"adapt": "scale", "learning_rate": 1e-3}]
)
def test_the_average_warms_up(
    options: dict[str, object], digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values: list[float] = []
    averages: list[float] = []
    epoch = FineTuner.epoch

    def head(tuner: FineTuner) -> float:
        return float(tuner._adaptation.variables[-1].numpy()[0])

    def watched(tuner: FineTuner, number: int) -> Any:
        values.extend([head(tuner)] if not values else [])
        for done in epoch(tuner, number):
            values.append(head(tuner))
            yield done
        with tuner.averaged():
            averages.append(head(tuner))

    monkeypatch.setattr(FineTuner, "epoch", watched)
    config = make_config({**SMALL, **options})
    train(digits, tmp_path / "run", config, Quiet())
    assert len(values) > 4
    assert averages[-1] == pytest.approx(_formula(values, config.average, 10.0), rel=1e-5, abs=1e-6)
    assert averages[-1] != pytest.approx(_formula(values, config.average, 1.0), rel=1e-4, abs=1e-6)


def test_a_training_that_0_1_began_goes_on_by_its_own_rule(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(finetune, "_EMA_WARM_UP", 1.0)
        whole = train(digits, tmp_path / "whole", make_config(SMALL), Quiet())
        stopped = train(digits, tmp_path / "stopped", make_config(SMALL), Interrupting())
    shutil.copytree(stopped.path, tmp_path / "marked")
    state = stopped.read_arrays("state")
    assert state.pop("ema/warm-up") == 1.0
    stopped.write_arrays("state", state)  # as 0.1 wrote it
    old, known = resume(stopped.path, Quiet()).read_arrays("weights"), whole.read_arrays("weights")
    assert all((old[name] == known[name]).all() for name in known)
    marked = Run.open(tmp_path / "marked")
    marked.write_arrays("state", {**state, "ema/warm-up": np.array(10.0)})
    new = resume(marked.path, Quiet()).read_arrays("weights")
    assert any((new[name] != known[name]).any() for name in known)


def test_alpha_1_is_the_tuned_network(digits: Path, tmp_path: Path) -> None:
    run = train(digits, tmp_path / "run", make_config({**SMALL, "epochs": 1, "alpha": True}), Quiet())
    history = run.read_json("history")
    tuned = [item for item in history if item["kept"] and "alpha" not in item][-1]
    last = history[-1]
    assert last["alpha"] == 1.0
    assert abs(tuned["temperature"] - 1) > 0.02  # else nothing would differ
    for name in ("temperature", "validation_log_loss", "validation_accuracy"):
        assert last[name] == pytest.approx(tuned[name], rel=1e-3), name
