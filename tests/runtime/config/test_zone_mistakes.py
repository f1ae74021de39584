"""Mistakes in ``[[camera]]`` and ``[[zone]]`` are each named once, in the place where they are, and all together."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomllib

from edgeclf_runtime import UsageError
from edgeclf_runtime.config.settings import RunSettings, settings
from edgeclf_runtime.errors import ModelError, SinkError
from edgeclf_runtime.pipeline.zone_sinks import check_zone_sinks

CAMERA = '[[camera]]\nname = "yard"\nsource = "rtsp://host/1"\n'
TWO = f'{CAMERA}[[camera]]\nname = "belt"\nsource = "belt.avi"\n'
ZONE = '[[zone]]\nname = "gate"\n'


def _labels(path: Path) -> tuple[str, ...]:
    if path.name != "model.tflite":
        raise ModelError(f"{path}: no such file.")
    return ("open", "closed")


def _read(text: str) -> RunSettings:
    return settings(tomllib.loads(text), {}, "run.toml", Path("model.tflite"), _labels)


def _mistakes(text: str, **given: object) -> str:
    with pytest.raises(UsageError) as caught:
        settings(tomllib.loads(text), {"gate": given}, "", Path("model.tflite"), _labels)
    return str(caught.value)


@pytest.mark.parametrize("camera", ["rotate = 3\n", 'rotat = "left"\n'])
def test_a_camera_with_a_mistake_is_known_to_its_zones(camera: str) -> None:
    for cameras in (f"{CAMERA}{camera}", f"[camera]\n{camera}"):
        text = _mistakes(f"{cameras}{ZONE}")
        assert "zone" not in text
        assert ";" not in text
    assert "did you mean yard?" in _mistakes(f'{CAMERA}{camera}{ZONE}camera = "yrad"\n')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'camera = "yard"\n{ZONE}', "camera: expected tables, [[camera]]."),
        (f"camera = []\n{ZONE}", "zone gate.camera: expected at least one [[camera]]."),
        (f"{TWO}{ZONE}", "zone gate.camera: expected one of yard, belt."),
        (f"{CAMERA}{ZONE}hold = 2\n", "zone gate.hold: belongs in [zone.decision]."),
        (f"{CAMERA}{ZONE}motion = 2\n", "zone gate.motion: belongs in [zone.gate]."),
        (f"{CAMERA}{ZONE}rotate = 90\n", "zone gate.rotate: belongs in [[camera]]."),
        (f"{CAMERA}{ZONE}gate = {{region = [0, 0, 1, 1]}}\n", "zone gate.gate.region: belongs in [[zone]]."),
    ],
)
def test_a_mistake_is_named_with_its_place_and_the_way_out(text: str, message: str) -> None:
    assert _mistakes(text) == message


def test_a_mistake_in_a_table_of_all_zones_is_named_once_and_there() -> None:
    text = _mistakes(f"{TWO}[decision]\nthreshhold = 1\nhold = -1\n[gate]\nregion = [0, 0, 1, 1]\nmax_fps = -1\n")
    assert text.startswith("decision.threshhold: unknown, did you mean threshold?; Decision: hold -1.0")
    assert (
        text.count("threshhold")
        == text.count("hold -1.0")
        == text.count("max_fps")
        == text.count("region belongs")
        == 1
    )
    assert _mistakes(TWO, max_fps=-1.0).count("max_fps") == 1
    assert _mistakes(f"decision = 3\n{TWO}") == "decision: expected a table, [decision]."


def test_one_mistake_hides_no_other() -> None:
    text = _mistakes(
        f'{CAMERA}rotate = 3\n[[camera]]\nname = "Yard"\nsource = "0"\n'
        f'{ZONE}camera = "yard"\nmodel = "no.tflite"\nregoin = [0, 0, 1, 1]\nregion = [0, 0, 2, 2]\n'
        '[zone.gate]\nregion = [0, 0, 1, 1]\nmax_fps = "a"\n'
        '[[zone]]\nname = "GATE"\ncamera = "yard"\npolygon = [[0, 0], [1, 1]]\non = ["opne"]\n'
        '[sinks]\nvideo = "films"\nmetrics = -1\n'
    )
    for piece in (
        "camera Yard: named twice",
        "zone GATE: named twice",
        "zone gate: no.tflite: no such file",
        "zone gate.gate.max_fps: expected a number",
        "zone GATE.on: its model has no label 'opne', did you mean 'open'?",
        "expected metrics a port",
        "sinks.video: not yet with [[zone]]",
    ):
        assert piece in text, f"{piece!r} not in {text!r}"


def test_a_name_with_a_line_end_is_shown_on_one_line() -> None:
    assert _mistakes(f'{CAMERA}[[zone]]\nname = "a\\nb"\n').startswith("zone 1: name 'a\\nb': expected")


@pytest.mark.parametrize(("one", "other"), [("höf", "hxf6f"), ("ā1", "\u1011")])
def test_two_names_that_are_one_mqtt_topic_are_refused(one: str, other: str) -> None:
    names = f'[[zone]]\nname = "{one}"\n[[zone]]\nname = "{other}"\n'
    assert _mistakes(CAMERA + names) == f"zone {other}: has the same MQTT topics as zone {one}; rename one of them."
    cameras = names.replace("[[zone]]", '[[camera]]\nsource = "a.avi"')
    assert f"camera {other}: has the same MQTT topics as camera {one}" in _mistakes(cameras)


@pytest.mark.parametrize(("one", "other"), [("-", "-"), ("0", "/dev/video0"), ("00", "0"), ("csi", "csi:0")])
def test_a_source_that_one_camera_alone_can_read_is_refused_for_two(one: str, other: str) -> None:
    cameras = "".join(
        f'[[camera]]\nname = "{name}"\nsource = "{source}"\n' for name, source in (("a", one), ("b", other))
    )
    assert _mistakes(cameras) == "camera b: its source is read by camera a; give that one several zones instead."
    assert len(_read(f'{cameras}[[zone]]\nname = "gate"\ncamera = "a"\n').zones) == 1  # the other is not opened


def test_sources_that_can_be_opened_twice_are_not_refused() -> None:
    assert len(_read('[[camera]]\nname = "a"\nsource = "f.avi"\n[[camera]]\nname = "b"\nsource = "f.avi"\n').zones) == 2


def test_mistakes_of_all_zones_sinks_are_named_at_once() -> None:
    zones = "".join(f'[[zone]]\nname = "{name}"\nwebhook = "{url}"\n' for name, url in (("a", "ftp://x"), ("b", "x")))
    with pytest.raises(SinkError) as caught:
        check_zone_sinks(_read(CAMERA + zones))
    assert "zone a: Webhook ftp" in str(caught.value)
    assert "zone b: Webhook" in str(caught.value)
    with pytest.raises(SinkError) as caught:
        check_zone_sinks(_read(f'{TWO}[sinks]\nwebhook = "ftp://x"\n'))
    assert str(caught.value).count("Webhook") == 1
    assert "zone" not in str(caught.value)


@pytest.mark.parametrize(("jsonl", "csv"), [("seen", "seen"), ("seen", "./seen"), ("-", "-")])
def test_json_lines_and_csv_are_not_mixed_in_one_file(jsonl: str, csv: str) -> None:
    sinks = f'[sinks]\njsonl = "{jsonl}"\ncsv = "{csv}"\n'
    for text in (sinks, CAMERA + sinks):
        assert "jsonl and csv two files" in _mistakes(text)
