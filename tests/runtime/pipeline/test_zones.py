"""Many cameras, zones and models in one process."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf_runtime import Classifier, Frame, SourceError
from edgeclf_runtime.decision.decision import DecisionRule
from edgeclf_runtime.decision.gate import GateRule
from edgeclf_runtime.pictures.view import MASK, GivenView, View
from edgeclf_runtime.pipeline.scheduler import Device
from edgeclf_runtime.pipeline.shared_model import SharedModel
from edgeclf_runtime.pipeline.zone import Zone
from edgeclf_runtime.pipeline.zones import ZonesPipeline
from edgeclf_runtime.sinks import Item, ModelState, Observation
from edgeclf_runtime.sinks.health_file import HealthFileKeys
from edgeclf_runtime.sinks.keys import Opening
from edgeclf_runtime.sinks.metrics import MetricsSink
from edgeclf_runtime.sinks.sink import ZoneName
from edgeclf_runtime.sources import SourceState
from edgeclf_runtime.system.state_folder import STATE
from tests.runtime.observations import seen
from tests.videos import write_video

COMMAND = [sys.executable, "-m", "edgeclf_runtime", "run"]
LEFT, CORNER = (0.0, 0.0, 0.5, 1.0), (0.25, 0.25, 0.5, 0.5)


def _run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], cwd=folder, capture_output=True, text=True, timeout=300)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_zone_gives_what_a_process_with_its_region_gives(tmp_path: Path, model: Path) -> None:
    rng = np.random.default_rng(0)
    for name in "ab":
        write_video(tmp_path / f"{name}.avi", 10, [rng.integers(0, 255, (96, 160, 3), np.uint8) for _ in range(6)])
    (tmp_path / "run.toml").write_text(
        '[decision]\nsmoothing = 0.1\n[[camera]]\nname = "a"\nsource = "a.avi"\n'
        '[[camera]]\nname = "b"\nsource = "b.avi"\n[[camera]]\nname = "spare"\nsource = "not-there.avi"\n'
        f'[[zone]]\nname = "left"\ncamera = "a"\nregion = {list(LEFT)}\n'
        f"command = \"sh -c 'echo $EDGECLF_CAMERA $EDGECLF_ZONE >> called'\"\n"
        f'[[zone]]\nname = "corner"\ncamera = "a"\nregion = {list(CORNER)}\n[[zone]]\nname = "all"\ncamera = "b"\n'
        '[sinks]\njsonl = "all.jsonl"\ncsv = "all.csv"\nsnapshots = "kept"\n',
        "utf-8",
    )
    (tmp_path / "all.csv").write_text("time,frame,source,answer,score,changed\n", "utf-8")
    done = _run(tmp_path, str(model), "--config", "run.toml")
    assert done.returncode == 0, done.stderr
    lines = _lines(tmp_path / "all.jsonl")
    for camera, zone, region in (("a", "left", LEFT), ("a", "corner", CORNER), ("b", "all", (0.0, 0.0, 1.0, 1.0))):
        words = ["--source", f"{camera}.avi", "--region", ",".join(map(str, region)), "--smoothing", "0.1"]
        alone = _run(tmp_path, str(model), *words, "--jsonl", f"alone-{zone}.jsonl")
        assert alone.returncode == 0, alone.stderr
        keys = ("frame", "source", "answer", "changed", "label", "scores", "familiarity", "reason")
        mine = [{key: line[key] for key in keys} for line in lines if (line["camera"], line["zone"]) == (camera, zone)]
        assert mine == [{key: line[key] for key in keys} for line in _lines(tmp_path / f"alone-{zone}.jsonl")]
    assert len(lines) == 18
    with (tmp_path / "all.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {(row["camera"], row["zone"]) for row in rows} == {("a", "left"), ("a", "corner"), ("b", "all")}
    assert (tmp_path / "all.csv.1").exists()  # other columns
    assert {path.parent.parent.name for path in (tmp_path / "kept").rglob("*.jpg")} <= {"left", "corner", "all"}
    called = (tmp_path / "called").read_text("utf-8").splitlines()
    assert set(called) == {"a left"}


class _Camera:
    """A live camera that gives frames until it is closed, ``fails`` after some, or goes ``silent`` after some."""

    live, description = True, "test"

    def __init__(self, fails: int = 0, silent: int = 0) -> None:
        self._fails, self._silent = fails, silent
        self._closing = threading.Event()
        self.decoded = 0
        self._pixels = np.zeros((60, 80, 3), np.uint8)

    def offered(self) -> Iterator[tuple[float, Callable[[], Frame | None]]]:
        number = 0
        while not self._closing.wait(0.005):
            number += 1
            if number == self._fails:
                raise SourceError("test: unplugged.")
            if number == self._silent:
                self._closing.wait()
                return
            yield number / 200, lambda number=number: self._decode(number)

    def _decode(self, number: int) -> Frame:
        self.decoded += 1
        return Frame(self._pixels, number / 200, number, "test")

    def close(self) -> None:
        self._closing.set()

    def __enter__(self) -> _Camera:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        yield from ()


class _Kept:
    name, pictures = "kept", False

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.changed = threading.Condition()

    def take(self, item: Item) -> None:
        with self.changed:
            self.items.append(item)
            self.changed.notify_all()

    def close(self) -> None:
        pass

    def of(self, zone: str) -> list[Observation]:
        return [item for item in self.items if isinstance(item, Observation) and item.zone.zone == zone]

    def wait(self, enough: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(enough, 60)


class _Hanging(_Kept):
    name = "hanging"

    def __init__(self, release: threading.Event) -> None:
        super().__init__()
        self._release = release

    def take(self, item: Item) -> None:
        self._release.wait(60)


def _pipeline(
    model: Path, cameras: dict[str, _Camera], sinks: list[Any], gates: dict[str, GateRule] | None = None
) -> tuple[ZonesPipeline, SharedModel]:
    """Each camera has a zone of its name and one of it with "2", all of one model."""
    classifier = Classifier.load(model, lanes=2)
    pipeline = ZonesPipeline({name: lambda _, c=camera: c for name, camera in cameras.items()}, sinks, 2)  # type: ignore[misc]
    shared = SharedModel(classifier, Device(2, True), pipeline.tell)
    for name in cameras:
        for zone in (name, f"{name}2"):
            gate = (gates or {}).get(zone, GateRule())
            made = Zone(classifier, DecisionRule(), gate, GivenView(), ZoneName(name, zone))
            pipeline.add(made, shared, [])
    return pipeline, shared


def test_a_dead_camera_a_silent_one_and_a_hanging_sink_stop_no_other(model: Path) -> None:
    kept, release = _Kept(), threading.Event()
    cameras = {"good": _Camera(), "dead": _Camera(fails=3), "silent": _Camera(silent=3)}
    pipeline, _ = _pipeline(model, cameras, [kept, _Hanging(release)])
    raised: list[BaseException] = []

    def run() -> None:
        try:
            pipeline.run()
        except SourceError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    kept.wait(lambda: len(kept.of("good")) >= 30 and len(kept.of("good2")) >= 30)
    assert len(kept.of("silent")) <= 2
    pipeline.stop()
    release.set()
    thread.join(30)
    assert not thread.is_alive()
    assert [str(error) for error in raised] == ["camera dead: test: unplugged."]


def test_a_frame_is_decoded_at_most_once_and_only_for_zones_that_are_due(model: Path) -> None:
    kept, camera = _Kept(), _Camera()
    slow = GateRule(max_fps=2)
    pipeline, _ = _pipeline(model, {"a": camera}, [kept], {"a": slow, "a2": slow})
    thread = threading.Thread(target=pipeline.run)
    thread.start()
    kept.wait(lambda: len(kept.of("a")) >= 3 and len(kept.of("a2")) >= 3)
    pipeline.stop()
    thread.join(30)
    classified = len(kept.of("a")) + len(kept.of("a2"))
    assert 3 <= camera.decoded <= classified  # the camera gave some 300


def test_a_new_model_is_adopted_for_all_its_zones_and_the_old_one_is_closed(model: Path) -> None:
    kept = _Kept()
    pipeline, shared = _pipeline(model, {"a": _Camera(), "b": _Camera()}, [kept])
    old, new = shared.borrow(), Classifier.load(model, lanes=2)
    shared.give_back(old)
    thread = threading.Thread(target=pipeline.run)
    thread.start()
    kept.wait(lambda: len(kept.of("a")) >= 2)
    shared.offer(new)
    zones = ("a", "a2", "b", "b2")
    before = {zone: len(kept.of(zone)) for zone in zones}
    kept.wait(lambda: all(len(kept.of(zone)) >= before[zone] + 3 for zone in zones))
    assert [item.name for item in kept.items if isinstance(item, ModelState)] == ["adopted"]
    assert all(turn.zone.classifier is new for turn in pipeline._turns)
    pipeline.stop()
    thread.join(30)


def test_a_zone_that_is_paused_takes_no_frame_and_the_others_go_on(model: Path) -> None:
    kept = _Kept()
    pipeline, _ = _pipeline(model, {"a": _Camera()}, [kept])
    paused = next(turn.zone for turn in pipeline._turns if turn.zone.name.zone == "a2")
    thread = threading.Thread(target=pipeline.run)
    thread.start()
    kept.wait(lambda: len(kept.of("a2")) >= 2)
    paused.control.paused.set()
    begin = len(kept.of("a"))
    kept.wait(lambda: len(kept.of("a")) >= begin + 2)  # one of its own may have been on the way
    before, begin = len(kept.of("a2")), len(kept.of("a"))
    kept.wait(lambda: len(kept.of("a")) >= begin + 10)
    assert len(kept.of("a2")) == before
    paused.control.threshold = 1.0
    paused.control.paused.clear()
    kept.wait(lambda: len(kept.of("a2")) >= before + 2)
    assert {item.decision.label for item in kept.of("a2")[before:]} == {"unknown"}  # no score reaches it
    assert {item.prediction.threshold for item in kept.of("a2")[before:]} == {1.0}
    assert {item.prediction.threshold for item in kept.of("a")} != {1.0}
    pipeline.stop()
    thread.join(30)


def test_a_film_is_over_though_a_zone_is_paused(tmp_path: Path, model: Path) -> None:
    from edgeclf_runtime.sources import open_source

    write_video(tmp_path / "film.avi", 10, [np.zeros((60, 80, 3), np.uint8)] * 5)
    kept = _Kept()
    pipeline, _ = _pipeline(model, {"a": open_source(str(tmp_path / "film.avi"))}, [kept])
    next(turn.zone for turn in pipeline._turns if turn.zone.name.zone == "a2").control.paused.set()
    pipeline.run()
    assert (len(kept.of("a")), len(kept.of("a2"))) == (5, 0)


def test_metrics_have_what_the_sinks_of_each_zone_dropped(model: Path) -> None:
    pytest.importorskip("prometheus_client")
    release, metrics = threading.Event(), MetricsSink(0, zones=True)
    classifier = Classifier.load(model, lanes=2)
    pipeline = ZonesPipeline({"a": lambda _: _Camera()}, [metrics], 2)
    shared = SharedModel(classifier, Device(2, True), pipeline.tell)
    for zone in ("fine", "slow"):
        made = Zone(classifier, DecisionRule(), GateRule(), GivenView(), ZoneName("a", zone))
        pipeline.add(made, shared, [_Hanging(release) if zone == "slow" else _Kept()])
    hanging = pipeline.outlets[-1]
    for number in range(400):
        hanging.put(replace(seen(number=number, changed=False), zone=ZoneName("a", "slow")))
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics.port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    dropped = dict(line.rsplit(" ", 1) for line in lines if line.startswith("edgeclf_dropped_total{"))
    assert float(dropped['edgeclf_dropped_total{camera="a",sink="hanging",zone="slow"}']) >= 140  # 256 wait
    assert dropped['edgeclf_dropped_total{camera="a",sink="kept",zone="fine"}'] == "0.0"
    assert f'edgeclf_dropped_total{{camera="",sink="{metrics.name}",zone=""}}' in dropped
    release.set()
    pipeline.close()


def test_a_service_keeps_one_record_of_its_health_and_one_of_each_zone_s_images(
    tmp_path: Path, model: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / STATE / "yard"
    folder.mkdir(parents=True)
    (tmp_path / "run.toml").write_text(
        f'[[camera]]\nname = "a"\nsource = {json.dumps(str(digits / "1"))}\n'
        '[[zone]]\nname = "left"\nregion = [0, 0, 0.9, 1]\n[[zone]]\nname = "all"\n',
        "utf-8",
    )
    command = [*COMMAND, str(model), "--config", "run.toml"]
    environment = {**os.environ, "STATE_DIRECTORY": str(folder)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    health = json.loads((folder / "health.json").read_text("utf-8"))
    assert sum(health["day"]["labels"].values()) == health["frames"] >= 1
    for name in ("left", "all"):
        content = json.loads((folder / f"conditions-{name}.json").read_text("utf-8"))
        assert (content["camera"], content["zone"]) == ("a", name)
    monkeypatch.setenv("STATE_DIRECTORY", str(folder))
    zone = ZoneName("a", "left")
    assert not list(HealthFileKeys().open(Opening(("cat",), "m", zones=(zone,), zone=zone)))  # zones would overwrite it


def test_zones_come_move_and_go_while_another_loses_no_frame(model: Path) -> None:
    class Film(_Camera):
        live = False  # waits until all its zones have taken a frame

    kept, corner = _Kept(), GivenView((0.5, 0.5, 0.5, 0.5))
    pipeline, shared = _pipeline(model, {"a": Film(), "b": Film()}, [kept])
    classifier = shared.borrow()
    thread = threading.Thread(target=pipeline.run)
    thread.start()
    kept.wait(lambda: len(kept.of("a")) >= 3)
    pipeline.move(Zone(classifier, DecisionRule(), GateRule(), corner, ZoneName("a", "a")))
    kept.wait(lambda: _region(kept.of("a")[-1]) == corner.region)
    pipeline.add(Zone(classifier, DecisionRule(), GateRule(), corner, ZoneName("a", "new")), shared, [])
    kept.wait(lambda: len(kept.of("new")) >= 3)
    pipeline.remove(ZoneName("a", "a"))
    for name in ("b", "b2"):  # then its camera rests
        pipeline.remove(ZoneName("b", name))
    done = pipeline.counts[ZoneName("a", "a2")]
    kept.wait(lambda: len(kept.of("a2")) > done)  # and so what waited for the sink before
    gone = len(kept.of("a"))
    kept.wait(lambda: len(kept.of("a2")) > done + 5)
    assert len(kept.of("a")) == gone
    pipeline.stop()
    thread.join(30)
    assert not thread.is_alive()
    numbers = [item.prediction.frame.number for item in kept.of("a2") if item.prediction.frame is not None]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert pipeline.counts.keys() == {ZoneName("a", "a2"), ZoneName("a", "new")}


def _region(item: Observation) -> object:
    return None if item.prediction.frame is None else item.prediction.frame.view.region


def test_states_name_their_camera(model: Path) -> None:
    kept = _Kept()
    pipeline, _ = _pipeline(model, {"a": _Camera()}, [kept])
    pipeline._feeds["a"]._open()
    pipeline.tell(SourceState("lost", 0.0, "gone", camera="a"))
    kept.wait(lambda: bool(kept.items))
    assert [item.camera for item in kept.items if isinstance(item, SourceState)] == ["a"]
    pipeline.close()


def test_outside_a_polygon_the_image_is_grey() -> None:
    pixels = np.full((100, 200, 3), 255, np.uint8)
    view = View((0.5, 0.5, 0.4, 0.4), polygon=((0.5, 0.5), (0.9, 0.5), (0.7, 0.9)))
    seen = view.cut(pixels)
    assert seen.shape == (40, 80, 3)
    assert (seen[2, 40] == 255).all()
    assert (seen[39, 0] == MASK).all()
    assert (seen[39, 79] == MASK).all()
    assert sorted(np.unique(seen)) == [MASK, 255]


def test_cameras_that_cannot_be_opened_are_named_together(tmp_path: Path, model: Path) -> None:
    (tmp_path / "run.toml").write_text(
        '[[camera]]\nname = "a"\nsource = "missing.avi"\n[[camera]]\nname = "b"\nsource = "none.avi"\n', "utf-8"
    )
    done = _run(tmp_path, str(model), "--config", "run.toml")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: camera a: missing.avi: no such camera")
    assert "camera b: none.avi: no such camera" in done.stderr
