"""Find how many interpreter threads answer a camera soonest: measured once per model and machine, then stored."""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from edgeclf_runtime.backends.edgetpu import is_compiled
from edgeclf_runtime.backends.registry import BACKENDS, installed_backends
from edgeclf_runtime.system.atomic_file import write_text
from edgeclf_runtime.system.cores import usable_cores
from edgeclf_runtime.system.state_folder import kept_beside

if TYPE_CHECKING:
    from edgeclf_runtime.classifier import Classifier

__all__ = [
    "CameraOpener",
    "ThreadChoice",
    "choose_threads",
    "fewest_worth",
    "keep_choice",
    "kept_choice",
    "runs_on_cores",
]

_TRIED = (1, 2, 4)
_WORTH = 0.9  # share of the time with fewer threads, above which more threads only cost processor time
_SECONDS, _LEAST, _MOST = 0.25, 5, 50  # of each measurement: duration, minimum and maximum number of runs
_LONGEST = 1.5  # seconds after which no further number is tried


@dataclass(frozen=True)
class ThreadChoice:
    """The number of threads for a camera.

    Attributes:
        threads: number of interpreter threads; see ``fewest_worth``.
        milliseconds: median time of the network alone, by number of threads.
    """

    threads: int
    milliseconds: Mapping[int, float]

    def __str__(self) -> str:
        times = ", ".join(f"{value:.1f} ms with {number}" for number, value in self.milliseconds.items())
        return f"{self.threads} thread{'s' * (self.threads > 1)} ({times})"


def choose_threads(load: Callable[[int], Classifier]) -> ThreadChoice:
    """Measure a model, in at most two seconds.

    Args:
        load: opens the model with a number of threads; it must not run on an Edge TPU.
    """
    begun, times = time.monotonic(), dict[int, float]()
    for number in _TRIED:
        late = time.monotonic() - begun > _LONGEST
        if number > 1 and (number > usable_cores() or late or _is_slower(times)):
            break
        with load(number) as classifier:
            times[number] = _median_time(classifier)
    return ThreadChoice(fewest_worth(times), times)


def fewest_worth(times: Mapping[int, float]) -> int:
    """Return the number of threads to use, given times by ascending number: more threads must save a tenth."""
    chosen = min(times)
    for number, value in times.items():
        chosen = number if value < _WORTH * times[chosen] else chosen
    return chosen


def _is_slower(times: Mapping[int, float]) -> bool:
    """Return whether the last number of threads brought no gain, so that more will not either."""
    *before, last = times.values()
    return bool(before) and last >= _WORTH * min(before)


def _median_time(classifier: Classifier) -> float:
    """Return the median time of the network on a grey image, in milliseconds."""
    import numpy as np

    backend = classifier.backend
    batch = np.zeros(backend.input.shape, backend.input.dtype)
    backend.invoke(batch)
    backend.invoke(batch)
    times: list[float] = []
    until = time.monotonic() + _SECONDS
    while len(times) < _LEAST or (len(times) < _MOST and time.monotonic() < until):
        start = time.perf_counter()
        backend.invoke(batch)
        times.append((time.perf_counter() - start) * 1e3)
    return sorted(times)[len(times) // 2]


def kept_choice(model: Path, content: Path | None = None, backend: str = "auto") -> ThreadChoice | None:
    """Return the stored choice for this content, machine and interpreter; None if there is none.

    Args:
        model: path of the model file; the choice is stored next to it or in the service's state folder.
        content: path of the file that is opened in its place.
        backend: see ``open_backend``.
    """
    try:
        kept = json.loads(_place(model).read_text("utf-8"))
        times = {int(number): float(value) for number, value in kept["milliseconds"].items()}
        choice = ThreadChoice(int(kept["threads"]), times)
        is_same = kept["for"] == _circumstances(content or model, backend)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return choice if is_same and choice.threads in times and choice.threads in _TRIED else None


def keep_choice(choice: ThreadChoice, model: Path, content: Path | None = None, backend: str = "auto") -> Path | None:
    """Store a choice; return the file, or None if it cannot be written: then each start measures again."""
    kept = {"for": _circumstances(content or model, backend), **vars(choice)}
    try:
        write_text(_place(model), json.dumps(kept))
    except OSError:
        return None
    return _place(model)


def runs_on_cores(content: Path, backend: str) -> bool:
    """Return whether a model file runs on the processor, not on an Edge TPU; False if it cannot be read."""
    try:
        return not backend.startswith("edgetpu") and not is_compiled(content.read_bytes())
    except OSError:
        return False


def _place(model: Path) -> Path:
    folder, begin = kept_beside(model.absolute())
    return folder / f"{begin.removesuffix('.good')}.threads.json"


def _circumstances(content: Path, backend: str) -> dict[str, Any]:
    """Return the circumstances that a choice applies to."""
    data = content.read_bytes()
    return {
        "model": f"{zlib.crc32(data):08x} {len(data)}",
        "processor": _processor(),
        "cores": usable_cores(),
        "interpreter": [backend, *map(_version, installed_backends())],
    }


def _processor() -> list[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    names = ("model name", "Model", "Hardware", "CPU part")
    return [os.uname().machine, *sorted({line for line in lines if line.startswith(names)})]


def _version(name: str) -> str:
    if name == "tensorflow":  # takes seconds to import
        return name
    return f"{name} {getattr(import_module(BACKENDS[name].package), '__version__', '')}"


class CameraOpener:
    """Opens model files for a camera with the number of threads that answers soonest.

    The first file is measured, unless a choice is stored; files that replace it use the same number.

    Args:
        load: opens a file; takes ``threads`` and other options, as ``Classifier.load`` does.
        model: path of the model file; the choice is stored next to it or in the service's state folder.
        backend: see ``open_backend``.

    Attributes:
        choice: None before the first file, and on an Edge TPU.
    """

    def __init__(self, load: Callable[..., Classifier], model: Path, backend: str = "auto") -> None:
        self._load, self._model, self._backend = load, model, backend
        self.choice: ThreadChoice | None = None

    def __call__(self, path: Path, **options: Any) -> Classifier:
        """Open a file."""
        self.choice = self.choice or kept_choice(self._model, path, self._backend)
        if self.choice is None:
            if usable_cores() == 1 or not runs_on_cores(path, self._backend):
                return self._load(path, **options)
            self.choice = choose_threads(lambda number: self._load(path, **{**options, "threads": number}))
            keep_choice(self.choice, self._model, path, self._backend)
        return self._load(path, **{**options, "threads": self.choice.threads})
