"""SIGKILL of either side during a deployment: the device keeps answering, with the old model or the new one.

``EDGECLF_ROUNDS`` moments for each side, 50 by default. At the end, each answer of the device is checked.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from tests.faults.killing import ROUNDS
from tests.fleet_device.box import Box
from tests.fleet_device.device import kill, kill_all

SEED = 32
MINUTE = 60.0
GOOD = ("one", "two")
Victim = Callable[[Box, int], None]


def _command(box: Box, number: int) -> None:
    """Return only ``edgeclf deploy``, with which its Ansible ends."""
    kill(number)


def _playbook(box: Box, number: int) -> None:
    """Return everything here: the command, Ansible, its workers and ssh."""
    kill_all(number)


def _link(box: Box, number: int) -> None:
    kill(*box.running("sshd: root"))


def _deployment(box: Box, number: int) -> None:
    """Return the deploying process on the device, and what it started: pip, verify, bench."""
    for module in box.running("AnsiballZ", "async_wrapper"):
        kill_all(module)


def _service(box: Box, number: int) -> None:
    kill(*box.running("-m edgeclf_runtime run"))


def _power(box: Box, number: int) -> None:
    box.cut_power()
    box.boot()


SIDES: Mapping[str, tuple[Victim, ...]] = {
    "desktop": (_command, _playbook),
    "device": (_link, _deployment, _service, _power),
}


@pytest.mark.parametrize("side", SIDES)
def test_it_answers_within_a_minute_and_is_never_worse(side: str, box: Box, models: dict[str, Path]) -> None:
    moments = random.Random(SEED)
    start = time.monotonic()
    assert box.deploy(models["two"]).status == 0
    whole, there = time.monotonic() - start, box.settled()
    box.wait(lambda: box.answer_since(0).startswith("two "), MINUTE)
    present, killed, number = "two", 0, 0
    while killed < ROUNDS:
        number += 1
        victim = SIDES[side][number % len(SIDES[side])]
        other = GOOD[present == GOOD[0]]
        wanted = "lies" if moments.random() < 0.25 else other
        with box.begin(models[wanted]) as process:
            time.sleep(moments.uniform(0, whole))
            killed += process.poll() is None
            victim(box, process.pid)
            moment = time.time()
            process.communicate(timeout=300)
        box.wait(lambda moment=moment: box.answer_since(moment), MINUTE)
        box.settled()
        ended, moment = box.deploy(models[other]), time.time()
        assert ended.status == 0, ended.printed
        box.wait(lambda moment=moment, other=other: box.answer_since(moment).startswith(f"{other} "), MINUTE)
        assert box.settled() == there
        present = other
    answers = box.answers()
    assert {answer["answer"].split()[0] for answer in answers} == set(GOOD)
    times = [answer["time"] for answer in answers]
    longest = max(after - before for before, after in pairwise(times))
    print(f"\n{side}: killed {killed} times; {len(times)} answers, at most {longest:.0f} s apart")
    assert longest < MINUTE
