"""Ten devices, each with its own root filesystem, in batches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.fleet_device.box import Box

BATCHES = ("--batches", "1,10%,100%")


@pytest.fixture
def ten(image: Box, tmp_path: Path) -> Iterator[dict[str, Box]]:
    with ExitStack() as stack:
        boxes = {}
        for number in range(10):
            (tmp_path / f"{number}").mkdir()
            boxes[f"box{number}"] = stack.enter_context(closing(Box(tmp_path / f"{number}", image, size="64M")))
        for box in boxes.values():
            box.wait(lambda box=box: box.answer_since(0))
        yield boxes


def _rolled_out(ten: dict[str, Box], model: Path, *words: str) -> tuple[int, dict[str, str]]:
    hosts = {name: box.variables() for name, box in ten.items()}
    return ten["box0"].roll_out(model, hosts, *BATCHES, *words)


def _served(ten: dict[str, Box]) -> set[str]:
    moment = time.time()
    for box in ten.values():
        box.wait(lambda box=box: box.answer_since(moment), 60)
    return {box.answer_since(moment).split()[0] for box in ten.values()}


def test_a_roll_out_stops_at_its_canary_goes_on_and_is_repeated(ten: dict[str, Box], models: dict[str, Path]) -> None:
    status, lines = _rolled_out(ten, models["lies"])
    assert status == 1
    assert "the model fails its check on the device" in lines.pop("box0")
    assert len(lines) == 9
    assert all(line.startswith("not started") for line in lines.values()), lines
    assert _served(ten) == {"one"}

    ten["box5"].cut_power()
    status, lines = _rolled_out(ten, models["two"], "--max-failed", "1")
    assert status == 1
    assert lines.pop("box5").startswith("not reached: no ssh server answers")
    assert all(line.startswith("serves two (") for line in lines.values()), lines

    ten["box5"].boot()
    status, lines = _rolled_out(ten, models["two"])
    assert status == 0, lines
    assert lines.pop("box5").startswith("serves two (")
    assert all(line.startswith("nothing to do: serves two (") for line in lines.values()), lines
    assert _served(ten) == {"two"}
    assert {answer["answer"].split()[0] for box in ten.values() for answer in box.answers()} == {"one", "two"}
