"""A disk that fills up during a deployment."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.fleet_device.box import Box

FULL = "No space left on device"


@pytest.fixture
def small(image: Box, tmp_path: Path) -> Box:
    """A device with little space left, which answers."""
    with closing(Box(tmp_path, image, size="64M")) as box:
        box.wait(lambda: box.answer_since(0))
        yield box


def _mended(small: Box, models: dict[str, Path]) -> None:
    """Check that with space again it answers within a minute, and can be deployed to as before."""
    (small.changes / "filler").unlink(missing_ok=True)
    moment = time.time()
    small.wait(lambda: small.answer_since(moment), 60)
    ended = small.deploy(models["two"])
    assert (ended.status, "serves two (" in ended.text) == (0, True), ended.printed
    small.wait(lambda: small.answer_since(moment).startswith("two "), 60)
    assert {answer["answer"].split()[0] for answer in small.answers()} == {"one", "two"}
    assert not (small.root / "incoming").exists()


def _fill(small: Box) -> None:
    with (small.changes / "filler").open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


@pytest.mark.parametrize("when", ["incoming", "releases/*", "pending.json"])
def test_it_fills_up(when: str, small: Box, models: dict[str, Path]) -> None:
    before = set(small.root.glob(when))
    with small.begin(models["two"], edgeclf_start_seconds=10) as process:
        small.wait(lambda: set(small.root.glob(when)) - before)
        _fill(small)
        _, errors = process.communicate(timeout=900)
    print(f"\n{when}: {errors.strip()}")
    assert process.returncode == 1
    (line,) = errors.strip().splitlines()
    assert "Traceback" not in line
    assert small.health(), "it runs on"
    _mended(small, models)


def test_an_environment_does_not_fit(small: Box, models: dict[str, Path]) -> None:
    before, process = small.settled(), small.health()["process"]
    ended = small.deploy(models["two"], edgeclf_extras=["heic", "web"], edgeclf_environment_bytes=1)
    assert ended.status == 1
    (line,) = ended.text.splitlines()
    assert FULL in line, ended.printed
    assert small.settled() ^ before == set()
    assert small.health()["process"] == process
    _mended(small, models)
