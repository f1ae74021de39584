"""Switch output pins of a Raspberry Pi, such as relays and lamps, by the answer."""

from __future__ import annotations

import functools
import os
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Callable, ClassVar

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.prediction import UNKNOWN
from edgeclf_runtime.sinks.keys import Opening, SinkKeys, key
from edgeclf_runtime.sinks.sink import Item, ModelState, Observation, Sink

__all__ = ["GpioKeys", "GpioSink", "output_of"]

_MISSING = "gpiozero is not installed: pip install 'edgeclf-runtime[gpio]'"
_NO_PINS = "this machine's pins cannot be used; on a Raspberry Pi: pip install lgpio, and sudo usermod -aG gpio $USER"
_OUTPUT = re.compile(r"\s*([A-Za-z0-9:]+)\s*=\s*(\S.*?)\s*")
_LONGEST = 60.0  # maximum length of a pulse in seconds


@dataclass(frozen=True)
class GpioKeys(SinkKeys):
    """Pins that are on while their label is the answer."""

    gpio: tuple[str, ...] = key(
        (), 'Output pins that are on while the answer is theirs, such as ["17=open", "27=unknown"]'
    )
    gpio_pulse: float = key(0.0, "Seconds that a pin is on when the answer changes to its own; 0: as long as it lasts")
    gpio_active_low: bool = key(False, "A pin that is on is at 0 V, as many relays need it")

    def mistakes(self) -> Iterator[str]:
        if not all(map(_OUTPUT.fullmatch, self.gpio)):
            yield 'gpio a list of PIN=LABEL, such as ["17=open"]'
        if not 0 <= self.gpio_pulse <= _LONGEST:
            yield "gpio_pulse 0 to 60 seconds"

    def checks(self) -> Iterator[Callable[[], object]]:
        if self.gpio:
            yield _gpiozero

    def open(self, run: Opening) -> Iterator[Sink]:
        if self.gpio:
            yield GpioSink(self.gpio, self.gpio_pulse, active_low=self.gpio_active_low)

    def named_labels(self) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        yield "gpio", tuple(label for _, label in map(output_of, self.gpio)), (UNKNOWN,)

    def devices(self) -> dict[str, str]:
        return {"char-gpiochip": "gpio"} if self.gpio else {}


def output_of(text: str) -> tuple[str, str]:
    """Return the pin and the label of ``PIN=LABEL``; both empty for any other text."""
    match = _OUTPUT.fullmatch(text)
    return (match[1].upper().removeprefix("GPIO"), match[2]) if match else ("", "")


def _gpiozero() -> Any:
    from edgeclf_runtime.system.packages import check_version

    check_version("gpiozero", SinkError)
    # lgpio creates a pipe in this folder, by default the working folder, which a service may not write to.
    import tempfile

    os.environ.setdefault("LG_WD", tempfile.gettempdir())
    try:
        import gpiozero
    except ImportError:
        raise SinkError(_MISSING) from None
    return gpiozero


class _Pin:
    """A pin of this process: it obeys the first of its users, until that one leaves.

    A zone that is renamed or moved on the page is a new zone, opened before the old one is closed.
    """

    opened: ClassVar[dict[str, _Pin]] = {}
    _changing = threading.Lock()

    def __init__(self, name: str, device: Any) -> None:
        self._name, self._device, self._users = name, device, list[object]()

    @classmethod
    def shared(cls, name: str, user: object, open_device: Callable[[], Any]) -> _Pin:
        """Return the pin of this name for another user; open its device for the first user."""
        with cls._changing:
            pin = cls.opened.get(name) or cls(name, open_device())
            cls.opened[name] = pin
            pin._users.append(user)
            return pin

    def of(self, user: object) -> Any:
        """Return the device; None while it obeys another user."""
        return self._device if self._users[:1] == [user] else None

    def leave(self, user: object) -> None:
        """Switch it off if it obeys this user; the last user releases it."""
        with self._changing:
            if (device := self.of(user)) is not None:
                device.off()
            self._users.remove(user)
            if not self._users:
                del self.opened[self._name]
                self._device.close()


class GpioSink:
    """Switches on the pins of the answer and all others off, even without frames; at the end, all are off.

    A pin that another sink of this process uses obeys the new sink once the other is closed.

    Args:
        outputs: ``PIN=LABEL``, with pins in gpiozero's notation: 17 and GPIO17 are the chip's numbers, BOARD11 is the
            position on the header. A pin may have several labels.
        pulse: seconds for which a pin is on when its label becomes the answer; 0 for as long as the answer lasts.
        active_low: whether 0 V means on.

    Raises:
        SinkError: gpiozero is not installed, this machine has no such pins, or another program uses one.
    """

    pictures = False

    def __init__(self, outputs: Sequence[str], pulse: float = 0.0, *, active_low: bool = False) -> None:
        gpiozero = _gpiozero()
        self._labels: dict[str, set[str]] = {}
        for pin, label in map(output_of, outputs):
            self._labels.setdefault(pin, set()).add(label)
        self.name, self._pulse = f"gpio {', '.join(self._labels)}", pulse
        self._pins: dict[str, _Pin] = {}

        def device(pin: str) -> Any:
            return gpiozero.DigitalOutputDevice(int(pin) if pin.isdecimal() else pin, active_high=not active_low)

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about each pin library that is not installed
                for pin in self._labels:
                    self._pins[pin] = _Pin.shared(pin, self, functools.partial(device, pin))
        except gpiozero.BadPinFactory:
            raise SinkError(f"GPIO: {_NO_PINS}.") from None
        except Exception as error:  # each pin library raises its own
            self.close()
            raise SinkError(f"GPIO pin {pin}: {str(error).rstrip('.') or type(error).__name__}.") from None

    def take(self, item: Item) -> None:
        if isinstance(item, ModelState):
            return
        if not isinstance(item, Observation):
            if item.name != "running":
                self._switch_off()
            return
        for pin, device in self._devices():
            if item.decision.label not in self._labels[pin]:
                device.off()
            elif not self._pulse:
                device.on()
            elif item.decision.changed:
                device.blink(on_time=self._pulse, off_time=0, n=1)

    def _devices(self) -> list[tuple[str, Any]]:
        """Return the pins that obey this sink, by name."""
        devices = [(name, pin.of(self)) for name, pin in self._pins.items()]
        return [(name, device) for name, device in devices if device is not None]

    def _switch_off(self) -> None:
        for _, device in self._devices():
            device.off()

    def close(self) -> None:
        """Switch all pins off and release them."""
        while self._pins:
            self._pins.popitem()[1].leave(self)
