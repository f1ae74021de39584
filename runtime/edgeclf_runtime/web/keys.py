"""The keys of run.toml for the live page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.sinks.keys import Opening, SinkKeys, key
from edgeclf_runtime.sinks.sink import Sink
from edgeclf_runtime.system.credentials import carried_name
from edgeclf_runtime.web import check_installed

if TYPE_CHECKING:
    import ssl

__all__ = ["PageKeys"]


@dataclass(frozen=True)
class PageKeys(SinkKeys):
    """Serve the page of a running classifier; a token is required except on a local address."""

    web: str = key("", 'Live page: "PORT" for this machine, "0.0.0.0:PORT" for the network, with a token')
    web_token: str = key(
        "", "Token for the page, 12 to 128 letters or digits (default: a new one at each start)", secret=True
    )
    web_cert: str = key("", "PEM file of the page's certificate, for HTTPS", carried=True)
    web_key: str = key("", "PEM file of its key", carried=True)

    def checks(self) -> Iterator[Callable[[], object]]:
        if self.web:
            from edgeclf_runtime.web.address import read_address

            yield lambda: read_address(self.web, self.web_token)
            yield check_installed
            yield self._tls
        elif self.web_cert or self.web_key:
            yield _refuse_certificate

    def open(self, run: Opening) -> Iterator[Sink]:
        if self.web:
            yield run.listening(lambda: self._page(run), pictures=True)

    def _page(self, run: Opening) -> Sink:
        check_installed()
        from edgeclf_runtime.web.live_page import WebSink
        from edgeclf_runtime.web.zones_page import ZonesPage

        tls = self._tls()
        if tls is not None:
            from edgeclf_runtime.web.certificate import EXPIRED, has_expired

            if has_expired(tls, carried_name(self.web_cert)):  # only warn: the device must keep running
                print(f"{self.web_cert}: {EXPIRED}.", file=sys.stderr, flush=True)
        sink: WebSink | ZonesPage
        if run.zones:
            sink = ZonesPage(self.web, self.web_token, run.zones, tls, run.editor)
        else:
            sink = WebSink(self.web, self.web_token, run.model, run.labels, run.snapshots, tls, run.examples)
        print(f"Web page: {sink.invitation}", file=sys.stderr, flush=True)
        return sink

    def _tls(self) -> ssl.SSLContext | None:
        if self.web_key and not self.web_cert:
            raise SinkError("web_key: a key without its certificate, web_cert.")
        if not self.web_cert:
            return None
        from edgeclf_runtime.web.certificate import server_context

        return server_context(carried_name(self.web_cert), carried_name(self.web_key))


def _refuse_certificate() -> None:
    raise SinkError("web_cert, web_key (--tls): nothing is served over HTTPS without web (--web).")
