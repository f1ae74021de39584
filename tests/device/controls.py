"""The faults of the kernel's vivid camera, triggered by V4L2 controls."""

from __future__ import annotations

import fcntl
import os
import struct

__all__ = ["Camera"]

_NEXT = 0x80000000  # V4L2_CTRL_FLAG_NEXT_CTRL
_QUERY, _SET = 36, 28  # VIDIOC_QUERYCTRL, VIDIOC_S_CTRL


def _number(command: int, size: int) -> int:
    return 3 << 30 | size << 16 | ord("V") << 8 | command


class Camera:
    """A device whose controls are known by name; it is opened only briefly, except while it is held.

    Args:
        device: path such as ``/dev/video0``.
    """

    def __init__(self, device: str) -> None:
        self._device, self._held = device, -1
        descriptor = os.open(device, os.O_RDWR)
        self._controls = dict(_listed(descriptor))
        os.close(descriptor)

    def press(self, name: str, value: int = 1) -> None:
        """Set a control."""
        descriptor = os.open(self._device, os.O_RDWR)
        try:
            self._set(descriptor, name, value)
        finally:
            os.close(descriptor)

    def _set(self, descriptor: int, name: str, value: int) -> None:
        fcntl.ioctl(descriptor, _number(_SET, 8), bytearray(struct.pack("Ii", self._controls[name], value)))

    def hold(self, name: str) -> None:
        """Set a control and keep the device open: vivid plugs itself in again when nobody has it open."""
        self._held = os.open(self._device, os.O_RDWR)
        self._set(self._held, name, 1)

    def release(self) -> None:
        """End ``hold``."""
        os.close(self._held)


def _listed(descriptor: int):
    number = 0
    while True:
        answer = bytearray(68)
        struct.pack_into("I", answer, 0, number | _NEXT)
        try:
            fcntl.ioctl(descriptor, _number(_QUERY, 68), answer)
        except OSError:
            return
        number = struct.unpack_from("I", answer, 0)[0]
        yield bytes(answer[8:40]).split(b"\0")[0].decode(), number
