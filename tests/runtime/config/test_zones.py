"""``[[camera]]`` and ``[[zone]]``: one object, and all mistakes at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomllib

from edgeclf_runtime import UsageError
from edgeclf_runtime.config.page_zones import page_file
from edgeclf_runtime.config.settings import RunSettings, settings
from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.pipeline.zone_changes import settings_and_changes

TWO = """
[decision]
threshold = 0.5
smoothing = 2
[[camera]]
name = "yard"
source = "rtsp://me:s3cret@host/1"
rotate = 90
[[camera]]
name = "belt"
source = "belt.avi"
[[zone]]
name = "gate"
camera = "yard"
region = [0.1, 0.2, 0.3, 0.4]
model = "gate.tflite"
on = ["open"]
after = ["closed"]
[zone.decision]
threshold = 0.9
[[zone]]
name = "bay"
camera = "yard"
polygon = [[0.5, 0.5], [0.9, 0.5], [0.7, 0.9]]
[zone.gate]
max_fps = 2
"""


def _labels(path: Path) -> tuple[str, ...]:
    known = {"gate.tflite": ("open", "closed"), "model.tflite": ("car", "empty")}
    if path.name not in known:
        raise ModelError(f"{path}: no such file.")
    return known[path.name]


def _read(text: str) -> RunSettings:
    return settings(tomllib.loads(text), {}, "run.toml", Path("model.tflite"), _labels)


def test_zones_take_what_they_do_not_set_from_the_tables_of_all() -> None:
    chosen = _read(TWO)
    assert [(camera.name, camera.options.rotate) for camera in chosen.cameras] == [("yard", 90), ("belt", None)]
    gate, bay = chosen.zones
    assert (gate.model, gate.region, gate.on) == (Path("gate.tflite"), (0.1, 0.2, 0.3, 0.4), ("open",))
    assert (gate.after, bay.after) == (("closed",), None)
    assert (gate.decision.threshold, gate.decision.smoothing, gate.gate.max_fps) == (0.9, 2.0, 0.0)
    assert (bay.model, bay.decision.threshold, bay.gate.max_fps) == (None, 0.5, 2.0)
    assert bay.region == pytest.approx((0.5, 0.5, 0.4, 0.4))
    assert "s3cret" not in repr(chosen)


def test_a_file_of_one_camera_has_no_zones_and_cameras_alone_have_one_each() -> None:
    plain = _read('source = "0"\n[camera]\nfps = 5\n')
    assert (plain.cameras, plain.zones, plain.camera.fps) == ((), (), 5)
    cameras = '[[camera]]\nname = "a"\nsource = "0"\n[[camera]]\nname = "b"\nsource = "1"\n'
    assert [(zone.name, zone.camera, zone.region) for zone in _read(cameras).zones] == [
        ("a", "a", None),
        ("b", "b", None),
    ]
    one = _read('source = "film.avi"\n[camera]\nfps = 5\n[[zone]]\nname = "left"\n')
    assert [(camera.source, camera.options.fps) for camera in one.cameras] == [("film.avi", 5)]
    assert one.zones[0].camera == one.cameras[0].name


WRONG = """
sours = "0"
[[camera]]
name = "yard"
source = "0"
widht = 640
[[camera]]
name = "Yard"
source = "1"
[[camera]]
name = "../etc"
[[zone]]
name = "gate"
camera = "yart"
[[zone]]
name = "bay"
camera = "yard"
region = [0.5, 0, 0.6, 1]
[[zone]]
name = "slope"
camera = "yard"
polygon = [[0, 0], [1, 1], [1, 0], [0, 1]]
[[zone]]
name = "line"
camera = "yard"
polygon = [[0, 0], [1, 1]]
[[zone]]
name = "door"
camera = "yard"
model = "dor.tflite"
comand = "true"
[[zone]]
name = "door"
camera = "yard"
on = ["opn"]
model = "gate.tflite"
[zone.decision]
vote = 2
[sinks]
video = "films"
on = ["truck"]
"""


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        _read(WRONG)
    text = str(caught.value)
    for piece in (
        "run.toml: sours: unknown, did you mean source?",
        "camera yard.widht: unknown, did you mean width?",
        "camera Yard: named twice",
        "camera ../etc: name '../etc': expected 1 to 40 letters, digits, - or _",
        "source is missing",
        "zone gate.camera: 'yart' is no [[camera]], did you mean yard?",
        "zone bay: region (0.5, 0.0, 0.6, 1.0): expected left, top, width, height",
        "zone slope: polygon: its sides cross",
        "zone line: polygon: expected at least 3 points, got 2",
        "zone door: named twice",
        "zone door: dor.tflite: no such file",
        "zone door.comand: unknown, did you mean command?",
        "zone door.on: its model has no label 'opn', did you mean 'open'?",
        "zone door.decision.vote: unknown, did you mean votes?",
        "sinks.video: not yet with [[zone]]",
    ):
        assert piece in text, f"{piece!r} not in {text!r}"


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ("[[0, 0], [1, 0], [1, 1.2]]", "within 0 to 1"),
        ("[[0, 0], [0.5, 0.5], [1, 1]]", "on a line|cross"),
        ("[[0, 0], [0, 0], [1, 1], [1, 0]]", "same point twice"),
        ("[[0, 0], [1, 0], [0.5, 0.5], [0.5, 1], [0.5, 0.5], [0, 1]]", "cross"),
        ("[[0, 0, 0], [1, 0, 0], [1, 1, 1]]", "a list of 2"),
    ],
)
def test_polygons_without_an_inside_are_refused(points: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _read(f'source = "0"\n[[zone]]\nname = "z"\npolygon = {points}\n')


@pytest.mark.parametrize("text", ["zone = []\n", "camera = []\n", "zone = []\n[camera]\nfps = 5\n"])
def test_empty_lists_are_no_run_of_one_camera(text: str) -> None:
    with pytest.raises(UsageError, match=r"at least one|expected"):
        _read(text)


def test_a_label_of_all_zones_needs_only_one_model_that_has_it() -> None:
    assert _read(TWO + '[sinks]\non = ["car", "open"]\n').sinks.on == ("car", "open")
    with pytest.raises(UsageError, match=r"sinks\.on: no zone's model has a label 'opem', did you mean 'open'"):
        _read(TWO + '[sinks]\non = ["opem"]\n')


def test_a_region_or_source_for_all_is_refused_where_each_has_its_own() -> None:
    with pytest.raises(UsageError, match=r"region belongs to \[\[zone\]\]"):
        _read(TWO + "[gate]\nregion = [0, 0, 1, 1]\n")
    with pytest.raises(UsageError, match=r"source: with \[\[camera\]\], each has its own"):
        settings(tomllib.loads(TWO), {"": {"source": "0"}}, "", Path("model.tflite"), _labels)


DRAWN = """
[[zone]]
name = "gate"
camera = "belt"
polygon = [[0.0, 0.0], [1.0, 0.0], [0.5, 0.5]]
[[zone]]
name = "new"
camera = "yard"
"""


def test_drawn_zones_come_after_those_of_run_toml_and_give_them_their_place(tmp_path: Path) -> None:
    (tmp_path / "drawn.toml").write_text(DRAWN, "utf-8")
    content = tomllib.loads(f'page_zones = "{tmp_path}/drawn.toml"\n{TWO}')
    chosen, changes = settings_and_changes(content, {}, "run.toml", Path("model.tflite"), _labels)
    assert changes is not None
    assert changes.cameras == ("yard", "belt")
    gate, bay, new = chosen.zones
    assert (gate.camera, gate.region, gate.model, gate.decision.threshold) == (
        "belt",
        (0.0, 0.0, 1.0, 0.5),
        Path("gate.tflite"),
        0.9,
    )
    assert (bay.name, new.camera, new.region, new.decision.threshold) == ("bay", "yard", None, 0.5)
    assert [zone["written"] for zone in changes.listed()["zones"]] == [True, True, False]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            '[[zone]]\nname = "a"\ncommand = "x"\n',
            "drawn.toml: zone a.command: expected name, camera, region, polygon alone.",
        ),
        ('source = "0"\n', "drawn.toml: source: expected [[zone]] alone; all else belongs into run.toml."),
        ("[[zone\n", "drawn.toml: "),
        ('[[zone]]\nname = "a"\ncamera = "moon"\n', "run.toml with {file}: zone a.camera: 'moon' is no [[camera]]"),
    ],
)
def test_a_wrong_file_of_drawn_zones_is_named(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "drawn.toml"
    file.write_text(text, "utf-8")
    content = tomllib.loads(f'page_zones = "{file}"\n{TWO}')
    with pytest.raises(UsageError) as raised:
        settings_and_changes(content, {}, "run.toml", Path("model.tflite"), _labels)
    assert why.replace("{file}", str(file)) in str(raised.value)


def test_a_service_keeps_drawn_zones_in_its_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/edgeclf-models/edgeclf")
    assert page_file({"page_zones": "zones.toml"}) == Path("/var/lib/edgeclf-models/edgeclf/zones.toml")
    assert page_file({"page_zones": "/srv/zones.toml"}) == Path("/srv/zones.toml")
    assert page_file({}) is None


def test_drawn_zones_are_checked_as_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "drawn.toml"
    content = tomllib.loads(f'page_zones = "{file}"\n{TWO}')
    _, changes = settings_and_changes(content, {}, "run.toml", Path("model.tflite"), _labels)
    assert changes is not None
    changes.begin(lambda chosen, keep: keep())
    written = [{"name": name, "camera": "yard"} for name in ("gate", "bay")]
    close = [[0.1, 0.1], [0.10002, 0.1], [0.9, 0.1], [0.5, 0.9]]  # the first two are one point in the file
    for place in ({"polygon": close}, {"region": [0.1, 0.1, 0.00004, 0.5]}):
        with pytest.raises(UsageError, match="zone new: "):
            changes.save(0, [*written, {"name": "new", "camera": "yard", **place}])
    assert not file.exists()
    changes.save(0, [*written, {"name": "new", "camera": "yard", "region": [0.123456, 0.1, 0.2, 0.2]}])
    assert changes.listed()["zones"][2]["region"] == (0.1235, 0.1, 0.2, 0.2)
    again, _ = settings_and_changes(content, {}, "run.toml", Path("model.tflite"), _labels)
    assert again.zones[2].region == (0.1235, 0.1, 0.2, 0.2)
