"""Zones of several cameras share models and cores, and disturb each other as little as possible."""

from __future__ import annotations

import threading
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeclf_runtime import Classifier, SourceError
from edgeclf_runtime.decision.decision import DecisionRule
from edgeclf_runtime.decision.gate import GateRule
from edgeclf_runtime.pictures.view import GivenView
from edgeclf_runtime.pipeline.scheduler import Device
from edgeclf_runtime.pipeline.shared_model import SharedModel
from edgeclf_runtime.pipeline.zone import Zone
from edgeclf_runtime.pipeline.zones import ZonesPipeline
from edgeclf_runtime.sinks import ModelState, Observation
from edgeclf_runtime.sinks.metrics import MetricsSink
from edgeclf_runtime.sinks.sink import ZoneName
from edgeclf_runtime.sources import SourceState
from tests.runtime.observations import seen
from tests.runtime.pipeline.zone_cameras import HangingSink, KeptItems, LiveCamera, zones_pipeline
from tests.videos import write_video


def test_a_dead_camera_a_silent_one_and_a_hanging_sink_stop_no_other(model: Path) -> None:
    kept, release = KeptItems(), threading.Event()
    cameras = {"good": LiveCamera(), "dead": LiveCamera(fails=3), "silent": LiveCamera(silent=3)}
    pipeline, _ = zones_pipeline(model, cameras, [kept, HangingSink(release)])
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
    kept, camera = KeptItems(), LiveCamera()
    slow = GateRule(max_fps=2)
    pipeline, _ = zones_pipeline(model, {"a": camera}, [kept], {"a": slow, "a2": slow})
    thread = threading.Thread(target=pipeline.run)
    thread.start()
    kept.wait(lambda: len(kept.of("a")) >= 3 and len(kept.of("a2")) >= 3)
    pipeline.stop()
    thread.join(30)
    classified = len(kept.of("a")) + len(kept.of("a2"))
    assert 3 <= camera.decoded <= classified  # the camera gave about 300


def test_a_new_model_is_adopted_for_all_its_zones_and_the_old_one_is_closed(model: Path) -> None:
    kept = KeptItems()
    pipeline, shared = zones_pipeline(model, {"a": LiveCamera(), "b": LiveCamera()}, [kept])
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
    kept = KeptItems()
    pipeline, _ = zones_pipeline(model, {"a": LiveCamera()}, [kept])
    paused = next(turn.zone for turn in pipeline._turns if turn.zone.name.zone == "a2")
    thread = threading.Thread(target=pipeline.run)
    thread.start()
    kept.wait(lambda: len(kept.of("a2")) >= 2)
    paused.control.paused.set()
    begin = len(kept.of("a"))
    kept.wait(lambda: len(kept.of("a")) >= begin + 2)  # one frame may have been in progress
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
    kept = KeptItems()
    pipeline, _ = zones_pipeline(model, {"a": open_source(str(tmp_path / "film.avi"))}, [kept])
    next(turn.zone for turn in pipeline._turns if turn.zone.name.zone == "a2").control.paused.set()
    pipeline.run()
    assert (len(kept.of("a")), len(kept.of("a2"))) == (5, 0)


def test_metrics_have_what_the_sinks_of_each_zone_dropped(model: Path) -> None:
    pytest.importorskip("prometheus_client")
    release, metrics = threading.Event(), MetricsSink(0, zones=True)
    classifier = Classifier.load(model, lanes=2)
    pipeline = ZonesPipeline({"a": lambda _: LiveCamera()}, [metrics], 2)
    shared = SharedModel(classifier, Device(2, True), pipeline.tell)
    for zone in ("fine", "slow"):
        made = Zone(classifier, DecisionRule(), GateRule(), GivenView(), ZoneName("a", zone))
        pipeline.add(made, shared, [HangingSink(release) if zone == "slow" else KeptItems()])
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


def test_zones_come_move_and_go_while_another_loses_no_frame(model: Path) -> None:
    class Film(LiveCamera):
        live = False  # waits until all its zones have taken a frame

    kept, corner = KeptItems(), GivenView((0.5, 0.5, 0.5, 0.5))
    pipeline, shared = zones_pipeline(model, {"a": Film(), "b": Film()}, [kept])
    classifier = shared.borrow()
    thread = threading.Thread(target=pipeline.run)
    thread.start()
    kept.wait(lambda: len(kept.of("a")) >= 3)
    pipeline.move(Zone(classifier, DecisionRule(), GateRule(), corner, ZoneName("a", "a")))
    kept.wait(lambda: _region(kept.of("a")[-1]) == corner.region)
    pipeline.add(Zone(classifier, DecisionRule(), GateRule(), corner, ZoneName("a", "new")), shared, [])
    kept.wait(lambda: len(kept.of("new")) >= 3)
    pipeline.remove(ZoneName("a", "a"))
    for name in ("b", "b2"):  # then their camera pauses
        pipeline.remove(ZoneName("b", name))
    done = pipeline.counts[ZoneName("a", "a2")]
    kept.wait(lambda: len(kept.of("a2")) > done)  # and so everything that waited for the sink before it
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
    kept = KeptItems()
    pipeline, _ = zones_pipeline(model, {"a": LiveCamera()}, [kept])
    pipeline._feeds["a"]._open()
    pipeline.tell(SourceState("lost", 0.0, "gone", camera="a"))
    kept.wait(lambda: bool(kept.items))
    assert [item.camera for item in kept.items if isinstance(item, SourceState)] == ["a"]
    pipeline.close()
