"""``edgeclf run --update`` over HTTPS and a bad link: slow, lossy, cut and silent in the middle of a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fleet_device.device import Device
from tests.model_files import variant
from tests.relay import Relay
from tests.runtime.replaced_model import Running
from tests.runtime.still_camera import certificate
from tests.runtime.update_server import UpdateServer, update_settings
from tests.signing import edgeclf, key_pairs

IMAGE = next((Path(__file__).parents[1] / "kept/0.1/photos/1").glob("*.png"))


LONG = 300_000  # bytes, much more than one check takes


def _longer(text: str) -> str:
    card = json.loads(text)
    return json.dumps({**card, "provenance": {**card["provenance"], "note": "x" * LONG}})


@dataclass
class Polling:
    """A device that checks for updates through a relay, and its server."""

    relay: Relay
    server: UpdateServer
    running: Running
    served: Path
    keys: Path

    def publish(self, model: Path) -> None:
        edgeclf("publish", model, self.served, "--key", self.keys / "mine")

    def adopted(self, after: int) -> str:
        """Return the name of the next model that it uses."""
        line = self.running.wait(lambda line: "model" in line, after)
        assert line["model"] == "adopted", line
        return str(line["labels"][0]).split()[0]


@pytest.fixture
def polling(models: dict[str, Path], tmp_path: Path) -> Iterator[Polling]:
    keys, served = key_pairs(tmp_path), tmp_path / "served"
    certificate(keys)
    served.mkdir()
    edgeclf("sign", models["one"], "--key", keys / "mine", "-o", tmp_path / "model.tflite")
    with closing(UpdateServer(served, keys)) as server, closing(Relay(server.port, seed=32)) as relay:
        settings = update_settings(relay.port, keys, 0.5)
        (tmp_path / "run.toml").write_text(f"{settings}[decision]\nthreshold = 0\nreject = 0\n", "utf-8")
        with closing(Running(models["one"], IMAGE, tmp_path, "--config", "run.toml")) as running:
            running.wait(lambda line: "frame" in line)
            yield Polling(relay, server, running, served, keys)


def test_an_update_comes_over_a_bad_link(polling: Polling, models: dict[str, Path]) -> None:
    relay, running = polling.relay, polling.running
    relay.cut_at = relay.passed + LONG // 2
    polling.publish(variant(models["two"], polling.keys / "long.tflite", card=_longer))
    Device.wait(lambda: relay.cut_at == 0)
    after = len(running.lines)
    running.wait(lambda line: "frame" in line, after)  # it continues without a link
    relay.mend()
    assert polling.adopted(0) == "two"
    assert any(first > 0 for path, first, _ in polling.server.asked), "it began again"

    after = len(running.lines)
    relay.fall_silent()
    polling.publish(models["one"])
    running.wait(lambda line: "frame" in line, after)
    relay.mend()
    assert polling.adopted(after) == "one"

    after, relay.delay, relay.loss = len(running.lines), 0.05, 0.1
    polling.publish(models["two"])
    assert polling.adopted(after) == "two"

    after = len(running.lines)
    polling.publish(models["lies"])
    line = running.wait(lambda line: "model" in line, after)
    assert (line["model"], "differs on this device" in line["reason"]) == ("refused", True)
    answers = {line["answer"].split()[0] for line in running.lines if "frame" in line}
    assert answers == {"one", "two"}
