"""Messages to an MQTT broker, found by Home Assistant on its own."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.sinks.delivery import Delivery
from edgeclf_runtime.sinks.homeassistant import discovery
from edgeclf_runtime.sinks.picture import pixels_of, small_jpeg
from edgeclf_runtime.sinks.sink import Item, ModelState, Observation

__all__ = ["MqttOptions", "MqttSink", "paho"]

_QUEUED = 100  # messages on their way to a broker that does not answer, more than there are
_log = logging.getLogger(__name__)
_EVERY = 30.0  # seconds after which an unchanged answer is sent again
_QUIET = 60.0  # seconds between two log lines about the same broker
_SIDE, _LIMIT = 960, 100_000  # pixels and bytes of a picture, at most: brokers bound their packets
_AFTER = 3.0  # seconds after a picture in which a cut connection is taken for its doing
_CUTS = 2  # such cuts in a row after which no more pictures are sent
_HOW = "paho-mqtt is not installed: pip install 'edgeclf-runtime[mqtt]'"


@dataclass(frozen=True)
class MqttOptions:
    """Where messages go.

    Attributes:
        address: ``mqtt://user:password@host:1883`` or ``mqtts://`` for TLS.
        device: id of this device, of letters, digits, ``-`` and ``_``; part of every topic, and no other device's.
        name: of the device, for people.
        discovery: prefix of Home Assistant's discovery topics; empty for none.
        snapshot: send the picture whenever the answer changes.
        gap: seconds between two answers, at most, after three of which Home Assistant takes the last for no answer any
            more; 0 for never.
    """

    address: str
    device: str = "edgeclf"
    name: str = "edgeclf"
    discovery: str = "homeassistant"
    snapshot: bool = True
    gap: float = 0.0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", self.device):
            raise SinkError(f"MQTT device {self.device!r}: expected letters, digits, - and _, at most 64.")
        if re.search(r"[+#\x00-\x1f]", self.discovery):
            raise SinkError(f"MQTT discovery {self.discovery!r}: expected the beginning of a topic, without + and #.")
        if not _is_address(self.address):
            raise SinkError(
                "MQTT address: expected mqtt://[user:password@]host[:port] or mqtts://; in a password write / as %2F, "
                "@ as %40, : as %3A, # as %23, ? as %3F."
            )


def _is_address(text: str) -> bool:
    """Whether it is all of it one: what follows a ``#`` or ``?`` would be left out, and may be most of a password."""
    try:
        parts = urlsplit(text)
        (parts.hostname or "").encode("idna")  # as a connection will; a UnicodeError is a ValueError
        whole = parts.path in ("", "/") and not parts.query and not parts.fragment
        return parts.scheme in ("mqtt", "mqtts") and bool(parts.hostname) and parts.port != 0 and whole
    except ValueError:
        return False


def paho() -> Any:
    """The library.

    Raises:
        SinkError: it is not installed.
    """
    try:
        from paho.mqtt import client
    except ImportError:
        raise SinkError(_HOW) from None
    return client


