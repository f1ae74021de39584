"""Where updates come from: a folder, such as a mounted stick, or a folder of a web server over HTTPS."""

from __future__ import annotations

import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Callable, Protocol
from urllib.parse import urlsplit

from edgeclf_runtime.errors import UpdateError, UsageError
from edgeclf_runtime.sources.network import tls
from edgeclf_runtime.updates.offer import OFFER, OFFER_LIMIT

__all__ = ["Folder", "Origin", "WebFolder", "origin_of"]

_WAIT = 30.0  # seconds for a connection, and for each wait for bytes
_OFFER_SECONDS = 60.0
_MODEL_SECONDS = 900.0  # then the rest is left for the next time
_CHUNK = 1 << 16


class Origin(Protocol):
    """Gives the offer and the model files beside it.

    Attributes:
        shown: the address or folder, for messages.
        every: seconds from one look to the next, unless the settings say so.
    """

    shown: str
    every: float

    def offer(self, tag: str) -> tuple[bytes, str] | None:
        """Return the offer and a tag of its version; None if the tag is still the same, or there is no folder.

        Raises:
            UpdateError: it cannot be read.
        """
        ...

    def fetch(self, name: str, target: Path, size: int, is_ended: Callable[[], bool]) -> None:
        """Append to ``target`` what it lacks of a file, at most to ``size`` bytes.

        Raises:
            UpdateError: it cannot be read, or not to its end; what came is kept.
        """
        ...


def origin_of(text: str, authority: str = "") -> Origin:
    """Return the origin that a text names: an https address or a folder.

    Args:
        text: of the setting ``update``.
        authority: file of the certificate authority that is trusted in place of the system's.

    Raises:
        UsageError: an address that is not https, or one with a password.
    """
    if "://" not in text:
        return Folder(Path(text))
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname:
        raise UsageError(f"update: expected an https address or a folder, got {parts.scheme}://{parts.hostname or ''}.")
    if parts.username or parts.query or parts.fragment:
        raise UsageError("update: expected an address without a user, a password, ? and #.")
    return WebFolder(text.rstrip("/"), authority)


class Folder:
    """A folder, which may not always be there."""

    every = 10.0

    def __init__(self, path: Path) -> None:
        self._path, self.shown = path, str(path)

    def offer(self, tag: str) -> tuple[bytes, str] | None:
        try:
            with (self._path / OFFER).open("rb") as file:
                status = os.fstat(file.fileno())
                now = f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns}"
                return None if now == tag else (file.read(OFFER_LIMIT + 1), now)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UpdateError(f"{self._path / OFFER}: {error.strerror}.") from None

    def fetch(self, name: str, target: Path, size: int, is_ended: Callable[[], bool]) -> None:
        try:
            with (self._path / name).open("rb") as source, target.open("ab") as file:
                source.seek(file.tell())
                _copy(source.read, file, size, _MODEL_SECONDS, is_ended)
        except OSError as error:
            raise UpdateError(f"{self._path / name}: {error.strerror or error}.") from None


class WebFolder:
    """A folder of a web server; its certificate is verified."""

    every = 3600.0

    def __init__(self, address: str, authority: str = "") -> None:
        self.shown = address
        context = tls.context(insecure=False)
        if authority:
            try:
                context = ssl.create_default_context(cafile=authority)
            except (OSError, ValueError) as error:
                text = getattr(error, "strerror", None) or "no PEM file of a certificate"
                raise UsageError(f"update_ca {authority}: {text}.") from None
        self._open = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _OnlyHttps()).open

    def offer(self, tag: str) -> tuple[bytes, str] | None:
        kind = "If-None-Match" if tag.endswith('"') else "If-Modified-Since"
        with self._answer(OFFER, {kind: tag} if tag else {}) as answer:
            if answer.status == 304:
                return None
            content = bytearray()
            until = time.monotonic() + _OFFER_SECONDS
            while chunk := answer.read1(_CHUNK):
                content += chunk
                if len(content) > OFFER_LIMIT or time.monotonic() > until:
                    raise UpdateError(f"{self.shown}/{OFFER}: not an update offer: it is too large or too slow.")
            return bytes(content), answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""

    def fetch(self, name: str, target: Path, size: int, is_ended: Callable[[], bool]) -> None:
        have = target.stat().st_size if target.exists() else 0
        try:
            self._fetch(name, target, size, have, is_ended)
        except _NoSuchRange:
            target.unlink()  # it is longer than the server's file
            raise

    def _fetch(self, name: str, target: Path, size: int, have: int, is_ended: Callable[[], bool]) -> None:
        with self._answer(name, {"Range": f"bytes={have}-"} if have else {}) as answer, target.open("ab") as file:
            goes_on = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            if not goes_on:
                file.seek(0)
                file.truncate()
            _copy(answer.read1, file, size, _MODEL_SECONDS, is_ended)

    @contextmanager
    def _answer(self, name: str, headers: dict[str, str]) -> Iterator[Any]:
        """Yield an answer with status 200, 206 or 304; every error within is an UpdateError."""
        address = f"{self.shown}/{name}"
        request = urllib.request.Request(address, headers={"Accept-Encoding": "identity", **headers})
        try:
            with self._open(request, timeout=_WAIT) as answer:
                if answer.status not in (200, 206):
                    raise UpdateError(f"{address}: status {answer.status}.")
                yield answer
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 304:
                    kind = _NoSuchRange if error.code == 416 else UpdateError
                    raise kind(f"{address}: status {error.code}.") from None
                yield error
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, UpdateError):
                raise
            raise UpdateError(f"{address}: {_why(error)}.") from None


class _NoSuchRange(UpdateError):
    """The server's file ends before what is asked for."""


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *words: Any) -> urllib.request.Request | None:
        if not words[-1].lower().startswith("https://"):
            raise UpdateError(f"{words[0].full_url}: redirects to an address that is not https.")
        return super().redirect_request(*words)


def _copy(
    read: Callable[[int], bytes], file: IO[bytes], size: int, seconds: float, is_ended: Callable[[], bool]
) -> None:
    until = time.monotonic() + seconds
    while file.tell() < size and (chunk := read(min(_CHUNK, size - file.tell()))):
        file.write(chunk)
        if is_ended() or time.monotonic() > until:
            return


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({tls.reason(reason)}); for your own authority, set update_ca"
    return str(getattr(reason, "strerror", None) or reason or type(reason).__name__).rstrip(".")
