"""The table of ``edgeclf fleet status``, from devices' answers, which are untrusted."""

from __future__ import annotations

import time
from typing import Any

from edgeclf_fleet.survey import COLUMNS, device_statuses, table
from edgeclf_fleet.survey_page import survey_page

GIGABYTE = 10**9


def _status(**changed: Any) -> dict[str, Any]:
    health = {
        "state": "running",
        "milliseconds": 41.74,
        "time": time.time(),
        "day": {"date": "2026-11-28", "labels": {"glass": 60, "unknown": 30, "metal": 10}, "unfamiliar": 25},
    }
    return {
        "processor": "aarch64",
        "version": "0.2.0",
        "model": {"name": "rubbish", "digest": "1a2b3c4d5e6f"},
        "service": "runs",
        "health": health,
        "conditions": {"is_unlike": False, "views": 80, "accuracy": 0.912, "error": 0.02},
        "golden": "ok",
        "temperature": 51.4,
        "disk": {"free": 9.4 * GIGABYTE, "total": 32 * GIGABYTE},
        **changed,
    }


def _events(**statuses: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"kind": "ok", "host": host, "task": "Ask", "status": status} for host, status in statuses.items()]


def _row(status: dict[str, Any]) -> dict[str, str]:
    (device,) = device_statuses(_events(kitchen=status))
    return dict(zip(COLUMNS, device.row(), strict=True))


def test_the_model_that_runs_is_shown_with_the_deployed_one_if_it_is_another() -> None:
    running = {"name": "waste", "digest": "99aabbccdd", "from": "update"}
    assert _row(_status(running=running))["model"] == "waste 99aabbcc (update; deployed 1a2b3c4d)"
    assert _row(_status(running={**running, "from": "deployed"}))["model"] == "rubbish 1a2b3c4d"


def test_a_row_has_all_that_is_asked_of_a_device() -> None:
    assert _row(_status()) == {
        "device": "kitchen",
        "processor": "aarch64",
        "version": "0.2.0",
        "model": "rubbish 1a2b3c4d",
        "golden": "ok",
        "camera": "running",
        "ms": "41.7",
        "temperature": "51 C",
        "today": "glass 60%, unknown 30%, metal 10%",
        "unfamiliar": "25%",
        "images": "as in training, expected accuracy 91%",
        "disk": "9.4 GB free",
    }


def test_an_unreachable_device_is_a_row_with_its_reason() -> None:
    events = [
        *_events(yard=_status()),
        {
            "kind": "unreachable",
            "host": "attic",
            "task": "Ask",
            "msg": "ssh: connect to host attic: Connection refused",
        },
        {"kind": "failed", "host": "cellar", "task": "Ask", "msg": "nothing is deployed in /opt/edgeclf; bring it."},
        {"kind": "start", "host": "shed", "task": "Ask"},
    ]
    devices = device_statuses(events)
    assert [(device.device, device.is_well) for device in devices] == [
        ("attic", False),
        ("cellar", False),
        ("shed", False),
        ("yard", True),
    ]
    title, attic, cellar, shed, yard = table(devices)
    assert title.split()[:2] == ["device", "processor"]
    assert attic.split(maxsplit=1)[1].startswith("not reached: no ssh server answers.")
    assert not attic.endswith("Nothing was changed.")
    assert cellar.split(maxsplit=1)[1] == "nothing is deployed in /opt/edgeclf; bring it."
    assert shed.split(maxsplit=1)[1].startswith("not finished")
    assert "rubbish 1a2b3c4d" in yard


def test_what_needs_a_look_is_not_well() -> None:
    running = _status()["health"]
    for changed in (
        {"golden": "scores differ by 0.5"},
        {"health": None, "service": "not running"},
        {"health": {**running, "state": "lost", "reason": "cable"}},
        {"health": {**running, "refused": "golden scores differ"}},
        {"conditions": {"is_unlike": True, "accuracy": None}},
    ):
        (device,) = device_statuses(_events(kitchen=_status(**changed)))
        assert not device.is_well, changed
    assert _row(_status(health={**running, "state": "lost", "reason": "cable"}))["camera"] == "lost (cable)"
    refused = "/opt/edgeclf/current/model.tflite: golden scores differ"
    assert _row(_status(health={**running, "refused": refused}))["camera"] == "model refused: golden scores differ"
    assert _row(_status(health=None, service="not running"))["camera"] == "service not running"
    assert _row(_status(health={**running, "time": 1.0}))["camera"] == "running, no report for over 2 h"


def test_the_page_has_all_rows_and_runs_nothing_of_a_device() -> None:
    attack = "<script>alert(1)</script>"
    events = [
        *_events(kitchen=_status(model={"name": attack, "digest": "1a2b"}, golden=f"fails {attack}"), yard=_status()),
        {"kind": "unreachable", "host": "attic", "task": "Ask", "msg": f"connect to attic: {attack}"},
    ]
    page = survey_page(device_statuses(events))
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "3 devices, 2 need attention" in page
    assert page.count("<tr>") == 4
    assert "glass 60%, unknown 30%, metal 10%" in page


def test_nonsense_of_a_device_is_a_dash_or_one_line() -> None:
    row = _row(_status(model={"name": "a\x1b[31m\nb" * 40, "digest": 3}, disk=None, conditions=[], temperature="hot"))
    assert not any(sign in text for text in row.values() for sign in "\x1b\n")
    assert (row["disk"], row["images"], row["temperature"]) == ("-", "-", "-")
    for day in ({"labels": {"a": "b"}}, {"labels": []}, "today", None):
        row = _row(_status(health={"state": "running", "milliseconds": None, "day": day}))
        assert (row["today"], row["unfamiliar"], row["ms"]) == ("-", "-", "-")


def test_numbers_that_no_device_has_are_not_shown() -> None:
    huge = 10**400
    health = {
        "state": "running",
        "milliseconds": huge,
        "time": huge,
        "day": {"labels": {"a": huge}, "unfamiliar": huge},
    }
    row = _row(_status(health=health, temperature=-huge, disk={"free": huge}, conditions={"accuracy": float("inf")}))
    assert [row[name] for name in ("ms", "temperature", "today", "unfamiliar", "images", "disk")] == [
        "-",
        "-",
        "-",
        "-",
        "as in training",
        "-",
    ]