class MqttSink:
    """Topics ``edgeclf/DEVICE/state`` (JSON), ``.../available``, ``.../picture`` (JPEG), ``.../source`` and
    ``.../model``.

    All are retained. Connects by itself, again and again; meanwhile the newest message of each topic waits. When the
    process dies the broker says that the device is offline.

    Args:
        options: where to.
        labels: of the model, which Home Assistant shows as the sensor's possible values.

    Raises:
        SinkError: paho-mqtt is not installed.
    """

    pictures = True

    def __init__(self, options: MqttOptions, labels: tuple[str, ...]) -> None:
        mqtt = paho()
        self._options, self._online = options, False
        self._labels: tuple[str, ...] = ()
        parts = urlsplit(options.address)
        port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
        self.name = f"mqtt {parts.hostname}:{port}"
        self._base, self._sent = f"edgeclf/{options.device}", -_EVERY
        client: Any = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"edgeclf-{options.device}")
        if parts.username:
            client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if parts.scheme == "mqtts":
            client.tls_set()
        client.max_queued_messages_set(_QUEUED)
        client.reconnect_delay_set(1, 30)
        client.will_set(f"{self._base}/available", "offline", qos=1, retain=True)
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_connect_fail, self._said = self._unreachable, -_QUIET
        self._picture, self._pictured, self._cuts = f"{self._base}/picture", -_AFTER, 0
        self._sends_pictures, self._has_state = options.snapshot, False
        self._client, self._delivery = client, Delivery(client, (self._picture,))
        self._change_labels(labels)
        self._delivery.send(f"{self._base}/available", "online")
        client.connect_async(parts.hostname or "", port)
        client.loop_start()

    @property
    def dropped(self) -> int:
        """Messages in whose place newer ones of their topic were sent, so far."""
        return self._delivery.dropped

    def _connected(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            return self._warn(f"refused: {reason}")
        self._online = True
        self._delivery.connected()

    def _disconnected(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        lost, self._online = self._online and reason.is_failure, False
        self._delivery.disconnected()
        if lost and time.monotonic() - self._pictured < _AFTER:
            self._doubt_pictures()
        elif lost:
            self._cuts = 0
        if lost:  # also again and again, where another device has the same id: a broker keeps the newer one
            self._warn(f"connection lost: {reason}")

    def _doubt_pictures(self) -> None:
        """A broker cuts the connection for a packet that is larger than it takes."""
        self._cuts += 1
        if self._cuts >= _CUTS and self._sends_pictures:
            self._sends_pictures = False
            _log.warning(
                "%s: it cuts the connection after each picture, so no more are sent. Raise the broker's bound of a "
                "packet, or set mqtt_picture = false",
                self.name,
            )

    def _unreachable(self, client: Any, data: Any) -> None:
        """Called where the connection's error is being handled."""
        self._warn(f"cannot be reached: {sys.exc_info()[1]}")

    def _warn(self, text: str) -> None:
        """Not at every try: it goes on trying."""
        if time.monotonic() - self._said >= _QUIET:
            self._said = time.monotonic()
            _log.warning("%s: %s", self.name, text)

    def _change_labels(self, labels: tuple[str, ...]) -> None:
        """Home Assistant would refuse an answer that is not among them."""
        if labels != self._labels:
            self._labels = labels
            if self._options.discovery:
                topic = f"{self._options.discovery}/device/{self._options.device}/config"
                self._delivery.send(topic, json.dumps(self._discovery()))

    def _discovery(self) -> dict[str, Any]:
        options = self._options
        answers = list(dict.fromkeys([*self._labels, "unknown"]))  # a model may have a label of that name
        expires = round(3 * max(options.gap, _EVERY)) if options.gap else 0
        return discovery(options.device, options.name, self._base, answers, options.snapshot, expires)

    def take(self, item: Item) -> None:
        if isinstance(item, ModelState):
            self._change_labels(item.labels)
            return self._delivery.send(f"{self._base}/model", json.dumps({"state": item.name, "reason": item.reason}))
        if not isinstance(item, Observation):
            return self._tell_source(item.name, item.reason)
        if not self._has_state:  # a film or folder does not say how it is doing: a frame says it
            self._tell_source("running")
        if not item.decision.changed and time.monotonic() - self._sent < _EVERY:
            return
        self._sent = time.monotonic()
        decision = item.decision
        told = {"answer": decision.label, "score": round(decision.score, 4), "time": round(item.time, 3)}
        self._delivery.send(f"{self._base}/state", json.dumps(told))
        pixels = pixels_of(item) if decision.changed and self._sends_pictures else None
        # Encoded anew: a photograph's own file tells where and by whose camera it was taken.
        content = small_jpeg(pixels, _SIDE, _LIMIT) if pixels is not None else None
        if content is not None:
            self._pictured = time.monotonic()
            self._delivery.send(self._picture, content)

    def _tell_source(self, state: str, reason: str = "") -> None:
        self._has_state = True
        self._delivery.send(f"{self._base}/source", json.dumps({"state": state, "reason": reason}))

    def close(self) -> None:
        """Say good-bye, if the broker is there to hear it."""
        self._delivery.send(f"{self._base}/available", "offline")
        self._delivery.close(1.0)
        self._client.disconnect()
        self._client.loop_stop()
