"""Commands and webhooks, with real processes: none acts on old answers, leaves processes running or sees a secret."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeclf_runtime.config.settings import SinkSettings
from edgeclf_runtime.decision.decision import Decider, DecisionRule
from edgeclf_runtime.errors import SinkError, UsageError
from edgeclf_runtime.pipeline.sinks import open_sinks
from edgeclf_runtime.sinks import calls
from edgeclf_runtime.sinks.calls import CommandSink
from edgeclf_runtime.sinks.outlet import Outlet
from edgeclf_runtime.sinks.webhook import WebhookSink
from tests.runtime.observations import LABELS, seen
from tests.runtime.webhook import Webhook

KEPT = Path(__file__).parents[2] / "kept" / "0.1"


def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def _is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []


@pytest.fixture
def gate(tmp_path: Path) -> str:
    """Return a command that writes its answer's time to ``log`` and then waits for the file ``go``."""
    script = tmp_path / "wait.sh"
    script.write_text(
        f'echo "$EDGECLF_LABEL $EDGECLF_TIME" >> {tmp_path}/log\nwhile [ ! -e {tmp_path}/go ]; do sleep 0.02; done\n',
        "utf-8",
    )
    return f"sh {script}"


def test_while_a_command_runs_only_the_newest_change_waits(
    gate: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outlet = Outlet(CommandSink(gate), lossless=True)
    outlet.put(seen("cat", number=0))
    _until(lambda: _lines(tmp_path / "log"))
    for number in range(1, 10):
        outlet.put(seen("dog" if number % 2 else "cat", number=number))
        outlet.put(seen("dog", changed=False, number=100))
    assert outlet.dropped == 8
    (tmp_path / "go").touch()
    outlet.end()
    assert outlet.wait(30)
    assert _lines(tmp_path / "log") == ["cat 1700000000.250", "dog 1700000009.250"]
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"Sink command sh: not ready in time, {number} dropped so far." for number in (1, 8)]


def test_a_change_to_an_answer_that_calls_for_nothing_ends_the_waiting(gate: str, tmp_path: Path) -> None:
    outlet = Outlet(CommandSink(gate, labels=("dog",)), lossless=False)
    outlet.put(seen("dog", number=0))
    _until(lambda: _lines(tmp_path / "log"))
    outlet.put(seen("dog", number=1))
    outlet.put(seen("cat", number=2))
    assert outlet.dropped == 1
    (tmp_path / "go").touch()
    outlet.end()
    assert outlet.wait(30)
    assert _lines(tmp_path / "log") == ["dog 1700000000.250"]
    assert outlet.dropped == 1


