"""Call a webhook when the answer changes."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.sinks.call_pictures import call_picture, multipart
from edgeclf_runtime.sinks.calling import Calls
from edgeclf_runtime.sinks.item_json import as_json
from edgeclf_runtime.sinks.sink import Item, Observation
from edgeclf_runtime.sources.network.camera import without_password

__all__ = ["WebhookSink"]

_TRIES = 3
_TIMEOUT = 5.0


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


class WebhookSink(Calls):
    """Posts the observation as JSON to an address whenever the answer changes, with up to three attempts.

    There are no further attempts once there is a newer change.

    Args:
        address: http or https.
        labels: answers that trigger it; empty for all.
        token: sent as ``Authorization: Bearer``; never shown.
        cooldown: minimum time from the end of a call to the next, in seconds.
        after: answers from which it must have changed; empty for any.
        picture: post a form (multipart/form-data) with the JSON as ``event`` and what the network saw as ``picture``.

    Raises:
        SinkError: not an http or https address, or invalid.
    """

    def __init__(
        self,
        address: str,
        labels: tuple[str, ...] = (),
        token: str = "",
        cooldown: float = 0.0,
        *,
        after: tuple[str, ...] = (),
        picture: bool = False,
    ) -> None:
        super().__init__(labels, cooldown, after, picture)
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
        if not isinstance(item, Observation) or not self.heeds(item):
            return
        kind, data = "application/json", as_json(item, 5).encode()
        if self.pictures:
            kind, data = multipart(data, call_picture(item))
        for attempt in range(_TRIES):
            try:
                return self._post(kind, data)
            except (urllib.error.URLError, OSError) as error:
                reason = getattr(error, "reason", error)
                if attempt == _TRIES - 1 or self.superseded.wait(0.5 * 2**attempt):
                    raise SinkError(f"{self.name}: {reason}") from None

    def _post(self, kind: str, data: bytes) -> None:
        headers = {"Content-Type": kind, "User-Agent": "edgeclf"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self._address, data, headers, method="POST")
        with self._opener.open(request, timeout=_TIMEOUT) as answer:
            answer.read(1024)
