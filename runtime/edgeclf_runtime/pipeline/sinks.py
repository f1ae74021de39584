"""The sinks that the settings ask for."""

from __future__ import annotations

import difflib
import functools
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Callable
from urllib.parse import unquote, urlsplit

from edgeclf_runtime.config.credentials import carried
from edgeclf_runtime.config.settings import SinkSettings
from edgeclf_runtime.decision.decision import UNKNOWN
from edgeclf_runtime.errors import AddressError, SinkError
from edgeclf_runtime.sinks.sink import Sink

if TYPE_CHECKING:
    import ssl

    from edgeclf_runtime.sinks.mqtt.sink import MqttOptions

__all__ = ["check_labels", "check_sinks", "open_sinks"]


def check_sinks(asked: SinkSettings) -> None:
    """Whether they are written as they must be, and the packages they need are there; nothing is opened.

    Raises:
        SinkError: names all that is wrong.
    """
    wrong = []
    for check in (_check_command, _check_webhook, _check_mqtt, _check_metrics, _check_page):
        try:
            check(asked)
        except SinkError as error:
            wrong.append(str(error).rstrip("."))
    if wrong:
        raise SinkError(f"{'; '.join(wrong)}.")


def check_labels(asked: SinkSettings, labels: tuple[str, ...]) -> None:
    """Whether the labels that are named are the model's: an alarm for a misspelt one would never come.

    Raises:
        SinkError: names all that are not.
    """
    allowed = {"on": (*labels, UNKNOWN), "snapshot_labels": (*labels, UNKNOWN, "*")}
    wrong = [
        f"{key}: the model has no label {label!r}{_near(label, labels)}"
        for key, names in allowed.items()
        for label in getattr(asked, key)
        if label not in names
    ]
    if wrong:
        raise SinkError(f"Sinks: {'; '.join(wrong)}.")


def _near(label: str, labels: tuple[str, ...]) -> str:
    folded = {name.casefold(): name for name in labels}
    near = difflib.get_close_matches(label.casefold(), folded, n=1)
    return f", did you mean {folded[near[0]]!r}?" if near else f"; its labels: {', '.join(labels[:10])}"


def _check_command(asked: SinkSettings) -> None:
    if asked.command:
        from edgeclf_runtime.sinks.calls import CommandSink

        CommandSink(asked.command)


def _check_webhook(asked: SinkSettings) -> None:
    if asked.webhook:
        from edgeclf_runtime.sinks.calls import WebhookSink

        WebhookSink(asked.webhook, token=asked.webhook_token)


def _check_mqtt(asked: SinkSettings) -> None:
    if asked.mqtt:
        from edgeclf_runtime.sinks.mqtt.sink import paho

        _mqtt_options(asked)
        paho()


def _check_metrics(asked: SinkSettings) -> None:
    if asked.metrics:
        from edgeclf_runtime.sinks.metrics import Figures

        Figures()


def _check_page(asked: SinkSettings) -> None:
    if asked.web:
        from edgeclf_runtime.web import check_installed
        from edgeclf_runtime.web.address import read_address

        read_address(asked.web, asked.web_token)
        check_installed()
        _page_tls(asked)
    elif asked.web_cert or asked.web_key:
        raise SinkError("web_cert, web_key (--tls): nothing is served over HTTPS without web (--web).")


def open_sinks(
    asked: SinkSettings,
    labels: tuple[str, ...],
    model: str,
    gap: float = 0.0,
    cooldown: float = 0.0,
    *,
    endless: bool = False,
) -> list[Sink]:
    """Open them all, or none.

    Args:
        asked: which.
        labels: of the model.
        model: its name.
        gap: seconds between two answers, at most; 0 where nobody knows.
        cooldown: seconds between two calls, at least.
        endless: wait for an address that this machine does not have yet, rather than raise.

    Raises:
        SinkError: one cannot be opened; those already open are closed.
    """
    with ExitStack() as stack:
        sinks: list[Sink] = []

        def add(sink: Sink) -> None:
            sinks.append(sink)
            stack.callback(sink.close)

        try:
            _files(asked, add)
            _calls(asked, cooldown, add)
            _broker(asked, labels, gap, add)
            for open_sink, pictures in _servers(asked, labels, model):
                add(_awaited(open_sink, pictures) if endless else open_sink())
        except (OSError, ValueError) as error:
            if isinstance(error, SinkError):
                raise
            where = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
            raise SinkError(f"{where}{getattr(error, 'strerror', None) or error}.") from error
        stack.pop_all()
        return sinks


