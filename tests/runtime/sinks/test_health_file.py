"""What a service records about its health for whoever deploys to it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from edgeclf_runtime.model.identity import ModelIdentity
from edgeclf_runtime.sinks import ModelState
from edgeclf_runtime.sinks.health_file import HEALTH, HealthFile, HealthFileKeys
from edgeclf_runtime.sinks.keys import Opening
from edgeclf_runtime.sources.source import SourceState
from tests.runtime.observations import LABELS, seen


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def test_only_a_service_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert list(HealthFileKeys().open(Opening(LABELS, "pets"))) == []
    folder = tmp_path / "edgeclf-models" / "edgeclf"
    folder.mkdir(parents=True)
    monkeypatch.setenv("STATE_DIRECTORY", str(folder))
    assert len(list(HealthFileKeys().open(Opening(LABELS, "pets", gap=1.0)))) == 1
    health = _read(folder / HEALTH)
    assert (health["process"], health["is_live"], health["frames"], health["state"]) == (
        os.getpid(),
        True,
        0,
        "opening",
    )


def test_it_tells_the_source_the_answer_and_a_refused_model(tmp_path: Path) -> None:
    path = tmp_path / HEALTH
    sink = HealthFile(path)
    sink.take(SourceState("lost", 0.0, "cable"))
    assert (_read(path)["state"], _read(path)["reason"]) == ("lost", "cable")
    sink.take(SourceState("running", 1.0))
    sink.glance(None)
    sink.take(seen("cat", 0.9))  # the first is written at once
    health = _read(path)
    assert (health["state"], health["seen"], health["frames"], health["answer"]) == ("running", 2, 1, "cat")
    assert health["milliseconds"] == pytest.approx(sum(seen("cat", 0.9).prediction.milliseconds.values()))
    sink.take(SourceState("lost", 1.0, "cable", camera="yard"))
    assert (_read(path)["state"], _read(path)["reason"]) == ("running", "")
    sink.take(ModelState("refused", "pets.tflite", LABELS, "golden scores differ"))
    assert _read(path)["refused"] == "golden scores differ"
    sink.take(ModelState("refused", "https://example.org", LABELS, "an older offer", is_offer=True))
    assert _read(path)["refused"] == "golden scores differ"
    sink.take(ModelState("adopted", "pets.tflite", LABELS))
    assert _read(path)["refused"] == ""


def test_it_writes_often_at_first_and_rarely_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("edgeclf_runtime.sinks.health_file.time.monotonic", lambda: clock[0])
    path, written = tmp_path / HEALTH, []
    sink = HealthFile(path)
    for number, second in enumerate([*range(10), *range(700, 7200, 50)], 1):
        clock[0] = 1000.0 + second
        sink.take(seen("cat", 0.9))
        if _read(path)["frames"] == number:
            written.append(second)
    assert written[:-1] == list(range(10))
    assert 3600 <= written[-1] < 3700


def test_a_full_disk_does_not_keep_a_service_from_starting(tmp_path: Path) -> None:
    HealthFile(tmp_path / "missing" / HEALTH)


def test_it_counts_the_day_also_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / HEALTH
    sink = HealthFile(path)
    assert _read(path)["day"] is None
    for item in (seen("cat", familiarity=0.5), seen("dog", familiarity=0.5), seen("cat", familiarity=0.01)):
        sink.take(item)
    sink.take(SourceState("running", 1.0))
    today = time.strftime("%Y-%m-%d")
    assert _read(path)["day"] == {"date": today, "labels": {"cat": 1, "dog": 1, "unknown": 1}, "unfamiliar": 1}
    sink = HealthFile(path)
    sink.take(seen("cat", familiarity=0.5))
    assert _read(path)["day"] == {"date": today, "labels": {"cat": 2, "dog": 1, "unknown": 1}, "unfamiliar": 1}
    monkeypatch.setattr("edgeclf_runtime.sinks.day_counts.time.strftime", lambda form: "2027-01-01")
    sink.take(seen("dog", familiarity=0.5))
    sink.take(SourceState("running", 1.0))
    assert _read(path)["day"] == {"date": "2027-01-01", "labels": {"dog": 1}, "unfamiliar": 0}


@pytest.mark.parametrize("content", ["", "[]", '{"day": 3}', '{"day": {"date": "", "labels": 1}}'])
def test_a_damaged_file_of_before_is_written_anew(content: str, tmp_path: Path) -> None:
    (tmp_path / HEALTH).write_text(content)
    HealthFile(tmp_path / HEALTH).take(seen("cat"))
    assert _read(tmp_path / HEALTH)["day"]["labels"] == {"cat": 1}


def test_it_tells_which_models_are_in_use(tmp_path: Path) -> None:
    path = tmp_path / HEALTH
    one, other = ModelIdentity("a.tflite", "a", "1a", ""), ModelIdentity("b.tflite", "b", "2b", "")
    sink = HealthFile(path, models=[one, other])
    new = ModelIdentity("a-update.tflite", "a2", "3c", "4d")
    sink.take(ModelState("refused", "b.tflite", LABELS, "damaged"))
    sink.take(ModelState("adopted", new.path, LABELS, file=new, replaces=one.path))
    assert _read(path)["models"] == [other._asdict(), new._asdict()]
