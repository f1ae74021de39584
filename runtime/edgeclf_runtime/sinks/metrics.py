"""Serve metrics for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.sinks.awaited import cannot_listen
from edgeclf_runtime.sinks.frame_tap import shadow_figures
from edgeclf_runtime.sinks.keys import Opening, SinkKeys, key
from edgeclf_runtime.sinks.sink import Item, ModelState, Observation, Sink
from edgeclf_runtime.system.packages import check_version

if TYPE_CHECKING:
    from edgeclf_runtime.sinks.outlet import Outlet

__all__ = ["Figures", "MetricsKeys", "MetricsSink"]

_HOW = "prometheus-client is not installed: pip install 'edgeclf-runtime[metrics]'"
_SHADOW = {
    "frames": "Frames compared with the answers of a new model that is tried",
    "agreement": "Share of them with the same answer",
    "milliseconds": "Mean time of the new model per frame",
}
_BUCKETS = (0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


@dataclass(frozen=True)
class MetricsKeys(SinkKeys):
    """Serve metrics for Prometheus."""

    metrics: int = key(0, "Port for Prometheus; 0 for none")
    metrics_host: str = key("127.0.0.1", "Address to serve them on")

    def mistakes(self) -> Iterator[str]:
        if not 0 <= self.metrics <= 65535:
            yield "metrics a port from 1 to 65535, or 0"

    def checks(self) -> Iterator[Callable[[], object]]:
        if self.metrics:
            yield Figures

    def open(self, run: Opening) -> Iterator[Sink]:
        if self.metrics:
            yield run.listening(lambda: MetricsSink(self.metrics, self.metrics_host, bool(run.zones)), pictures=False)


class Figures:
    """Counters and timings, in Prometheus's format.

    Args:
        zones: add the labels ``camera`` and ``zone`` to all metrics but the models', and ``camera`` to the sources'.

    Raises:
        SinkError: prometheus-client is not installed or too old.
    """

    def __init__(self, zones: bool = False) -> None:
        where = self._where = ["camera", "zone"] if zones else []
        check_version("prometheus-client", SinkError)
        try:
            import prometheus_client as prometheus
        except ImportError:
            raise SinkError(_HOW) from None
        self.registry = registry = prometheus.CollectorRegistry()
        self._frames = prometheus.Counter(
            "edgeclf_frames", "Frames classified, by answer", [*where, "answer"], registry=registry
        )
        self._unknown = prometheus.Counter(
            "edgeclf_unknown", 'Frames answered "unknown", by reason', [*where, "reason"], registry=registry
        )
        self._changes = prometheus.Counter("edgeclf_changes", "Changes of the answer", where, registry=registry)
        self._score = prometheus.Gauge("edgeclf_score", "Score of the last answer", where, registry=registry)
        # Registered while there is a value: a gauge that was never set would be exported as 0.
        self._present = prometheus.Gauge(
            "edgeclf_label_present", "1 while a label is among the answers", [*where, "label"], registry=None
        )
        self._familiarity = prometheus.Gauge(
            "edgeclf_familiarity", "Familiarity of the last answer", where, registry=None
        )
        self._expected = prometheus.Gauge(
            "edgeclf_expected_accuracy", "Expected share of right answers on this camera", where, registry=None
        )
        self._unlike = prometheus.Gauge(
            "edgeclf_unlike_training", "1 while the images are unlike those of the training", where, registry=None
        )
        self._exported: set[Any] = set()
        self._age = prometheus.Gauge("edgeclf_frame_age_seconds", "From capture to answer", where, registry=registry)
        self._up = prometheus.Gauge("edgeclf_source_up", "1 while frames come", where[:1], registry=registry)
        self._reopened = prometheus.Gauge(
            "edgeclf_source_reopened", "Times the source was reopened", where[:1], registry=registry
        )
        self._models = prometheus.Counter(
            "edgeclf_models", "Model files put in its place, by what became of them", ["outcome"], registry=registry
        )
        self._stages = prometheus.Histogram(
            "edgeclf_stage_milliseconds", "Time by stage", [*where, "stage"], buckets=_BUCKETS, registry=registry
        )

    def take(self, item: Item) -> None:
        """Update the metrics with an item."""
        if isinstance(item, ModelState):
            self._models.labels(item.name).inc()
            return
        if not isinstance(item, Observation):
            camera = (item.camera,) if item.camera else ()
            _of(self._up, camera).set(float(item.name == "running"))
            _of(self._reopened, camera).set(item.reopened)
            return
        where = tuple(item.zone.fields.values())
        self._count(where, item)
        _of(self._changes, where).inc(float(item.decision.changed))
        _of(self._score, where).set(item.decision.score)
        if item.decision.reason is not None:
            self._unknown.labels(*where, item.decision.reason).inc()
        conditions = item.conditions
        self._export(self._familiarity, where, item.decision.familiarity)
        self._export(self._expected, where, None if conditions is None else conditions.accuracy)
        self._export(self._unlike, where, None if conditions is None else float(conditions.is_unlike))
        _of(self._age, where).set(item.age)
        for stage, value in item.prediction.milliseconds.items():
            self._stages.labels(*where, stage).observe(value)

    def _count(self, where: tuple[str, ...], item: Observation) -> None:
        """Count a frame by its answer; with several labels, count each of them, and set which are present."""
        present = item.decision.labels
        for answer in present or (item.decision.label,):
            self._frames.labels(*where, answer).inc()
        if present is None:
            return
        if self._present not in self._exported:
            self.registry.register(self._present)
            self._exported.add(self._present)
        for label in item.prediction.labels:
            self._present.labels(*where, label).set(float(label in present))

    def _export(self, gauge: Any, where: tuple[str, ...], value: float | None) -> None:
        """Set a gauge; without a value it is not exported."""
        if value is not None:
            _of(gauge, where).set(value)
        elif where:  # other zones may have a value
            with suppress(KeyError):
                gauge.remove(*where)
            return
        if (value is not None) != (gauge in self._exported):
            (self.registry.unregister if value is None else self.registry.register)(gauge)
            self._exported ^= {gauge}

    def follow(self, outlets: Sequence[Outlet]) -> None:
        """Also export the dropped items of these outlets, with empty labels for shared sinks, and the trial of a new
        model.
        """
        self.registry.register(_Dropped(outlets, self._where))
        self.registry.register(_Shadow(outlets))

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        import prometheus_client as prometheus

        content: bytes = prometheus.generate_latest(self.registry)
        return content


def _of(metric: Any, where: tuple[str, ...]) -> Any:
    """Return the metric of a camera and a zone; it has no labels in a run without zones."""
    return metric.labels(*where) if where else metric


class _Dropped:
    """Collects the numbers of dropped items on request, so that dropping stays fast."""

    def __init__(self, outlets: Sequence[Outlet], where: Sequence[str]) -> None:
        self._outlets, self._where = outlets, where

    def collect(self) -> Iterator[Any]:
        """See prometheus_client's ``Collector``."""
        from prometheus_client.core import CounterMetricFamily

        counts: Counter[tuple[str, ...]] = Counter()
        for outlet in list(self._outlets):
            counts[(*(outlet.zone if self._where else ()), outlet.sink.name)] += outlet.dropped
        labels = [*self._where, "sink"]
        family = CounterMetricFamily("edgeclf_dropped", "Items that a sink could not take", labels=labels)
        for values, count in counts.items():
            family.add_metric(values, count)
        yield family


