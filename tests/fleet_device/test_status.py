"""``edgeclf fleet status`` over a real sshd."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet_device.device import Device
from tests.fleet_device.placed import NO_SERVICE, place


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    device = Device(tmp_path_factory.mktemp("status"))
    yield device
    device.close()


def test_status_of_a_device(bare: Device, models: dict[str, Path]) -> None:
    ended = bare.fleet("status", **NO_SERVICE)
    assert ended.status == 1
    assert ended.text.splitlines()[1].split(maxsplit=1) == [
        "box",
        f"nothing is deployed in {bare.root}; use edgeclf deploy first.",
    ]
    layout = place(bare, models["one"], 'source = "0"\n')
    page = bare.folder / "fleet.html"
    ended = bare.fleet("status", "--json", "--html", page, **NO_SERVICE)
    assert "1 device, all well" in page.read_text("utf-8")
    (status,) = json.loads(ended.text)
    digest = layout.about("here")["model"]
    assert (status["device"], status["golden"], status["is_well"], ended.status) == ("box", "ok", True, 0)
    assert status["model"] == {"name": "rubbish", "digest": digest}
    assert (status["processor"], status["service"], status["health"]) == (platform.machine(), "none", None)
    assert 0 < status["disk"]["free"] < status["disk"]["total"]
    health = {"process": 1, "state": "running"}
    (bare.root / "health.json").write_text(json.dumps(health))  # of a process that has ended
    (status,) = json.loads(bare.fleet("status", "--json", "--no-verify", **NO_SERVICE).text)
    assert (status["golden"], status["health"]) == (None, None)
    for name in ("health.json", "conditions.json"):  # the user of a service can put a pipe there, without a writer
        (bare.root / name).unlink(missing_ok=True)
        os.mkfifo(bare.root / name)
    (status,) = json.loads(bare.fleet("status", "--json", "--no-verify", **NO_SERVICE).text)
    assert (status["health"], status["conditions"]) == (None, None)
