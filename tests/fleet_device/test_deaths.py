"""A service that dies again and again with a deployed model goes back to the one before by itself, and says so."""

from __future__ import annotations

import json
import time
from pathlib import Path

from edgeclf_runtime.updates.probation import DEATHS, SECONDS
from tests.fleet_device.box import Box
from tests.fleet_device.device import kill


def test_a_service_goes_back_by_itself(box: Box, models: dict[str, Path]) -> None:
    ended = box.deploy(models["two"])
    assert ended.status == 0, ended.printed
    started = box.health()["started"]
    for _ in range(DEATHS):  # as if it crashed on a frame; runit starts it again
        assert time.time() - started < SECONDS, "this machine is too busy: the model is proven"
        kill(*box.running("-m edgeclf_runtime run"))
        started = _next_start(box, started)
    assert box.answer_since(started).startswith("one ")
    reason = f"the process died {DEATHS} times before this model had run for {SECONDS:g} s."
    assert reason in box.health()["refused"]
    assert box.health()["refused"].endswith("Started with the previous model.")
    assert "Model refused: " in (box.root / "log/current").read_text("utf-8")
    ended = box.fleet("status", "--json", "--no-verify")
    (status,) = json.loads(ended.text)
    assert (ended.status, reason in status["health"]["refused"]) == (1, True)
    assert "model refused: the process died" in box.fleet("status", "--no-verify").text
    assert (status["running"]["name"], status["running"]["from"]) == ("one", "last good copy")

    ended = box.deploy(models["two"])
    assert (ended.status, reason in ended.text, len(ended.text.splitlines())) == (1, True, 1), ended.text
    moment = time.time()
    box.wait(lambda: box.answer_since(moment).startswith("one "), 60)
    ended = box.deploy(models["one"])
    assert ended.status == 0, ended.printed
    assert box.health()["refused"] == ""


def _next_start(box: Box, started: float) -> float:
    """Wait until another process than the one started then has answered; return when it was started."""
    box.wait(lambda: box.health().get("started", started) > started, 60)
    started = box.health()["started"]
    box.wait(lambda: box.answer_since(started), 60)
    return started
