"""Commands and webhooks that get the image, and those called only for a certain change, with real processes."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf_runtime.config.settings import SinkSettings
from edgeclf_runtime.errors import SinkError, UsageError
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.pipeline.sinks import check_labels, open_sinks
from edgeclf_runtime.sinks import Observation
from edgeclf_runtime.sinks.calls import CommandSink
from edgeclf_runtime.sinks.outlet import Outlet
from edgeclf_runtime.sinks.webhook import WebhookSink
from tests.runtime.observations import LABELS, seen
from tests.runtime.webhook import Webhook


def _of_region(item: Observation, region: tuple[float, float, float, float]) -> Observation:
    assert item.prediction.frame is not None
    frame = replace(item.prediction.frame, view=View(region))
    return replace(item, prediction=replace(item.prediction, frame=frame))


def _after(label: str, *before: str) -> Observation:
    item = seen(label)
    return replace(item, decision=replace(item.decision, before=before))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def test_a_command_gets_what_was_seen_in_a_private_file_that_is_gone_afterwards(temporary: Path) -> None:
    copy, about = temporary.parent / "copy.jpg", temporary.parent / "about"
    sink = CommandSink(
        f"sh -c 'cp $EDGECLF_PICTURE {copy}; stat -c %a:%n $(dirname $EDGECLF_PICTURE) > {about}'", picture=True
    )
    item = _of_region(seen(number=9), (0.0, 0.0, 0.5, 0.5))
    outlet = Outlet(sink, lossless=True)  # as in a run: waiting items hold pixels only if they are needed
    outlet.put(item)
    outlet.end()
    assert outlet.wait(30)
    assert outlet.failed == 0
    assert item.prediction.frame is not None
    given = cv2.imread(str(copy), cv2.IMREAD_COLOR_RGB)
    assert np.abs(given.astype(int) - item.prediction.frame.pixels[:24, :32]).mean() < 3
    assert about.read_text("utf-8").startswith("700:")
    assert list(temporary.iterdir()) == []


def test_the_file_is_gone_after_a_failure_too_and_a_command_runs_where_it_cannot_be_written(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SinkError, match="exit status 3"):
        CommandSink("sh -c 'test -s $EDGECLF_PICTURE && exit 3'", picture=True).take(seen())
    assert list(temporary.iterdir()) == []
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "missing"))
    CommandSink(f"sh -c 'echo \"<$EDGECLF_PICTURE>\" > {temporary}/log'", picture=True).take(seen())
    assert (temporary / "log").read_text("utf-8") == "<>\n"
    assert "No image for the command" in caplog.text


def test_an_image_is_bounded_and_holds_nothing_of_the_photograph_s_own_file() -> None:
    from edgeclf_runtime.sinks.call_pictures import call_picture

    item = seen()
    assert item.prediction.frame is not None
    noise = np.random.default_rng(0).integers(0, 255, (1500, 2600, 3), np.uint8)
    done, own = cv2.imencode(".jpg", noise)
    assert done
    where = own.tobytes()[:2] + b"\xff\xe1\x00\x08Where!" + own.tobytes()[2:]
    frame = replace(item.prediction.frame, pixels=noise, jpeg=where)
    content = call_picture(replace(item, prediction=replace(item.prediction, frame=frame)))
    assert content is not None
    assert len(content) <= 1_000_000
    assert b"Where!" not in content
    assert max(cv2.imdecode(np.frombuffer(content, np.uint8), 1).shape) <= 1920


def test_a_webhook_gets_a_form_of_json_and_image(hook: Webhook) -> None:
    item = _of_region(seen("dog", number=3), (0.5, 0.0, 0.5, 1.0))
    hook.failures = 1  # repeated with the image
    outlet = Outlet(WebhookSink(hook.address, token="abc", picture=True), lossless=True)
    outlet.put(item)
    outlet.end()
    assert outlet.wait(30)
    assert [(body["answer"], body["frame"]) for _, body in hook.calls] == [("dog", 3)] * 2
    assert hook.calls[1][0]["Authorization"] == "Bearer abc"
    assert item.prediction.frame is not None
    assert hook.pictures[1] is not None
    given = cv2.imdecode(np.frombuffer(hook.pictures[1], np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(given.astype(int) - item.prediction.frame.pixels[:, 32:]).mean() < 3


def test_without_the_options_calls_are_as_before(hook: Webhook, tmp_path: Path) -> None:
    WebhookSink(hook.address).take(seen("dog"))
    (headers, body), pictures = hook.calls[0], hook.pictures
    assert (headers["Content-Type"], pictures) == ("application/json", [None])
    assert not {"previous", "counts"} & set(body)
    CommandSink(f"sh -c 'env > {tmp_path}/log'").take(seen("dog"))
    assert "EDGECLF_PICTURE" not in (tmp_path / "log").read_text("utf-8")


def test_open_after_closed_calls_and_open_after_anything_else_does_not(tmp_path: Path) -> None:
    log = tmp_path / "log"
    asked = SinkSettings(command=f"sh -c 'echo $EDGECLF_PREVIOUS $EDGECLF_LABEL >> {log}'", on=("dog",), after=("cat",))
    (sink,) = open_sinks(asked, LABELS, "m")
    for item in (_after("dog"), _after("dog", "unknown"), _after("cat", "dog")):
        sink.take(item)
    assert not log.exists()
    sink.take(_after("dog", "cat"))
    sink.take(_after("dog", "unknown", "cat"))
    assert log.read_text("utf-8").splitlines() == ["cat dog", "cat dog"]


def test_labels_of_after_are_checked_and_words_of_other_programs_are_understood() -> None:
    from edgeclf_runtime.config.settings import settings

    check_labels(SinkSettings(after=("cat", "unknown")), LABELS)
    with pytest.raises(SinkError, match="after: the model has no label 'dgo', did you mean 'dog'"):
        check_labels(SinkSettings(after=("dgo",)), LABELS)
    with pytest.raises(
        UsageError, match=r"sinks.from: unknown, did you mean after\?; sinks.to: unknown, did you mean on\?"
    ):
        settings({"sinks": {"from": ["cat"], "to": ["dog"]}}, {}, "run.toml")


def test_a_command_is_told_the_count(tmp_path: Path) -> None:
    item = seen("dog")
    CommandSink(f"sh -c 'echo $EDGECLF_COUNT > {tmp_path}/log'").take(
        replace(item, decision=replace(item.decision, counts={"cat": 4, "dog": 3}))
    )
    assert (tmp_path / "log").read_text("utf-8") == "3\n"
    assert "EDGECLF_COUNT" not in os.environ
