"""Options of the MQTT sink: broker, device and certificates."""

from __future__ import annotations

import os
import platform
import re
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.sinks.key_pair import load_key_pair, tls_reason
from edgeclf_runtime.sinks.mqtt.topic_part import topic_part
from edgeclf_runtime.sinks.sink import NO_ZONE, ZoneName
from edgeclf_runtime.system.packages import check_version

__all__ = ["SERVICE_VARIABLE", "MqttOptions", "default_device", "paho"]

SERVICE_VARIABLE = "EDGECLF_SERVICE"
"""Environment variable with the name of the service that runs this process."""

_MISSING = "paho-mqtt is not installed: pip install 'edgeclf-runtime[mqtt]'"
_TLS_KEYS = {"ca": "mqtt_ca", "cert": "mqtt_cert", "key": "mqtt_key"}


@dataclass(frozen=True)
class MqttOptions:
    """Options of the MQTT sink.

    Attributes:
        address: ``mqtt://user:password@host:1883`` or ``mqtts://`` for TLS.
        device: unique id of this device, of letters, digits, ``-`` and ``_``; part of every topic.
        name: display name of the device.
        discovery: prefix of Home Assistant's discovery topics; empty to disable discovery.
        snapshot: send the image whenever the answer changes.
        gap: longest time between two answers, in seconds; after three times that, Home Assistant treats the last answer
            as unavailable; 0 for never.
        ca: PEM file of the authorities that may have signed the broker's certificate; empty for the system's.
        cert, key: PEM files of this device's own certificate and its key; ``key`` is empty if ``cert`` contains both.
        zone: the camera, a device in Home Assistant, and the zone, whose entities it has; empty in a run without zones.
        tells_camera: whether the camera's state is announced; True for one zone of each camera.
        page: address of the live page, which Home Assistant then links to; only with zones.

    Raises:
        SinkError: invalid value, or a certificate file that cannot be used.
    """

    address: str
    device: str = "edgeclf"
    name: str = "edgeclf"
    discovery: str = "homeassistant"
    snapshot: bool = True
    gap: float = 0.0
    ca: str = ""
    cert: str = ""
    key: str = ""
    zone: ZoneName = NO_ZONE
    tells_camera: bool = True
    page: str = ""

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
        if self.key and not self.cert:
            raise SinkError("mqtt_key: a key without its certificate, mqtt_cert.")
        given = [key for name, key in _TLS_KEYS.items() if getattr(self, name)]
        if given and not self.encrypted:
            raise SinkError(f"{', '.join(given)}: only for TLS; write mqtts:// in place of mqtt://.")
        if given:
            self.tls_context()

    @property
    def topics(self) -> str:
        """Common prefix of all topics."""
        return "/".join(["edgeclf", self.device, *map(topic_part, filter(None, self.zone))])

    @property
    def entity(self) -> str:
        """Prefix of the unique ids of the entities, and id of this connection."""
        return f"{self.device}-{topic_part(self.zone.zone)}" if self.zone.zone else self.device

    @property
    def group(self) -> str:
        """Id of the device in Home Assistant: with zones, one for each camera."""
        return f"{self.device}-{topic_part(self.zone.camera)}" if self.zone.camera else self.device

    @property
    def encrypted(self) -> bool:
        return urlsplit(self.address).scheme == "mqtts"

    def tls_context(self) -> ssl.SSLContext:
        """Return a context that verifies the broker's certificate and name.

        Raises:
            SinkError: a file cannot be used; the message names it and the reason.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca or None)
        except (OSError, ValueError) as error:
            raise SinkError(f"mqtt_ca {self.ca}: {tls_reason(error, 'no PEM file of certificates')}.") from None
        if not self.cert:
            return context
        load_key_pair(context, self.cert, self.key, ("mqtt_cert", "mqtt_key"))
        return context


def _is_address(text: str) -> bool:
    """Whether a text is a complete address: a part after ``#`` or ``?``, perhaps of a password, would be ignored."""
    try:
        parts = urlsplit(text)
        (parts.hostname or "").encode("idna")  # as connecting does; a UnicodeError is a ValueError
        whole = parts.path in ("", "/") and not parts.query and not parts.fragment
        return parts.scheme in ("mqtt", "mqtts") and bool(parts.hostname) and parts.port != 0 and whole
    except ValueError:
        return False


def default_device(service: str = "") -> str:
    """Return an id from the machine's name and, unless it is "edgeclf", the service's: a machine may run several."""
    service = service or os.environ.get(SERVICE_VARIABLE, "edgeclf")
    name = f"edgeclf-{platform.node()}" + ("" if service == "edgeclf" else f"-{service}")
    return re.sub("[^A-Za-z0-9_-]", "-", name)[:64]


def paho() -> Any:
    """Return the paho-mqtt client module.

    Raises:
        SinkError: it is not installed or too old.
    """
    check_version("paho-mqtt", SinkError)
    try:
        from paho.mqtt import client
    except ImportError:
        raise SinkError(_MISSING) from None
    return client
