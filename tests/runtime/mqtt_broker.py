"""A real MQTT broker and a client that subscribes to it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.ports import free_port

__all__ = ["MOSQUITTO", "Broker", "Link", "Listener"]

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")


class Broker:
    """mosquitto on a free port, which can be stopped and started; with further lines of its config file.

    ``{plain}`` in these lines becomes the attribute ``plain``, another free port. It reads files as a separate user,
    who needs access to their folder.
    """

    def __init__(self, folder: Path, further: str = "") -> None:
        self.port, self.plain, self._has_plain = free_port(), free_port(), "{plain}" in further
        further = further.replace("{plain}", str(self.plain))
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n{further}", "utf-8")
        self.start()

    def start(self) -> None:
        assert MOSQUITTO
        self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)], stderr=subprocess.DEVNULL)
        for port in (self.port, *([self.plain] if self._has_plain else [])):
            _await_port(port)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


def _await_port(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("mosquitto did not start")


class Link:
    """A connection to a port that can stall, like radio, and be cut.

    Args:
        port: port that it leads to.
        older: answer a client of MQTT 5 like a broker that supports only 3.1.1.
    """

    def __init__(self, port: int, *, older: bool = False) -> None:
        self._to, self._open, self._older = port, threading.Event(), older
        self._open.set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self) -> None:
        """Pass no more data on, without closing the connections."""
        self._open.clear()

    def cut(self) -> None:
        """Close all connections, losing data in transit; new connections are accepted."""
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
                here = self._server.accept()[0]
                if self._older and _protocol(here) == 5:
                    here.sendall(b"\x20\x02\x00\x01")  # CONNACK: unacceptable protocol version
                    here.close()
                    continue
                there = socket.create_connection(("127.0.0.1", self._to))
                self._ends += [here, there]
                for pair in ((here, there), (there, here)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                target.sendall(data)
        with suppress(OSError):  # one end was closed, which the other notices
            target.shutdown(socket.SHUT_RDWR)


def _protocol(connection: socket.socket) -> int:
    """Return the protocol version in the first packet, which stays in the socket's buffer."""
    while len(start := connection.recv(16, socket.MSG_PEEK)) < 10:
        time.sleep(0.01)
    return start[start.index(b"MQTT") + 4]


class Listener:
    """Collects all messages by topic, oldest first."""

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

    def send(self, topic: str, payload: str) -> None:
        self._client.publish(topic, payload, qos=1).wait_for_publish(20)

    def again(self, topic: str, payload: str, done: Callable[[], object]) -> None:
        """Send again and again: the receiver may still be connecting."""
        until = time.monotonic() + 60
        while not done():
            assert time.monotonic() < until
            if self._client.is_connected():
                self._client.publish(topic, payload, qos=1)
            time.sleep(0.1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
