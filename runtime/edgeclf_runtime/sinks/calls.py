"""Run a command or call a webhook when the answer changes."""

from __future__ import annotations

import os
import shlex
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Callable
from urllib.parse import urlsplit

from edgeclf_runtime.decision.decision import UNKNOWN
from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.sinks.item_json import as_json
from edgeclf_runtime.sinks.keys import Opening, SinkKeys, key
from edgeclf_runtime.sinks.sink import Item, Observation, Sink
from edgeclf_runtime.sources.network.camera import without_password
from edgeclf_runtime.system.process_group import ProcessGroup

__all__ = ["CallKeys", "CommandSink", "WebhookSink"]

_SECONDS = 30.0  # time limit of a command
_GRACE, _GRACE_AT_END = 2.0, 0.2  # seconds from SIGTERM to SIGKILL
_TRIES = 3
_TIMEOUT = 5.0
_OURS = ("EDGECLF_", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET")  # variables meant only for this process
_HANDED_ON = ("EDGECLF_EDGETPU_LIBRARY",)
_TELLING = 8  # minimum length of a secret that is searched for inside other text


@dataclass(frozen=True)
class CallKeys(SinkKeys):
    """Run a program and call an address whenever the answer changes to one of ``on`` (to any answer if empty)."""

    on: tuple[str, ...] = key((), "Answers for which command and webhook are called (default: all)")
    command: str = key("", "Program to run when the answer changes")
    webhook: str = key("", "Address to POST to when the answer changes", secret=True)
    webhook_token: str = key("", "Bearer token for it", secret=True)

    def checks(self) -> Iterator[Callable[[], object]]:
        if self.command:
            yield lambda: CommandSink(self.command)
        if self.webhook:
            yield lambda: WebhookSink(self.webhook, token=self.webhook_token)

    def open(self, run: Opening) -> Iterator[Sink]:
        if self.command:
            yield CommandSink(self.command, self.on, run.cooldown, run.secrets)
        if self.webhook:
            yield WebhookSink(self.webhook, self.on, self.webhook_token, run.cooldown)

    def named_labels(self) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        yield "on", self.on, (UNKNOWN,)

    def recipients(self) -> tuple[str, ...]:
        return self.command, self.webhook.partition("?")[0]


class _Calls:
    """Decides when a call is made; see ``sink.Caller``."""

    pictures = False

    def __init__(self, labels: tuple[str, ...], cooldown: float) -> None:
        self._labels, self.cooldown = labels, cooldown
        self.superseded, self._interrupted = threading.Event(), threading.Event()

    def heeds(self, item: Item) -> bool:
        """Whether the answer changed to one of the labels."""
        if not isinstance(item, Observation) or not item.decision.changed:
            return False
        return not self._labels or item.decision.label in self._labels

    def interrupt(self) -> None:
        """End the current call; no other follows."""
        self._interrupted.set()
        self.superseded.set()

    def close(self) -> None:
        """Do nothing: nothing is held open."""


class CommandSink(_Calls):
    """Runs a program, without a shell, whenever the answer changes.

    The program gets the answer in EDGECLF_LABEL, the reason for "unknown" in EDGECLF_REASON, and EDGECLF_SCORE,
    EDGECLF_TIME and EDGECLF_SOURCE, with zones also EDGECLF_CAMERA and EDGECLF_ZONE. After 30 s, or when the sink is
    closed, it is terminated with all processes of its group.

    Args:
        command: the program and its arguments, quoted as in a shell.
        labels: answers that trigger it; empty for all.
        cooldown: minimum time from the end of a call to the next, in seconds.
        secrets: environment variables that contain one of these are not passed on.

    Raises:
        SinkError: empty command, or unbalanced quotes.
    """

    def __init__(
        self, command: str, labels: tuple[str, ...] = (), cooldown: float = 0.0, secrets: Sequence[str] = ()
    ) -> None:
        super().__init__(labels, cooldown)
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise SinkError(f"Command {command!r}: {error}.") from None
        if not self._command:
            raise SinkError("An empty command.")
        self.name, self._secrets = f"command {self._command[0]}", tuple(filter(None, secrets))
        self._left: list[ProcessGroup] = []  # groups whose program has ended but left processes running

    def take(self, item: Item) -> None:
        if not isinstance(item, Observation) or not self.heeds(item):
            return
        frame = item.prediction.frame
        variables = {
            **{f"EDGECLF_{name.upper()}": value for name, value in item.zone.fields.items()},
            "EDGECLF_LABEL": item.decision.label,
            "EDGECLF_REASON": item.decision.reason or "",
            "EDGECLF_SCORE": f"{item.decision.score:.6f}",
            "EDGECLF_TIME": f"{item.time:.3f}",
            "EDGECLF_SOURCE": frame.source if frame else "",
        }
        self._left = [group for group in self._left if not group.is_over()]
        group = ProcessGroup(self._command, {**self._environment(), **variables})
        status = group.wait(_SECONDS, self._interrupted)
        if status is None and self._interrupted.is_set():
            group.end(_GRACE_AT_END)
            raise SinkError(f"{self.name}: ended with the run.")
        if status is None:
            group.end(_GRACE)
            raise SinkError(f"{self.name}: not done after {_SECONDS:.0f} s.")
        if not group.is_over():
            self._left.append(group)
        if status:
            raise SinkError(f"{self.name}: exit status {status}.")

    def _environment(self) -> dict[str, str]:
        """Return the environment without the variables that contain secrets or belong to this process."""
        return {
            name: value
            for name, value in os.environ.items()
            if (name in _HANDED_ON or not name.startswith(_OURS)) and not self._is_secret(value)
        }

    def _is_secret(self, value: str) -> bool:
        return any(secret == value or (len(secret) >= _TELLING and secret in value) for secret in self._secrets)

    def close(self) -> None:
        """Terminate processes that the programs left running."""
        for group in self._left:
            group.end(_GRACE_AT_END)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: the token is meant for one host only."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _names_a_host(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


class WebhookSink(_Calls):
    """Posts the observation as JSON to an address whenever the answer changes, with up to three attempts.

    There are no further attempts once there is a newer change.

    Args:
        address: http or https.
        labels: answers that trigger it; empty for all.
        token: sent as ``Authorization: Bearer``; never shown.
        cooldown: minimum time from the end of a call to the next, in seconds.

    Raises:
        SinkError: not an http or https address, or invalid.
    """

    def __init__(self, address: str, labels: tuple[str, ...] = (), token: str = "", cooldown: float = 0.0) -> None:
        super().__init__(labels, cooldown)
        if not address.startswith(("http://", "https://")):
            raise SinkError(f"Webhook {address.partition('://')[0]}: expected an http or https address.")
        if not address.isascii() or not address.isprintable() or " " in address or not _names_a_host(address):
            # The address is not shown because it may contain a key.
            raise SinkError(
                "Webhook address: expected http://HOST[:PORT]/PATH in ASCII; other signs as %20, of a host as xn--."
            )
        self.name = f"webhook {without_password(address)}"
        parts = urlsplit(address)
        if parts.username is not None:
            raise SinkError(f"{self.name}: a password does not go into the address; use webhook_token.")
        if not token.isprintable() or not token.isascii():
            raise SinkError(f"{self.name}: its token has characters that cannot be sent.")
        self._address, self._token = address, token
        self._opener = urllib.request.build_opener(_NoRedirect)

    def take(self, item: Item) -> None:
        if not self.heeds(item):
            return
        data = as_json(item, 5).encode()
        for attempt in range(_TRIES):
            try:
                return self._post(data)
            except (urllib.error.URLError, OSError) as error:
                reason = getattr(error, "reason", error)
                if attempt == _TRIES - 1 or self.superseded.wait(0.5 * 2**attempt):
                    raise SinkError(f"{self.name}: {reason}") from None

    def _post(self, data: bytes) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": "edgeclf"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self._address, data, headers, method="POST")
        with self._opener.open(request, timeout=_TIMEOUT) as answer:
            answer.read(1024)
