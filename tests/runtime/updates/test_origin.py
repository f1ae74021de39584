"""Where updates come from: only a verified server or a folder, and only complete and signed offers."""

from __future__ import annotations

import functools
import http.server
import shutil
import ssl
import threading
from pathlib import Path

import pytest

from edgeclf_runtime.errors import SignatureError, UpdateError, UsageError
from edgeclf_runtime.trust.keys import TrustedKeys
from edgeclf_runtime.trust.sealing import sealed_digest
from edgeclf_runtime.trust.statement import LENGTH
from edgeclf_runtime.updates.offer import OFFER, Offer
from edgeclf_runtime.updates.origin import Folder, WebFolder, origin_of
from tests.runtime.update_server import UpdateServer, publish

MODEL = Path(__file__).parents[2] / "kept" / "0.1" / "model.tflite"
pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="apt-get install openssl")


def test_only_a_verified_server_is_asked(keys: Path, server: UpdateServer, tmp_path: Path) -> None:
    publish(MODEL, tmp_path / "served", keys / "mine")
    trusting = WebFolder(server.address, str(keys / "certificate.pem"))
    found = trusting.offer("")
    assert found is not None
    assert trusting.offer(found[1]) is None
    with pytest.raises(
        UpdateError, match=r"its certificate is not trusted \(.*\); for your own authority, set update_ca"
    ):
        WebFolder(server.address).offer("")
    with pytest.raises(UpdateError, match="its certificate is not trusted"):
        WebFolder(f"https://localhost:{server.port}", str(keys / "certificate.pem")).offer("")
    with pytest.raises(UpdateError, match=r"/none/edgeclf-update.json: status 404\.$"):
        WebFolder(f"{server.address}/none", str(keys / "certificate.pem")).offer("")
    server.fault = "endless offer"
    with pytest.raises(UpdateError, match="not an update offer: it is too large"):
        trusting.offer("")
    server.fault = ""
    part = tmp_path / "part"
    part.write_bytes(bytes(1 << 20))
    with pytest.raises(UpdateError, match="status 416"):
        trusting.fetch(f"{sealed_digest(MODEL.read_bytes())}.tflite", part, 2 << 20, lambda: False)
    assert not part.exists()  # the next time it starts from the beginning


def test_any_server_of_static_files_will_do(keys: Path, tmp_path: Path) -> None:
    publish(MODEL, tmp_path, keys / "mine")
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(keys / "certificate.pem"), str(keys / "key.pem"))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        origin = WebFolder(f"https://127.0.0.1:{server.server_address[1]}", str(keys / "certificate.pem"))
        found = origin.offer("")
        assert found is not None
        assert origin.offer(found[1]) is None  # it has no tags, but states when the file was changed
        offer, part = Offer.read("there", found[0], TrustedKeys(keys / "mine.pub")), tmp_path / "part"
        for begun in (b"begun", bytes(offer.size - 3)):
            part.write_bytes(begun)
            origin.fetch(offer.file, part, offer.size, lambda: False)  # it has no ranges, so this starts over
            assert sealed_digest(part.read_bytes()) == offer.statement.digest
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://example.org/models", "expected an https address or a folder, got http://example.org"),
        ("ftp://example.org", "expected an https address"),
        ("https://me:secret@example.org", "without a user, a password"),
        ("https://example.org/?a=b", "without a user"),
    ],
)
def test_other_addresses_are_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as raised:
        origin_of(text)
    assert "secret" not in str(raised.value)
    assert isinstance(origin_of("/media/stick"), Folder)


def test_an_offer_with_a_flipped_bit_is_refused(tmp_path: Path, keys: Path) -> None:
    file = publish(MODEL, tmp_path, keys / "mine")
    data, trusted = (tmp_path / OFFER).read_bytes(), TrustedKeys(keys / "mine.pub")
    offer = Offer.read("here", data, trusted)
    assert (offer.file, offer.size, offer.edgetpu) == (file, (tmp_path / file).stat().st_size, False)
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        with pytest.raises(SignatureError):
            Offer.read("here", bytes(flipped), trusted)
    model = (tmp_path / file).read_bytes()
    with pytest.raises(SignatureError, match="is not signed"):  # a model's statement says nothing about an offer
        Offer.read("here", data[:-LENGTH] + model[-LENGTH:], trusted)
