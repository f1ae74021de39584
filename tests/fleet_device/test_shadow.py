"""A new model runs next to a service's before it is deployed, over a real sshd."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest

from tests.fleet_device.device import Device, processes
from tests.fleet_device.speaking import named
from tests.model_files import variant
from tests.runtime.mjpeg_server import PASSWORD


def _shadow_processes() -> list[int]:
    return processes(lambda words: b"edgeclf_runtime.shadow" in words)


@pytest.fixture
def agreeing(models: dict[str, Path], tmp_path: Path) -> Path:
    """A model named "two" that gives the answers of "one"."""
    return variant(models["one"], tmp_path / "two.tflite", card=lambda text: named("two", text))


@pytest.fixture
def other(models: dict[str, Path], tmp_path: Path) -> Path:
    """A good model whose labels have other names."""
    return variant(models["two"], tmp_path / "other.tflite", labels=lambda text: re.sub("(?m)^", "the ", text.strip()))


def test_a_model_that_agrees_is_switched_to_after_its_trial(device: Device, agreeing: Path) -> None:
    """Meanwhile the service reports the trial and keeps running.

    The camera shows noise, for which two labels often have the same score: then the previous answer stays, which may be
    a different one in the trial, as it started later.
    """
    process = device.health()["process"]
    with device.begin(agreeing, "--shadow", "15s") as deployment:
        device.wait(lambda: (device.health().get("shadow") or {}).get("frames"))
        assert json.loads((device.root / "current" / "release.json").read_text())["name"] == "one"
        during = device.health()
        output, errors = deployment.communicate(timeout=600)
    assert during["process"] == process
    first, *others = output.splitlines()
    assert first == "box: compared:", output + errors
    assert re.search(
        r"the same answer on (?:9\d|100)\.\d% of \d+ frames \(95% interval \d+% to \d+%\) in 1\d s", others[0]
    )
    assert re.search(r'current model: [\d.]+% "unknown", .* new model: [\d.]+% "unknown"', others[1])
    assert re.search(r"the service gave [\d.]+ answers per second meanwhile, [\d.]+ before", others[2])
    assert others[-1].startswith("box: serves two ("), output
    assert PASSWORD not in output + errors
    assert device.health()["shadow"] is None
    assert not _shadow_processes()


def test_a_model_that_disagrees_is_not_switched_to_and_its_images_are_there(
    device: Device, models: dict[str, Path], other: Path
) -> None:
    before, process = device.tree(), device.health()["process"]
    ended = device.deploy(other, "--shadow", "10s", "--min-agreement", "0.5")
    assert ended.status == 1
    assert "the same answer as the current one on 0.0% of" in ended.text
    assert ended.text.endswith("50% are required. one is still in use."), ended.text
    assert "the same, otherwise the " in ended.text
    assert device.health()["process"] == process
    assert set(device.tree()) - {"shadow"} == set(before) - {"shadow"}
    images = list((device.root / "shadow" / "__unsorted").glob("*.jpg"))
    assert 1 <= len(images) <= 50
    assert "with different answers: " in ended.text
    # The same command completes the deployment if that is wanted.
    assert device.deploy(other, "--shadow", "5s", "--min-agreement", "0").status == 0


@pytest.mark.parametrize("end", ["the new model crashes", "the service ends"])
def test_what_ends_a_trial_leaves_the_service_as_it_was(end: str, device: Device, models: dict[str, Path]) -> None:
    process, before = device.health()["process"], device.tree()
    with device.begin(models["two"], "--shadow", "10m") as deployment:
        device.wait(lambda: (device.health().get("shadow") or {}).get("frames"))
        for number in _shadow_processes() if end == "the new model crashes" else [process]:
            os.kill(number, signal.SIGSEGV)
        _, errors = deployment.communicate(timeout=300)
    assert deployment.returncode == 1
    reason = {
        "the new model crashes": "was ended by SIGSEGV",
        "the service ends": "service ended or switched to another",
    }
    assert reason[end] in errors
    assert errors.strip().endswith("one is still in use.")
    device.wait(lambda: device.health().get("frames"))  # runit has restarted the service
    assert (device.health()["process"] == process) == (end == "the new model crashes")
    assert set(device.tree()) - {"shadow"} == set(before) - {"shadow"}


def test_without_its_command_nothing_is_switched_and_the_next_one_ends_the_trial(
    device: Device, models: dict[str, Path]
) -> None:
    before = sorted({*device.tree(), "shadow"})
    with device.begin(models["two"], "--shadow", "10m") as deployment:
        device.wait(lambda: (device.health().get("shadow") or {}).get("frames"))
        deployment.kill()
    assert _shadow_processes()
    ended = device.deploy(models["one"])
    assert ended.text.startswith("box: nothing to do: serves one ("), ended.text
    device.wait(lambda: not _shadow_processes())
    assert device.tree() == before


def test_what_cannot_be_compared_is_said(device: Device, models: dict[str, Path]) -> None:
    ended = device.deploy(models["two"], "--shadow", "10s", "--check")
    assert "compare it with the current model for 10 s" in ended.text
    ended = device.deploy(models["two"], "--shadow", "10s", edgeclf_service_manager="none")
    assert "compares with the model of a service, but none is running" in ended.text
