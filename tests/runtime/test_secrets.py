"""Passwords and tokens of a real run, with a failing and a working camera, are in nothing that it prints or writes."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.runtime.mjpeg_server import PASSWORD, USER
from tests.runtime.mqtt_broker import Broker, Listener

SECRETS = (PASSWORD, "s3cret-of-the-broker", "s3cret-of-the-header", "s3cret-of-the-page")
COMMAND = [sys.executable, "-m", "edgeclf_runtime"]
SERVER = Path(__file__).with_name("mjpeg_server.py")


def _config(folder: Path, camera: int, broker_port: int, metrics: int) -> Path:
    path = folder / "run.toml"
    path.write_text(
        f'source = "http://{USER}:{PASSWORD}@127.0.0.1:{camera}/camera"\n'
        "[camera]\nreopen = true\nwait = true\n"
        '[sinks]\njsonl = "seen.jsonl"\ncsv = "seen.csv"\nsnapshots = "kept"\nsnapshot_labels = ["*"]\n'
        f'snapshot_every = 0.2\nmqtt = "mqtt://edge:s3cret-of-the-broker@127.0.0.1:{broker_port}"\n'
        f'metrics = {metrics}\nweb = "0.0.0.0:0"\nweb_token = "s3cret-of-the-page"\n'
        f'webhook = "http://127.0.0.1:{free_port()}/"\nwebhook_token = "s3cret-of-the-header"\n',
        "utf-8",
    )
    return path


def _asked(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Authorization": "Bearer s3cret-of-the-page"})
    text = connection.getresponse().read().decode("utf-8", "replace")
    connection.close()
    return text


def _shown(where: dict[str, str]) -> list[tuple[str, str]]:
    return [(name, secret) for name, text in where.items() for secret in SECRETS if secret in text]


def test_a_run_keeps_them_to_itself(broker: Broker, model: Path, tmp_path: Path) -> None:
    camera, metrics = free_port(), free_port()
    config = _config(tmp_path, camera, broker.port, metrics)
    listener = Listener(broker.port)
    said = tmp_path / "said.log"
    with said.open("wb") as log:
        words = ["run", str(model), "--config", str(config), "--json"]
        run = subprocess.Popen([*COMMAND, *words], cwd=tmp_path, stdout=log, stderr=log)
    places: dict[str, str] = {}
    try:
        _until(lambda: '"lost"' in said.read_text("utf-8"))  # the camera is not served yet
        with subprocess.Popen([sys.executable, SERVER, str(camera)], stdout=subprocess.PIPE) as server:
            _until(lambda: said.read_text("utf-8").count('"frame"') > 10)
            port = int(re.findall(r"http://[^\s/]+:(\d+)", said.read_text("utf-8"))[0])
            for path in ("/", "/state.json", "/metrics", "/snapshots.json"):
                places[path] = _asked(port, path)
            places["metrics"] = _asked(metrics, "/metrics")
            broker.stop()  # it refuses from now on
            time.sleep(1)
            server.kill()
        _until(lambda: said.read_text("utf-8").count('"lost"') > 1)
        broker.start()
    finally:
        run.terminate()
        assert run.wait(20) == 0, said.read_text("utf-8")[-2000:]
        listener.close()
    assert listener.seen
    places |= {f"mqtt {topic}": b"".join(payloads).decode("latin-1") for topic, payloads in listener.seen.items()}
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "run.toml"]
    assert len(files) > 5
    places |= {str(path): path.read_bytes().decode("latin-1") for path in files}
    assert f"127.0.0.1:{camera}/camera" in places[str(said)]  # the camera is named nevertheless
    assert _shown(places) == []


def _until(true: object) -> None:
    assert callable(true)
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_neither_does_what_only_looks(model: Path, tmp_path: Path) -> None:
    config = _config(tmp_path, free_port(), free_port(), free_port())
    environment = {**os.environ, "EDGECLF_WEB_TOKEN": "s3cret-of-the-page"}
    places: dict[str, bytes] = {}
    for number, words in enumerate(
        (
            ["doctor", "--json"],
            ["service", "install", str(model), "--config", str(config), "--dry-run"],
            [
                "run",
                str(model),
                "--config",
                str(config),
                "--source",
                f"http://{USER}:{PASSWORD}@127.0.0.1:1/x",
                "--no-reopen",
            ],
            [
                "run",
                str(model),
                "--config",
                str(config),
                "--mqtt",
                "mqtt://a:s3cret-of-the-broker@",
                "--max-frames",
                "1",
            ],
        )
    ):
        command = [*COMMAND, *words]
        try:
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, env=environment, timeout=15)
            said = done.stdout + done.stderr
        except subprocess.TimeoutExpired as ended:  # it waits for its camera, as configured
            said = (ended.stdout or b"") + (ended.stderr or b"")
        places[f"{number} {words[0]}"] = said
    assert len(places) == 4
    assert all(places.values()), places
    assert _shown({name: text.decode("latin-1") for name, text in places.items()}) == []


@pytest.mark.parametrize("name", SECRETS)
def test_they_are_all_in_the_config(name: str, tmp_path: Path) -> None:
    """Otherwise the tests above would look for nothing."""
    assert name in _config(tmp_path, 1, 2, 3).read_text("utf-8")
