"""The page as programs see it: a real server, real sockets, and attackers."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf_runtime import Classifier
from edgeclf_runtime.decision.gate import GateRule
from edgeclf_runtime.pipeline.pipeline import Pipeline
from edgeclf_runtime.sinks.snapshots.name import discarded_names
from edgeclf_runtime.sources import SourceOptions, SourceState, open_source
from edgeclf_runtime.system.thermal import temperature
from edgeclf_runtime.web import connections, unsorted
from edgeclf_runtime.web.live_page import WebSink
from tests.runtime.observations import seen
from tests.runtime.web_client import JSON, ask, port, sentence


def test_page_state_image_and_metrics(sink: WebSink) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    status, headers, page = ask(sink, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"preview.js" in page
    assert ask(sink, "/picture.jpg")[0] == 503
    for number in range(4):
        sink.take(seen("dog" if number else "cat", 0.8, number=number))
    sink.take(SourceState("lost", 0.0, "pulled out", 2))
    state = json.loads(ask(sink, "/state.json")[2])
    assert (state["model"], state["labels"], state["frames"]) == ("pets.tflite", ["cat", "dog"], 4)
    assert (state["answer"], state["score"], state["scores"][0][0]) == ("dog", 0.8, "dog")
    assert state["source"] == {"state": "lost", "reason": "pulled out", "reopened": 2}
    assert set(state["milliseconds"]) == {"capture", "resize", "invoke"}
    assert [point[1] for point in state["history"]] == ["cat", "dog", "dog", "dog"]
    image = cv2.imdecode(np.frombuffer(ask(sink, "/picture.jpg")[2], np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (48, 64, 3)
    samples = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(ask(sink, "/metrics")[2].decode())
        for sample in family.samples
    }
    assert samples["edgeclf_frames_total", ("dog",)] == 3


def test_the_image_goes_on_while_the_gate_skips(model: Path, folder: Path, tmp_path: Path) -> None:
    page, watched = WebSink("0", "", "pets.tflite", ("cat", "dog"), folder), tmp_path / "watched"
    watched.mkdir()
    for number, level in enumerate((90, 91, 92)):
        cv2.imwrite(str(watched / f"{number}.png"), np.full((48, 64, 3), level, np.uint8))
    with Classifier.load(model) as classifier:
        pipeline = Pipeline(classifier, [page], gate=GateRule(motion=5.0, refresh=1000, linger=0))
        source = open_source(str(watched), SourceOptions(watch=True))
        running = threading.Thread(target=pipeline.run, args=(source,))
        running.start()
        try:
            until, shown = time.monotonic() + 60, 0.0
            while shown < 91.5 and time.monotonic() < until:  # the newest frame, which is not classified
                status, _, content = ask(page, "/picture.jpg")
                shown = float(cv2.imdecode(np.frombuffer(content, np.uint8), 1).mean()) if status == 200 else 0.0
            state = json.loads(ask(page, "/state.json")[2])
            while not state["frames"] and time.monotonic() < until:  # answers come through a queue, images directly
                state = json.loads(ask(page, "/state.json")[2])
        finally:
            pipeline.stop()
            running.join()
            pipeline.close()
    assert shown == pytest.approx(92, abs=0.5)
    assert (pipeline.frames, state["frames"], state["source"]["state"]) == (1, 1, "running")


def test_how_warm_it_is(tmp_path: Path) -> None:
    assert temperature(tmp_path) is None
    (tmp_path / "thermal_zone0").mkdir()
    (tmp_path / "thermal_zone0" / "temp").write_text("48312\n", "ascii")
    assert temperature(tmp_path) == 48.312
    (tmp_path / "thermal_zone0" / "temp").write_text("", "ascii")
    assert temperature(tmp_path) is None


def test_the_pages_need_nothing_from_elsewhere(sink: WebSink) -> None:
    static = Path(connections.__file__).parent / "static"
    for file in static.iterdir():
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "//" not in text.replace("// ", "") or "http" not in text, file
    for name in ("preview.js", "live.js", "history.js", "unsorted.js", "page.css", "icon.svg"):
        assert ask(sink, f"/{name}")[0] == 200
    for name in (
        "capture.js",
        "capture.html",
        "static/preview.js",
        "__init__.py",
        "%2e%2e/server.py",
        "..%2fserver.py",
    ):
        assert ask(sink, f"/{name}")[0] == 404


def test_every_answer_says_what_the_browser_may_do(sink: WebSink) -> None:
    for path in ("/", "/state.json", "/nowhere", "/picture.jpg"):
        _, headers, _ = ask(sink, path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Server"] is None


def test_only_the_page_itself_changes_anything(sink: WebSink, folder: Path) -> None:
    name = next((folder / "__unsorted").iterdir()).name
    body = {"name": name, "label": "dog"}
    own = f"http://127.0.0.1:{port(sink)}"
    for wrong in (
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": own.replace("http", "ftp")},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert ask(sink, "/sort", body, wrong)[0] in (403, 415), wrong
        assert ask(sink, "/discard", {"names": [name]}, wrong)[0] in (403, 415), wrong
    assert ask(sink, "/sort", headers=JSON)[0] == 405
    assert len(list((folder / "__unsorted").iterdir())) == 3
    assert ask(sink, "/sort", body, {"Origin": own, "Sec-Fetch-Site": "same-origin"})[0] == 200
    assert (folder / "dog" / name).is_file()


def test_snapshots_are_sorted_and_taken_back(sink: WebSink, folder: Path) -> None:
    listed = json.loads(ask(sink, "/snapshots.json")[2])
    assert (listed["count"], listed["pictures"][0]["answer"], listed["pictures"][0]["score"]) == (3, "unknown", 0.5)
    name = listed["pictures"][0]["name"]
    assert ask(sink, f"/snapshots/{name}")[2].startswith(b"\xff\xd8")
    assert json.loads(ask(sink, "/sort", {"name": name, "label": "a new one"})[2]) == {"folder": "a new one"}
    assert (folder / "a new one" / name).is_file()
    again = ask(sink, "/sort", {"name": name, "label": "dog"})
    assert (again[0], "is gone" in sentence(again)) == (409, True)
    assert ask(sink, "/unsort", {"name": name, "label": "a new one"})[0] == 200
    assert (folder / "__unsorted" / name).is_file()
    (folder / "dog").write_text("in the way", "utf-8")
    blocked = ask(sink, "/sort", {"name": name, "label": "dog"})
    assert (blocked[0], "File exists" in sentence(blocked)) == (409, True)


def test_discarded_snapshots_wait_to_be_taken_back_and_the_oldest_go(
    sink: WebSink, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unsorted, "_WAITING", 2)
    names = sorted(path.name for path in (folder / "__unsorted").iterdir())
    assert json.loads(ask(sink, "/discard", {"names": [names[0], "../../etc/passwd"]})[2]) == {"count": 1}
    again = ask(sink, "/discard", {"names": names[:1]})
    assert (again[0], "is gone" in sentence(again)) == (409, True)
    assert json.loads(ask(sink, "/snapshots.json")[2])["count"] == 2
    assert json.loads(ask(sink, "/restore", {"names": names[:1]})[2]) == {"count": 1}
    (folder / "__whole").mkdir()
    for name in names:
        (folder / "__whole" / name).write_bytes(b"whole")
    assert json.loads(ask(sink, "/discard", {"names": names[:1]})[2]) == {"count": 1}
    assert json.loads(ask(sink, "/discard", {"names": names[1:]})[2]) == {"count": 2}
    assert sorted(path.name for path in (folder / "__discarded").iterdir()) == names[1:]
    assert discarded_names(folder) == set(names)  # for edgeclf train
    assert sorted(path.name for path in (folder / "__whole").iterdir()) == names[1:]
    for wrong in ({"names": []}, {"names": "all"}, {"names": [1]}, {"name": names[1]}, [], {"names": {"0": names[1]}}):
        assert ask(sink, "/discard", wrong)[0] == 400, wrong
    assert ask(sink, "/restore", {"names": ["x" * 9000]})[0] == 413
