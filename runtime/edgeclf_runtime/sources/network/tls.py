"""Verify certificates of network cameras before any password is sent."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from edgeclf_runtime.errors import SourceError

__all__ = ["HOW_UNVERIFIED", "check_certificate", "context", "ffmpeg_verifies"]

HOW_UNVERIFIED = (
    "No password was sent. A certificate of your own: SSL_CERT_FILE=FILE before the command, and the host's name as in "
    "the certificate; or insecure = true in [camera] (--insecure), which trusts whoever answers."
)
_PORTS = {"https": 443, "rtsps": 322}
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"  # OpenCV reads it whenever it opens a stream
_environment = threading.Lock()


def context(insecure: bool) -> ssl.SSLContext:
    """Return a context that verifies certificate and host name by the system's authorities or SSL_CERT_FILE."""
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def check_certificate(address: str, shown: str, timeout: float) -> None:
    """Connect to an https or rtsps address, and raise SourceError unless its certificate is valid.

    FFmpeg verifies it again, but not all of its versions check the host name.

    Args:
        address: of the camera.
        shown: address without the password, for messages.
        timeout: in seconds.
    """
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    try:
        with socket.create_connection((host, port), timeout) as plain:
            context(insecure=False).wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        raise SourceError(f"{shown}: its certificate is not trusted ({reason(error)}). {HOW_UNVERIFIED}") from None
    except OSError as error:
        raise SourceError(f"{shown}: no video stream there. Check the address and the camera. ({error})") from None


def reason(error: ssl.SSLCertVerificationError) -> str:
    """Return the reason in a few words, such as "self-signed certificate"."""
    return error.verify_message.rstrip(".") or str(error)


@contextmanager
def ffmpeg_verifies(wanted: bool) -> Iterator[None]:
    """Inside this context, OpenCV's FFmpeg opens streams only with a valid certificate."""
    if not wanted:
        yield
        return
    with _environment:
        before = os.environ.get(_OPTIONS)
        os.environ[_OPTIONS] = f"{before or 'rtsp_transport;tcp'}|tls_verify;1|ca_file;{_authorities()}"
        try:
            yield
        finally:
            if before is None:
                del os.environ[_OPTIONS]
            else:
                os.environ[_OPTIONS] = before


def _authorities() -> str:
    """Return the file of trusted certificates; "" if there is none, with which FFmpeg trusts nobody."""
    paths = ssl.get_default_verify_paths()
    return next((path for path in (paths.cafile, paths.openssl_cafile) if path and os.path.isfile(path)), "")
