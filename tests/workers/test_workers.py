"""Two processes on loopback train one network in step."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edgeclf import Quiet, Run, export
from edgeclf_converters import ConversionError
from edgeclf_converters.distribution import Distribution
from edgeclf_runtime import Classifier
from edgeclf_runtime.pictures.images import find_images, read_image

_WORKER = """
import sys
from pathlib import Path
from edgeclf import Run, Terminal, export, make_config, resume, train
from tests.conftest import SMALL
if sys.argv[1] == "export":
    run = Run.open(Path(sys.argv[2]))
    export(run, Path(sys.argv[3]), "int8", Terminal(), method="qat", distribute="multi-worker")
elif sys.argv[1] == "resume":
    resume(Path(sys.argv[3]), Terminal(), "multi-worker")
else:
    train(Path(sys.argv[2]), Path(sys.argv[3]), make_config(SMALL), Terminal(), "multi-worker")
"""


def _start(ports: list[int], index: int, *arguments: str) -> subprocess.Popen[str]:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
    environment = {**os.environ, "TF_CONFIG": json.dumps(config), "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        [sys.executable, "-c", _WORKER, *arguments], env=environment, stderr=subprocess.PIPE, text=True
    )


def _ports() -> list[int]:
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextmanager
def _workers(*arguments: str) -> Iterator[list[subprocess.Popen[str]]]:
    ports = _ports()
    workers = [_start(ports, index, *arguments) for index in range(2)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def _work(*arguments: str) -> None:
    with _workers(*arguments) as workers:
        for worker in workers:
            _, said = worker.communicate(timeout=300)
            assert worker.returncode == 0, said[-2000:]


def test_two_workers_killed_and_resumed_train_what_one_does(run: Run, digits: Path, tmp_path: Path) -> None:
    out, started = tmp_path / "run", time.monotonic()
    history = out / "history.json"
    with _workers("train", str(digits), str(out)) as workers:
        while not (history.exists() and len(json.loads(history.read_text("utf-8"))) >= 2):
            assert time.monotonic() - started < 240
            assert workers[0].poll() is None, workers[0].communicate()[1][-2000:]
            time.sleep(0.05)
    _work("resume", str(digits), str(out))
    both = Run.open(out)
    mine, known = both.read_arrays("weights"), run.read_arrays("weights")
    for name, value in known.items():
        assert np.abs(mine[name] - value).max() <= 2e-3 * max(1.0, float(np.abs(value).max())), name
    assert both.read_json("metrics")["validation"]["accuracy"] == run.read_json("metrics")["validation"]["accuracy"]


def test_two_workers_train_the_same_integers(run: Run, digits: Path, tmp_path: Path) -> None:
    _work("export", str(run.path), str(tmp_path / "two.tflite"))
    export(run, tmp_path / "one.tflite", "int8", Quiet(), method="qat")
    scores = []
    for name in ("one", "two"):
        with Classifier.load(tmp_path / f"{name}.tflite") as classifier:
            assert classifier.card.provenance["int8 method"].startswith("qat epoch")
            scores.append([classifier.classify(read_image(path)).scores for path in find_images(digits)])
    apart = np.abs(np.array(scores[0]) - np.array(scores[1]))
    # Summing in another order rounds a few values to the next integer, from which the trainings diverge.
    assert apart.mean() < 0.02
    assert apart.max() < 0.2


def test_a_worker_without_its_cluster_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ConversionError, match="TF_CONFIG is missing or damaged; expected like"):
        Distribution("multi-worker")
    task = {"type": "worker", "index": 2}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1", "b:1"]}, "task": task}))
    with pytest.raises(ConversionError, match="task is not one of its workers"):
        Distribution("multi-worker")
