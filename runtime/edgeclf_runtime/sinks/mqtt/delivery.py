"""Deliver retained MQTT messages so that the newest of each topic is the one that stays."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Collection
from queue import SimpleQueue
from typing import Any, Callable

__all__ = ["PACKET", "Delivery"]

PACKET = 100_000
"""Maximum size of a message in bytes: brokers limit packets, and before MQTT 5 they cannot state their limit."""

_AROUND = 200  # maximum overhead of a packet in bytes: the topic and a few numbers
_log = logging.getLogger(__name__)
_MOST = 10  # messages in flight per topic; those of nine topics fit into paho's queue


class Delivery:
    """Passes messages to a paho client; while the broker does not answer, the newest of each topic waits.

    After a reconnection paho resends unacknowledged messages after those that it was given in the meantime, so an old
    message would arrive last and stay. Therefore a topic gets another message only while few of its own are in flight,
    and after a reconnection, when the broker may have lost everything, only topics without messages in flight are sent
    again.

    One thread with a queue does all this, because paho holds a lock during callbacks that publishing needs, too.

    Args:
        once: topics whose messages are sent once, without acknowledgement or repetition: a message for which the
            broker closes the connection would otherwise be resent forever, before all others.

    Attributes:
        dropped: number of messages so far that were replaced by newer ones of their topic.
    """

    def __init__(self, once: Collection[str] = ()) -> None:
        self._client: Any = None
        self._once = frozenset(once)
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._newest: dict[str, bytes] = {}
        self._given: set[str] = set()  # topics whose newest message was passed to paho
        self._fresh: set[str] = set()  # topics whose newest message was never passed to paho
        self.dropped = 0
        self._waiting: dict[int, str] = {}  # topics by the number of an unacknowledged message
        self._again_on_way: set[int] = set()  # those of them that paho resends after a reconnection
        self._online, self._limit = False, PACKET
        self._too_large: set[str] = set()
        self._settled = threading.Event()
        self._thread = threading.Thread(target=self._work, name="delivery", daemon=True)
        self._thread.start()

    def send(self, topic: str, payload: bytes | str) -> None:
        """Send a message now, or once the broker is back."""
        content = payload.encode() if isinstance(payload, str) else payload
        self._jobs.put(lambda: self._renew(topic, content))

    def use(self, client: Any) -> None:
        """Switch to a paho client and set its ``on_publish``; messages of the previous client are sent again."""
        client.on_publish = lambda _client, _data, number, *_: self._jobs.put(lambda: self._acknowledged(number))
        self._jobs.put(lambda: self._change_client(client))

    def connected(self, limit: int | None = None) -> None:
        """Send all messages that are not in flight, including those delivered on an earlier connection.

        Args:
            limit: largest packet that the broker accepts, in bytes, if it states it; larger messages are not sent.
        """
        self._jobs.put(lambda: self._again(limit))

    @property
    def limit(self) -> int:
        """Maximum size of a message's content in bytes."""
        return self._limit

    def disconnected(self) -> None:
        """Note that the connection is lost."""
        self._jobs.put(self._pause)

    def close(self, seconds: float) -> None:
        """Stop once everything is acknowledged, at the latest after ``seconds``."""
        self._settled.clear()
        self._jobs.put(lambda: None)
        self._settled.wait(seconds)
        self._jobs.put(None)
        self._thread.join(1.0)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            if self._online:
                self._give()
            if not self._waiting and self._jobs.empty():
                self._settled.set()

    def _renew(self, topic: str, payload: bytes) -> None:
        self.dropped += topic in self._fresh
        self._newest[topic] = payload
        self._fresh.add(topic)
        self._given.discard(topic)

    def _acknowledged(self, number: int) -> None:
        self._waiting.pop(number, None)
        self._again_on_way.discard(number)

    def _change_client(self, client: Any) -> None:
        self._client = client
        self._given, self._waiting, self._again_on_way = set(), {}, set()

    def _again(self, limit: int | None) -> None:
        self._limit = PACKET if limit is None else max(0, min(PACKET, limit - _AROUND))
        self._online, self._again_on_way = True, set(self._waiting)
        self._given &= {*self._waiting.values(), *self._once}

    def _pause(self) -> None:
        self._online = False

    def _give(self) -> None:
        on_their_way = Counter(self._waiting.values())
        blocked = {self._waiting[number] for number in self._again_on_way}
        for topic, payload in self._newest.items():
            if topic not in self._given and topic not in blocked and on_their_way[topic] < _MOST:
                if len(payload) > self._limit:
                    self._leave_out(topic, len(payload))
                    continue
                message = self._client.publish(topic, payload, qos=0 if topic in self._once else 1, retain=True)
                if topic in self._once:
                    self._note_given(topic)
                elif message.rc.name != "MQTT_ERR_QUEUE_SIZE":  # otherwise it was not accepted, and is tried again
                    self._waiting[message.mid] = topic
                    self._note_given(topic)

    def _note_given(self, topic: str) -> None:
        self._given.add(topic)
        self._fresh.discard(topic)

    def _leave_out(self, topic: str, size: int) -> None:
        """Skip a message for which the broker would close the connection and so block all others."""
        self._note_given(topic)
        if topic not in self._too_large:
            self._too_large.add(topic)
            _log.warning("mqtt: %s is not sent: %d bytes, and the broker takes %d", topic, size, self._limit)