def test_a_command_of_a_second_under_five_changes_a_second_is_never_late(tmp_path: Path) -> None:
    """The complete command: a folder whose answer changes with every image, five a second."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(13):
        source = min((KEPT / "photos" / str(number % 2)).iterdir())
        (folder / f"{number:02}{source.suffix}").write_bytes(source.read_bytes())
    command = f"sh -c 'echo $EDGECLF_TIME $(date +%s.%N) $EDGECLF_SOURCE >> {tmp_path}/log; sleep 1'"
    words = ["--source", str(folder), "--max-fps", "5", "--threshold", "0", "--command", command]
    run = [sys.executable, "-m", "edgeclf_runtime", "run", str(KEPT / "model.tflite"), *words]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    calls = [line.split() for line in _lines(tmp_path / "log")]
    assert 2 <= len(calls) <= 7
    assert calls[-1][2].endswith("12.png")
    late = [float(at) - float(seen_at) for seen_at, at, _ in calls]
    assert max(late) < 3, late  # one command's time, and slack for a busy machine; it was 10 s before
    assert "dropped so far" in done.stderr


def test_between_two_calls_lies_the_cooldown(tmp_path: Path) -> None:
    sink = CommandSink(f"sh -c 'date +%s.%N >> {tmp_path}/log; echo $EDGECLF_TIME >> {tmp_path}/log'", cooldown=0.7)
    outlet = Outlet(sink, lossless=False)
    for number in range(3):
        outlet.put(seen(number=number))
        _until(lambda: len(_lines(tmp_path / "log")) >= 2)
    _until(lambda: len(_lines(tmp_path / "log")) == 4)
    outlet.put(seen(number=3))
    outlet.end()  # no call for what still cools down
    assert outlet.wait(30)
    first, _, second, newest = map(float, _lines(tmp_path / "log"))
    assert second - first >= 0.7
    assert newest == 1_700_000_002.25
    assert outlet.dropped == 2


def test_at_the_timeout_the_whole_group_ends_also_who_ignores_the_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "_SECONDS", 1.0)
    monkeypatch.setattr(calls, "_GRACE", 0.3)
    stubborn = f'trap "" TERM; echo $$ > {tmp_path}/child; exec sleep 300'
    (tmp_path / "parent.sh").write_text(f"sh -c '{stubborn}' &\nwait\n", "utf-8")
    sink = CommandSink(f"sh {tmp_path}/parent.sh")
    with pytest.raises(SinkError, match="not done after 1 s"):
        sink.take(seen())
    child = int(_lines(tmp_path / "child")[0])
    _until(lambda: not _is_running(child))


@pytest.mark.parametrize(
    ("way", "number"), [("still running", signal.SIGINT), ("ended, its child is not", signal.SIGTERM)]
)
def test_at_the_end_of_a_run_nothing_is_left(way: str, number: int, tmp_path: Path) -> None:
    stubborn = f'trap "" TERM; echo $$ > {tmp_path}/child; exec sleep 300'
    end = "wait" if way == "still running" else f"while [ ! -e {tmp_path}/child ]; do sleep 0.02; done"
    (tmp_path / "parent.sh").write_text(f"sh -c '{stubborn}' &\n{end}\ntouch {tmp_path}/after\n", "utf-8")
    (tmp_path / "in").mkdir()
    image = min((KEPT / "photos" / "0").iterdir())
    (tmp_path / "in" / image.name).write_bytes(image.read_bytes())
    words = ["--source", str(tmp_path / "in"), "--watch", "--command", f"sh {tmp_path}/parent.sh"]
    heard = "import os, signal, sys; signal.signal(2, signal.default_int_handler); os.execv(sys.argv[1], sys.argv[1:])"
    model = tmp_path / "model.tflite"
    model.write_bytes((KEPT / "model.tflite").read_bytes())
    run = [sys.executable, "-c", heard, sys.executable, "-m", "edgeclf_runtime", "run", str(model), *words]
    with subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        _until(lambda: _lines(tmp_path / "child") and (way == "still running" or (tmp_path / "after").exists()))
        child = int(_lines(tmp_path / "child")[0])
        assert _is_running(child)
        process.send_signal(number)
        assert process.wait(20) == (0 if number == signal.SIGTERM else 130)
        _until(lambda: not _is_running(child))
    assert (tmp_path / "after").exists() == (way != "still running")


def test_a_command_sees_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "EDGECLF_WEB_TOKEN": "s3cret-of-the-page",
        "EDGECLF_SOMETHING": "s3cret",
        "CREDENTIALS_DIRECTORY": "/run/credentials/s3cret",
        "BROKER_PASSWORD": "s3cret/of the broker",
        "ADDRESS": "mqtt://user:s3cret%2Fof%20the%20broker@127.0.0.1:9",
        "HOOK": "Bearer s3cret-of-the-hook",
        "EDGECLF_EDGETPU_LIBRARY": "/usr/lib/libedgetpu.so.1",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    asked = SinkSettings(
        command=f"sh -c 'env > {tmp_path}/log'",
        mqtt="mqtt://user:s3cret%2Fof%20the%20broker@127.0.0.1:9",
        webhook_token="s3cret-of-the-hook",
        web_token="s3cret-of-the-page",
    )
    sinks = open_sinks(asked, LABELS, "m")  # no broker is running
    next(sink for sink in sinks if isinstance(sink, CommandSink)).take(seen("dog"))
    for sink in sinks:
        sink.close()
    text = (tmp_path / "log").read_text("utf-8")
    assert "s3cret" not in text
    assert "EDGECLF_LABEL=dog\n" in text
    assert "EDGECLF_EDGETPU_LIBRARY=/usr/lib/libedgetpu.so.1\n" in text
    assert f"PATH={os.environ['PATH']}\n" in text


def _frames(hook: Webhook) -> list[int]:
    """Return the frame numbers that it was called with."""
    return [body["frame"] for _, body in hook.calls]


def test_of_a_slow_webhook_too_only_the_newest_change_waits(hook: Webhook) -> None:
    outlet = Outlet(WebhookSink(hook.address), lossless=True)
    hook.answers.clear()
    outlet.put(seen(number=0))
    _until(lambda: hook.calls)
    for number in range(1, 6):
        outlet.put(seen(number=number))
    hook.answers.set()
    outlet.end()
    assert outlet.wait(30)
    assert (_frames(hook), outlet.dropped) == ([0, 5], 4)


def test_a_webhook_that_fails_is_not_tried_again_with_the_past(hook: Webhook) -> None:
    outlet = Outlet(WebhookSink(hook.address), lossless=True)
    hook.failures = 1000
    outlet.put(seen(number=0))
    _until(lambda: len(hook.calls) >= 2)  # repeated, as there is nothing newer
    outlet.put(seen(number=1))
    _until(lambda: 1 in _frames(hook))
    assert _frames(hook).count(0) == 2
    hook.failures = 0
    outlet.end()
    assert outlet.wait(30)
    assert _frames(hook)[-1] == 1


def test_an_answer_must_last_before_it_is_taken() -> None:
    decider = Decider(DecisionRule(hold=1.0))
    steps = [(0.0, "cat"), (0.9, "cat"), (1.1, "cat"), (2.0, "dog"), (2.9, "dog"), (3.0, "cat"), (3.1, "dog")]
    steps += [(4.0, "dog"), (4.1, "dog"), (4.2, "dog")]
    given = [decider.decide(seen(label).prediction, moment) for moment, label in steps]
    assert [one.label for one in given] == ["unknown", "unknown", *["cat"] * 6, "dog", "dog"]
    assert [i for i, one in enumerate(given) if one.changed] == [2, 8]  # "unknown" did not last
    decider.decide(seen("cat").prediction, 5.0)
    decider.forget()  # after a gap
    assert decider.decide(seen("cat").prediction, 100.0).label == "dog"
    unsure = Decider(DecisionRule(hold=1.0, threshold=0.95))
    assert [unsure.decide(seen().prediction, moment).changed for moment in (0.0, 0.9, 1.0, 1.1)] == [0, 0, 1, 0]
    with pytest.raises(UsageError, match="hold -1: expected 0 to 3600 seconds; cooldown 100000: expected 0 to 86400"):
        DecisionRule(hold=-1, cooldown=100000)
