"""Remove a deleted device's retained messages from a broker, so that Home Assistant forgets it."""

from __future__ import annotations

import json
import threading
from typing import Any
from urllib.parse import unquote, urlsplit

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.sinks.mqtt.options import MqttOptions, paho

__all__ = ["remove_device"]

_SECONDS = 10.0  # for the connection, for the retained messages, and for each message


def remove_device(options: MqttOptions) -> int:
    """Remove the retained messages of a device, including its former zones'; return their number.

    Raises:
        SinkError: the broker cannot be reached or refuses, or paho-mqtt is not installed; some may have been removed.
    """
    kept = _Kept(options)
    try:
        topics = kept.topics()
        for topic in sorted(topics):
            kept.clear(topic)
        return len(topics)
    except (OSError, ValueError, RuntimeError) as error:
        raise SinkError(f"{kept.name}: {error}") from None
    finally:
        kept.close()


class _Kept:
    """A connection that finds the retained messages of a device."""

    def __init__(self, options: MqttOptions) -> None:
        mqtt, parts = paho(), urlsplit(options.address)
        self._options = options
        self._host, self._port = parts.hostname or "", parts.port or (8883 if options.encrypted else 1883)
        self.name = f"mqtt {self._host}:{self._port}"
        self._own, self._fence = f"edgeclf/{options.device}/", f"edgeclf/{options.device}/removing"
        self._topics: set[str] = set()
        self._connected, self._complete, self._reason = threading.Event(), threading.Event(), ""
        self._client: Any = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=f"edgeclf-{options.device}-removal", protocol=mqtt.MQTTv311
        )
        if parts.username:
            self._client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if options.encrypted:
            self._client.tls_set_context(options.tls_context())
        self._client.on_connect, self._client.on_message = self._on_connect, self._on_message

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._reason = f"refused: {reason}" if reason.is_failure else ""
        self._connected.set()

    def _on_message(self, client: Any, data: Any, message: Any) -> None:
        if message.topic == self._fence:
            self._complete.set()
        elif message.retain and message.payload and self._is_ours(message.topic, message.payload):
            self._topics.add(message.topic)

    def _is_ours(self, topic: str, payload: bytes) -> bool:
        if topic.startswith(self._own):
            return True
        try:
            parts = json.loads(payload)["cmps"].values()
            topics = [part[key] for part in parts for key in ("state_topic", "image_topic") if key in part]
            return any(str(topic).startswith(self._own) for topic in topics)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):  # another program's message
            return False

    def topics(self) -> set[str]:
        """Return the topics of the retained messages."""
        self._client.connect(self._host, self._port)
        self._client.loop_start()
        if not self._connected.wait(_SECONDS) or self._reason:
            raise ValueError(self._reason or "takes the connection, but does not answer")
        self._client.subscribe([(f"{self._own}#", 1), (f"{self._options.discovery}/device/+/config", 1)])
        # Our own message comes back after all retained ones.
        self._client.publish(self._fence, "x", qos=1)
        if not self._complete.wait(_SECONDS):
            raise ValueError("does not pass messages on to this user")
        return self._topics

    def clear(self, topic: str) -> None:
        """Remove the message of a topic."""
        self._client.publish(topic, b"", qos=1, retain=True).wait_for_publish(_SECONDS)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()
