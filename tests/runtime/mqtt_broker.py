"""A real MQTT broker, and one who listens to it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.ports import free_port

__all__ = ["MOSQUITTO", "Broker", "Listener"]

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")


class Broker:
    """mosquitto on a free port, which can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n", "utf-8")
        self.start()

    def start(self) -> None:
        assert MOSQUITTO
        self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)], stderr=subprocess.DEVNULL)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("mosquitto did not start")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


class Listener:
    """All messages by topic, newest last."""

    def __init__(self, port: int) -> None:
        from paho.mqtt import client as mqtt

        self.seen: dict[str, list[bytes]] = {}
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_message = lambda client, data, message: self.seen.setdefault(message.topic, []).append(
            message.payload
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def wait(self, topic: str, wanted: Any) -> bytes:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            for payload in self.seen.get(topic, []):
                if wanted(payload):
                    return payload
            time.sleep(0.05)
        raise AssertionError(f"{topic}: {self.seen.get(topic)}")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
