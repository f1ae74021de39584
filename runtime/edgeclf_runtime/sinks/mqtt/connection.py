"""A connection to an MQTT broker that reconnects by itself and explains failures."""

from __future__ import annotations

import logging
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Callable
from urllib.parse import unquote, urlsplit

from edgeclf_runtime.sinks.mqtt.delivery import Delivery
from edgeclf_runtime.sinks.mqtt.options import MqttOptions, paho

__all__ = ["MqttConnection"]

_log = logging.getLogger(__name__)
_QUEUED = 100  # size of paho's queue, larger than the number of messages ever in flight
_QUIET = 60.0  # seconds between two log lines of the same text
_ANSWER = 8.0  # seconds in which a broker answers a new connection
_LOSSES = 3  # connections lost within a minute from which on the network is not the likely cause
_UNSUPPORTED = 0x84  # reason codes of MQTT 5, to which paho also maps the codes of 3.1.1
_TAKEN_OVER = 0x8E
_AWAY = 30  # seconds to wait after another device with the same id has connected
_PLAIN = "a port without TLS needs mqtt:// in place of mqtts://"
_TRUST = "mqtt_ca = FILE names the authority that signed it, or the certificate itself where it signed itself"


class MqttConnection:
    """Connects with MQTT 5, or 3.1.1 if the broker does not support it.

    Args:
        options: address of the broker and certificates.
        will: topic at which the broker publishes "offline" when this connection is lost.
        delivery: learns of connections and of the broker's packet limit.
        connected, lost: called when a connection is established, and when it is lost.
        topics: topics to subscribe to.
        hear: called with topic and content of each message there.

    Raises:
        SinkError: paho-mqtt is not installed, or a certificate file cannot be used.
    """

    def __init__(
        self,
        options: MqttOptions,
        will: str,
        delivery: Delivery,
        connected: Callable[[], None],
        lost: Callable[[], None],
        topics: Sequence[str] = (),
        hear: Callable[[str, bytes], None] | None = None,
    ) -> None:
        parts = urlsplit(options.address)
        self._options, self._will, self._delivery = options, will, delivery
        self._stands, self._lost = connected, lost
        self._topics, self._hear = topics, hear
        self._host, self._port = parts.hostname or "", parts.port or (8883 if options.encrypted else 1883)
        self.name = f"mqtt {self._host}:{self._port}"
        self._online, self._answered, self._ends = False, False, False
        self._warned: dict[str, float] = {}
        self._losses: deque[float] = deque(maxlen=_LOSSES)
        self._unanswered: threading.Timer | None = None
        self._mqtt = paho()
        self._client = self._new_client(self._mqtt.MQTTv5)
        self._start()

    def close(self) -> None:
        """Disconnect."""
        self._ends = True
        self._client.disconnect()
        self._client.loop_stop()
        self._stop_waiting()

    def _new_client(self, protocol: int) -> Any:
        parts, mqtt = urlsplit(self._options.address), self._mqtt
        name = f"edgeclf-{self._options.entity}"
        client: Any = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=protocol)
        if parts.username:
            client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if self._options.encrypted:
            client.tls_set_context(self._options.tls_context())
        client.max_queued_messages_set(_QUEUED)
        client.reconnect_delay_set(1, 30)
        client.will_set(self._will, "offline", qos=1, retain=True)
        client.on_pre_connect, client.on_connect_fail = self._connecting, self._unreachable
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        if (hear := self._hear) is not None:
            client.on_message = lambda _client, _data, message: hear(message.topic, message.payload)
        return client

    def _start(self) -> None:
        self._delivery.use(self._client)
        self._client.connect_async(self._host, self._port)
        self._client.loop_start()

    def _speak_older(self) -> None:
        """Switch to MQTT 3.1.1, in a separate thread: paho's own thread cannot stop itself."""
        if self._ends:
            return
        before, self._client = self._client, self._new_client(self._mqtt.MQTTv311)
        before.loop_stop()
        self._stop_waiting()
        self._start()

    def _connecting(self, client: Any, data: Any) -> None:
        self._answered = False
        self._stop_waiting()
        self._unanswered = threading.Timer(_ANSWER, self._warn, ("takes the connection, but does not answer",))
        self._unanswered.daemon = True
        self._unanswered.start()

    def _stop_waiting(self) -> None:
        if self._unanswered is not None:
            self._unanswered.cancel()

    def _unreachable(self, client: Any, data: Any) -> None:
        """Warn why the broker cannot be reached; paho calls this while it handles the error."""
        self._stop_waiting()
        error = sys.exc_info()[1]
        if self._options.encrypted and isinstance(error, (ConnectionResetError, ssl.SSLEOFError)):
            return self._warn(f"cannot be reached: {error}; {_PLAIN}")
        self._warn(f"cannot be reached: {_remedy(error)}")

    def _connected(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._stop_waiting()
        self._answered = True
        if not reason.is_failure:
            self._online = True
            if self._topics:
                client.subscribe([(topic, 1) for topic in self._topics])
            self._stands()
            return self._delivery.connected(getattr(properties, "MaximumPacketSize", None))
        if reason.value == _UNSUPPORTED and client.protocol == self._mqtt.MQTTv5:
            return self._change_protocol(client)
        self._warn(f"refused: {reason}")

    def _disconnected(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._stop_waiting()
        if client is not self._client or self._ends:
            return
        stood, self._online = self._online, False
        self._delivery.disconnected()
        if not self._answered:
            self._closed_unanswered(client)
        elif stood and reason.is_failure:
            self._lost()
            self._tell_loss(client, reason)

    def _closed_unanswered(self, client: Any) -> None:
        if client.protocol == self._mqtt.MQTTv5:  # old brokers close the connection on an unknown protocol
            return self._change_protocol(client)
        if not self._options.encrypted:
            how = "is it a broker's port? A port for TLS needs mqtts:// in place of mqtt://"
        elif not self._options.cert:
            how = "does it ask for a certificate, mqtt_cert and mqtt_key?"
        else:
            how = "does it know the authority that signed mqtt_cert?"
        self._warn(f"closes the connection without an answer: {how}")

    def _change_protocol(self, client: Any) -> None:
        client.disconnect()
        threading.Thread(target=self._speak_older, name="mqtt", daemon=True).start()

    def _tell_loss(self, client: Any, reason: Any) -> None:
        another = f"another device has the id {self._options.device}: give each its own, mqtt_device = NAME"
        now = time.monotonic()
        self._losses.append(now)
        if reason.value == _TAKEN_OVER:
            client.reconnect_delay_set(_AWAY, 2 * _AWAY)
            self._warn(another)
        elif len(self._losses) == _LOSSES and now - self._losses[0] < _QUIET:
            self._warn(f"connection lost again and again ({reason}); maybe {another}")
        else:
            self._warn(f"connection lost: {reason}")

    def _warn(self, text: str) -> None:
        """Log a warning, but not at every attempt."""
        if time.monotonic() - self._warned.get(text, -_QUIET) >= _QUIET:
            self._warned[text] = time.monotonic()
            _log.warning("%s: %s", self.name, text)


def _remedy(error: BaseException | None) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message.rstrip(".") or str(error)
        if "not valid for" in why or "mismatch" in why:
            return f"its certificate is for another name ({why}); use that name in the address"
        if "expired" in why or "not yet valid" in why:
            return f"its certificate is not valid today ({why}); check this device's clock, then the certificate"
        return f"its certificate is not trusted ({why}); {_TRUST}"
    if isinstance(error, ssl.SSLError):
        if "WRONG_VERSION" in str(error) or "RECORD_LAYER" in str(error):
            return f"it does not speak TLS; {_PLAIN}"
        return f"TLS: {error.reason or error}; does it know this device's certificate, mqtt_cert and mqtt_key?"
    return str(error)
