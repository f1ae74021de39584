"""Retained MQTT messages, delivered so that the newest of each topic is the one that stays."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Collection
from queue import SimpleQueue
from typing import Any, Callable

__all__ = ["PACKET", "Delivery"]

PACKET = 100_000
"""Bytes of a message, at most: brokers bound their packets, and before MQTT 5 none says so."""

_AROUND = 200  # bytes of a packet besides its content, at most: the topic and a few numbers
_log = logging.getLogger(__name__)
_MOST = 10  # messages of a topic on their way; seven topics of them are less than paho's queue takes


class Delivery:
    """Gives messages to a paho client; while the broker does not answer, the newest of each topic waits.

    After a reconnection paho sends again what was not acknowledged, behind everything that it was given meanwhile: an
    old message would come last, and stay. So a topic gets another message only while few of its own are on their way,
    and after a reconnection, when a broker may have forgotten all, only topics that have none are sent anew.

    All is done by one thread, told by a queue, as paho holds a lock over a callback that publishing takes, too.

    Args:
        once: topics whose messages are sent once, without acknowledgement and not again after a reconnection: one that
            a broker cuts the connection for would else be sent for ever, before all others.

    Attributes:
        dropped: messages in whose place newer ones of their topic were sent, so far.
    """

    def __init__(self, once: Collection[str] = ()) -> None:
        self._client: Any = None
        self._once = frozenset(once)
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._newest: dict[str, bytes] = {}
        self._given: set[str] = set()  # topics whose newest message paho has
        self._fresh: set[str] = set()  # topics whose newest message it never had
        self.dropped = 0
        self._waiting: dict[int, str] = {}  # topics by the number of a message that is not acknowledged
        self._again_on_way: set[int] = set()  # of them, those that paho sends again after a reconnection
        self._online, self._limit = False, PACKET
        self._too_large: set[str] = set()
        self._settled = threading.Event()
        self._thread = threading.Thread(target=self._work, name="delivery", daemon=True)
        self._thread.start()

    def send(self, topic: str, payload: bytes | str) -> None:
        """Now, or when the broker is there again."""
        content = payload.encode() if isinstance(payload, str) else payload
        self._jobs.put(lambda: self._renew(topic, content))

    def use(self, client: Any) -> None:
        """From now on a client of paho's, whose ``on_publish`` is taken; what another had is given to it, too."""
        client.on_publish = lambda _client, _data, number, *_: self._jobs.put(lambda: self._acknowledged(number))
        self._jobs.put(lambda: self._change_client(client))

    def connected(self, limit: int | None = None) -> None:
        """The broker is there: what is not on its way is sent, also what an earlier connection brought it.

        Args:
            limit: bytes of the largest packet it takes, where it says so; a larger message is not sent.
        """
        self._jobs.put(lambda: self._again(limit))

    @property
    def limit(self) -> int:
        """Bytes of a message's content, at most."""
        return self._limit

    def disconnected(self) -> None:
        """Nothing can be sent."""
        self._jobs.put(self._pause)

    def close(self, seconds: float) -> None:
        """End when all is acknowledged, or after so many seconds."""
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
                elif message.rc.name != "MQTT_ERR_QUEUE_SIZE":  # else it was not taken, and is tried again
                    self._waiting[message.mid] = topic
                    self._note_given(topic)

    def _note_given(self, topic: str) -> None:
        self._given.add(topic)
        self._fresh.discard(topic)

    def _leave_out(self, topic: str, size: int) -> None:
        """One message that the broker would cut the connection for must not keep all others from it."""
        self._note_given(topic)
        if topic not in self._too_large:
            self._too_large.add(topic)
            _log.warning("mqtt: %s is not sent: %d bytes, and the broker takes %d", topic, size, self._limit)
