"""Measure the latency of a model on this machine: the interpreter alone, and from a frame to its label."""

from __future__ import annotations

import functools
import itertools
import platform
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np
import numpy.typing as npt

from edgeclf_runtime import __version__
from edgeclf_runtime.backends.pool import in_order
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.system.cores import usable_cores
from edgeclf_runtime.system.thermal import temperature

__all__ = ["Timing", "machine_facts", "time_model"]

_QUANTILES = (50, 90, 99)


@dataclass(frozen=True)
class Timing:
    """Times of one stage, in milliseconds.

    Attributes:
        threads: threads of the interpreter; 0 for its own choice.
        stage: "invoke", the interpreter alone; "resize"; "frame", from the decoded frame to the scores; with several
            devices also "all", the time between the scores of two frames with all devices in use.
        median, p90, p99: median and percentiles over the runs.
        cpu: CPU time per run, of all threads.
        runs: number of runs.
    """

    threads: int
    stage: str
    median: float
    p90: float
    p99: float
    cpu: float
    runs: int


def time_model(
    load: Callable[[int], Classifier], threads: Sequence[int], size: tuple[int, int], seconds: float
) -> list[Timing]:
    """Measure the latency of a model.

    Args:
        load: opens the model with a number of threads.
        threads: numbers of threads to try.
        size: width and height of the frames, in pixels.
        seconds: approximate duration for each stage and number of threads.
    """
    # The content of the frame does not affect the times, apart from caches: use fixed noise.
    frame = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    timings = []
    for number in threads:
        with load(number) as classifier:
            shape, dtype = classifier.backend.input.shape, classifier.backend.input.dtype
            batch = np.zeros(shape, dtype)
            resized: list[float] = []

            def whole(classifier: Classifier = classifier, resized: list[float] = resized) -> None:
                resized.append(classifier.classify(frame).milliseconds["resize"])

            timings.append(_timed(number, "invoke", functools.partial(classifier.backend.invoke, batch), seconds))
            timings.append(_timed(number, "frame", whole, seconds))
            timings.append(_summary(number, "resize", resized, 0.0))
            lanes = classifier.backend.lanes
            if lanes > 1:
                results = in_order(classifier.classify, itertools.repeat(frame), lanes)
                timings.append(_timed(number, "all", functools.partial(next, results), seconds))
                del results  # ends the running calls before their backends are closed
    return timings


def _timed(threads: int, stage: str, call: Callable[[], object], seconds: float) -> Timing:
    for _ in range(3):
        call()
    times: list[float] = []
    begun, cpu = time.monotonic(), time.process_time()
    while time.monotonic() - begun < seconds or len(times) < 10:
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return _summary(threads, stage, times, (time.process_time() - cpu) * 1e3 / len(times))


def _summary(threads: int, stage: str, times: list[float], cpu: float) -> Timing:
    values: npt.NDArray[np.float64] = np.percentile(times, _QUANTILES)
    median, p90, p99 = (round(float(value), 3) for value in values)
    return Timing(threads, stage, median, p90, p99, round(cpu, 3), len(times))


def machine_facts() -> dict[str, object]:
    """Return facts for comparing devices: name, processor, memory of this process, temperature."""
    model = Path("/proc/device-tree/model")
    return {
        "edgeclf_runtime": __version__,
        "machine": model.read_text("utf-8", "replace").strip("\0\n") if model.exists() else platform.machine(),
        "cores": usable_cores(),
        "python": platform.python_version(),
        "memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "temperature": temperature(),
    }
