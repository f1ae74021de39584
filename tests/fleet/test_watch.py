"""Which services count as working, with real processes in place of a service."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeclf_fleet.roles.edgeclf.module_utils.edgeclf_layout import Layout, ReleaseError
from edgeclf_fleet.roles.edgeclf.module_utils.edgeclf_managers import Manager
from edgeclf_fleet.roles.edgeclf.module_utils.edgeclf_watch import Bounds, is_well, watch


class Supervisor(Manager):
    """Starts a process, and another one whenever it has exited."""

    seconds = "60"

    def begin(self) -> None:
        self.child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({self.seconds})"])

    def process(self) -> int:
        if self.child.poll() is not None:
            self.begin()
        return self.child.pid

    def last_words(self) -> str:
        return "Error: no such camera"

    def say(self, **health: Any) -> None:
        content = {"process": self.child.pid, "is_live": True, "state": "running", "frames": 3, "refused": ""}
        self.health.write_text(json.dumps({**content, "milliseconds": 12.0, **health}))


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(Layout(tmp_path), "edgeclf", {})
    supervisor.begin()
    yield supervisor
    supervisor.child.kill()
    supervisor.child.wait()


def test_a_service_that_answers_is_well(supervisor: Supervisor) -> None:
    assert not is_well(supervisor)
    supervisor.say()
    assert is_well(supervisor)
    assert watch(supervisor, Bounds(30, 0))["frames"] == 3
    supervisor.say(is_live=False, frames=0, state="opening")  # a folder without images
    assert watch(supervisor, Bounds(30, 0))["frames"] == 0


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        ({"frames": 0, "state": "lost", "reason": "cable"}, r"no answer within 0 s; its source is lost \(cable\)"),
        ({"state": "stalled"}, "its source is stalled"),
        ({"refused": "golden scores differ"}, "the service refuses the model: golden scores differ"),
        ({"frames": 0, "refused": "golden"}, "the service refuses the model: golden"),
        ({"milliseconds": 60.0}, "it takes 60.0 ms per image, but 50 ms are allowed"),
        ({"process": 1}, "no answer within 0 s: Error: no such camera"),
    ],
)
def test_a_service_that_does_not_work_has_its_reason(
    health: dict[str, Any], reason: str, supervisor: Supervisor
) -> None:
    supervisor.say(**health)
    with pytest.raises(ReleaseError, match=reason):
        watch(supervisor, Bounds(0, 0, latency_ms=50))


def test_a_crash_of_the_version_before_is_not_held_against_it(supervisor: Supervisor) -> None:
    crashed = supervisor.child
    watched: list[int] = []

    def process() -> int:  # the old one is seen once, then it has exited and the new one answers
        watched.append(Supervisor.process(supervisor))
        if len(watched) == 1:
            crashed.kill()
            crashed.wait()
            supervisor.begin()
            supervisor.say()
        return watched[-1]

    supervisor.process = process
    assert watch(supervisor, Bounds(30, 0))["frames"] == 3
    assert watched[0] == crashed.pid != watched[-1]


def test_a_service_that_ends_again_and_again_is_not_waited_for(supervisor: Supervisor) -> None:
    supervisor.child.kill()
    supervisor.seconds = "0"
    with pytest.raises(ReleaseError, match="the service ended by itself: Error: no such camera"):
        watch(supervisor, Bounds(600, 0))
