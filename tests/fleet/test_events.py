"""One line per host from Ansible's events."""

from __future__ import annotations

import pytest

from edgeclf_fleet.events import Outcome, comparison, outcomes, why_unreachable

PREFIX = "Failed to connect to the host via ssh: "
CHANGED = (
    "@@@@@@@@@@@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n@@@@@@@@@@@@@@@\nIT IS POSSIBLE THAT "
    "SOMEONE IS DOING SOMETHING NASTY!\nHost key verification failed."
)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (CHANGED, "its host key has changed.*ssh-keygen -R"),
        ("No ED25519 host key is known for kitchen and you have requested strict checking.", "not known yet"),
        ("ssh: Could not resolve hostname kitchen: Name or service not known", "no host has this name"),
        ("ssh: connect to host kitchen port 22: Connection refused", "no ssh server answers"),
        ("ssh: connect to host kitchen port 22: Connection timed out", "no answer"),
        ("ssh: connect to host kitchen port 22: No route to host", "no answer"),
        ("pi@kitchen: Permission denied (publickey,password).", "refuses this user or key.*ssh-copy-id pi@kitchen"),
        ("something new", "something new\\. Try: ssh pi@kitchen"),
        ("", "no reason given"),
    ],
)
def test_an_unreachable_host_has_a_reason_and_a_way_out(said: str, text: str) -> None:
    import re

    line = why_unreachable(PREFIX + said, "pi@kitchen")
    assert re.fullmatch(f"not reached: .*{text}.*", line), line


def test_every_host_has_one_line() -> None:
    events = [
        {"kind": "start", "host": "a", "task": "Look"},
        {"kind": "start", "host": "b", "task": "Look"},
        {"kind": "start", "host": "c", "task": "Look"},
        {"kind": "ok", "host": "a", "task": "Look", "changed": False},
        {"kind": "failed", "host": "b", "task": "Look", "msg": "Task failed: No space.\nFree some."},
        {"kind": "ok", "host": "a", "task": "Install", "changed": True, "outcome": "serves digits"},
    ]
    assert outcomes(events) == [
        Outcome("b", False, "No space. Free some."),
        Outcome("a", True, "serves digits"),
        Outcome("c", False, "not finished; deploy again to see its state."),
    ]


def test_a_crash_of_a_module_shows_its_last_line() -> None:
    crash = {"msg": "MODULE FAILURE: No start of json char found", "module_stderr": "Traceback\nKeyError: 'x'"}
    (outcome,) = outcomes([{"kind": "failed", "host": "a", "task": "Install", **crash}])
    assert outcome.text == "Install: KeyError: 'x'"
    (outcome,) = outcomes([{"kind": "failed", "host": "a", "task": "Look", "msg": "Missing sudo password"}])
    assert "--ask-become-pass" in outcome.text


def test_a_connection_that_is_lost_later_may_have_changed_something() -> None:
    events = [
        {"kind": "start", "host": "a", "task": "Look"},
        {"kind": "ok", "host": "a", "task": "Look", "changed": False},
        {"kind": "start", "host": "a", "task": "Install"},
        {"kind": "unreachable", "host": "a", "task": "Install", "msg": f"{PREFIX}Broken pipe"},
    ]
    (outcome,) = outcomes(events)
    assert outcome.text.startswith(
        "the connection was lost (Broken pipe). The device serves as before or finishes by itself"
    )


@pytest.mark.parametrize("report", [5, ["frames"], {"agreement": 1}, {"interval": "ab"}, {"interval": [10**400, 1]}])
def test_a_comparison_that_cannot_be_read_does_not_end_a_rollout(report: object) -> None:
    lines = comparison({"kind": "ok", "host": "box", "task": "compare", "shadow": report})
    assert lines == "box: compared:\n    its report of the comparison cannot be read"
