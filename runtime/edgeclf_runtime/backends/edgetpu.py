"""The Coral Edge TPU: models compiled for it, on one device or several."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from edgeclf_runtime.backends.backend import Backend
from edgeclf_runtime.backends.delegate import Delegate
from edgeclf_runtime.backends.interpreter import backend_class
from edgeclf_runtime.backends.pool import PoolBackend
from edgeclf_runtime.backends.probe import ALL, Probed, probe
from edgeclf_runtime.backends.registry import title
from edgeclf_runtime.errors import BackendError, UsageError
from edgeclf_runtime.model.flatbuffer import read_flat_model

__all__ = ["LIBRARY_VARIABLE", "edgetpu_devices", "edgetpu_library", "is_compiled", "open_edgetpu"]

LIBRARY_VARIABLE = "EDGECLF_EDGETPU_LIBRARY"
"""Environment variable with the path of a library to use instead of the system's libedgetpu."""

_OPERATOR = "edgetpu-custom-op"
_NAMES = {"Darwin": "libedgetpu.1.dylib", "Windows": "edgetpu.dll"}
_DEVICE = re.compile(r"edgetpu(?::(\d{1,2}|(?:usb|pci)(?::\d{1,2})?))?")


def edgetpu_library() -> str:
    """Return the path or name of the delegate library."""
    given = os.environ.get(LIBRARY_VARIABLE, "")
    if not given:
        return _NAMES.get(platform.system(), "libedgetpu.so.1")
    return str(Path(given).absolute()) if os.sep in given else given


def edgetpu_devices(name: str) -> tuple[str, ...]:
    """Return the devices in a backend's name, in the notation of ``Delegate``, or ``(ALL,)``.

    Args:
        name: "edgetpu" for any device, "edgetpu:1", "edgetpu:usb", "edgetpu:usb:1", "edgetpu:pci" and so on; several
            separated by commas; "edgetpu:all".

    Raises:
        UsageError: any other name, or a device named twice.
    """
    if name == f"edgetpu:{ALL}":
        return (ALL,)
    matches = [_DEVICE.fullmatch(piece) for piece in name.split(",")]
    if not all(matches):
        expected = "edgetpu, edgetpu:0, edgetpu:usb, edgetpu:usb:1, edgetpu:pci, several with commas, or edgetpu:all"
        raise UsageError(f"Unknown backend {name!r}: expected {expected}.")
    devices = [match[1] or "" for match in matches if match]
    if len(set(devices)) < len(devices):
        raise UsageError(f"Backend {name!r}: name each device once.")
    return tuple(f":{device}" if device.isdecimal() else device for device in devices)


def is_compiled(content: bytes) -> bool:
    """Whether a .tflite file was compiled by edgetpu_compiler."""
    return _OPERATOR.encode() in content and _OPERATOR in read_flat_model(content).custom_ops


def open_edgetpu(name: str, content: bytes, threads: int | None, why: str) -> Backend:
    """Load a compiled model on the named devices, after a trial in another process.

    Args:
        name: see ``edgetpu_devices``.
        content: bytes of a .tflite file.
        threads: threads for the part that runs on the CPU.
        why: why this backend was chosen.

    Raises:
        BackendError: model not compiled, no library, no device, or they do not work together.
    """
    devices, library = edgetpu_devices(name), edgetpu_library()
    if not is_compiled(content):
        raise BackendError(
            "This model is not compiled for the Edge TPU, all of it would run on the CPU: compile it"
            " (edgeclf export --int8 --edgetpu RUN, or edgetpu_compiler MODEL), or take --backend auto."
        )
    probed = probe(library, devices, content)
    kind, reason = backend_class(probed.interpreter), _reason(why, probed)
    backends = [kind(content, threads, reason, Delegate(library, device)) for device in probed.devices]
    return backends[0] if len(backends) == 1 else PoolBackend(backends, reason)


def _reason(why: str, probed: Probed) -> str:
    tried = f"{why}; with {title(probed.interpreter)}, tried in another process in {probed.seconds:.1f} s"
    return f"{tried}; {probed.passed_over}" if probed.passed_over else tried
