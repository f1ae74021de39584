"""What doctor reports about the images that services see."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgeclf_runtime.decision.conditions import Conditions
from edgeclf_runtime.doctor import Machine
from edgeclf_runtime.doctor.images import images
from edgeclf_runtime.sinks.conditions_file import CONDITIONS, ConditionsFile, ConditionsFileKeys
from edgeclf_runtime.sinks.keys import Opening
from edgeclf_runtime.sinks.sink import ZoneName
from edgeclf_runtime.system.state_folder import STATE
from tests.runtime.observations import seen


def _folder(root: Path, place: str, service: str) -> Path:
    folder = root / place / STATE / service
    folder.mkdir(parents=True)
    return folder


def test_doctor_names_the_service_whose_images_are_unlike_the_training(tmp_path: Path) -> None:
    good, bad = (
        _folder(tmp_path, place, name) for place, name in (("var/lib", "yard"), ("home/a/.local/state", "belt"))
    )
    for folder, conditions in ((good, Conditions(40, 0.91, 0.03)), (bad, Conditions(12, is_unlike=True))):
        sink = ConditionsFile(folder / CONDITIONS)
        sink.take(seen(familiarity=0.5, conditions=conditions))
        sink.close()
    fine, problem = images(Machine(tmp_path))
    assert (fine.state, problem.state) == ("ok", "problem")
    assert fine.text == "yard sees images like those of its training (40 views, expected accuracy 91% (3% mean error))"
    assert problem.text.startswith("belt sees images unlike those of its training, at least since 2023-11-14")
    assert "clean the lens" in problem.fix


def test_files_that_cannot_be_read_and_private_links_are_no_findings(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "var/lib/private", "yard")
    (folder / CONDITIONS).write_text('{"views": "many"}')
    (_folder(tmp_path, "root/.config", "cut") / CONDITIONS).write_text('{"views": 3, "is_unl')
    assert list(images(Machine(tmp_path))) == []
    ConditionsFile(folder / CONDITIONS).take(seen(familiarity=0.5, conditions=Conditions(1)))
    (tmp_path / "var/lib" / STATE).symlink_to(tmp_path / "var/lib/private" / STATE)  # as systemd does
    assert len(list(images(Machine(tmp_path)))) == 1


def test_only_a_service_writes_it_and_only_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opening = Opening(("cat",), "model")
    assert list(ConditionsFileKeys().open(opening)) == []
    folder = _folder(tmp_path, "state", "yard")
    monkeypatch.setenv("STATE_DIRECTORY", str(folder))
    (sink,) = ConditionsFileKeys().open(opening)
    sink.take(seen())  # a model without familiarity
    assert not (folder / CONDITIONS).exists()

    def views() -> int:
        return int(json.loads((folder / CONDITIONS).read_text("utf-8"))["views"])

    sink.take(seen(familiarity=0.5, conditions=Conditions(1)))
    sink.take(seen(familiarity=0.5, conditions=Conditions(2)))  # too soon: the memory card is spared
    assert views() == 1
    sink.take(replace(seen(familiarity=0.5), conditions=Conditions(3, is_unlike=True)))
    assert views() == 3


def test_each_zone_of_a_service_has_a_finding_and_a_zone_that_was_removed_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _folder(tmp_path, "var/lib", "yard")
    (folder / CONDITIONS).write_text("{}", "utf-8")  # of a run without zones
    (folder / "conditions-former.json").write_text("{}", "utf-8")
    monkeypatch.setenv("STATE_DIRECTORY", str(folder))
    zones = (ZoneName("yard", "gate"), ZoneName("yard", "höf"))
    opening = Opening(("cat",), "model", zones=zones)
    assert list(ConditionsFileKeys().open(opening)) == []  # for all zones
    for zone, conditions in zip(zones, (Conditions(40, 0.91, 0.03), Conditions(12, is_unlike=True)), strict=True):
        (sink,) = ConditionsFileKeys().open(replace(opening, zone=zone))
        sink.take(replace(seen(familiarity=0.5, conditions=conditions), zone=zone))
        sink.close()
    assert sorted(path.name for path in folder.iterdir()) == ["conditions-gate.json", "conditions-höf.json"]
    texts = {finding.text: finding.state for finding in images(Machine(tmp_path))}
    fine, problem = sorted(texts, key=texts.get)
    assert fine.startswith("yard, zone gate of camera yard, sees images like those of its training (40 views, expected")
    assert problem.startswith("yard, zone höf of camera yard, sees images unlike those of its training, at least since")
    list(ConditionsFileKeys().open(Opening(("cat",), "model")))  # zones no longer exist
    assert list(images(Machine(tmp_path))) == []
