"""Publish observations to an MQTT broker; Home Assistant discovers the device by itself."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from edgeclf_runtime.decision.control import ZoneControl
from edgeclf_runtime.prediction import NOTHING, UNKNOWN
from edgeclf_runtime.sinks.jpeg import pixels_of, small_jpeg
from edgeclf_runtime.sinks.mqtt.connection import MqttConnection
from edgeclf_runtime.sinks.mqtt.delivery import Delivery
from edgeclf_runtime.sinks.mqtt.home_assistant import discovery
from edgeclf_runtime.sinks.mqtt.label_sensors import with_label_sensors
from edgeclf_runtime.sinks.mqtt.options import MqttOptions, paho
from edgeclf_runtime.sinks.mqtt.pictures import PictureTrial
from edgeclf_runtime.sinks.mqtt.remote import Remote
from edgeclf_runtime.sinks.mqtt.zone import of_zone
from edgeclf_runtime.sinks.sink import Item, ModelState, Observation
from edgeclf_runtime.system.thermal import temperature

__all__ = ["MqttOptions", "MqttSink", "paho"]

_log = logging.getLogger(__name__)
_EVERY = 30.0  # seconds after which an unchanged answer is sent again
_SIDE = 960  # maximum length of an image's longer side in pixels


class MqttSink:
    """Publishes the topics ``edgeclf/DEVICE/state`` (JSON), ``.../available``, ``.../picture`` (JPEG), ``.../source``
    and ``.../model``; with zones ``edgeclf/DEVICE/CAMERA/ZONE/state`` and so on, the camera's ``.../diagnostics``, and
    the topics of ``Remote``.

    All messages are retained. The sink reconnects by itself; meanwhile the newest message of each topic waits. If the
    process dies, the broker marks the device as offline.

    Args:
        options: broker and topics.
        labels: labels of the model, which Home Assistant shows as the sensor's possible values.
        familiarity: whether the model has familiarity; a new model may change that.
        control: pauses the zone, and sets its threshold; None for none.
        several_labels: whether an image may have several labels; Home Assistant then shows a binary sensor for each.

    Raises:
        SinkError: paho-mqtt is not installed.
    """

    pictures = True

    def __init__(
        self,
        options: MqttOptions,
        labels: tuple[str, ...],
        familiarity: bool = False,
        control: ZoneControl | None = None,
        several_labels: bool = False,
    ) -> None:
        self._options, self._base, self._sent = options, options.topics, -_EVERY
        self._labels: tuple[str, ...] = ()
        self._several_labels, self._gone = several_labels, set[str]()
        self._familiarity: bool | None = True if familiarity else None  # None as long as no model had it
        self._picture, self._trial = f"{self._base}/picture", PictureTrial()
        self._sends_pictures, self._has_state = options.snapshot, False
        self._delivery = Delivery((self._picture,))
        available = f"{self._base}/available"
        self._remote = Remote(self._base, control, self._delivery.send) if control and options.zone.zone else None
        heard = (self._remote.topics, self._remote.hear) if self._remote else ()
        self._connection = MqttConnection(options, available, self._delivery, self._trial.connected, self._lost, *heard)
        self._reopened, self._diagnosed = 0, -_EVERY
        self.name = self._connection.name
        if not options.snapshot:
            self._delivery.send(self._picture, b"")  # removes an image that an earlier run left there
        self._change_labels(labels)
        self._delivery.send(available, "online")

    @property
    def dropped(self) -> int:
        """Number of messages so far that were replaced by newer ones of their topic."""
        return self._delivery.dropped

    def _lost(self) -> None:
        """Stop sending images if the broker closes the connection after each, as it does for too large packets."""
        if self._sends_pictures and self._trial.cut():
            self._sends_pictures = False
            _log.warning(
                "%s: the broker closes the connection after each image, so no more are sent. Raise its maximum "
                "packet size, or set mqtt_picture = false",
                self.name,
            )
            self._delivery.send(self._picture, b"")
            self._announce()

    def _change_labels(self, labels: tuple[str, ...]) -> None:
        """Announce the labels of a new model: Home Assistant refuses answers that are not among them."""
        if labels != self._labels:
            self._gone = (self._gone | set(self._labels)) - set(labels)
            self._labels = labels
            self._announce()

    def _announce(self) -> None:
        if self._options.discovery:
            topic = f"{self._options.discovery}/device/{self._options.entity}/config"
            self._delivery.send(topic, json.dumps(self._discovery()))

    def _discovery(self) -> dict[str, Any]:
        options = self._options
        labels = (label for label in self._labels if label != NOTHING)
        answers = list(dict.fromkeys([*labels, UNKNOWN]))  # a model may have a label "unknown"
        expires = round(3 * max(options.gap, _EVERY)) if options.gap else 0
        message = discovery(
            options.entity, options.name, self._base, answers, self._sends_pictures, expires, self._familiarity
        )
        if self._several_labels:
            message = with_label_sensors(message, options.entity, self._labels, self._gone)
        if not options.zone.zone:
            return message
        return of_zone(message, options, self._remote is not None, temperature() is not None)

    def take(self, item: Item) -> None:
        if isinstance(item, ModelState):
            self._change_labels(item.labels)
            return self._delivery.send(f"{self._base}/model", json.dumps({"state": item.name, "reason": item.reason}))
        self._trial.judge()
        if not isinstance(item, Observation):
            self._reopened, self._diagnosed = item.reopened, -_EVERY
            self._diagnose()
            return self._tell_source(item.name, item.reason)
        self._diagnose()
        if self._remote is not None:
            self._remote.follow(item.prediction.threshold)
        if not self._has_state:  # a video or folder does not report its state; a frame shows that it runs
            self._tell_source("running")
        if bool(self._familiarity) != (item.prediction.familiarity is not None):  # another model
            self._familiarity = not self._familiarity
            self._announce()
        if not item.decision.changed and time.monotonic() - self._sent < _EVERY:
            return
        self._sent = time.monotonic()
        decision = item.decision
        message = {"answer": decision.label, "score": round(decision.score, 4), "time": round(item.time, 3)}
        if decision.labels is not None:
            message["answers"] = list(decision.labels)
        if decision.familiarity is not None:
            message |= {"familiarity": round(decision.familiarity, 4), "reason": decision.reason}
        if decision.counts is not None:
            message["counts"] = dict(decision.counts)
        if item.conditions is not None:
            accuracy = item.conditions.accuracy
            message["expected_accuracy"] = None if accuracy is None else round(accuracy, 3)
            message["unlike_training"] = item.conditions.is_unlike
        self._delivery.send(f"{self._base}/state", json.dumps(message))
        if decision.changed and self._sends_pictures:
            self._send_picture(item)

    def _send_picture(self, item: Observation) -> None:
        pixels = pixels_of(item)
        # Encode again: a photograph's own file may contain its location and camera.
        content = None if pixels is None else small_jpeg(pixels, _SIDE, self._delivery.limit)
        if content is not None:
            self._trial.sent()
            self._delivery.send(self._picture, content)

    def _diagnose(self) -> None:
        """Report the condition of the camera and the processor every 30 s."""
        if self._options.zone.zone and self._options.tells_camera and time.monotonic() - self._diagnosed >= _EVERY:
            self._diagnosed = time.monotonic()
            message = {"reopened": self._reopened, "temperature": temperature()}
            self._delivery.send(f"{self._base}/diagnostics", json.dumps(message))

    def _tell_source(self, state: str, reason: str = "") -> None:
        self._has_state = True
        self._delivery.send(f"{self._base}/source", json.dumps({"state": state, "reason": reason}))

    def close(self) -> None:
        """Publish "offline" if the broker can be reached, and disconnect."""
        self._delivery.send(f"{self._base}/available", "offline")
        self._delivery.close(1.0)
        self._connection.close()
