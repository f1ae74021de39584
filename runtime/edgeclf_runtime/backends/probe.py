"""Try the Edge TPU's library in another process before loading it into this one.

A libedgetpu built for another version of TensorFlow Lite crashes the process; one that waits for a device hangs it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgeclf_runtime.backends.delegate import NEEDS_NEWER, Delegate, no_device, other_version
from edgeclf_runtime.backends.interpreter import backend_class
from edgeclf_runtime.backends.registry import installed_backends, title
from edgeclf_runtime.errors import BackendError
from edgeclf_runtime.system.isolation import Ended, run_isolated

__all__ = ["ALL", "Probed", "probe"]

ALL = "all"
"""Stands for every device that the library lists."""

PATIENCE = 60.0
"""Timeout in seconds: a USB accelerator has to load its firmware, and a slow memory card the libraries."""

_FINAL = ("OSError", "AttributeError", "ValueError")  # no other interpreter would work with this library either


@dataclass(frozen=True)
class Probed:
    """A combination that works.

    Attributes:
        interpreter: name of a backend.
        devices: in the notation of ``Delegate``.
        seconds: duration of the trial.
        passed_over: why preferred interpreters were not used; empty if there were none.
    """

    interpreter: str
    devices: tuple[str, ...]
    seconds: float
    passed_over: str = ""


# Probe once per start: later, the device is in use by this process and busy for another.
_probed: dict[tuple[str, tuple[str, ...]], Probed] = {}


def probe(library: str, devices: Sequence[str], content: bytes = b"") -> Probed:
    """Load the library on all these devices at once and run a model on each, in another process.

    The interpreters are tried in order of preference; TensorFlow's own only if there is no other.

    Args:
        library: see ``Delegate``.
        devices: in the notation of ``Delegate``, or ``[ALL]``.
        content: a model compiled for the Edge TPU; if empty, the devices are only opened.

    Raises:
        BackendError: it does not work; the message says why and what to do.
    """
    key = library, tuple(devices)
    if key not in _probed:
        probed = _probe(library, devices, content)
        if not content:
            return probed
        _probed[key] = probed
    return _probed[key]


def _probe(library: str, devices: Sequence[str], content: bytes) -> Probed:
    refusals: list[str] = []
    for interpreter in _interpreters():
        words = [interpreter, library, *devices]
        ended = run_isolated("edgeclf_runtime.backends.probe", words, seconds=PATIENCE, content=content)
        answer = _answer(ended, interpreter, library)
        if not answer.get("error"):
            return Probed(interpreter, tuple(answer["devices"]), ended.seconds, " ".join(refusals))
        refusals.append(answer["error"])
        if answer["cause"] in _FINAL or NEEDS_NEWER in answer["error"]:
            break
    raise BackendError(" ".join(refusals))


def _interpreters() -> list[str]:
    installed = installed_backends()
    names = [name for name in installed if name != "tensorflow"] or installed
    if not names:
        raise BackendError("No TensorFlow Lite interpreter is installed: pip install ai-edge-litert")
    return names


def _answer(ended: Ended, interpreter: str, library: str) -> dict[str, str]:
    lines = list(_lines(ended.output))
    if ended.status == 0 and lines and "stage" not in lines[-1]:
        return lines[-1]
    stage = next((line["stage"] for line in reversed(lines) if "stage" in line), "before loading")
    text = f"{library} with {title(interpreter)} {ended.fault or 'gave no answer'}, {stage}"
    if ended.status is None:
        return {"error": f"{text}: unplug the device and plug it in again.", "cause": "hang"}
    if ended.status < 0:
        return {"error": f"{text}: {other_version(interpreter)}.", "cause": "crash"}
    return {"error": f"{text}.", "cause": "failure"}


def _lines(text: str) -> Iterator[dict[str, str]]:
    """Yield the reports of the other process, without what the library printed."""
    for line in text.splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict) and content.keys() & {"stage", "devices", "error"}:
            yield content


def _main() -> None:
    interpreter, library, *devices = sys.argv[1:]
    try:
        _say({"devices": list(_try(interpreter, library, devices, sys.stdin.buffer.read()))})
    except BackendError as error:
        _say({"error": str(error), "cause": type(error.__cause__).__name__})


def _try(interpreter: str, library: str, devices: Sequence[str], content: bytes) -> list[str]:
    import numpy as np

    kind = backend_class(interpreter)
    _say({"stage": "while loading"})
    devices = _listed(library) if list(devices) == [ALL] else list(devices)
    delegates = [Delegate(library, device) for device in devices]
    if not content:
        opened = [delegate.load(kind.library()[1]) for delegate in delegates]
        _say({"stage": "while closing"})
        opened.clear()
        return devices
    backends = [kind(content, 1, "tried", delegate) for delegate in delegates]
    _say({"stage": "at the first image"})
    for backend in backends:
        backend.invoke(np.zeros(backend.input.shape, backend.input.dtype))
    _say({"stage": "while closing"})
    for backend in backends:
        backend.close()
    return devices


def _listed(library: str) -> list[str]:
    import ctypes

    try:
        loaded = ctypes.CDLL(library)
        count = ctypes.c_size_t(0)
        loaded.edgetpu_list_devices.restype = ctypes.c_void_p
        loaded.edgetpu_free_devices.argtypes = [ctypes.c_void_p]
        loaded.edgetpu_free_devices(loaded.edgetpu_list_devices(ctypes.byref(count)))
    except OSError:  # the load that follows gives a better message
        return [""]
    except AttributeError as error:
        raise BackendError(f"{library} cannot list its devices; name them: edgetpu:0,edgetpu:1") from error
    if not count.value:
        raise BackendError(no_device(library, "edgetpu:all")) from ValueError()
    return [f":{index}" for index in range(count.value)]


def _say(content: dict[str, object]) -> None:
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    _main()
