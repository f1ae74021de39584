"""A broker that cannot be reached, speaks another protocol or refuses: reported within seconds, with a solution."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from edgeclf_runtime.config.settings import SinkSettings
from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.pipeline.sinks import check_sinks
from edgeclf_runtime.sinks.mqtt.options import default_device
from edgeclf_runtime.sinks.mqtt.sink import MqttOptions, MqttSink
from tests.runtime.mqtt_broker import MOSQUITTO, Broker, Link, Listener
from tests.runtime.observations import LABELS, seen

needs_tls = pytest.mark.skipif(
    MOSQUITTO is None or not shutil.which("openssl"), reason="apt-get install mosquitto openssl"
)
# paho does not close sockets whose handshake fails.
leaves_sockets = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def test_a_broker_that_cannot_be_reached_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:  # bound, but nothing listens
        taken.bind(("127.0.0.1", 0))
        sink = MqttSink(MqttOptions(f"mqtt://127.0.0.1:{taken.getsockname()[1]}", "feeder"), LABELS)
        client = sink._connection._client
        failed, tries = client.on_connect_fail, []
        client.on_connect_fail = lambda *words: (tries.append(words), failed(*words))
        until = time.monotonic() + 30
        while len(tries) < 2:
            assert time.monotonic() < until
            time.sleep(0.1)
        sink.close()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1, told
    assert "cannot be reached" in told[0]
    assert "refused" in told[0].lower()


@pytest.mark.parametrize("end", ["user:12#34@host", "user:1?2@host", "host/topic", "home..local", ":1883", "host:x"])
def test_an_address_that_would_lead_elsewhere_is_refused(end: str) -> None:
    with pytest.raises(SinkError, match="# as %23"):
        MqttOptions(f"mqtt://{end}")


Told = Callable[[str], str]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    """Wait for a line of the log."""

    def wait(part: str) -> str:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            lines = [record.getMessage() for record in caplog.records]
            if found := [line for line in lines if part in line]:
                assert len(found) == 1, lines
                return found[0]
            time.sleep(0.05)
        raise AssertionError(f"no {part!r} in {[record.getMessage() for record in caplog.records]}")

    return wait


@contextmanager
def _port(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Return a port where nothing speaks MQTT."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection = server.accept()[0]
                    with suppress(OSError):
                        answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def _http(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    connection.close()


def _text(connection: socket.socket) -> None:
    connection.sendall(b"220 mail ready\r\n")
    connection.close()


@pytest.mark.parametrize("answer", [socket.socket.close, _http, _text])
def test_a_port_where_nobody_speaks_mqtt_is_told(answer: Callable[[socket.socket], None], told: Told) -> None:
    with _port(answer) as port:
        sink = MqttSink(MqttOptions(f"mqtt://127.0.0.1:{port}", "feeder"), LABELS)
        line = told("closes the connection without an answer")
        assert f"127.0.0.1:{port}" in line
        assert "mqtts:// in place of mqtt://" in line
        assert sink._connection._client._thread.is_alive(), "it goes on trying"
        sink.close()


@leaves_sockets
@pytest.mark.parametrize("scheme", ["mqtt", "mqtts"])
def test_a_port_that_never_answers_is_told(scheme: str, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeclf_runtime.sinks.mqtt.connection._ANSWER", 0.5)
    held: list[socket.socket] = []
    with _port(held.append) as port:
        sink = MqttSink(MqttOptions(f"{scheme}://127.0.0.1:{port}", "feeder"), LABELS)
        told("takes the connection, but does not answer")
        sink.close()
        for connection in held:
            connection.close()


def test_a_broker_that_knows_only_the_older_protocol_is_spoken_to_in_it(broker: Broker) -> None:
    listener, link = Listener(broker.port), Link(broker.port, older=True)
    sink = MqttSink(MqttOptions(f"mqtt://127.0.0.1:{link.port}", "feeder"), LABELS)
    listener.wait("edgeclf/feeder/available", lambda payload: payload == b"online")
    sink.take(seen("dog"))
    listener.wait("edgeclf/feeder/state", lambda payload: b"dog" in payload)
    assert listener.wait("edgeclf/feeder/picture", bool)
    sink.close()
    listener.wait("edgeclf/feeder/available", lambda payload: payload == b"offline")
    listener.close()
    link.close()


@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed: apt-get install mosquitto")
def test_a_broker_that_refuses_is_told_and_asked_again(
    tmp_path: Path, told: Told, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Broker(tmp_path, "allow_anonymous false\n")
    request.addfinalizer(broker.stop)
    sink = MqttSink(MqttOptions(f"mqtt://user:wrong@127.0.0.1:{broker.port}", "feeder"), LABELS)
    assert "refused: Not authorized" in told("refused")
    client, tries = sink._connection._client, []
    refused = client.on_connect
    client.on_connect = lambda *words: (tries.append(words[3]), refused(*words))
    until = time.monotonic() + 30
    while not tries and time.monotonic() < until:
        time.sleep(0.05)
    assert [str(reason) for reason in tries] == ["Not authorized"]
    assert client.protocol == 5
    assert len(caplog.records) == 1, [record.getMessage() for record in caplog.records]
    sink.close()


def test_two_devices_of_one_id_are_told(broker: Broker, told: Told) -> None:
    listener = Listener(broker.port)
    options = MqttOptions(f"mqtt://127.0.0.1:{broker.port}", "feeder")
    first = MqttSink(options, LABELS)
    listener.wait("edgeclf/feeder/available", bool)
    second = MqttSink(options, LABELS)
    assert "another device has the id feeder" in told("mqtt_device = NAME")
    second.close()
    first.close()
    listener.close()


def test_services_of_one_machine_have_ids_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: "shop.lan")
    assert default_device() == "edgeclf-shop-lan"
    monkeypatch.setenv("EDGECLF_SERVICE", "edgeclf")
    assert default_device() == "edgeclf-shop-lan"
    monkeypatch.setenv("EDGECLF_SERVICE", "door")
    assert default_device() == "edgeclf-shop-lan-door"


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, ``ca.pem``; a broker and a device signed by it for the host "localhost", and their keys."""
    folder = tmp_path_factory.mktemp("certificates")
    signs_itself = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ours -keyout ca.key -out ca.pem"
    _openssl(folder, *signs_itself.split())
    for name in ("localhost", "device"):
        _openssl(folder, *f"req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr".split())
        (folder / "names").write_text(f"subjectAltName=DNS:{name}\n", "utf-8")
        signed = f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names"
        _openssl(folder, *signed.split(), "-out", f"{name}.pem")
    _openssl(folder, *["pkey", "-in", "device.key", "-aes256", "-passout", "pass:secret", "-out", "locked.key"])
    for path in (folder, *folder.iterdir()):  # mosquitto reads them as a separate user
        path.chmod(path.stat().st_mode | 0o055)
    for above in folder.parents[:3]:
        above.chmod(above.stat().st_mode | 0o011)
    return folder


