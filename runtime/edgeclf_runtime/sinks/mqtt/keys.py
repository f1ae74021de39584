"""The keys of run.toml for MQTT."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from edgeclf_runtime.sinks.keys import Opening, SinkKeys, key
from edgeclf_runtime.sinks.sink import NO_ZONE, Sink
from edgeclf_runtime.system.credentials import carried_name

if TYPE_CHECKING:
    from edgeclf_runtime.sinks.mqtt.options import MqttOptions

__all__ = ["MqttKeys"]


@dataclass(frozen=True)
class MqttKeys(SinkKeys):
    """The broker and the name of this device; see ``MqttOptions``."""

    mqtt: str = key("", 'Broker, such as "mqtt://user:password@homeassistant.local"; mqtts:// for TLS', secret=True)
    mqtt_device: str = key("", "Unique id of this device (default: from the machine's name)")
    mqtt_name: str = key("edgeclf", "Name of this device in Home Assistant")
    mqtt_picture: bool = key(True, "Send an image when the answer changes")
    mqtt_ca: str = key("", "PEM file of the authority that signed the broker's certificate", carried=True)
    mqtt_cert: str = key("", "PEM file of this device's own certificate", carried=True)
    mqtt_key: str = key("", "PEM file of its key", carried=True)

    def checks(self) -> Iterator[Callable[[], object]]:
        if self.mqtt:
            from edgeclf_runtime.sinks.mqtt.options import paho

            yield self._options
            yield paho

    def open(self, run: Opening) -> Iterator[Sink]:
        if self.mqtt:
            from edgeclf_runtime.sinks.mqtt.sink import MqttSink

            yield MqttSink(
                self._options(run), run.labels, run.familiarity, run.control, several_labels=run.several_labels
            )

    def recipients(self) -> tuple[str, ...]:
        return self.mqtt.rpartition("@")[2], self.mqtt_device

    def device_options(self, service: str) -> MqttOptions:
        """Return the options for a service's device, shared by all its zones."""
        return self._options(service=service)

    def _options(self, run: Opening | None = None, service: str = "") -> MqttOptions:
        from edgeclf_runtime.sinks.mqtt.options import MqttOptions, default_device

        return MqttOptions(
            self.mqtt,
            self.mqtt_device or default_device(service),
            self.mqtt_name,
            snapshot=self.mqtt_picture,
            gap=run.gap if run else 0.0,
            zone=run.zone if run else NO_ZONE,
            tells_camera=run is None or run.is_first,
            page=run.page if run else "",
            ca=carried_name(self.mqtt_ca),
            cert=carried_name(self.mqtt_cert),
            key=carried_name(self.mqtt_key),
        )
