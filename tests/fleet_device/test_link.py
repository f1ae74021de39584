"""A deployment over a bad link: slow, lossy, cut or silent halfway."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.fleet_device.box import Box
from tests.fleet_device.device import Ended
from tests.fleet_device.speaking import speaking
from tests.relay import Relay


@pytest.fixture
def relay(box: Box) -> Iterator[Relay]:
    with closing(Relay(box.port, seed=32)) as relay:
        box.know(relay.port)
        yield relay


def _ended(box: Box, relay: Relay, model: Path) -> Ended:
    return box.deploy(model, ansible_port=relay.port)


def _settles(box: Box, models: dict[str, Path]) -> None:
    """Wait until the device has finished or gone back: it answers, and the model deployed again is served."""
    box.settled()
    moment = time.time()
    box.wait(lambda: box.answer_since(moment), 60)
    assert box.answer_since(moment).split()[0] in ("one", "two")
    ended = box.deploy(models["two"])
    assert (ended.status, " serves two (" in ended.text) == (0, True), ended.printed
    assert not (box.root / "pending.json").exists()
    assert not (box.root / "incoming").exists()


def test_a_slow_link_with_losses_and_cuts(box: Box, relay: Relay, models: dict[str, Path], tmp_path: Path) -> None:
    relay.delay, relay.loss = 0.05, 0.05
    ended = _ended(box, relay, models["two"])
    assert ended.text.startswith("box: serves two ("), ended.printed
    whole = relay.passed
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        assert box.deploy(models["one"]).status == 0
        fresh = speaking(
            models["two"], tmp_path / f"{share}.tflite", f"two {share}"
        )  # the device already has the others
        relay.passed, relay.cut_at = 0, round(share * whole)
        ended = _ended(box, relay, fresh)
        assert relay.cut_at == 0, "it was not cut"
        assert ended.status == 1
        assert "Traceback" not in ended.printed
        (line,) = ended.text.splitlines()
        assert line.startswith("box: "), line
        print(f"\ncut after {share:.0%}: {line}")
        relay.mend()
        _settles(box, models)


def test_a_link_that_falls_silent_is_given_up(box: Box, relay: Relay, models: dict[str, Path]) -> None:
    with box.begin(models["two"], ansible_port=relay.port, edgeclf_watch_seconds=5) as process:
        box.wait((box.root / "pending.json").exists)
        relay.fall_silent()
        began = time.monotonic()
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    (line,) = errors.strip().splitlines()
    print(f"\ngiven up after {time.monotonic() - began:.0f} s: {line}")
    assert "Nothing was changed" not in line
    box.settled()
    assert box.answer_since(0).startswith("two ")
    relay.mend()
    assert _ended(box, relay, models["two"]).text.startswith("box: nothing to do: serves two (")