def _files(asked: SinkSettings, add: Callable[[Sink], None]) -> None:
    from edgeclf_runtime.sinks.lines import CsvSink, JsonLinesSink

    limit, keep = asked.rotate_bytes, asked.rotate_keep
    if asked.jsonl:
        add(JsonLinesSink(Path(asked.jsonl), limit, keep, changes=asked.jsonl_every == "change"))
    if asked.csv:
        add(CsvSink(Path(asked.csv), limit, keep))
    if asked.snapshots:
        add(_snapshots(asked))
    if asked.video or asked.window:
        from edgeclf_runtime.sinks.video.sink import VideoSink, WindowSink

        if asked.video:
            films = VideoSink(Path(asked.video), asked.video_segment, asked.video_bytes)
            add(films)
            print(f"Films: {films.pattern}", file=sys.stderr, flush=True)
        if asked.window:
            add(WindowSink())


def _snapshots(asked: SinkSettings) -> Sink:
    from edgeclf_runtime.sinks.snapshots.sink import SnapshotSink

    return SnapshotSink(
        Path(asked.snapshots),
        asked.snapshot_labels,
        asked.snapshot_uncertain,
        asked.snapshot_every,
        asked.snapshot_limit,
        asked.snapshot_bytes_per_day,
        asked.snapshot_free_bytes,
        asked.snapshot_whole,
    )


def _calls(asked: SinkSettings, cooldown: float, add: Callable[[Sink], None]) -> None:
    from edgeclf_runtime.sinks.calls import CommandSink, WebhookSink

    if asked.command:
        add(CommandSink(asked.command, asked.on, cooldown, _secrets(asked)))
    if asked.webhook:
        add(WebhookSink(asked.webhook, asked.on, asked.webhook_token, cooldown))


def _secrets(asked: SinkSettings) -> tuple[str, ...]:
    password = urlsplit(asked.mqtt).password or ""
    return asked.web_token, asked.webhook_token, asked.webhook, asked.mqtt, password, unquote(password)


def _broker(asked: SinkSettings, labels: tuple[str, ...], gap: float, add: Callable[[Sink], None]) -> None:
    if asked.mqtt:
        from edgeclf_runtime.sinks.mqtt.sink import MqttSink

        add(MqttSink(_mqtt_options(asked, gap), labels))


def _servers(asked: SinkSettings, labels: tuple[str, ...], model: str) -> Iterator[tuple[Callable[[], Sink], bool]]:
    """What opens those that listen at an address, and whether they need pictures."""
    if asked.metrics:
        from edgeclf_runtime.sinks.metrics import MetricsSink

        yield functools.partial(MetricsSink, asked.metrics, asked.metrics_host), False
    if asked.web:
        yield functools.partial(_page, asked, labels, model), True


def _awaited(open_sink: Callable[[], Sink], pictures: bool) -> Sink:
    from edgeclf_runtime.sinks.awaited import AwaitedSink

    try:
        return open_sink()
    except AddressError as error:
        return AwaitedSink(open_sink, error, pictures)


def _page(asked: SinkSettings, labels: tuple[str, ...], model: str) -> Sink:
    from edgeclf_runtime.web import check_installed

    check_installed()
    from edgeclf_runtime.web.live_page import WebSink

    tls = _page_tls(asked)
    if tls is not None:
        from edgeclf_runtime.web.certificate import EXPIRED, has_expired

        if has_expired(tls, _carried(asked.web_cert)):  # no reason to leave a device without its answers
            print(f"{asked.web_cert}: {EXPIRED}.", file=sys.stderr, flush=True)
    snapshots = Path(asked.snapshots) if asked.snapshots else None
    sink = WebSink(asked.web, asked.web_token, model, labels, snapshots, tls)
    print(f"Web page: {sink.invitation}", file=sys.stderr, flush=True)
    return sink


def _page_tls(asked: SinkSettings) -> ssl.SSLContext | None:
    if asked.web_key and not asked.web_cert:
        raise SinkError("web_key: a key without its certificate, web_cert.")
    if not asked.web_cert:
        return None
    from edgeclf_runtime.web.certificate import server_context

    return server_context(_carried(asked.web_cert), _carried(asked.web_key))


def _carried(name: str) -> str:
    return str(carried(Path(name))) if name else ""


def _mqtt_options(asked: SinkSettings, gap: float = 0.0) -> MqttOptions:
    from edgeclf_runtime.sinks.mqtt.options import MqttOptions, default_device

    return MqttOptions(
        asked.mqtt,
        asked.mqtt_device or default_device(),
        asked.mqtt_name,
        snapshot=asked.mqtt_picture,
        gap=gap,
        ca=_carried(asked.mqtt_ca),
        cert=_carried(asked.mqtt_cert),
        key=_carried(asked.mqtt_key),
    )
