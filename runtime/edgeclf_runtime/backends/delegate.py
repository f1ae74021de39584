"""The delegate library that runs part of a model on the Edge TPU, and explanations of its errors."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Callable

from edgeclf_runtime.backends.registry import title
from edgeclf_runtime.errors import BackendError

__all__ = ["INSTALL_LIBRARY", "NEEDS_NEWER", "Delegate", "misfit", "no_device", "other_version"]

INSTALL_LIBRARY = "sudo apt install libedgetpu1-std, from Coral's package source"
NEEDS_NEWER = "needs a newer"


@dataclass(frozen=True)
class Delegate:
    """The Edge TPU's library on one device.

    Attributes:
        library: path of a file, or a name that the system's loader finds.
        device: in libedgetpu's notation: empty for any; ":1", "usb", "usb:1", "pci", "pci:1".
    """

    library: str
    device: str = ""

    @property
    def name(self) -> str:
        """Name of the backend for ``open_backend``."""
        return f"edgetpu:{self.device.lstrip(':')}" if self.device else "edgetpu"

    def load(self, load_delegate: Callable[..., Any]) -> Any:
        """Return the interpreter's delegate object.

        Raises:
            BackendError: no such library, not a delegate, or no such device.
        """
        try:
            return load_delegate(self.library, {"device": self.device} if self.device else {})
        except OSError as error:
            raise BackendError(_unloadable(self.library, str(error))) from error
        except AttributeError as error:
            text = "is a library, but not a TensorFlow Lite delegate; reinstall libedgetpu"
            raise BackendError(f"{self.library} {text}: {INSTALL_LIBRARY}.") from error
        except ValueError as error:
            raise BackendError(_refused(self, str(error))) from error


def _unloadable(library: str, text: str) -> str:
    name = os.path.basename(library)
    if name in text and "No such file" in text:
        return f"{library} is not installed: {INSTALL_LIBRARY}."
    return f"{library} cannot be loaded ({text}): {INSTALL_LIBRARY}."


def _refused(delegate: Delegate, text: str) -> str:
    """Explain a failed load; both interpreters put a line before the library's own message, which is often empty."""
    reason = " ".join(text.partition("\n")[2].split())
    if reason:
        fix = "unplug the device and plug it in again, or reinstall libedgetpu"
        return f"{delegate.library} cannot open {delegate.name} ({reason}): {fix}."
    return no_device(delegate.library, delegate.name)


def no_device(library: str, name: str) -> str:
    """Return the message for a missing or busy device."""
    return (
        f"{library} finds no device for {name}, or another program uses it: plug it in or stop that program;"
        " edgeclf doctor checks its udev rules and groups."
    )


def misfit(delegate: Delegate, interpreter: str, text: str) -> str:
    """Explain ``text``, the error with which an interpreter with this delegate refuses a model."""
    reason = text.partition("Encountered unresolved custom op")[0] or text  # only a consequence of what precedes it
    if "runtime version" in reason:
        fix = f"update it ({INSTALL_LIBRARY}) or compile the model for an older one with edgetpu_compiler -m 13"
        return f"This model {NEEDS_NEWER} {delegate.library} ({reason}): {fix}."
    return f"{delegate.library} is incompatible with {title(interpreter)} ({reason}): {other_version(interpreter)}."


def other_version(interpreter: str) -> str:
    """Return what to install if library and interpreter were built for different versions of TensorFlow Lite."""
    if interpreter == "tflite-runtime":
        return "install a libedgetpu built for TensorFlow 2.14"
    older = "or an older interpreter (pip install tflite-runtime 'numpy<2')"
    return f"install a libedgetpu built for the interpreter's version of TensorFlow Lite, {older}"
