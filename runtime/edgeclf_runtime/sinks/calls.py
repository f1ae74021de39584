"""What happens when the answer changes: a command, a web address called."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.sinks.lines import as_json
from edgeclf_runtime.sinks.sink import Item, Observation
from edgeclf_runtime.sources.stream import without_password

__all__ = ["CommandSink", "WebhookSink"]

_SECONDS = 30.0
_TRIES = 3
_TIMEOUT = 5.0


def _counts(item: Observation, labels: tuple[str, ...]) -> bool:
    """Whether the answer changed, to one that counts."""
    return item.decision.changed and (not labels or item.decision.label in labels)


class CommandSink:
    """Runs a program, without a shell, whenever the answer changes.

    It finds the answer in EDGECLF_LABEL, EDGECLF_SCORE, EDGECLF_TIME and EDGECLF_SOURCE, and may take 30 s.

    Args:
        command: the program and its arguments, quoted as in a shell.
        labels: answers that count; empty for all.

    Raises:
        SinkError: an empty command, or quotes that do not match.
    """

    pictures = False

    def __init__(self, command: str, labels: tuple[str, ...] = ()) -> None:
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise SinkError(f"Command {command!r}: {error}.") from None
        if not self._command:
            raise SinkError("An empty command.")
        self.name, self._labels = f"command {self._command[0]}", labels

    def take(self, item: Item) -> None:
        if not isinstance(item, Observation) or not _counts(item, self._labels):
            return
        frame = item.prediction.frame
        told = {
            "EDGECLF_LABEL": item.decision.label,
            "EDGECLF_SCORE": f"{item.decision.score:.6f}",
            "EDGECLF_TIME": f"{item.time:.3f}",
            "EDGECLF_SOURCE": frame.source if frame else "",
        }
        with subprocess.Popen(
            self._command,
            env={**os.environ, **told},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # standard output is the terminal sink's
        ) as process:
            try:
                status = process.wait(_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise SinkError(f"{self.name}: not done after {_SECONDS:.0f} s.") from None
        if status:
            raise SinkError(f"{self.name}: exit status {status}.")

    def close(self) -> None:
        """Nothing is held."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token is for one host alone."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _names_a_host(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


class WebhookSink:
    """Sends the observation, as JSON, to an address whenever the answer changes; three tries.

    Args:
        address: http or https.
        labels: answers that count; empty for all.
        token: sent as ``Authorization: Bearer``; never shown.

    Raises:
        SinkError: another kind of address.
    """

    pictures = False

    def __init__(self, address: str, labels: tuple[str, ...] = (), token: str = "") -> None:
        if not address.startswith(("http://", "https://")):
            raise SinkError(f"Webhook {address.partition('://')[0]}: expected an http or https address.")
        if not address.isascii() or not address.isprintable() or " " in address or not _names_a_host(address):
            # It is not shown: a key may stand in it.
            raise SinkError(
                "Webhook address: expected http://HOST[:PORT]/PATH in ASCII; other signs as %20, of a host as xn--."
            )
        self.name = f"webhook {without_password(address)}"
        parts = urlsplit(address)
        if parts.username is not None:
            raise SinkError(f"{self.name}: a password does not go into the address; use webhook_token.")
        if not token.isprintable() or not token.isascii():
            raise SinkError(f"{self.name}: its token has characters that cannot be sent.")
        self._address, self._labels, self._token = address, labels, token
        self._opener = urllib.request.build_opener(_NoRedirect)

    def take(self, item: Item) -> None:
        if not isinstance(item, Observation) or not _counts(item, self._labels):
            return
        data = as_json(item, 5).encode()
        for attempt in range(_TRIES):
            try:
                return self._post(data)
            except (urllib.error.URLError, OSError) as error:
                reason = getattr(error, "reason", error)
                if attempt == _TRIES - 1:
                    raise SinkError(f"{self.name}: {reason}") from None
                time.sleep(0.5 * 2**attempt)

    def _post(self, data: bytes) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": "edgeclf"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self._address, data, headers, method="POST")
        with self._opener.open(request, timeout=_TIMEOUT) as answer:
            answer.read(1024)

    def close(self) -> None:
        """Nothing is held."""
