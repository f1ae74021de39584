"""A real MQTT broker, and one who listens to it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.ports import free_port

__all__ = ["MOSQUITTO", "Broker", "Link", "Listener"]

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")


class Broker:
    """mosquitto on a free port, which can be stopped and started; with further lines of its config file."""

    def __init__(self, folder: Path, further: str = "") -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n{further}", "utf-8")
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


class Link:
    """A way to a port that can stall, as radio does, and be cut."""

    def __init__(self, port: int) -> None:
        self._to, self._open = port, threading.Event()
        self._open.set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self) -> None:
        """Nothing comes through, and nobody is told."""
        self._open.clear()

    def cut(self) -> None:
        """What is on its way is lost; connections can be made anew."""
        ends, self._ends = self._ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.set()

    def close(self) -> None:
        self._server.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, there = self._server.accept()[0], socket.create_connection(("127.0.0.1", self._to))
                self._ends += [here, there]
                for pair in ((here, there), (there, here)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                target.sendall(data)


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
