"""Report on float and int8: accuracy, changed labels, layers, size and latency, as object, text or JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgeclf_converters.graph.fold import fold
from edgeclf_converters.graph.nodes import flatten
from edgeclf_converters.parity.layers import LayerNoise, layer_noise, multiply_accumulates
from edgeclf_converters.parity.parity import Parity
from edgeclf_converters.quantize.trials import Search, Step, Trial
from edgeclf_converters.tflite.convert import convert
from edgeclf_runtime.backends.backend import Backend
from edgeclf_runtime.backends.opening import open_backend
from edgeclf_runtime.pictures.preprocess import InputEncoder, Pixels, Preprocessing
from edgeclf_runtime.system.plain_text import counted

__all__ = ["ParityReport", "invoke_milliseconds", "parity_report"]

_NOISE_PICTURES = 16
_TIMED = 30
_WORST = 5


@dataclass(frozen=True)
class ParityReport:
    """Comparison of a float network with its int8 file.

    Attributes:
        labels: the model's labels.
        judged_by: what determines the correct answers.
        parity: accuracies, the paired drop, and the rows of images whose label changed.
        method: the method that was kept.
        route: all methods that were tried.
        layers: signal-to-noise ratio of each layer, in the network's order; empty if the layers cannot be identified.
        float_bytes, int8_bytes: sizes of the two flatbuffers.
        float_milliseconds, int8_milliseconds: median latencies of the interpreter per image, in ms, on this machine.
        multiply_accumulates: number of multiplications per image.
        stop: why methods were omitted; empty if none was.
        test: the comparison on images that were not used for any choice, if there are any.
        measure: what the accuracies are: "accuracy", or "mAP" (mean average precision) for several labels per image.
    """

    labels: tuple[str, ...]
    judged_by: str
    parity: Parity
    method: str
    route: tuple[Step, ...]
    layers: tuple[LayerNoise, ...]
    float_bytes: int
    int8_bytes: int
    float_milliseconds: float
    int8_milliseconds: float
    multiply_accumulates: int
    stop: str = ""
    test: Parity | None = None
    measure: str = "accuracy"

    @property
    def worst(self) -> list[LayerNoise]:
        """Return the layers with the lowest signal-to-noise ratio, worst first."""
        return sorted(self.layers, key=lambda layer: layer.decibels)[:_WORST]

    def to_json(self) -> str:
        """Return the whole report as one JSON object."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    def text(self, verbose: bool = True) -> str:
        """Return a few lines for a terminal.

        Args:
            verbose: include McNemar's p, the number of multiplications and the worst layers.
        """
        p, tried = self.parity, len(self.route)
        method = f"{self.method}, the best on validation of {tried} tried" if tried > 1 else self.method
        lines = [self._compared("validation", p), *([self._compared("test", self.test)] if self.test else [])]
        lines[0] += f"; {counted(len(p.flips), 'label')} changed"
        lines += [
            f"method: {method}",
            f"size: float {self.float_bytes / 1e6:.2f} MB, int8 {self.int8_bytes / 1e6:.2f} MB",
            f"time per image: float {self.float_milliseconds:.1f} ms, int8 {self.int8_milliseconds:.1f} ms",
        ]
        return "\n".join([*lines, *(self._details() if verbose else [])])

    def _compared(self, part: str, p: Parity) -> str:
        share = "of" if self.measure == "accuracy" else f"{self.measure} on"
        return (
            f"{part}: float {p.float_accuracy:.1%}, int8 file {p.int8_accuracy:.1%} {share} "
            f"{counted(p.count, 'image')} "
            f"({0 - p.drop:+.2f} points, 95% interval {0 - p.high:+.2f} to {0 - p.low:+.2f})"
        )

    def _details(self) -> list[str]:
        p = self.parity
        worst = ", ".join(f"{layer.name} {layer.decibels:.0f} dB" for layer in self.worst) or "not identified"
        return [
            f"judged by {self.judged_by}: {p.lost} lost, {p.won} won, McNemar p = {p.p_value:.2g}",
            f"multiplications per image: {self.multiply_accumulates / 1e6:.0f} million",
            f"layers with the lowest signal-to-noise ratio: {worst}",
        ]


def parity_report(
    model: Any,
    search: Search,
    pictures: Sequence[Pixels],
    rule: Preprocessing,
    labels: Sequence[str],
    test: Parity | None = None,
    measure: str = "accuracy",
) -> ParityReport:
    """Compare a float tf_keras network with the best file of its search.

    Args:
        pictures: images, uint8 RGB of the input's size, to measure layers and latency.
        test, measure: see ``ParityReport``.
    """
    content, float_content = search.best.content, search.float_content or convert(model, "float32", (), rule)
    float_ms, int8_ms = invoke_milliseconds([float_content, content], pictures, rule)
    return ParityReport(
        tuple(labels),
        search.judged_by,
        search.best.parity,
        search.best.step.name,
        search.route,
        _layers(model, search.best, pictures[:_NOISE_PICTURES], rule),
        len(float_content),
        len(content),
        float_ms,
        int8_ms,
        multiply_accumulates(content),
        str(search.stop or ""),
        test,
        measure,
    )


def _layers(model: Any, best: Trial, pictures: Sequence[Pixels], rule: Preprocessing) -> tuple[LayerNoise, ...]:
    try:
        nodes = best.floats or fold(flatten(model))
    except (TypeError, ValueError):  # the network has unsupported layers, but plain conversion worked
        return ()
    return tuple(layer_noise(nodes, best.content, pictures, rule))


def invoke_milliseconds(contents: Sequence[bytes], pictures: Sequence[Pixels], rule: Preprocessing) -> list[float]:
    """Measure the interpreter's median latency per image in ms, on this machine.

    The files take turns, so that a disturbance affects all alike.

    Args:
        contents: bytes of .tflite files with the same input size.
        pictures: images, uint8 RGB of that size.
    """
    backends = [open_backend("auto", content) for content in contents]
    spent: list[list[float]] = [[] for _ in backends]
    for number in range(_TIMED + 5):
        for times, backend in zip(spent, backends, strict=True):
            times.append(_once(backend, pictures[number % len(pictures)], rule))
    for backend in backends:
        backend.close()
    return [float(np.median(times[5:])) for times in spent]


def _once(backend: Backend, picture: Pixels, rule: Preprocessing) -> float:
    encode = InputEncoder(rule, backend.input.dtype, backend.input.scale, backend.input.zero_point)
    batch = encode(picture)[np.newaxis]
    start = time.perf_counter()
    backend.invoke(batch)
    return (time.perf_counter() - start) * 1e3