class _Shadow:
    """Collects the figures of a trial of a new model; nothing without one."""

    def __init__(self, outlets: Sequence[Outlet]) -> None:
        self._outlets = outlets

    def collect(self) -> Iterator[Any]:
        """See prometheus_client's ``Collector``."""
        from prometheus_client.core import GaugeMetricFamily

        figures = shadow_figures(self._outlets)
        for name, about in _SHADOW.items():
            if name in figures:
                yield GaugeMetricFamily(f"edgeclf_shadow_{name}", about, figures[name])


class MetricsSink:
    """Serves ``Figures`` at ``http://HOST:PORT/metrics``.

    Args:
        port: to listen on; 0 picks a free one, which the attribute ``port`` then holds.
        host: address to listen on; by default only this machine can connect.
        zones: as for ``Figures``.

    Raises:
        AddressError: this machine does not have the address.
        SinkError: prometheus-client is not installed, or the port is in use.
    """

    pictures = False

    def __init__(self, port: int, host: str = "127.0.0.1", zones: bool = False) -> None:
        self._figures = Figures(zones)
        import prometheus_client as prometheus

        try:
            self._server, _ = prometheus.start_http_server(port, host, self._figures.registry)
        except OSError as error:
            raise cannot_listen(f"Metrics on {host}:{port}", error) from None
        self.port = int(self._server.server_port)
        self.name = f"metrics {host}:{self.port}"
        self.take, self.follow = self._figures.take, self._figures.follow

    def close(self) -> None:
        """Stop serving."""
        server: Any = self._server
        server.shutdown()
        server.server_close()