def _tls_lines(folder: Path) -> str:
    return f"cafile {folder}/ca.pem\ncertfile {folder}/localhost.pem\nkeyfile {folder}/localhost.key\n"


@needs_tls
@leaves_sockets
def test_a_broker_with_certificates_of_ones_own(
    certificates: Path, tmp_path: Path, told: Told, request: pytest.FixtureRequest
) -> None:
    broker = Broker(tmp_path, f"{_tls_lines(certificates)}require_certificate true\nlistener {{plain}} 127.0.0.1\n")
    address, ca = f"mqtts://localhost:{broker.port}", str(certificates / "ca.pem")
    cert, key = str(certificates / "device.pem"), str(certificates / "device.key")
    request.addfinalizer(broker.stop)
    listener = Listener(broker.plain)
    known = MqttSink(MqttOptions(address, "feeder", ca=ca, cert=cert, key=key), LABELS)
    listener.wait("edgeclf/feeder/available", lambda payload: payload == b"online")
    known.take(seen("dog"))
    listener.wait("edgeclf/feeder/state", lambda payload: b"dog" in payload)
    known.close()
    for options, part in (
        (MqttOptions(address, "a"), "mqtt_ca = FILE"),
        (MqttOptions(address.replace("localhost", "127.0.0.1"), "b", ca=ca), "use that name in the address"),
        (MqttOptions(address, "c", ca=ca), "mqtt_cert and mqtt_key"),
        (MqttOptions(f"mqtts://localhost:{broker.plain}", "d", ca=ca), "mqtt:// in place of mqtts://"),
        (MqttOptions(f"mqtt://localhost:{broker.port}", "e"), "mqtts:// in place of mqtt://"),
    ):
        sink = MqttSink(options, LABELS)
        told(part)
        sink.close()
    listener.close()


@needs_tls
def test_certificates_that_cannot_be_used_are_named(certificates: Path, tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("no certificate", "utf-8")
    ca, cert, key = (str(certificates / name) for name in ("ca.pem", "device.pem", "device.key"))
    for files, said in (
        ({"mqtt_ca": str(tmp_path / "none.pem")}, "mqtt_ca .*none.pem: No such file"),
        ({"mqtt_ca": str(tmp_path / "text.pem")}, "mqtt_ca .*text.pem: no PEM file of certificates"),
        ({"mqtt_cert": str(tmp_path / "none.pem")}, "mqtt_cert .*none.pem: no such file"),
        ({"mqtt_cert": cert, "mqtt_key": str(tmp_path / "none.pem")}, "mqtt_key .*none.pem: no such file"),
        ({"mqtt_cert": cert, "mqtt_key": str(certificates / "localhost.key")}, "the key is not that of"),
        ({"mqtt_cert": cert, "mqtt_key": str(certificates / "locked.key")}, "openssl pkey"),
        ({"mqtt_key": key}, "without its certificate"),
        ({"mqtt": "mqtt://localhost", "mqtt_ca": ca}, "mqtt_ca: only for TLS; write mqtts://"),
    ):
        with pytest.raises(SinkError, match=said):
            check_sinks(SinkSettings(**{"mqtt": "mqtts://localhost", **files}))
