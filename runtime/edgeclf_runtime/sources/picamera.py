"""A Raspberry Pi's CSI camera as a source, with picamera2."""

from __future__ import annotations

import concurrent.futures
import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import SourceError
from edgeclf_runtime.sources.live import LiveSource
from edgeclf_runtime.sources.request import Request
from edgeclf_runtime.sources.source import SourceOptions, StateListener
from edgeclf_runtime.system.packages import check_version

__all__ = ["open_picamera", "open_request"]

_SIZE = (1280, 720)
_PATIENCE = 5.0  # seconds for a frame
_CONTINUOUS = 2  # libcamera.controls.AfModeEnum.Continuous
_HOW = (
    "picamera2 is not installed for this Python. On Raspberry Pi OS: sudo apt install python3-picamera2; in a virtual "
    "environment, make it with --system-site-packages."
)
_OLD_NUMPY = (
    "Where it says numpy.dtype size changed: pip install 'numpy<2' 'opencv-python-headless<4.12', as the system's "
    "modules are built for numpy 1."
)


def open_request(request: Request) -> LiveSource:
    """Open ``csi`` or ``csi:NUMBER``."""
    return open_picamera(int(request.word.partition(":")[2] or 0), request.options, request.listener)


def open_picamera(number: int, options: SourceOptions, listener: StateListener | None = None) -> LiveSource:
    """Open a CSI camera.

    Args:
        number: of the camera, from 0.
        options: size (default 1280x720) and fps apply.
        listener: see ``LiveSource``.

    Raises:
        SourceError: picamera2 is not installed or too old, or there is no such camera.
    """
    return LiveSource(functools.partial(_PiCapture, number, options), options, listener)


class _PiCapture:
    """An opened Picamera2."""

    def __init__(self, number: int, options: SourceOptions) -> None:
        try:
            from picamera2 import Picamera2
        except ImportError as error:
            raise SourceError(f"csi:{number}: {_HOW} ({error})") from None
        except Exception as error:  # ValueError: built for another numpy than the one pip has installed
            raise SourceError(f"csi:{number}: picamera2 cannot be imported ({error}). {_OLD_NUMPY}") from None
        check_version("picamera2", SourceError)
        size = (options.width, options.height) if options.width else _SIZE
        try:
            self._camera: Any = Picamera2(number)
        except (RuntimeError, IndexError, OSError) as error:
            raise SourceError(f"csi:{number}: cannot be opened ({error}). Is it connected, is it in use?") from error
        try:
            # picamera2's BGR888 is red, green, blue in numpy.
            controls = {"FrameRate": options.fps} if options.fps else {}
            asked = self._camera.create_video_configuration({"size": size, "format": "BGR888"}, controls=controls)
            self._camera.configure(asked)
            if "AfMode" in getattr(
                self._camera, "camera_controls", {}
            ):  # otherwise the lens stays where it was, often out of focus
                self._camera.set_controls({"AfMode": _CONTINUOUS})
            self._camera.start()
        except Exception as error:  # clean up, or this process would block the camera from being reopened
            self._camera.close()
            raise SourceError(f"csi:{number}: cannot be started ({error}).") from error
        width, height = self._camera.camera_configuration()["main"]["size"]
        self.description = f"csi:{number} {width}x{height}"
        self._size = (width, height)

    def read(self) -> Any:
        try:
            job = self._camera.capture_array("main", wait=False)
            return self._camera.wait(job, timeout=_PATIENCE)  # without a timeout it waits forever for a stopped sensor
        except (RuntimeError, OSError, TimeoutError, concurrent.futures.TimeoutError) as error:
            raise SourceError(f"{self.description}: lost ({error or 'no frame'}).") from error

    def rgb(self, picture: Any) -> npt.NDArray[np.uint8]:
        width, height = self._size  # rows may be padded
        return np.ascontiguousarray(picture[:height, :width, :3])

    def close(self) -> None:
        self._camera.stop()
        self._camera.close()
