"""SIGTERM and Ctrl-C end a run in time, even if its sinks, its source or its interpreter hang."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Started = Callable[..., "subprocess.Popen[bytes]"]
COMMAND = [sys.executable, "-m", "edgeclf_runtime", "run"]
WITHIN = 2.0 + 4.0  # the limit, and slack for a busy machine; what hangs here would hang for 20 s


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        server.settimeout(60)
        yield server


@pytest.fixture
def started() -> Iterator[Started]:
    processes: list[subprocess.Popen[bytes]] = []

    def start(*words: object) -> subprocess.Popen[bytes]:
        # Ctrl-C must work however the tests were started.
        heard = (
            "import os, signal, sys; signal.signal(2, signal.default_int_handler); os.execv(sys.argv[1], sys.argv[1:])"
        )
        command = [sys.executable, "-c", heard, *COMMAND, *map(str, words)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _ended(process: subprocess.Popen[bytes], number: int) -> tuple[float, int]:
    """Return the seconds until the process has exited, and its exit status."""
    start = time.monotonic()
    process.send_signal(number)
    status = process.wait(20)  # not until the end of its output: one of its commands may keep that open for longer
    return time.monotonic() - start, status


def test_it_ends_when_nobody_reads_what_it_says(model: Path, tmp_path: Path, digits: Path, started: Started) -> None:
    folder, images = tmp_path / "watched", sorted(digits.rglob("*.png"))
    folder.mkdir()
    shutil.copy(images[0], folder / "0.png")
    process = started(model, "--source", folder, "--watch", "--json")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()  # as with ``| head -1``
    shutil.copy(images[1], folder / "1.png")
    assert process.wait(20) == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_slow_sinks_are_given_up(
    number: int,
    status: int,
    silent: socket.socket,
    model: Path,
    digits: Path,
    started: Started,
) -> None:
    port = silent.getsockname()[1]
    slow = ["--command", "sleep 20", "--webhook", f"http://127.0.0.1:{port}/"]
    slow += ["--mqtt", f"mqtt://127.0.0.1:{port}", "--threshold", "0"]
    process = started(model, "--source", digits, "--watch", "--json", *slow)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(1)
    seconds, left = _ended(process, number)
    assert left == status
    assert seconds < WITHIN


def test_a_source_that_does_not_open_is_left(silent: socket.socket, model: Path, started: Started) -> None:
    process = started(model, "--source", f"http://127.0.0.1:{silent.getsockname()[1]}/video")
    with silent.accept()[0]:  # it has sent a request, and waits for the answer
        time.sleep(0.5)
        assert process.poll() is None
        seconds, left = _ended(process, signal.SIGTERM)
    assert left == 0
    assert seconds < WITHIN
